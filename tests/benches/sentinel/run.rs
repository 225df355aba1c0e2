//! One run: a group of its own, clients at work, the fault, and what they saw of it.
//!
//! Two clients stay with the old master, whatever becomes of it (but for a switchover, in which they leave when the
//! sentinels show another): what it acknowledges is what can be lost. One of them
//! waits for a replica's confirmation of each write. A third keeps connections to the replicas open and writes as soon
//! as one of them takes it: that is the promotion. A fourth asks the sentinels for the master, as applications do.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use testbed::redis::{Ack, Found, Group, NAME, Seeker, Sentinel, Writer, Writes};
use testbed::{Hosts, Place, Scratch, cargo, eventually};

use crate::args::Args;
use crate::rows::{Fencing, Row, Scenario, Who};

/// How long anything that follows from the fault may take.
const SOON: Duration = Duration::from_secs(90);
/// Writes that must be acknowledged before the fault.
const WARM: usize = 100;
/// Between two writes of a client.
const PAUSE: Duration = Duration::from_millis(1);
/// The hosts of the servers, the first one the master's, and that of the applications that are not beside it.
const HOSTS: [&str; 4] = ["a", "b", "c", "d"];

/// What was seen. Times in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// From the fault to the first write of a client that asks the sentinels.
    pub(crate) first_write_ms: f64,
    /// From the last acknowledgement of the old master before the promotion to the first one of the new, on open
    /// connections.
    pub(crate) gap_ms: f64,
    /// From that first write until every sentinel that is not cut off shows the new master.
    pub(crate) agree_ms: f64,
    /// Acknowledged writes that the new master has not, when all is over.
    pub(crate) lost: f64,
    /// Writes that the old master acknowledged after the new one did its first.
    pub(crate) acked_after_promotion: f64,
    /// Of the writes that a replica had confirmed, those that are lost.
    pub(crate) lost_confirmed: f64,
}

/// The programs of both candidates.
#[derive(Debug)]
pub(crate) struct Programs {
    mainstay: PathBuf,
}

impl Programs {
    /// Builds ours, unless it is there already.
    pub(crate) fn get(built: Option<&PathBuf>) -> Result<Programs, String> {
        if let Some(mainstay) = built {
            return Ok(Programs { mainstay: mainstay.clone() });
        }
        eprintln!("building mainstay-sentinel");
        let target = ["--package", "mainstay-sentinel", "--bin", "mainstay-sentinel"];
        Ok(Programs { mainstay: cargo::bench_build("sentinel/Cargo.toml", &target)? })
    }

    pub(crate) fn of(&self, who: Who) -> PathBuf {
        match who {
            Who::Mainstay => self.mainstay.clone(),
            Who::RedisSentinel => Group::theirs(),
        }
    }
}

/// Runs a row once.
pub(crate) fn run(row: &Row, programs: &Programs, args: &Args, round: usize) -> Result<Figures, String> {
    let mut stage = Stage::set(row, &programs.of(row.who))?;
    let clients = Clients::start(&stage);
    // The phase between the last PING and the fault differs from run to run, for both candidates alike.
    std::thread::sleep(Duration::from_millis(round as u64 * 137 % 1_000));
    let begin = Instant::now();
    let seeker = stage.fault(row, args.away)?;
    let found = seeker.found();
    let next = stage.group.addresses().iter().position(|a| *a == found.master).ok_or("an unknown master is shown")?;
    if row.scenario == Scenario::Switchover {
        clients.leave();
    }
    stage.over(next);
    let figures = clients.end(&stage, next, begin, found);
    if args.slow.is_some_and(|most| figures.first_write_ms > most || figures.agree_ms > most) {
        stage.tell();
    }
    Ok(figures)
}

/// A group, and where everything is.
#[derive(Debug)]
struct Stage {
    hosts: Option<Arc<Hosts>>,
    group: Group,
    /// Beside the master, and apart from it.
    beside: Place,
    apart: Place,
    _fence: Scratch,
}

impl Stage {
    fn set(row: &Row, program: &Path) -> Result<Stage, String> {
        let fence = Scratch::new("fence").map_err(|e| e.to_string())?;
        let down_after = row.down_after_ms.to_string();
        let mut settings = vec![("down-after-milliseconds", &*down_after), ("failover-timeout", "10000")];
        let script = fence.join("fence.sh").display().to_string();
        let fencing = match row.fencing {
            Fencing::None => None,
            Fencing::Gate => Some("gate 1".to_owned()),
            Fencing::Command => Some(format!("command {script}")),
            Fencing::OnReturn => Some("on-return".to_owned()),
        };
        settings.extend(fencing.as_deref().map(|f| ("fencing", f)));
        // A setting that names a script must find it.
        write_script(&fence, "exit 1").map_err(|e| format!("writing {script}: {e}"))?;
        let hosts = match row.scenario {
            Scenario::Partition => Some(Arc::new(Hosts::new(&HOSTS).map_err(|e| e.to_string())?)),
            Scenario::Kill | Scenario::Switchover | Scenario::Stop => None,
        };
        let place = |name: &str| match &hosts {
            Some(hosts) => Place::On(hosts.clone(), name.to_owned()),
            None => Place::Here,
        };
        let [a, b, c, d] = HOSTS.map(place);
        let mut group = Group::at(&[a.clone(), b, c], &[0, 1, 2].map(|_| program.to_owned()), &settings);
        // The agent at the host, or whoever can switch it off.
        let kill = format!("kill -9 {} 2>/dev/null; exit 0", group.servers[0].process().id());
        write_script(&fence, &kill).map_err(|e| format!("writing {script}: {e}"))?;
        if row.fencing == Fencing::Gate {
            group.servers.iter().for_each(|s| {
                let gate = || s.client().call(&["CONFIG", "GET", "min-replicas-to-write"]);
                eventually(SOON, "the gate to be set", || gate().is_ok_and(|r| r.items()[1].text() == "1"));
            });
        }
        Ok(Stage { hosts, group, beside: a, apart: d, _fence: fence })
    }

    /// Does it, and starts who looks for the next master.
    fn fault(&mut self, row: &Row, away: Duration) -> Result<Seeker, String> {
        let old = self.group.servers[0].address();
        let reached = if self.hosts.is_some() { &self.group.sentinels[1..] } else { &self.group.sentinels[..] };
        let asked: Vec<SocketAddr> = reached.iter().map(Sentinel::address).collect();
        let seeker = Seeker::start(&self.apart, &asked, old);
        let failed = |e: std::io::Error| format!("{}: {e}", row.label());
        match row.scenario {
            Scenario::Kill => self.group.servers[0].process().kill().map(drop).map_err(failed)?,
            Scenario::Switchover => {
                let said = self.group.sentinels[1].client().call(&["SENTINEL", "FAILOVER", NAME]).map_err(failed)?;
                if said.text() != "OK" {
                    return Err(format!("{}: {said:?}", row.label()));
                }
            }
            Scenario::Stop => {
                self.group.servers[0].process().stop().map_err(failed)?;
                std::thread::sleep(away);
                // A fence may have killed it.
                let _ = self.group.servers[0].process().cont();
            }
            Scenario::Partition => self.cut(away).map_err(failed)?,
        }
        Ok(seeker)
    }

    /// What everybody wrote.
    fn tell(&mut self) {
        for sentinel in &self.group.sentinels {
            eprintln!("--- sentinel {}\n{}", sentinel.address(), sentinel.process_output());
        }
        for server in &mut self.group.servers {
            eprintln!("--- server {}\n{}", server.address(), server.process().stdout());
        }
    }

    fn cut(&self, away: Duration) -> std::io::Result<()> {
        let Some(hosts) = &self.hosts else { return Ok(()) };
        hosts.partition(&HOSTS[..1], &HOSTS[1..])?;
        std::thread::sleep(away);
        let dropped = hosts.dropped(HOSTS[1])?;
        assert!(dropped > 0, "a cut that dropped nothing has tested nothing");
        hosts.heal()
    }

    /// Waits until the old master follows the new one or is gone.
    fn over(&mut self, next: usize) {
        eventually(SOON, "the old master to follow", || {
            self.group.servers[0].process().ended().is_some() || self.group.follows(0, next)
        });
    }
}

fn write_script(dir: &Scratch, line: &str) -> std::io::Result<()> {
    let path = dir.write("fence.sh", format!("#!/bin/sh\n{line}\n"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

/// Those who write.
#[derive(Debug)]
struct Clients {
    stays: Writer,
    confirmed: Writer,
    probes: Writer,
}

impl Clients {
    fn start(stage: &Stage) -> Clients {
        let servers = stage.group.addresses();
        let how = |tag, confirmed_by| Writes { tag, confirmed_by, pause: PAUSE };
        let stays = Writer::start(&stage.beside, &servers[..1], how("stays-", None));
        let confirmed = Writer::start(&stage.beside, &servers[..1], how("confirmed-", Some(1)));
        let probes = Writer::start(&stage.apart, &servers[1..], how("probe-", None));
        stays.wrote(WARM);
        confirmed.wrote(WARM);
        Clients { stays, confirmed, probes }
    }

    /// In a switchover clients leave the old master when the sentinels say so, and not when it is demoted at last.
    fn leave(&self) {
        self.stays.stop();
        self.confirmed.stop();
    }

    fn end(self, stage: &Stage, next: usize, begin: Instant, found: Found) -> Figures {
        let probes = self.probes.end();
        let (acks, lost) = self.stays.end_and_lost(stage.group.servers[next].client());
        let (confirmed, lost_confirmed) = self.confirmed.end_and_lost(stage.group.servers[next].client());
        // The client that asks the sentinels may have been the first.
        let promoted = probes.first().map_or(found.written, |a| a.at.min(found.written));
        let before = acks.iter().rev().find(|a| a.at < promoted).map_or(begin, |a| a.at);
        let after = |acks: &[Ack]| acks.iter().filter(|a| a.at > promoted).count();
        Figures {
            first_write_ms: ms(begin, found.written),
            gap_ms: ms(before, promoted),
            agree_ms: ms(found.written, found.agreed),
            lost: lost as f64,
            acked_after_promotion: (after(&acks) + after(&confirmed)) as f64,
            lost_confirmed: lost_confirmed as f64,
        }
    }
}

fn ms(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1_000.0
}
