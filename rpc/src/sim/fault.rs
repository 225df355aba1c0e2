//! What goes wrong, where, when and for how long. Pure.

use mainstay_registry::Rng;
use std::{fmt, ops::Range, sync::Arc, time::Duration};

/// Something that goes wrong for a while, from the beginning of a run unless it says [`at`](Self::at) when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(super) kind: Kind,
    at: Duration,
    lasts: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Crash(Arc<str>),
    Forget,
    Link(Link, Arc<str>, Arc<str>),
}

/// What becomes of what is sent over a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Cut,
    OneWay,
    Held,
    Slow(Duration),
}

impl Fault {
    /// A host crashes: all that it does ends in the middle, its connections break. When the time is over, it starts again. The
    /// [`registry`](super::REGISTRY) keeps its data.
    pub fn crash(host: &str) -> Self {
        Self::of(Kind::Crash(host.into()))
    }

    /// What one of two sends the other is lost, both ways. Either may be the [`registry`](super::REGISTRY), to which a
    /// link is whole or cut.
    pub fn partition(one: &str, other: &str) -> Self {
        Self::link(Link::Cut, one, other)
    }

    /// What is sent in this direction is lost.
    pub fn one_way(from: &str, to: &str) -> Self {
        Self::link(Link::OneWay, from, to)
    }

    /// What one of two sends the other waits until the time is over, and then arrives.
    pub fn hold(one: &str, other: &str) -> Self {
        Self::link(Link::Held, one, other)
    }

    /// What one of two sends the other takes up to so long.
    pub fn slow(one: &str, other: &str, most: Duration) -> Self {
        Self::link(Link::Slow(most), one, other)
    }

    /// The registry loses its data, and does not know that it had any.
    pub fn registry_forgets() -> Self {
        Self::of(Kind::Forget)
    }

    fn of(kind: Kind) -> Self {
        Self { kind, at: Duration::ZERO, lasts: Duration::from_secs(1) }
    }

    fn link(link: Link, one: &str, other: &str) -> Self {
        Self::of(Kind::Link(link, one.into(), other.into()))
    }

    /// When it begins.
    #[must_use]
    pub fn at(mut self, at: Duration) -> Self {
        self.at = at;
        self
    }

    /// How long it lasts. Default: a second. Of two faults of one link the first end ends both.
    #[must_use]
    pub fn lasting(mut self, lasts: Duration) -> Self {
        self.lasts = lasts;
        self
    }

    /// When it begins and how long it lasts, by chance.
    #[must_use]
    pub fn drawn(self, rng: &mut Rng, at: Range<Duration>, lasts: Range<Duration>) -> Self {
        let (at, lasts) = (rng.time(at), rng.time(lasts));
        self.at(at).lasting(lasts)
    }

    /// Whom it is about.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let (one, other) = match &self.kind {
            Kind::Crash(host) => (Some(host), None),
            Kind::Forget => (None, None),
            Kind::Link(_, one, other) => (Some(one), Some(other)),
        };
        one.into_iter().chain(other).map(|name| &**name)
    }
}

/// When which of the faults begins (`true`) or ends, in order.
pub(super) fn acts(faults: &[Fault]) -> Vec<(Duration, usize, bool)> {
    let both = |(n, fault): (usize, &Fault)| [(fault.at, n, true), (fault.at + fault.lasts, n, false)];
    let mut acts: Vec<_> = faults.iter().enumerate().flat_map(both).collect();
    acts.sort_by_key(|(at, ..)| *at);
    acts
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Crash(host) => write!(f, "crash of {host}"),
            Kind::Forget => write!(f, "the registry forgets"),
            Kind::Link(Link::Cut, one, other) => write!(f, "partition of {one} and {other}"),
            Kind::Link(Link::OneWay, from, to) => write!(f, "loss from {from} to {to}"),
            Kind::Link(Link::Held, one, other) => write!(f, "hold between {one} and {other}"),
            Kind::Link(Link::Slow(most), one, other) => write!(f, "up to {most:?} between {one} and {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_begin_and_end_in_order_and_a_seed_draws_the_same() {
        let ms = Duration::from_millis;
        let faults = [Fault::crash("a").at(ms(500)), Fault::hold("a", "b").at(ms(100)).lasting(ms(700))];
        assert_eq!(acts(&faults), [(ms(100), 1, true), (ms(500), 0, true), (ms(800), 1, false), (ms(1500), 0, false)]);
        let drawn = |seed| Fault::crash("a").drawn(&mut Rng::new(seed), ms(10)..ms(20), ms(1)..ms(5));
        assert_eq!(drawn(3), drawn(3));
        assert_ne!(drawn(3), drawn(4));
        assert!(drawn(3).at >= ms(10) && drawn(3).lasts < ms(5));
    }
}
