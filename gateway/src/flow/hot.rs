//! One rule of a hot parameter: so many for each value of something. Pure: the time comes in.
//!
//! As in Sentinel 1.8.9 (`ParamFlowChecker`): a bucket for each value, filled up at the first request after its time is over, so that
//! up to twice the count can pass around such an edge. Values are remembered as long as there is room.

use super::{
    controller::Says,
    rule::{Grade, ParamRule, Tempo},
};
use lru::LruCache;
use std::time::Duration;

/// A rule at work.
#[derive(Debug)]
pub(super) struct Hot {
    pub(super) rule: ParamRule,
    seen: LruCache<Box<str>, Bucket>,
}

/// What is known of one value.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u64,
    /// When it was filled up; of values that queue, when the last one passes.
    at: Duration,
    running: u64,
}

impl Hot {
    pub(super) fn new(rule: ParamRule) -> Self {
        // It grows with what comes: one with a bound of its own would take all its room at once.
        Self { rule, seen: LruCache::unbounded() }
    }

    /// How many of a value may pass.
    pub(super) fn limit(&self, value: &str) -> u64 {
        self.rule.items.get(value).copied().unwrap_or(self.rule.count)
    }

    /// How many values are known.
    pub(super) fn known(&self) -> usize {
        self.seen.len()
    }

    /// Asks for one request with this value; one that passes, or waits, is under way from then on.
    pub(super) fn ask(&mut self, value: &str, now: Duration) -> Says {
        let limit = self.limit(value);
        if limit == 0 {
            return Says::Reject(self.rule.every);
        }
        if !self.seen.contains(value) {
            let new = Bucket { left: limit + self.rule.burst, at: now, running: 0 };
            // One whose turn has come: the first of a value never waits.
            let at = match self.rule.tempo {
                Tempo::Queue { .. } => now.saturating_sub(cost(self.rule.every, limit)),
                Tempo::Reject => now,
            };
            self.seen.put(value.into(), Bucket { at, ..new });
            if self.seen.len() > self.rule.most.max(1) {
                self.seen.pop_lru();
            }
        }
        let Some(bucket) = self.seen.get_mut(value) else { return Says::Pass };
        let says = match (self.rule.grade, self.rule.tempo) {
            (Grade::Thread, _) if bucket.running < limit => Says::Pass,
            // When one of them ends nobody knows.
            (Grade::Thread, _) => Says::Reject(Duration::from_secs(1)),
            (Grade::Qps, Tempo::Reject) => bucket.take(limit, limit + self.rule.burst, self.rule.every, now),
            (Grade::Qps, Tempo::Queue { below }) => bucket.queue(cost(self.rule.every, limit), below, now),
        };
        if !matches!(says, Says::Reject(_)) {
            bucket.running += 1;
        }
        says
    }

    /// One with this value has ended.
    pub(super) fn ended(&mut self, value: &str) {
        if let Some(bucket) = self.seen.peek_mut(value) {
            bucket.running = bucket.running.saturating_sub(1);
        }
    }
}

/// The gap between two, in whole milliseconds.
fn cost(every: Duration, limit: u64) -> Duration {
    Duration::from_millis((every.as_millis() as f64 / limit as f64).round() as u64)
}

impl Bucket {
    fn take(&mut self, limit: u64, most: u64, every: Duration, now: Duration) -> Says {
        let elapsed = now.saturating_sub(self.at);
        if elapsed > every {
            let more = (elapsed.as_millis() * u128::from(limit) / every.as_millis().max(1)).min(most.into()) as u64;
            (self.left, self.at) = ((self.left + more).min(most), now);
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Says::Pass
            }
            None => Says::Reject(every.saturating_sub(elapsed) + Duration::from_millis(1)),
        }
    }

    fn queue(&mut self, cost: Duration, below: Duration, now: Duration) -> Says {
        let expected = self.at + cost;
        if expected <= now {
            self.at = now;
            return Says::Pass;
        }
        let wait = expected - now;
        if wait >= below {
            return Says::Reject(wait.saturating_sub(below) + Duration::from_millis(1));
        }
        self.at = expected;
        Says::Wait(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rule::Pick, *};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, HashMap};

    const START: u64 = 1_700_000_000_000;

    fn rule(count: u64) -> ParamRule {
        ParamRule {
            resource: "r".into(),
            pick: Pick::ClientIp,
            pattern: None,
            grade: Grade::Qps,
            count,
            burst: 0,
            every: Duration::from_secs(1),
            tempo: Tempo::Reject,
            items: BTreeMap::new(),
            most: 100,
            of_gateway: false,
        }
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn passes(hot: &mut Hot, value: &str, at: u64) -> bool {
        hot.ask(value, ms(START + at)) == Says::Pass
    }

    #[test]
    fn each_value_has_its_own_count_and_some_another() {
        let items = BTreeMap::from([("vip".to_owned(), 4), ("bad".to_owned(), 0)]);
        let mut hot = Hot::new(ParamRule { burst: 1, items, ..rule(2) });
        let mut count = |value: &str| (0..9).filter(|_| passes(&mut hot, value, 0)).count();
        assert_eq!(["a", "b", "vip", "bad"].map(&mut count), [3, 3, 5, 0]);
        assert_eq!(hot.ask("a", ms(START + 400)), Says::Reject(ms(601)));
        assert!(passes(&mut hot, "a", 1001));
    }

    #[test]
    fn requests_at_once_are_bounded_for_each_value() {
        let mut hot = Hot::new(ParamRule { grade: Grade::Thread, ..rule(2) });
        assert_eq!([0; 3].map(|_| passes(&mut hot, "a", 0)), [true, true, false]);
        assert!(passes(&mut hot, "b", 0));
        hot.ended("a");
        assert!(passes(&mut hot, "a", 0));
    }

    #[test]
    fn values_queue_evenly() {
        let mut hot = Hot::new(ParamRule { tempo: Tempo::Queue { below: ms(300) }, ..rule(10) });
        let says: Vec<_> = (0..5).map(|_| hot.ask("a", ms(START))).collect();
        let wait = |millis| Says::Wait(ms(millis));
        assert_eq!(says, [Says::Pass, wait(100), wait(200), Says::Reject(ms(1)), Says::Reject(ms(1))]);
        assert_eq!(hot.ask("b", ms(START)), Says::Pass);
        assert_eq!(hot.ask("a", ms(START + 1000)), Says::Pass);
    }

    #[test]
    fn a_flood_of_values_takes_no_more_room() {
        let mut hot = Hot::new(ParamRule { most: 10, ..rule(1) });
        assert!((0..1000).all(|n| passes(&mut hot, &n.to_string(), 0)));
        assert_eq!(hot.known(), 10);
        assert!(!passes(&mut hot, "999", 1), "who was seen last is known");
        assert!(passes(&mut hot, "0", 1), "who was forgotten begins anew");
    }

    proptest! {
        /// Against a model that keeps a list of values by use, and says the rule in so many words.
        #[test]
        fn buckets_are_those_of_a_slow_model(
            steps in prop::collection::vec((0u64..700, 0usize..6), 1..120), count in 1u64..4, burst in 0u64..3, most in 1usize..6,
        ) {
            let mut hot = Hot::new(ParamRule { burst, most, ..rule(count) });
            let (mut known, mut used, mut now) = (HashMap::<usize, (u64, u64)>::new(), Vec::<usize>::new(), START);
            for (step, value) in steps {
                now += step;
                used.retain(|one| *one != value);
                used.insert(0, value);
                used.iter().skip(most).for_each(|gone| { known.remove(gone); });
                used.truncate(most);
                let (left, at) = known.entry(value).or_insert((count + burst, now));
                if now - *at > 1000 {
                    (*left, *at) = ((*left + (now - *at) * count / 1000).min(count + burst), now);
                }
                let passes = *left > 0;
                *left = left.saturating_sub(1);
                prop_assert_eq!(hot.ask(&value.to_string(), ms(now)) == Says::Pass, passes);
            }
        }
    }
}
