//! Many masters: what watching them costs, and all of them failing at once.
//!
//! The servers are stand-ins in this process, one thread for all of them: a hundred real ones would be what is measured. Both
//! candidates run at the same time, each with its own sentinels and servers, so that they have the same machine.

mod server;
mod wire;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::redis::Sentinel;
use testbed::stats::median;
use testbed::wait::poll;

use crate::rows::Who;
use crate::run::Programs;
use wire::StandIns;

pub(crate) const LABEL: &str = "many-100";
const MASTERS: usize = 100;
const SENTINELS: usize = 5;
const QUORUM: usize = 3;
const DOWN_AFTER_MS: u32 = 5_000;
/// How long until everybody knows everybody.
const SETTLE: Duration = Duration::from_secs(60);
/// How long all failovers together may take.
const FAILOVERS: Duration = Duration::from_secs(120);

/// What one candidate's sentinels did in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// CPU of one sentinel, in parts of a core.
    cpu: f64,
    /// The most memory that one of them has, in MB.
    rss_mb: f64,
    /// From the end of all masters until every sentinel shows another for each; none: not all in time.
    failovers_ms: Option<f64>,
}

/// Both candidates, measured at the same time for so long.
pub(crate) fn run(programs: &Programs, seconds: Duration) -> Result<[(Who, Figures); 2], String> {
    let crowds = [Who::RedisSentinel, Who::Mainstay].map(|who| Crowd::start(who, &programs.of(who)));
    let [mut theirs, mut ours] = crowds;
    let (theirs, ours) = (theirs.as_mut().map_err(|e| e.clone())?, ours.as_mut().map_err(|e| e.clone())?);
    theirs.settled()?;
    ours.settled()?;
    let before = (theirs.cpu_seconds(), ours.cpu_seconds());
    std::thread::sleep(seconds);
    let used = (theirs.cpu_seconds() - before.0, ours.cpu_seconds() - before.1);
    let figures = |crowd: &mut Crowd, used: f64| Figures {
        cpu: used / seconds.as_secs_f64() / SENTINELS as f64,
        rss_mb: crowd.rss_mb(),
        failovers_ms: crowd.fail_over(),
    };
    Ok([(theirs.who, figures(theirs, used.0)), (ours.who, figures(ours, used.1))])
}

/// The sentinels of a candidate, and what they watch.
#[derive(Debug)]
struct Crowd {
    who: Who,
    sentinels: Vec<Sentinel>,
    servers: StandIns,
}

impl Crowd {
    fn start(who: Who, program: &Path) -> Result<Crowd, String> {
        let servers = StandIns::start(MASTERS).map_err(|e| format!("the stand-ins: {e}"))?;
        let mut lines = String::new();
        for (i, port) in servers.masters().iter().enumerate() {
            lines += &format!(
                "sentinel monitor m{i} 127.0.0.1 {port} {QUORUM}\nsentinel down-after-milliseconds m{i} {DOWN_AFTER_MS}\n\
                 sentinel failover-timeout m{i} 20000\n"
            );
        }
        let start = |i| Sentinel::start(&format!("{}-{i}", who.name()), program, &lines);
        Ok(Crowd { who, sentinels: (0..SENTINELS).map(start).collect(), servers })
    }

    /// Waits until every sentinel knows the replica and the other sentinels of every master.
    fn settled(&self) -> Result<(), String> {
        let others = (SENTINELS - 1).to_string();
        let knows = |s: &Sentinel| {
            let all = masters(s);
            all.len() == MASTERS
                && all
                    .iter()
                    .all(|m| m["num-slaves"] == "1" && m["num-other-sentinels"] == *others && m["flags"] == "master")
        };
        let settled = poll(SETTLE, || self.sentinels.iter().all(knows).then_some(()));
        settled.ok_or_else(|| format!("the sentinels of {} do not find each other", self.who.name()))
    }

    fn cpu_seconds(&mut self) -> f64 {
        self.sentinels.iter_mut().filter_map(|s| s.process().cpu_seconds()).sum()
    }

    fn rss_mb(&mut self) -> f64 {
        self.sentinels.iter_mut().filter_map(|s| rss_mb(s.process().id())).fold(0.0, f64::max)
    }

    /// Ends all masters at once.
    fn fail_over(&mut self) -> Option<f64> {
        let ports: Vec<String> = self.servers.replicas().iter().map(u16::to_string).collect();
        let begin = Instant::now();
        self.servers.end_masters();
        poll(FAILOVERS, || {
            let switched = |s: &Sentinel| {
                let all = masters(s);
                (0..MASTERS).all(|i| {
                    let named = |m: &&serde_json::Map<String, Value>| m["name"] == format!("m{i}");
                    all.iter().find(named).is_some_and(|m| m["port"].as_str() == Some(&ports[i]))
                })
            };
            self.sentinels.iter().all(switched).then(|| begin.elapsed().as_secs_f64() * 1_000.0)
        })
    }
}

/// `SENTINEL MASTERS`, by field.
fn masters(sentinel: &Sentinel) -> Vec<serde_json::Map<String, Value>> {
    let Ok(reply) = sentinel.client().call(&["SENTINEL", "MASTERS"]) else { return Vec::new() };
    let pairs = |m: &testbed::redis::Reply| {
        m.items().chunks(2).map(|pair| (pair[0].text(), pair.last().map(|v| v.text()).into())).collect()
    };
    reply.items().iter().map(pairs).collect()
}

fn rss_mb(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kb = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    Some(kb.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1_024.0)
}

/// One run, while it is waited for; and the table of all.
pub(crate) fn lines(runs: &[[(Who, Figures); 2]]) -> String {
    let mut text = String::new();
    for (i, (who, _)) in runs.first().into_iter().flatten().enumerate() {
        let of = |f: fn(&Figures) -> f64| median(runs.iter().map(|r| f(&r[i].1)));
        text += &format!(
            "{:<14} {MASTERS} masters, {SENTINELS} sentinels: {:.2} % of a core each, {:.2} of redis-sentinel's, {:.1} MB, all failed over \
             after {:.0} ms; {} runs\n",
            who.name(),
            of(|f| f.cpu * 100.0),
            median(runs.iter().map(|r| r[i].1.cpu / r[0].1.cpu)),
            of(|f| f.rss_mb),
            of(|f| f.failovers_ms.unwrap_or(f64::INFINITY)),
            runs.len()
        );
    }
    text
}

/// The rows for programs.
pub(crate) fn json(runs: &[[(Who, Figures); 2]]) -> Vec<Value> {
    let row = |i: usize| {
        let of = |f: fn(&Figures) -> f64| median(runs.iter().map(|r| f(&r[i].1)));
        json!({
            "what": runs[0][i].0.name(), "scenario": "many", "masters": MASTERS, "sentinels": SENTINELS, "runs": runs.len(),
            "cpu_percent": of(|f| f.cpu * 100.0), "rss_mb": of(|f| f.rss_mb),
            "cpu_ratio_to_redis_sentinel": median(runs.iter().map(|r| r[i].1.cpu / r[0].1.cpu)),
            "failovers_ms": Some(of(|f| f.failovers_ms.unwrap_or(f64::INFINITY))).filter(|ms| ms.is_finite()),
        })
    };
    runs.first().map(|_| vec![row(0), row(1)]).unwrap_or_default()
}
