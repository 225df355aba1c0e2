//! The wire to one of three members does badly: a proxy stands in front of each, and bends what goes through it.

use std::time::Duration;

use testbed::{Seed, proxy::Way};
use tokio::time::interval;

use crate::bed::{
    load::Called,
    members::{Member, Members},
    noticed::{Fault, is_hardly_noticed},
};

/// What is done to the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bent {
    /// Answers are 100 to 300 ms late.
    Late,
    /// 4 KiB a second go through.
    Narrow,
    /// Answers do not come back, requests arrive.
    OneWay,
    /// Each connection is reset twice a second.
    Reset,
    /// Connections are cut, and new ones closed at once.
    Refused,
    /// Connections and new ones are open on the client's side only.
    HalfOpen,
    /// A byte of one in ten pieces is changed.
    Corrupt,
}

impl Fault for Bent {
    fn told(&self) -> &'static str {
        match self {
            Self::Late => "answers of one are 100 to 300 ms late",
            Self::Narrow => "4 KiB a second come through from one",
            Self::OneWay => "requests arrive at one, and its answers do not come back",
            Self::Reset => "connections to one are reset twice a second",
            Self::Refused => "connections to one are cut, and new ones closed at once",
            Self::HalfOpen => "connections to one are open on the callers' side only",
            Self::Corrupt => "a byte of each tenth piece of what one says is changed",
        }
    }

    async fn happen(&self, _: &Members, member: &Member) {
        let proxy = member.proxy();
        match self {
            Self::Late => {
                proxy.latency(Way::Down, Duration::from_millis(100));
                proxy.jitter(Way::Down, Duration::from_millis(200), &mut Seed::new("jitter"));
            }
            Self::Narrow => proxy.throttle(Way::Down, 4096),
            Self::OneWay => proxy.stall(Way::Down),
            Self::Reset => {
                let mut pause = interval(Duration::from_millis(500));
                loop {
                    pause.tick().await;
                    proxy.reset();
                }
            }
            Self::Refused => {
                proxy.refuse();
                proxy.cut();
            }
            Self::HalfOpen => drop(proxy.half_open()),
            Self::Corrupt => proxy.corrupt(Way::Down, 10),
        }
        std::future::pending().await
    }

    async fn met(&self, _: &Members, member: &Member, _: &[&Called<String>]) -> (u64, &'static str) {
        let counts = member.proxy().counts();
        match self {
            Self::Late => (counts.delayed, "pieces"),
            Self::Narrow => (counts.throttled, "pieces"),
            Self::OneWay => (counts.held, "pieces"),
            Self::Reset => (counts.reset, "connections"),
            Self::Refused => (counts.cut.min(counts.refused), "connections"),
            Self::HalfOpen => (counts.half_open, "connections"),
            Self::Corrupt => (counts.corrupted, "pieces"),
        }
    }
}

#[test]
fn a_wire_that_is_late_is_hardly_noticed() {
    is_hardly_noticed("a_wire_that_is_late_is_hardly_noticed", Bent::Late, &Members::wired());
}

#[test]
fn a_wire_that_is_narrow_is_hardly_noticed() {
    is_hardly_noticed("a_wire_that_is_narrow_is_hardly_noticed", Bent::Narrow, &Members::wired());
}

#[test]
fn a_wire_that_carries_one_way_is_hardly_noticed() {
    is_hardly_noticed("a_wire_that_carries_one_way_is_hardly_noticed", Bent::OneWay, &Members::wired());
}

#[test]
fn connections_that_are_reset_are_hardly_noticed() {
    is_hardly_noticed("connections_that_are_reset_are_hardly_noticed", Bent::Reset, &Members::wired());
}

#[test]
fn connections_that_are_refused_are_hardly_noticed() {
    is_hardly_noticed("connections_that_are_refused_are_hardly_noticed", Bent::Refused, &Members::wired());
}

#[test]
fn connections_that_are_half_open_are_hardly_noticed() {
    is_hardly_noticed("connections_that_are_half_open_are_hardly_noticed", Bent::HalfOpen, &Members::wired());
}

#[test]
fn bytes_that_change_on_the_wire_are_hardly_noticed() {
    is_hardly_noticed("bytes_that_change_on_the_wire_are_hardly_noticed", Bent::Corrupt, &Members::wired());
}
