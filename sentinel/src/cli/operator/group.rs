//! What a sentinel tells, as values, and how all sentinels of a group are asked at once.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;

use super::OrderError;
use super::door::Door;
use super::remote::{Failed, Remote, Unreachable};
use crate::core::ids::Address;
use crate::resp::Value;

/// Names and texts of a map, whichever version of the protocol it came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    pub(super) fn of(value: &Value) -> Fields {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let pairs = match value {
            Value::Map(pairs) => pairs.iter().map(|(k, v)| (text(k), text(v))).collect(),
            other => {
                let items = other.as_list().unwrap_or_default();
                items.chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
            }
        };
        Fields(pairs)
    }

    /// The text of this name; empty if there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The number of this name; 0 if there is none.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// A flag is among the words of `flags`.
    pub(super) fn flag(&self, flag: &str) -> bool {
        self.text("flags").split(',').any(|word| word == flag)
    }

    /// `ip` and `port`.
    pub(super) fn address(&self) -> Address {
        Address::new(self.text("ip"), self.text("port").parse().unwrap_or(0))
    }
}

/// A master as one sentinel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// The address told to clients.
    pub(super) address: Address,
    /// `SENTINEL MASTER`.
    pub(super) master: Fields,
    /// `SENTINEL STATUS`; `None` of a redis-sentinel.
    pub(super) status: Option<Fields>,
}

impl Seen {
    /// What it does, in a word or two.
    pub(super) fn state(&self) -> String {
        match self.master.text("failover-state") {
            "" | "none" if self.master.flag("o_down") => "down".to_owned(),
            "" | "none" if self.master.flag("s_down") => "down here".to_owned(),
            "" | "none" if self.master.flag("disconnected") => "disconnected".to_owned(),
            "" | "none" => "up".to_owned(),
            state => format!("failover: {state}"),
        }
    }

    /// Whether it acts: `acting`, `paused`, `observe-only`; a redis-sentinel always does.
    pub(super) fn mode(&self) -> &str {
        self.status.as_ref().map_or("acting", |s| s.text("mode"))
    }

    pub(super) fn in_progress(&self) -> bool {
        self.master.flag("failover_in_progress")
    }

    pub(super) fn config_epoch(&self) -> u64 {
        self.master.number("config-epoch")
    }
}

/// What a sentinel sees of a master.
pub(super) async fn see(remote: &mut Remote, name: &str) -> Result<Seen, Failed> {
    let master = Fields::of(&remote.ask(&["SENTINEL", "MASTER", name]).await?);
    let told = remote.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name]).await?;
    let address = match told.as_list() {
        Some([host, port]) => {
            Address::new(host.as_str().unwrap_or_default(), port.as_str().unwrap_or_default().parse().unwrap_or(0))
        }
        _ => master.address(),
    };
    let status = remote.call(&["SENTINEL", "STATUS", name]).await?;
    let status = status.as_error().is_none().then(|| Fields::of(&status));
    Ok(Seen { address, master, status })
}

/// The names that are asked about: the given one, or all that the sentinel monitors.
pub(super) async fn names(remote: &mut Remote, wanted: Option<&str>) -> Result<Vec<String>, OrderError> {
    if let Some(name) = wanted {
        return Ok(vec![name.to_owned()]);
    }
    let masters = remote.ask(&["SENTINEL", "MASTERS"]).await?;
    let strange = || OrderError::Strange(remote.at().to_string());
    let masters = masters.as_list().ok_or_else(strange)?;
    Ok(masters.iter().map(|m| Fields::of(m).text("name").to_owned()).collect())
}

/// Maps of the servers or sentinels of a master.
pub(super) async fn list(remote: &mut Remote, what: &str, name: &str) -> Result<Vec<Fields>, Failed> {
    let reply = remote.ask(&["SENTINEL", what, name]).await?;
    Ok(reply.as_list().unwrap_or_default().iter().map(Fields::of).collect())
}

/// Where the other sentinels of these masters listen.
pub(super) async fn peers(remote: &mut Remote, names: &[String]) -> Result<BTreeSet<Address>, Failed> {
    let mut peers = BTreeSet::new();
    for name in names {
        peers.extend(list(remote, "SENTINELS", name).await?.iter().map(Fields::address));
    }
    peers.remove(remote.at());
    Ok(peers)
}

/// Has `work` done at every sentinel at once; who cannot be reached is among the results.
pub(super) async fn everywhere<T, W, F>(doors: Vec<Door>, work: W) -> Vec<(Address, Result<T, Failed>)>
where
    T: Send + 'static,
    W: Fn(Remote) -> F + Clone + Send + 'static,
    F: Future<Output = Result<T, Failed>> + Send,
{
    let mut running = JoinSet::new();
    for door in doors {
        let work = work.clone();
        running.spawn(async move {
            let result = match Remote::connect(&door).await {
                Ok(remote) => work(remote).await,
                Err(e) => Err(Failed::from(e)),
            };
            (door.address, result)
        });
    }
    let mut all = Vec::new();
    while let Some(ended) = running.join_next().await {
        // Nothing here is aborted, and a panic was told already.
        all.extend(ended.ok());
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// The asked sentinel and its peers, as doors.
pub(super) async fn doors(remote: &mut Remote, door: &Door, names: &[String]) -> Result<Vec<Door>, Failed> {
    let peers = peers(remote, names).await?;
    Ok(std::iter::once(door.clone()).chain(peers.into_iter().map(|at| door.of(at))).collect())
}

/// What went wrong, without the address that stands beside it.
pub(super) fn reason(failed: &Failed) -> String {
    match failed {
        Failed::Said { said, .. } | Failed::Unreachable(Unreachable::Login { said, .. }) => said.clone(),
        Failed::Unreachable(Unreachable::Connect { source, .. } | Unreachable::Lost { source, .. }) => {
            source.to_string()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A view with these fields of the master and these of `STATUS`.
    pub(in super::super) fn seen(port: u16, master: &[(&str, &str)], status: Option<&[(&str, &str)]>) -> Seen {
        let fields =
            |pairs: &[(&str, &str)]| Fields(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        Seen { address: Address::new("127.0.0.1", port), master: fields(master), status: status.map(fields) }
    }

    #[test]
    fn maps_of_either_version_read_alike() {
        let flat = Value::bulks(["ip", "10.0.0.1", "port", "7", "flags", "master,s_down"]);
        let pairs = [("ip", "10.0.0.1"), ("port", "7"), ("flags", "master,s_down")];
        let map = Value::Map(pairs.map(|(k, v)| (Value::bulk(k), Value::bulk(v))).to_vec());
        let fields = Fields::of(&flat);
        assert_eq!(fields, Fields::of(&map));
        assert_eq!(fields.address(), Address::new("10.0.0.1", 7));
        assert!(fields.flag("s_down") && !fields.flag("down") && fields.text("none").is_empty());
    }

    #[test]
    fn a_state_in_a_word() {
        let table = [
            ("master", "", "up"),
            ("master,disconnected", "none", "disconnected"),
            ("s_down,master", "", "down here"),
            ("s_down,o_down,master", "", "down"),
            ("master,failover_in_progress", "wait_start", "failover: wait_start"),
        ];
        for (flags, failover, expected) in table {
            let seen = seen(1, &[("flags", flags), ("failover-state", failover)], None);
            assert_eq!((seen.state().as_str(), seen.mode()), (expected, "acting"), "{flags}");
        }
    }
}
