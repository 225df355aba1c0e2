//! A resource that does badly is given up for a while, by a degrade rule. Pure: the time comes in.
//!
//! As in Sentinel 1.8.9 (`AbstractCircuitBreaker`): the rule speaks when a request has ended, not before `least` did within the
//! time that is looked at; then nobody passes for a while; then one passes alone and tries it out. Otherwise than there only that one
//! decides, not a request that had been under way all along.

use super::rule::{DegradeRule, Measure};
use std::time::Duration;

/// A rule at work.
#[derive(Clone, Debug)]
pub(super) struct Breaker {
    pub(super) rule: DegradeRule,
    state: State,
    tally: Tally,
    /// How often it has opened. Who tried it out in an earlier round says nothing any more.
    round: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Closed,
    Open {
        until: Duration,
    },
    /// So many try it out, and so many have found it good.
    HalfOpen {
        out: u32,
        good: u32,
    },
}

/// A request that was let through: `Some` tries it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Let(Option<u64>);

impl Breaker {
    pub(super) fn new(rule: DegradeRule) -> Self {
        let tally = Tally::new(rule.every, rule.parts);
        Self { rule, state: State::Closed, tally, round: 0 }
    }

    /// Asks for one request.
    ///
    /// # Errors
    /// It does not pass; perhaps one does after this time.
    pub(super) fn ask(&mut self, now: Duration) -> Result<Let, Duration> {
        match &mut self.state {
            State::Closed => Ok(Let(None)),
            State::Open { until } if now < *until => Err(*until - now),
            State::Open { .. } => {
                self.state = State::HalfOpen { out: 1, good: 0 };
                Ok(Let(Some(self.round)))
            }
            State::HalfOpen { out, good } if *out + *good < self.rule.probes => {
                *out += 1;
                Ok(Let(Some(self.round)))
            }
            // When those who try it out end nobody knows.
            State::HalfOpen { .. } => Err(Duration::from_secs(1)),
        }
    }

    /// A request ended so. Answers whether that opened it.
    pub(super) fn ended(&mut self, passed: Let, took: Duration, failed: bool, now: Duration) -> bool {
        let before = self.round;
        let bad = match self.rule.measure {
            Measure::Slow { above } => took > above,
            Measure::ErrorRatio | Measure::ErrorCount => failed,
        };
        match &mut self.state {
            State::Closed if passed.0.is_none_or(|round| round == self.round) => {
                self.tally.add(bad, now);
                if self.is_too_much(now) {
                    self.open(now);
                }
            }
            State::HalfOpen { .. } if passed.0 == Some(self.round) && bad => self.open(now),
            State::HalfOpen { out, good } if passed.0 == Some(self.round) => {
                (*out, *good) = (out.saturating_sub(1), *good + 1);
                if *good >= self.rule.probes {
                    self.state = State::Closed;
                    self.tally = Tally::new(self.rule.every, self.rule.parts);
                }
            }
            _ => {}
        }
        self.round > before
    }

    /// A request ended, and how is not known: its caller went away, or something else did not let it through. If it was to try
    /// it out, the next one does.
    pub(super) fn unheard(&mut self, passed: Let) {
        if let State::HalfOpen { out, .. } = &mut self.state
            && passed.0 == Some(self.round)
        {
            *out = out.saturating_sub(1);
        }
    }

    fn open(&mut self, now: Duration) {
        self.state = State::Open { until: now + self.rule.open };
        self.round += 1;
    }

    fn is_too_much(&self, now: Duration) -> bool {
        let (total, bad) = self.tally.sum(now);
        if total < self.rule.least.max(1) {
            return false;
        }
        let (value, threshold) = match self.rule.measure {
            Measure::ErrorCount => (bad as f64, self.rule.threshold),
            Measure::Slow { .. } | Measure::ErrorRatio => (bad as f64 / total as f64, self.rule.threshold),
        };
        // All being slow is enough where nothing can be above.
        let all_slow = matches!(self.rule.measure, Measure::Slow { .. }) && threshold >= 1.0;
        value > threshold || (value == threshold && bad > 0 && (self.rule.at_threshold || all_slow))
    }

    /// In a word, for people: `CLOSED`, `OPEN` or `HALF_OPEN`.
    pub(super) fn word(&self, now: Duration) -> &'static str {
        match self.state {
            State::Closed => "CLOSED",
            State::Open { until } if now < until => "OPEN",
            State::Open { .. } | State::HalfOpen { .. } => "HALF_OPEN",
        }
    }

    /// Requests that ended of late, and how many of them badly.
    pub(super) fn counts(&self, now: Duration) -> (u64, u64) {
        self.tally.sum(now)
    }
}

/// Requests that ended within a time, which moves by parts of it: in one part it begins anew each time.
#[derive(Clone, Debug)]
struct Tally {
    /// A part in milliseconds.
    part: u64,
    /// By the number of the part, from the epoch: all, and the bad ones.
    parts: Vec<(u64, u64, u64)>,
}

impl Tally {
    fn new(every: Duration, parts: u32) -> Self {
        let part = (millis(every) / u64::from(parts.max(1))).max(1);
        Self { part, parts: vec![(0, 0, 0); parts.max(1) as usize] }
    }

    fn add(&mut self, bad: bool, now: Duration) {
        let at = millis(now) / self.part;
        let many = self.parts.len() as u64;
        let slot = &mut self.parts[(at % many) as usize];
        if slot.0 != at {
            *slot = (at, 0, 0);
        }
        slot.1 += 1;
        slot.2 += u64::from(bad);
    }

    fn sum(&self, now: Duration) -> (u64, u64) {
        let at = millis(now) / self.part;
        let of_late = self.parts.iter().filter(|(one, ..)| *one <= at && at - *one < self.parts.len() as u64);
        of_late.fold((0, 0), |(total, bad), part| (total + part.1, bad + part.2))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Duration = Duration::from_secs(1_700_000_000);

    fn rule(measure: Measure, threshold: f64) -> DegradeRule {
        DegradeRule {
            resource: "r".into(),
            measure,
            threshold,
            at_threshold: false,
            open: Duration::from_secs(10),
            least: 5,
            every: Duration::from_secs(1),
            parts: 1,
            probes: 1,
        }
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn it_opens_tries_out_and_closes() {
        let mut breaker = Breaker::new(rule(Measure::ErrorRatio, 0.5));
        let call = |breaker: &mut Breaker, failed, at| {
            let passed = breaker.ask(START + at)?;
            breaker.ended(passed, ms(1), failed, START + at);
            Ok::<_, Duration>(())
        };
        for failed in [true, false, true, true] {
            assert_eq!(call(&mut breaker, failed, ms(0)), Ok(()));
        }
        assert_eq!(breaker.word(START), "CLOSED", "four are too few");
        assert_eq!(call(&mut breaker, true, ms(0)), Ok(()));
        assert_eq!(call(&mut breaker, false, ms(4000)), Err(ms(6000)));
        // One passes alone.
        let probe = breaker.ask(START + ms(10_000)).unwrap();
        assert!(breaker.ask(START + ms(10_000)).is_err());
        // It goes away unheard: the next one tries it out.
        breaker.unheard(probe);
        let probe = breaker.ask(START + ms(10_001)).unwrap();
        breaker.ended(probe, ms(1), true, START + ms(10_002));
        assert_eq!(breaker.ask(START + ms(10_003)), Err(ms(9_999)));
        let probe = breaker.ask(START + ms(20_002)).unwrap();
        breaker.ended(probe, ms(1), false, START + ms(20_003));
        assert_eq!((breaker.word(START + ms(20_003)), breaker.counts(START + ms(20_003))), ("CLOSED", (0, 0)));
    }

    #[test]
    fn what_is_above_and_what_only_reaches() {
        let opens = |rule: DegradeRule, bad: u32, good: u32| {
            let (slow, mut breaker) = (ms(300), Breaker::new(rule));
            let passed: Vec<_> = (0..bad + good).map(|_| breaker.ask(START).unwrap()).collect();
            for (at, one) in passed.into_iter().enumerate() {
                let is_bad = at as u32 >= good;
                breaker.ended(one, if is_bad { slow } else { ms(200) }, is_bad, START);
            }
            breaker.word(START) == "OPEN"
        };
        let slow = || Measure::Slow { above: ms(200) };
        for (measure, threshold, bad, good, java, go) in [
            (Measure::ErrorRatio, 0.5, 5, 5, false, true),
            (Measure::ErrorRatio, 0.5, 6, 4, true, true),
            (Measure::ErrorRatio, 1.0, 10, 0, false, true),
            (Measure::ErrorRatio, 0.0, 0, 10, false, false),
            (Measure::ErrorCount, 3.0, 3, 5, false, true),
            (Measure::ErrorCount, 3.0, 4, 5, true, true),
            (slow(), 0.5, 5, 5, false, true),
            (slow(), 1.0, 10, 0, true, true),
            (slow(), 1.0, 9, 1, false, false),
        ] {
            let rule = rule(measure, threshold);
            assert_eq!(opens(rule.clone(), bad, good), java, "{rule:?} {bad} {good}");
            assert_eq!(
                opens(DegradeRule { at_threshold: true, ..rule.clone() }, bad, good),
                go,
                "{rule:?} {bad} {good}"
            );
        }
    }

    #[test]
    fn several_must_find_it_good() {
        let mut breaker = Breaker::new(DegradeRule { probes: 2, least: 1, ..rule(Measure::ErrorCount, 0.0) });
        let first = breaker.ask(START).unwrap();
        let late = breaker.ask(START).unwrap();
        breaker.ended(first, ms(1), true, START);
        let then = START + ms(10_000);
        let probes = [breaker.ask(then).unwrap(), breaker.ask(then).unwrap()];
        assert!(breaker.ask(then).is_err());
        // One that began before it opened says nothing.
        breaker.ended(late, ms(1), true, then);
        breaker.ended(probes[0], ms(1), false, then);
        assert_eq!(breaker.word(then), "HALF_OPEN");
        breaker.ended(probes[1], ms(1), false, then);
        assert_eq!(breaker.word(then), "CLOSED");
    }

    proptest! {
        /// Against a list of all that ended: it opens exactly when the list says so.
        #[test]
        fn it_opens_when_a_list_says_so(
            steps in prop::collection::vec((0u64..400, any::<bool>()), 1..80), threshold in 0u32..10, parts in 1u32..5,
        ) {
            let rule = DegradeRule { parts, every: ms(1000 / u64::from(parts) * u64::from(parts)), open: ms(700), ..rule(Measure::ErrorRatio, f64::from(threshold) / 10.0) };
            let part = millis(rule.every) / u64::from(parts);
            let (mut breaker, mut all, mut now) = (Breaker::new(rule.clone()), Vec::<(u64, bool)>::new(), millis(START));
            let mut shut = None;
            for (step, failed) in steps {
                now += step;
                let at = ms(now);
                let passed = breaker.ask(at);
                match shut {
                    Some(until) if now < until => {
                        prop_assert!(passed.is_err());
                        continue;
                    }
                    _ => prop_assert!(passed.is_ok()),
                }
                breaker.ended(passed.unwrap(), ms(1), failed, at);
                if shut.take().is_some() {
                    all.clear();
                    shut = failed.then_some(now + 700);
                    continue;
                }
                all.push((now, failed));
                let from = (now / part + 1).saturating_sub(parts.into()) * part;
                let of_late: Vec<_> = all.iter().filter(|(one, _)| *one >= from).collect();
                let bad = of_late.iter().filter(|(_, failed)| *failed).count();
                if of_late.len() >= 5 && bad as f64 / of_late.len() as f64 > rule.threshold {
                    shut = Some(now + 700);
                }
            }
        }
    }
}
