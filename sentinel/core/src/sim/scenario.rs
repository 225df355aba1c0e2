//! Scenarios: how a world is set, what goes wrong in it, and what must hold at the end.

use super::check::Line;
use super::net::Host;
use super::node::Tamper;
use super::switchovers::{interrupted, successive, switchover};
use super::{MS, Micros, Setup, Sim, master_name, server_at};
use crate::config::{Fencing, Settings};
use crate::durable::{Pause, PeerKind};
use crate::event::Request;
use crate::rng::Rng;

/// How long sentinels go on to crash at saves and answers after the last fault that is on the list, unless the world has
/// settled before. What must never happen is checked all the time; that the world settles is promised, as of any
/// consensus, only from when its processes stay up: where five of five have to agree and one in twenty answers ends its
/// speaker, nobody could promise that they ever do.
const CRASHES_FOR: Micros = 30_000 * MS;
/// How long a world may take to settle once nothing goes wrong any more.
const SETTLES_WITHIN: Micros = 60_000 * MS;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    KillMaster,
    KillServer(usize),
    StartServers,
    /// SIGSTOP for so long.
    StopMaster(Micros),
    CutOff(Vec<Host>),
    CutOneWay(Host, Host),
    Heal,
    CrashNode(usize, Micros),
    PauseNode(usize, Micros),
    LeapNode(usize, u64),
    Slow(Micros),
    Operator(usize, Box<Request>),
    Believe(usize, usize, PeerKind),
}

/// A scenario: everything in it is drawn from the seed.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    setup: fn(&mut Rng) -> Setup,
    faults: fn(&mut Rng, &Setup) -> Vec<(Micros, Fault)>,
    verify: fn(&mut Sim, &[(Micros, Fault)]),
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Equal for equal scenario and seed.
    pub trace: u64,
    /// The first broken promise, if any.
    pub violation: Option<String>,
    /// How many writes were acknowledged.
    pub acknowledged: usize,
    /// How many of those the last master does not have.
    pub lost: usize,
    /// How many promotions took effect.
    pub promotions: usize,
    /// What the sentinels told and did, and the faults.
    pub story: Vec<Line>,
}

/// All scenarios.
pub const SCENARIOS: [Scenario; 12] = [
    Scenario { name: "kill", setup: plain, faults: kill, verify: promoted_in_time },
    Scenario { name: "chaos", setup: harsh, faults: chaos, verify: nothing_more },
    Scenario { name: "mixed", setup: mixed, faults: flips, verify: nothing_more },
    Scenario { name: "gate", setup: gated, faults: cut, verify: gate_holds },
    Scenario { name: "stalled", setup: gated, faults: stalled, verify: gate_holds_in_time },
    Scenario { name: "stop", setup: on_return, faults: stop, verify: nothing_more },
    Scenario { name: "command", setup: fenced, faults: cut, verify: fence_holds },
    Scenario { name: "switchover", setup: plain, faults: switchover, verify: nothing_lost },
    Scenario { name: "successive", setup: hasty, faults: successive, verify: nothing_lost_at_all },
    Scenario { name: "interrupted", setup: hasty, faults: interrupted, verify: nothing_lost_by_any },
    Scenario { name: "confirmed", setup: confirmed, faults: chaos, verify: confirmed_survive },
    Scenario { name: "observed", setup: plain, faults: paused, verify: promoted_once_resumed },
];

impl Scenario {
    /// Runs the scenario with this seed.
    pub fn run(&self, seed: u64, tamper: Tamper) -> Outcome {
        let mut rng = Rng::new(seed ^ 0x5ce7_a210);
        let setup = (self.setup)(&mut rng);
        let faults = (self.faults)(&mut rng, &setup);
        let mut sim = Sim::new(setup, seed, tamper);
        let end = faults.iter().map(|(at, _)| *at).max().unwrap_or(0);
        for (at, fault) in &faults {
            sim.at(*at, super::What::Fault(fault.clone()));
        }
        sim.run_until(end + 500 * MS);
        sim.settle(end + CRASHES_FOR);
        sim.setup.crash_at_save = 0;
        sim.settle(end + CRASHES_FOR + SETTLES_WITHIN);
        if let (Some(why), None) = (sim.unsettled(), &sim.check.violation) {
            let now = sim.now;
            sim.check.broken(now, format!("the world does not settle: {why}"));
        }
        (self.verify)(&mut sim, &faults);
        Outcome {
            trace: sim.trace(),
            violation: sim.check.violation.clone().map(|v| format!("{} with seed {seed}: {v}", self.name)),
            acknowledged: sim.client.acknowledged.len(),
            lost: sim.lost(&sim.client.acknowledged).len(),
            promotions: sim.check.promoted.len(),
            story: std::mem::take(&mut sim.check.story),
        }
    }
}

fn plain(rng: &mut Rng) -> Setup {
    let mut settings = Settings::new(2);
    (settings.down_after, settings.failover_timeout) = (1_000, 5_000);
    Setup {
        sentinels: 3,
        replicas: 1 + rng.below(2) as usize,
        settings,
        all_ours: true,
        confirm: None,
        drift_ppm: 10_000,
        lossy: 0,
        crash_at_save: 0,
        one_master: false,
    }
}

/// Hellos get lost, so that who is asked may not have heard of the last switchover.
fn hasty(rng: &mut Rng) -> Setup {
    let mut setup = plain(rng);
    setup.replicas = 1 + rng.below(3) as usize;
    setup.lossy = 100 * rng.below(4);
    setup.all_ours = rng.below(2) == 0;
    setup.one_master = true;
    setup
}

fn harsh(rng: &mut Rng) -> Setup {
    let mut setup = plain(rng);
    setup.sentinels = 3 + 2 * rng.below(2) as usize;
    setup.replicas = 2;
    setup.settings.quorum = 1 + rng.below(setup.sentinels as u64) as u32;
    setup.settings.parallel_syncs = 1 + rng.below(2) as u32;
    (setup.lossy, setup.crash_at_save) = (50, 50);
    setup
}

fn mixed(rng: &mut Rng) -> Setup {
    Setup { all_ours: false, ..harsh(rng) }
}

fn gated(rng: &mut Rng) -> Setup {
    let mut setup = plain(rng);
    setup.replicas = 2;
    setup.settings.fencing = Fencing::Gate { min_replicas: 1 + rng.below(2) as u32 };
    setup
}

fn on_return(rng: &mut Rng) -> Setup {
    let mut setup = plain(rng);
    setup.settings.fencing = Fencing::OnReturn;
    setup
}

fn fenced(rng: &mut Rng) -> Setup {
    let mut setup = plain(rng);
    setup.settings.fencing = Fencing::Command { script: "fence".into() };
    setup.one_master = true;
    setup
}

fn confirmed(rng: &mut Rng) -> Setup {
    let mut setup = harsh(rng);
    let k = 1 + rng.below(2) as u32;
    (setup.settings.confirmed_writes, setup.confirm) = (Some(k), Some(k as usize));
    setup
}

pub(super) fn at(rng: &mut Rng, from: u64, to: u64) -> Micros {
    (from + rng.below(to - from)) * MS
}

fn kill(rng: &mut Rng, _: &Setup) -> Vec<(Micros, Fault)> {
    vec![(at(rng, 4_000, 6_000), Fault::KillMaster), (at(rng, 9_000, 10_000), Fault::StartServers)]
}

fn stop(rng: &mut Rng, _: &Setup) -> Vec<(Micros, Fault)> {
    let (from, long) = (at(rng, 4_000, 6_000), at(rng, 500, 8_000));
    vec![(from, Fault::StopMaster(long)), (from + long, Fault::Heal)]
}

/// The first master is cut off, perhaps with a sentinel, a replica or the client on its side.
fn cut(rng: &mut Rng, setup: &Setup) -> Vec<(Micros, Fault)> {
    let mut side = vec![Host::Server(0)];
    let others = [Host::Node(0), Host::Server(setup.replicas), Host::Client, Host::Client];
    side.extend(others.into_iter().filter(|_| rng.below(3) > 0));
    let from = at(rng, 4_000, 6_000);
    let heal = from + at(rng, 8_000, 12_000);
    vec![
        (from, Fault::CutOff(side)),
        (heal, Fault::Heal),
        (heal + MS, Fault::StartServers),
        (heal + 6_000 * MS, Fault::StartServers),
    ]
}

/// The first master is cut off with a sentinel, so that the others need each other's votes; and one of them stalls while
/// they wait for the gate.
fn stalled(rng: &mut Rng, setup: &Setup) -> Vec<(Micros, Fault)> {
    let from = at(rng, 4_000, 6_000);
    let side = vec![Host::Server(0), Host::Node(0)];
    let (node, long) = (1 + rng.below(setup.sentinels as u64 - 1) as usize, at(rng, 300, 1_900));
    let heal = from + 20_000 * MS;
    vec![(from, Fault::CutOff(side)), (heal, Fault::Heal), (from + at(rng, 1_000, 5_000), Fault::PauseNode(node, long))]
}

/// Every sentinel only observes while the master dies, until it is told to act again.
fn paused(rng: &mut Rng, setup: &Setup) -> Vec<(Micros, Fault)> {
    let tell = |node, request: Request| Fault::Operator(node, Box::new(request));
    let pause = Pause { by: "an operator".to_owned(), at: 0 };
    let mut faults = vec![(at(rng, 9_000, 14_000), tell(0, Request::Resume(master_name())))];
    faults.extend((1..setup.sentinels).map(|n| (at(rng, 14_000, 15_000), tell(n, Request::Resume(master_name())))));
    faults.extend(
        (0..setup.sentinels).map(|n| (at(rng, 3_000, 4_000), tell(n, Request::Pause(master_name(), pause.clone())))),
    );
    faults.extend([(at(rng, 5_000, 7_000), Fault::KillMaster), (25_000 * MS, Fault::StartServers)]);
    faults
}

/// Up to eight faults of any sort, and an end to all of them.
fn chaos(rng: &mut Rng, setup: &Setup) -> Vec<(Micros, Fault)> {
    let mut faults = Vec::new();
    for _ in 0..2 + rng.below(7) {
        let fault = any_fault(rng, setup);
        faults.push((at(rng, 4_000, 14_000), fault));
    }
    faults.extend([(14_000 * MS, Fault::Heal), (14_001 * MS, Fault::StartServers), (14_002 * MS, Fault::Slow(2 * MS))]);
    faults
}

fn any_fault(rng: &mut Rng, setup: &Setup) -> Fault {
    let node = rng.below(setup.sentinels as u64) as usize;
    let server = rng.below(setup.replicas as u64 + 1) as usize;
    let long = at(rng, 100, 4_000);
    match rng.below(12) {
        0..=2 => Fault::KillMaster,
        3 => Fault::KillServer(server),
        4 => Fault::StartServers,
        5 => Fault::StopMaster(long),
        6 => Fault::CutOff(vec![Host::Server(server), Host::Node(node)]),
        7 => Fault::CutOff(vec![Host::Node(node)]),
        8 => Fault::CutOneWay(Host::Node(node), Host::Server(server)),
        9 => Fault::CrashNode(node, long),
        10 if rng.below(2) == 0 => Fault::LeapNode(node, long / MS),
        10 => Fault::PauseNode(node, long),
        _ if rng.below(2) == 0 => Fault::Slow(200 * MS),
        _ => Fault::Operator(node, Box::new(Request::Failover(master_name()))),
    }
}

/// Chaos in which sentinels change their minds about what their peers are.
fn flips(rng: &mut Rng, setup: &Setup) -> Vec<(Micros, Fault)> {
    let mut faults = chaos(rng, setup);
    for _ in 0..10 {
        let node = rng.below(setup.sentinels as u64) as usize;
        let peer = (node + 1 + rng.below(setup.sentinels as u64 - 1) as usize) % setup.sentinels;
        let kind = if rng.below(2) == 0 { PeerKind::Ours } else { PeerKind::Redis };
        faults.push((at(rng, 1_000, 14_000), Fault::Believe(node, peer, kind)));
    }
    faults
}

fn nothing_more(_: &mut Sim, _: &[(Micros, Fault)]) {}

fn promoted_in_time(sim: &mut Sim, faults: &[(Micros, Fault)]) {
    let killed = faults[0].0;
    let promoted = sim.check.promoted.first().map_or(Micros::MAX, |(at, ..)| at - killed);
    if promoted > 1_600 * MS {
        sim.check.broken(killed, format!("promoted {} ms after the kill", promoted / MS));
    }
}

fn promoted_once_resumed(sim: &mut Sim, faults: &[(Micros, Fault)]) {
    let resumed = faults[0].0;
    sim.check.none_promoted_before(resumed);
    if sim.check.promoted.is_empty() {
        sim.check.broken(resumed, "nobody is promoted after the observers were told to act".to_owned());
    }
}

fn gate_holds(sim: &mut Sim, faults: &[(Micros, Fault)]) {
    let (cut, Fault::CutOff(side)) = &faults[0] else { return };
    // With a replica on its side the gate is open for good, unless it wants more replicas than that.
    let beside = side.iter().filter(|host| matches!(host, Host::Server(s) if *s != 0)).count() as u32;
    match sim.setup.settings.fencing {
        Fencing::Gate { min_replicas } if beside < min_replicas => sim.check.gate_promise(0, *cut, faults[1].0),
        _ => sim.check.none_promoted_before(faults[1].0),
    }
}

/// A leader that stalls has lost its voter, and who follows it waits for the gate anew: more than that is not waited.
fn gate_holds_in_time(sim: &mut Sim, faults: &[(Micros, Fault)]) {
    gate_holds(sim, faults);
    let (cut, stall) = (faults[0].0, if let Fault::PauseNode(_, long) = faults[2].1 { long } else { 0 });
    let promoted = sim.check.promoted.first().map_or(Micros::MAX, |(at, ..)| at - cut);
    if promoted > stall + 10_000 * MS {
        sim.check.broken(cut, format!("promoted {} ms after the cut", promoted / MS));
    }
}

fn fence_holds(sim: &mut Sim, _: &[(Micros, Fault)]) {
    sim.check.one_master_at_a_time();
}

fn nothing_lost_at_all(sim: &mut Sim, faults: &[(Micros, Fault)]) {
    nothing_lost_by_any(sim, faults);
    if sim.check.promoted.is_empty() {
        let now = sim.now;
        sim.check.broken(now, "nobody was promoted".to_owned());
    }
}

/// Perhaps none took place.
fn nothing_lost_by_any(sim: &mut Sim, _: &[(Micros, Fault)]) {
    let lost = sim.lost(&sim.client.acknowledged);
    if !lost.is_empty() {
        let (now, promoted) = (sim.now, sim.check.promoted.len());
        sim.check.broken(now, format!("switchovers lost {lost:?}, with {promoted} promotions"));
    }
}

fn nothing_lost(sim: &mut Sim, faults: &[(Micros, Fault)]) {
    sim.check.one_master_at_a_time();
    nothing_lost_at_all(sim, faults);
}

fn confirmed_survive(sim: &mut Sim, _: &[(Micros, Fault)]) {
    let lost = sim.lost(&sim.client.confirmed);
    if !lost.is_empty() {
        let now = sim.now;
        sim.check.broken(now, format!("confirmed writes are lost: {lost:?}"));
    }
}

impl Sim {
    pub(crate) fn fault(&mut self, fault: Fault) {
        let now = self.now;
        self.check.fault(now, fault.clone());
        match fault {
            Fault::KillMaster => {
                if let Some(s) = self.master() {
                    self.kill_server(s);
                }
            }
            Fault::KillServer(s) => self.kill_server(s),
            Fault::StartServers => (0..self.servers.len()).for_each(|s| self.start_server(s)),
            Fault::StopMaster(long) => {
                if let Some(s) = self.master() {
                    self.servers[s].stopped_until = self.now + long;
                }
            }
            Fault::CutOff(side) => self.net.cut_off(&side),
            Fault::CutOneWay(from, to) => self.net.cut_one_way(from, to),
            Fault::Heal => self.net.heal(),
            Fault::CrashNode(node, long) => self.node_crash(node, long),
            Fault::PauseNode(node, long) => self.node_is_busy(node, self.now + long),
            Fault::LeapNode(node, ms) => self.node_leap(node, ms),
            Fault::Slow(slowest) => self.net.slowest = slowest,
            Fault::Operator(node, request) => self.operator(node, *request),
            Fault::Believe(node, peer, kind) => self.believe(node, peer, kind),
        }
    }

    /// The server that takes writes, if one does.
    fn master(&self) -> Option<usize> {
        (0..self.servers.len()).rev().find(|s| self.servers[*s].alive && self.servers[*s].is_master())
    }

    /// Goes on until the world is settled, something is broken, or this time has come.
    fn settle(&mut self, end: Micros) {
        while self.unsettled().is_some() && self.now < end && self.check.violation.is_none() {
            self.run_until(self.now + 250 * MS);
        }
    }

    /// All sentinels agree, and the servers are what they say.
    fn unsettled(&self) -> Option<String> {
        let mut master = None;
        for (i, node) in self.nodes.iter().enumerate() {
            let Some(core) = node.core() else { return Some(format!("sentinel {i} is down")) };
            let Some(m) = core.masters().values().next() else { continue };
            let told = (server_at(m.current_address()), m.config_epoch);
            if *master.get_or_insert(told) != told {
                return Some(format!("sentinel {i} tells {told:?}, another one {master:?}"));
            }
            if m.failover.is_some() || m.down().is_some() {
                return Some(format!("sentinel {i} is at {:?}, down {:?}", m.failover, m.down()));
            }
        }
        let (master, _) = master?;
        if !self.servers[master].alive || !self.servers[master].is_master() {
            return Some(format!("server {master} is not a master"));
        }
        let astray = (0..self.servers.len()).find(|s| *s != master && !self.servers[*s].follows(master));
        astray.map(|s| format!("server {s} does not follow {master}"))
    }

    /// Which of these writes the master does not have.
    fn lost(&self, writes: &[u32]) -> Vec<u32> {
        let Some(master) = self.master() else { return writes.to_vec() };
        let kept: std::collections::BTreeSet<u32> = self.servers[master].log.iter().copied().collect();
        writes.iter().filter(|id| !kept.contains(id)).copied().collect()
    }
}
