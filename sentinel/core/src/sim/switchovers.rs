//! Planned switchovers: one, one after the other, and with somebody held up in the middle of them.

use super::net::Host;
use super::scenario::{Fault, at};
use super::{MS, Micros, Setup, master_name};
use crate::event::Request;
use crate::rng::Rng;

/// One, asked of any sentinel.
pub(super) fn switchover(rng: &mut Rng, setup: &Setup) -> Vec<(Micros, Fault)> {
    let node = rng.below(setup.sentinels as u64) as usize;
    vec![(at(rng, 5_000, 7_000), Fault::Operator(node, Box::new(Request::Failover(master_name()))))]
}

/// One switchover after the other, each asked of any sentinel, whatever it has heard of the last one.
pub(super) fn successive(rng: &mut Rng, setup: &Setup) -> Vec<(Micros, Fault)> {
    let mut faults = Vec::new();
    let mut when = at(rng, 5_000, 7_000);
    if rng.below(2) == 0 {
        faults.push((when, Fault::Slow(200 * MS)));
    }
    for _ in 0..2 + rng.below(5) {
        let node = rng.below(setup.sentinels as u64) as usize;
        faults.push((when, Fault::Operator(node, Box::new(Request::Failover(master_name())))));
        let scale = 10_u64.pow(rng.below(4) as u32);
        when += rng.below(scale * MS);
    }
    faults.push((when, Fault::Slow(2 * MS)));
    faults
}

/// The same, without loss or not at all, and one sentinel is held up in the middle of it: it hears nothing of a server, or
/// of the other sentinels, is stopped, or dies. It does not know what became of its orders while another one leads.
pub(super) fn interrupted(rng: &mut Rng, setup: &Setup) -> Vec<(Micros, Fault)> {
    let mut faults = successive(rng, setup);
    let began = faults.iter().map(|(at, _)| *at).min().unwrap_or_default();
    let first = faults.iter().find_map(|(_, f)| if let Fault::Operator(node, _) = f { Some(*node) } else { None });
    let node = first.unwrap_or_default();
    let server = if rng.below(3) > 0 { 0 } else { 1 + rng.below(setup.replicas as u64) as usize };
    let soon = |rng: &mut Rng| {
        let scale = 10_u64.pow(1 + rng.below(3) as u32);
        began + rng.below(scale * MS)
    };
    if rng.below(4) > 0 {
        faults.push((soon(rng), Fault::CutOneWay(Host::Server(server), Host::Node(node))));
    }
    if rng.below(2) == 0 {
        let when = soon(rng);
        for peer in (0..setup.sentinels).filter(|peer| *peer != node) {
            let (a, b) = (Host::Node(node), Host::Node(peer));
            faults.extend([(when, Fault::CutOneWay(a, b)), (when, Fault::CutOneWay(b, a))]);
        }
    }
    let long = at(rng, 10, 1_900);
    match rng.below(4) {
        0 => faults.push((soon(rng), Fault::PauseNode(node, long))),
        1 => faults.push((soon(rng), Fault::CrashNode(node, long))),
        _ => {}
    }
    let end = began + at(rng, 1_000, 6_000);
    for _ in 0..1 + rng.below(4) {
        let other = (node + 1 + rng.below(setup.sentinels as u64 - 1) as usize) % setup.sentinels;
        let when = began + rng.below(end - began);
        faults.push((when, Fault::Operator(other, Box::new(Request::Failover(master_name())))));
    }
    // `FAILOVER` where no answer comes from the master is an order to promote without it.
    for (_, fault) in &mut faults {
        if let Fault::Operator(_, request) = fault {
            **request = Request::Switchover { master: master_name(), to: None };
        }
    }
    faults.push((end, Fault::Heal));
    faults
}
