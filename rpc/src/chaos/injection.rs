//! Which calls are met by a fault, and by which. Pure.
//!
//! The terms are those of Envoy's fault filter: delay and abort, each by percentage. Envoy lets callers say in headers how late
//! and how refused they want to be; here a header only chooses among what the program has written down.

use crate::call::Invocation;
use std::{sync::Arc, time::Duration};
use tonic::{Code, metadata::MetadataMap};

/// What is done to some of the calls.
#[derive(Clone, Debug)]
pub struct Injection {
    /// Of 2^64 throws, so many are met; one more than there are for all.
    share: u128,
    service: Option<Arc<str>>,
    method: Option<Arc<str>>,
    metadata: Option<(Arc<str>, Arc<str>)>,
    delay: Option<(Duration, Duration)>,
    end: Option<End>,
}

/// How a call ends that is not let go its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is refused, and never gets to whoever was to answer it.
    Abort(Code),
    /// It is answered, and the answer is lost: of a stream all that comes after the first message.
    Reset,
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) delay: Duration,
    pub(super) end: Option<End>,
}

impl Injection {
    /// Meets so many of a hundred calls, each by a throw of its own. What is not a number from 0 to 100 is the nearest of them; no
    /// number at all is 0.
    pub fn of(percentage: f64) -> Self {
        let part = (percentage / 100.0).clamp(0.0, 1.0);
        // A number that is none is 0 as an integer.
        let share = (part * 2f64.powi(64)) as u128;
        Self { share, service: None, method: None, metadata: None, delay: None, end: None }
    }

    /// Only calls of the service with this full name, as `shop.stock.v1.StockApi`.
    pub fn service(mut self, name: impl Into<Arc<str>>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// Only calls of methods with this name on the wire, as `Level`.
    pub fn method(mut self, name: impl Into<Arc<str>>) -> Self {
        self.method = Some(name.into());
        self
    }

    /// Only calls whose metadata `name` is `value`.
    pub fn metadata(mut self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        self.metadata = Some((name.into(), value.into()));
        self
    }

    /// Holds them up for so long, and no longer than the deadline that they bring.
    pub fn delay(self, time: Duration) -> Self {
        self.delay_between(time, time)
    }

    /// Holds each up for a time of its own, evenly spread between these two.
    pub fn delay_between(mut self, shortest: Duration, longest: Duration) -> Self {
        self.delay = Some((shortest.min(longest), longest.max(shortest)));
        self
    }

    /// Refuses them with this code.
    pub fn abort(mut self, code: Code) -> Self {
        self.end = Some(End::Abort(code));
        self
    }

    /// Has them answered, and loses the answer, as a connection that breaks does: with UNAVAILABLE, and not knowing what was done.
    /// A stream breaks after its first message.
    pub fn reset(mut self) -> Self {
        self.end = Some(End::Reset);
        self
    }

    fn takes(&self, call: &Invocation) -> bool {
        let named = |wanted: &Option<Arc<str>>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        named(&self.service, call.method.service())
            && named(&self.method, call.method.name())
            && self.metadata.as_ref().is_none_or(|(name, value)| says(&call.metadata, name, value))
    }
}

fn says(metadata: &MetadataMap, name: &str, value: &str) -> bool {
    metadata.get(name).is_some_and(|found| found.as_encoded_bytes() == value.as_bytes())
}

/// What becomes of a call: the longest of the delays that meet it, and the first of the ends. `throw` is asked twice for each
/// injection, whatever comes of it, so that a seed repeats.
pub(super) fn fate(injections: &[Injection], call: &Invocation, mut throw: impl FnMut() -> u64) -> Fate {
    let mut fate = Fate::default();
    for injection in injections {
        let (met, late) = (throw(), throw());
        if u128::from(met) >= injection.share || !injection.takes(call) {
            continue;
        }
        if let Some((shortest, longest)) = injection.delay {
            let part = late as f64 / 2f64.powi(64);
            fate.delay = fate.delay.max(shortest + (longest - shortest).mul_f64(part));
        }
        fate.end = fate.end.or(injection.end);
    }
    fate
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{call::Kind, cluster::Dice, layer::testing::call};
    use proptest::prelude::*;

    const LATE: Duration = Duration::from_millis(200);

    #[test]
    fn the_share_is_the_percentage() {
        let one = call(Kind::Unary, false);
        for (percentage, expected) in [
            (0.0, 0..=0),
            (-3.0, 0..=0),
            (f64::NAN, 0..=0),
            (5.0, 400..=600),
            (100.0, 10_000..=10_000),
            (1e9, 10_000..=10_000),
        ] {
            let (dice, injection) = (Dice::new(7), [Injection::of(percentage).abort(Code::Internal)]);
            let met = (0..10_000).filter(|_| fate(&injection, &one, || dice.throw()).end.is_some()).count();
            assert!(expected.contains(&met), "{percentage}: {met}");
        }
    }

    #[test]
    fn the_longest_delay_and_the_first_end_count() {
        let one = call(Kind::Unary, false);
        let all = || Injection::of(100.0);
        let table: [(Vec<Injection>, Fate); 5] = [
            (vec![], Fate::default()),
            (vec![all()], Fate::default()),
            (vec![all().delay(LATE), all().delay(LATE / 2)], Fate { delay: LATE, end: None }),
            (vec![all().reset(), all().abort(Code::Internal).delay(LATE)], Fate { delay: LATE, end: Some(End::Reset) }),
            (
                vec![Injection::of(0.0).reset(), all().abort(Code::Aborted)],
                Fate { delay: Duration::ZERO, end: Some(End::Abort(Code::Aborted)) },
            ),
        ];
        for (injections, expected) in table {
            assert_eq!(fate(&injections, &one, || u64::MAX / 2), expected, "{injections:?}");
        }
    }

    #[test]
    fn only_what_is_named_is_met() {
        let mut one = call(Kind::Unary, false);
        let all = || Injection::of(100.0).reset();
        let met = |injection: Injection, call: &Invocation| fate(&[injection], call, || 0).end.is_some();
        assert!(met(all().service("a.B").method("C"), &one));
        assert!(!met(all().service("a.X"), &one) && !met(all().method("c"), &one));
        assert!(!met(all().metadata("x-chaos", "yes"), &one));
        one.metadata.insert("x-chaos", "yes".parse().unwrap());
        assert!(met(all().metadata("x-chaos", "yes"), &one) && !met(all().metadata("x-chaos", "no"), &one));
        assert!(!met(all().metadata("not a name", "yes"), &one));
    }

    proptest! {
        #[test]
        fn a_delay_is_between_its_ends_and_a_seed_repeats(seed: u64, a in 0u64..10_000, b in 0u64..10_000) {
            let (a, b) = (Duration::from_micros(a), Duration::from_micros(b));
            let injections = [Injection::of(50.0).reset(), Injection::of(100.0).delay_between(a, b)];
            let one = call(Kind::Unary, false);
            let thrown = || { let dice = Dice::new(seed); fate(&injections, &one, || dice.throw()) };
            prop_assert_eq!(thrown(), thrown());
            prop_assert!((a.min(b)..=a.max(b)).contains(&thrown().delay));
        }
    }
}
