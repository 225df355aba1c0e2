//! How many calls per time, and of whom: refused with the time after which another may come, or spread out. Pure, over
//! governor's GCRA.

use super::{
    Admission, Decision, Ended, Key, Policy, Refusal,
    pace::Pace,
    store::{MAX_KEYS, Store, Told},
};
use crate::call::{Invocation, Reason};
use governor::{Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos};
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// A rate: so many calls per time, of all or of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    calls: u32,
    per: Duration,
    burst: Option<u32>,
    key: Key,
    methods: Vec<Arc<str>>,
    pace: Option<Duration>,
}

impl Rate {
    /// So many calls per second.
    pub fn per_second(calls: u32) -> Self {
        Self::per(calls, Duration::from_secs(1))
    }

    /// So many calls in this time. Both are at least 1, the time in nanoseconds.
    pub fn per(calls: u32, time: Duration) -> Self {
        let (calls, per) = (calls.max(1), time.max(Duration::from_nanos(1)));
        Self { calls, per, burst: None, key: Key::All, methods: Vec::new(), pace: None }
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
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Refuse(Limiter),
    Pace(Pace),
}

/// governor's limiter over our store and our clock.
type Limiter = RateLimiter<u64, Store, Told, NoOpMiddleware<Nanos>>;

/// What stands for the key of a call that has none.
const NONE: u64 = 1;

impl RateLimit {
    /// A policy of these rates.
    pub fn new(rates: impl IntoIterator<Item = Rate>) -> Self {
        let clock = Told::default();
        let mut rules: Vec<Rule> = rates.into_iter().map(|rate| Rule::new(rate, &clock)).collect();
        rules.sort_by_key(|rule| matches!(rule.kind, Kind::Pace(_)));
        Self { clock, rules }
    }
}

impl Rule {
    fn new(Rate { calls, per, burst, key, methods, pace }: Rate, clock: &Told) -> Self {
        let between = (per / calls).max(Duration::from_nanos(1));
        let kind = match pace {
            Some(at_most) => Kind::Pace(Pace::new(between, at_most)),
            None => {
                let burst = NonZeroU32::new(burst.unwrap_or(calls)).unwrap_or(NonZeroU32::MIN);
                // A period of at least a nanosecond is a quota.
                let quota = Quota::with_period(between).unwrap_or(Quota::per_second(burst)).allow_burst(burst);
                Kind::Refuse(Limiter::new(quota, Store::new(clock.clone(), MAX_KEYS), clock.clone()))
            }
        };
        Self { key, methods, kind }
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
            match &rule.kind {
                Kind::Refuse(limiter) => {
                    let key = rule.key.of(call.call).unwrap_or(NONE);
                    if let Err(not) = limiter.check_key(&key) {
                        return refuse("more calls than the rate allows", not.wait_time_from(self.clock.now()));
                    }
                }
                Kind::Pace(pace) => match pace.take(now, call.left) {
                    Ok(moment) => at = at.max(moment),
                    Err(after) => return refuse("more calls than the pace allows, and than may wait", after),
                },
            }
        }
        if at > now { Decision::At(at) } else { Decision::Permit }
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
