//! What could be better in a file that has no mistakes: fencing that fits the topology, and counts that do not add up. Pure.
//!
//! Replicas and sentinels are those that the file has learnt (`known-replica`, `known-sentinel`); a file that has not run
//! yet knows none.

use std::fmt;

use super::Config;
use crate::core::config::Fencing;
use crate::core::durable::DurableMaster;
use crate::core::ids::MasterName;

/// A piece of advice about one master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// Which.
    pub master: MasterName,
    /// What it is about; does not change between versions.
    pub code: &'static str,
    /// The advice.
    pub text: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.master, self.text, self.code)
    }
}

/// All there is to say about the masters of a file, in the order of their names.
pub fn advice(config: &Config) -> Vec<Advice> {
    config.masters.iter().flat_map(|(name, master)| of_master(name, master)).collect()
}

fn of_master(name: &MasterName, master: &DurableMaster) -> Vec<Advice> {
    let (replicas, sentinels) = (master.replicas.len(), master.peers.len() + 1);
    let settings = &master.settings;
    let mut all = Vec::new();
    let mut say = |code, text: String| all.push(Advice { master: name.clone(), code, text });
    match (&settings.fencing, replicas) {
        (_, 0) => say("no-replica", "no replica is known yet: which fencing fits can be said once it has run".into()),
        (Fencing::Gate { min_replicas }, r) if *min_replicas as usize >= r => say(
            "gate-stops-writes",
            format!(
                "`fencing gate {min_replicas}` with {r} known replicas: the loss of one stops all writes; {}",
                gate(r)
            ),
        ),
        (Fencing::None, r) => say("fencing", without_fencing(r)),
        (Fencing::OnReturn, r) => say("fencing", format!("`on-return` promises nothing in a cut; {}", gate(r))),
        (Fencing::Gate { .. } | Fencing::Command { .. }, _) => {}
    }
    if let Some(k) = settings.confirmed_writes.filter(|k| replicas > 0 && *k as usize > replicas) {
        say(
            "confirmed-writes",
            format!("`confirmed-writes {k}` with {replicas} known replicas: no write can be confirmed so"),
        );
    }
    if sentinels == 1 {
        say(
            "no-peer",
            "no other sentinel is known yet; three on three machines are the least that survives one".into(),
        );
        return all;
    }
    if settings.quorum as usize > sentinels {
        say("quorum", format!("quorum {} with {sentinels} known sentinels: it is never reached", settings.quorum));
    }
    if settings.quorum == 1 {
        say("quorum", "quorum 1: one sentinel that cannot see the master is enough to begin a failover".into());
    }
    if sentinels % 2 == 0 {
        say("even", format!("{sentinels} known sentinels survive no more losses than {}", sentinels - 1));
    }
    all
}

/// What a gate would ask of this many replicas.
fn gate(replicas: usize) -> String {
    match replicas {
        0 | 1 => "with one replica only `command <script>` fences without that price, or add a replica".to_owned(),
        r => format!("`gate {}` goes on with one replica lost", r - 1),
    }
}

fn without_fencing(replicas: usize) -> String {
    let none = "no fencing: a master that is cut off goes on acknowledging writes that will be lost";
    match replicas {
        1 => format!(
            "{none}; with one replica `command <script>` fits (an agent at its host, STONITH), or `on-return`, which promises \
             nothing and costs nothing; `gate 1` would stop writes when the replica is lost"
        ),
        r => format!("{none}; with {r} replicas `gate 1` fits, which stops writes only when all of them are lost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::parse;

    fn codes(fencing: &str, replicas: usize, peers: usize, quorum: u32) -> Vec<&'static str> {
        all(fencing, replicas, peers, quorum).into_iter().map(|a| a.code).collect()
    }

    fn all(fencing: &str, replicas: usize, peers: usize, quorum: u32) -> Vec<Advice> {
        let mut text = format!("sentinel monitor m 10.0.0.1 6379 {quorum}\n");
        (0..replicas).for_each(|i| text.push_str(&format!("sentinel known-replica m 10.0.1.{i} 6379\n")));
        (0..peers).for_each(|i| text.push_str(&format!("sentinel known-sentinel m 10.0.2.{i} 26379 {i:040x}\n")));
        if !fencing.is_empty() {
            text.push_str(&format!("sentinel {fencing}\n"));
        }
        advice(&parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn fencing_fits_the_topology() {
        let table = [
            ("", 0, "no-replica"),
            ("", 1, "fencing"),
            ("", 2, "fencing"),
            ("fencing m on-return", 2, "fencing"),
            ("fencing m gate 1", 1, "gate-stops-writes"),
            ("fencing m gate 2", 2, "gate-stops-writes"),
            ("confirmed-writes m 3", 2, "confirmed-writes"),
        ];
        for (fencing, replicas, code) in table {
            assert!(codes(fencing, replicas, 2, 2).contains(&code), "{fencing} {replicas}");
        }
        assert!(all("", 1, 2, 2)[0].text.contains("`command <script>` fits"));
        assert!(all("", 2, 2, 2)[0].text.contains("`gate 1` fits"));
        assert!(
            all("fencing m gate 2", 2, 2, 2)[0].text.contains("the loss of one stops all writes; `gate 1` goes on")
        );
        for good in ["fencing m gate 1", "fencing m command /bin/fence"] {
            assert_eq!(codes(good, 2, 2, 2), [""; 0], "{good}");
        }
    }

    #[test]
    fn counts_that_do_not_add_up() {
        let gated = "fencing m gate 1";
        assert_eq!(codes(gated, 2, 0, 2), ["no-peer"]);
        assert_eq!(codes(gated, 2, 2, 4), ["quorum"]);
        assert_eq!(codes(gated, 2, 2, 1), ["quorum"]);
        assert_eq!(codes(gated, 2, 3, 2), ["even"]);
    }
}
