//! How many calls per time, and of whom: refused with the time after which another may come, or spread out. Pure, over
//! governor's GCRA.

use super::{
    Admission, Decision, Ended, Key, Policy, Refusal,
    pace::Pace,
    store::{MAX_KEYS, Store, Told},
    warm::Warm,
};
use crate::call::{Invocation, Reason};
use governor::{
    NotUntil, Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

/// A rate: so many calls per time, of all or of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    calls: u32,
    per: Duration,
    burst: Option<u32>,
    key: Key,
    methods: Vec<Arc<str>>,
    pace: Option<Duration>,
    warm_up: Option<Duration>,
}

impl Rate {
    /// So many calls per second.
    pub fn per_second(calls: u32) -> Self {
        Self::per(calls, Duration::from_secs(1))
    }

    /// So many calls in this time. Both are at least 1, the time in nanoseconds.
    pub fn per(calls: u32, time: Duration) -> Self {
        let (calls, per) = (calls.max(1), time.max(Duration::from_nanos(1)));
        Self { calls, per, burst: None, key: Key::All, methods: Vec::new(), pace: None, warm_up: None }
    }

    /// So many may come at once after a quiet time. Default: as many as may come in the time.
    #[must_use]
    pub fn burst(mut self, burst: u32) -> Self {
        self.burst = Some(burst);
        self
    }

    /// Counts those apart that differ in this. A call that has no such key is counted with the others that have none.
    ///
    /// 16 384 keys are told apart at once; when all are in use, further ones share their rate.
    #[must_use]
    pub fn by(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// For this method alone, by its name on the wire, as `Hold`. Said again: for that one too.
    #[must_use]
    pub fn only(mut self, method: impl Into<Arc<str>>) -> Self {
        self.methods.push(method.into());
        self
    }

    /// Spreads calls out instead of refusing them: each waits for its moment, for this long at most. There is then no
    /// burst, and no key: all that the rule is for are one.
    #[must_use]
    pub fn paced(mut self, at_most: Duration) -> Self {
        self.pace = Some(at_most);
        self
    }

    /// Begins with a third of the rate, and of the burst, and grows to the whole in this time of use; a quiet time of the same
    /// length makes it cold again. Together with [`paced`](Self::paced) calls are spread out at the rate of the moment. There is
    /// then no key: all that the rule is for are one.
    #[must_use]
    pub fn warm_up(mut self, time: Duration) -> Self {
        self.warm_up = Some(time).filter(|time| !time.is_zero());
        self
    }
}

/// As `50 in 1s, burst 10, by the caller, of Hold`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {:?}", self.calls, self.per)?;
        match (self.pace, self.burst) {
            (Some(at_most), _) => write!(f, ", spread out by {at_most:?} at most")?,
            (None, Some(burst)) => write!(f, ", burst {burst}")?,
            (None, None) => {}
        }
        if let Some(time) = self.warm_up {
            write!(f, ", warm after {time:?}")?;
        }
        match &self.key {
            Key::All => {}
            key => write!(f, ", by {key}")?,
        }
        if !self.methods.is_empty() {
            write!(f, ", of {}", self.methods.join(", "))?;
        }
        Ok(())
    }
}

/// The policy: every rate must allow a call. Those that refuse are asked before those that spread out.
#[derive(Debug)]
pub struct RateLimit {
    clock: Told,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    key: Key,
    methods: Vec<Arc<str>>,
    /// Calls wait for their moment.
    spreads: bool,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    RefuseAll(Direct),
    Refuse(Keyed),
    Pace(Pace),
    Warm(Warm),
}

/// governor's limiter over our clock: of all calls as one, which takes no lock, and over our store.
type Direct = RateLimiter<NotKeyed, InMemoryState, Told, NoOpMiddleware<Nanos>>;
type Keyed = RateLimiter<u64, Store, Told, NoOpMiddleware<Nanos>>;

/// What stands for the key of a call that has none.
const NONE: u64 = 1;

impl RateLimit {
    /// A policy of these rates.
    pub fn new(rates: impl IntoIterator<Item = Rate>) -> Self {
        let clock = Told::default();
        let mut rules: Vec<Rule> = rates.into_iter().map(|rate| Rule::new(rate, &clock)).collect();
        rules.sort_by_key(|rule| rule.spreads);
        Self { clock, rules }
    }
}

impl Rule {
    fn new(Rate { calls, per, burst, key, methods, pace, warm_up }: Rate, clock: &Told) -> Self {
        let between = (per / calls).max(Duration::from_nanos(1));
        let burst = burst.unwrap_or(calls);
        let kind = match (pace, warm_up) {
            (Some(at_most), Some(time)) => Kind::Warm(Warm::new(between, 1, at_most, time)),
            (None, Some(time)) => Kind::Warm(Warm::new(between, burst, Duration::ZERO, time)),
            (Some(at_most), None) => Kind::Pace(Pace::new(between, at_most)),
            (None, None) => {
                let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
                // A period of at least a nanosecond is a quota.
                let quota = Quota::with_period(between).unwrap_or(Quota::per_second(burst)).allow_burst(burst);
                match key {
                    Key::All => Kind::RefuseAll(Direct::direct_with_clock(quota, clock.clone())),
                    _ => Kind::Refuse(Keyed::new(quota, Store::new(clock.clone(), MAX_KEYS), clock.clone())),
                }
            }
        };
        Self { key, methods, spreads: pace.is_some(), kind }
    }

    fn is_for(&self, call: &Invocation) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|method| **method == *call.method.name())
    }
}

fn refuse(message: &'static str, retry_after: Duration) -> Decision {
    let mut refusal = Refusal::new(Reason::RateLimited, message);
    refusal.retry_after = Some(retry_after);
    Decision::Refuse(refusal)
}

impl Policy for RateLimit {
    fn name(&self) -> &'static str {
        "rate"
    }

    fn admit(&self, call: &Admission<'_>, now: Duration, _: u64) -> Decision {
        self.clock.tell(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
        let mut at = now;
        for rule in self.rules.iter().filter(|rule| rule.is_for(call.call)) {
            let too_many =
                |not: NotUntil<Nanos>| refuse("more calls than the rate allows", not.wait_time_from(self.clock.now()));
            match &rule.kind {
                Kind::RefuseAll(limiter) => {
                    if let Err(not) = limiter.check() {
                        return too_many(not);
                    }
                }
                Kind::Refuse(limiter) => {
                    if let Err(not) = limiter.check_key(&rule.key.of(call.call).unwrap_or(NONE)) {
                        return too_many(not);
                    }
                }
                Kind::Pace(pace) => match pace.take(now, call.left) {
                    Ok(moment) => at = at.max(moment),
                    Err(after) => return refuse("more calls than the pace allows, and than may wait", after),
                },
                Kind::Warm(warm) => match warm.take(now, call.left) {
                    Ok(moment) => at = at.max(moment),
                    Err(after) => return refuse("more calls than the rate allows while it warms up", after),
                },
            }
        }
        if at > now { Decision::At(at) } else { Decision::Permit }
    }

    fn draws(&self) -> bool {
        false
    }

    fn hears(&self) -> bool {
        false
    }

    fn settle(&self, _: &Ended, _: Duration) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        call::{self, Method, Peer},
        layer::testing::call,
    };
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn of(address: &str) -> Invocation {
        let mut call = call(call::Kind::Unary, false);
        call.peer = Some(Peer::new(Some(address.parse().unwrap()), Vec::new()));
        call
    }

    fn ask(policy: &RateLimit, call: &Invocation, at: u64) -> Decision {
        policy.admit(&Admission::new(call), MS * at as u32, 0)
    }

    fn passes(policy: &RateLimit, call: &Invocation, at: u64) -> bool {
        ask(policy, call, at) == Decision::Permit
    }

    #[test]
    fn so_many_per_second_and_a_time_to_come_again() {
        let policy = RateLimit::new([Rate::per_second(10).burst(2)]);
        let call = of("10.0.0.1:1");
        assert_eq!(
            [0, 0, 0, 99, 101, 102].map(|at| passes(&policy, &call, at)),
            [true, true, false, false, true, false]
        );
        let Decision::Refuse(refusal) = ask(&policy, &call, 150) else { panic!("it is let in") };
        assert_eq!((refusal.reason, refusal.retry_after), (Reason::RateLimited, Some(50 * MS)));
    }

    #[test]
    fn each_caller_has_a_rate_and_each_rule_its_methods() {
        let rates = [Rate::per_second(1).burst(1).by(Key::Caller).only("C"), Rate::per_second(1).burst(3)];
        let policy = RateLimit::new(rates);
        let (one, other) = (of("10.0.0.1:1"), of("10.0.0.2:1"));
        assert_eq!([&one, &one, &other, &other].map(|call| passes(&policy, call, 0)), [true, false, true, false]);
        let mut free = of("10.0.0.1:1");
        free.method = Method::new("a.B", "D", call::Kind::Unary).unwrap();
        assert_eq!([&free, &free].map(|call| passes(&policy, call, 0)), [true, false], "the rule of all");
    }

    #[test]
    fn a_rate_that_is_cold_lets_a_third_in() {
        let call = of("10.0.0.1:1");
        let second = |policy: &RateLimit, from: u64| (0..1000).filter(|ms| passes(policy, &call, from + ms)).count();
        let rate = Rate::per_second(100).burst(1).warm_up(Duration::from_secs(10));
        assert_eq!(rate.to_string(), "100 in 1s, burst 1, warm after 10s");
        let policy = RateLimit::new([rate.clone()]);
        assert!(second(&policy, 0).abs_diff(34) <= 1);
        (1..15).for_each(|at| {
            second(&policy, at * 1000);
        });
        assert!(second(&policy, 15_000).abs_diff(100) <= 1);
        let spread = RateLimit::new([rate.paced(40 * MS)]);
        assert_eq!(ask(&spread, &call, 0), Decision::Permit);
        assert!(matches!(ask(&spread, &call, 0), Decision::At(at) if at > 29 * MS && at < 30 * MS));
        assert!(matches!(ask(&spread, &call, 0), Decision::Refuse(refusal) if refusal.retry_after.is_some()));
    }

    #[test]
    fn calls_are_spread_out() {
        let policy = RateLimit::new([Rate::per_second(100).paced(15 * MS), Rate::per_second(3).burst(3)]);
        let call = of("10.0.0.1:1");
        let asked: Vec<_> = (0..3).map(|_| ask(&policy, &call, 5)).collect();
        assert_eq!(asked[..2], [Decision::Permit, Decision::At(15 * MS)]);
        assert!(matches!(&asked[2], Decision::Refuse(refusal) if refusal.message.contains("pace")), "{asked:?}");
        assert!(matches!(ask(&policy, &call, 90), Decision::Refuse(refusal) if refusal.message.contains("rate")));
    }

    proptest! {
        /// Against a slow model: in no stretch of time more than the burst and what the rate gives for it.
        #[test]
        fn no_stretch_of_time_lets_more_in(
            (between, burst) in (1u64..20, 1u32..20),
            pauses in prop::collection::vec(0u64..60, 1..150),
        ) {
            let policy = RateLimit::new([Rate::per(1, Duration::from_millis(between)).burst(burst)]);
            let call = of("10.0.0.1:1");
            let (mut now, mut let_in) = (0, Vec::<u64>::new());
            for pause in pauses {
                now += pause;
                let count = |from: usize| (let_in.len() - from) as u64 + 1;
                let fits = |from: usize| count(from) * between <= u64::from(burst) * between + now - let_in[from];
                let expected = (0..let_in.len()).all(fits);
                prop_assert_eq!(passes(&policy, &call, now), expected);
                if expected {
                    let_in.push(now);
                }
            }
        }
    }
}
