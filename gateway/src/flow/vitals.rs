//! What the gateway as a whole bears, by system rules. Pure: the time, and how the machine does, come in.
//!
//! As in Sentinel 1.8.9 (`SystemRuleManager`): requests a second, under way, their mean time, the load and the processors.
//! A request takes its place when it is asked about, and gives it back when something below does not let it through.

use super::rule::{Metric, SystemRule};
use std::time::Duration;

const HALF: u64 = 500;

/// How the machine does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Machine {
    /// The load of the last minute.
    pub(crate) load: f64,
    /// The share of processors that is busy, from 0 to 1.
    pub(crate) cpu: f64,
}

/// All requests of a gateway of late.
#[derive(Clone, Debug, Default)]
pub(super) struct Vitals {
    /// By the number of the half second, from the epoch.
    halves: [Half; 2],
    running: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Half {
    at: u64,
    passed: u64,
    done: u64,
    /// The sum of their times, and the least, in milliseconds.
    took: u64,
    least: u64,
}

impl Vitals {
    /// Asks for one request. `Ok` has counted it.
    ///
    /// # Errors
    /// Which bound it would break.
    pub(super) fn ask(&mut self, rules: &[SystemRule], machine: Machine, now: Duration) -> Result<(), Metric> {
        let broken = |(metric, above): &&(Metric, f64)| match *metric {
            Metric::Qps => self.sum(now, |half| half.passed) as f64 + 1.0 > *above,
            Metric::Threads => self.running as f64 > *above,
            Metric::Rt => self.mean(now) > *above,
            Metric::Load { bbr } => machine.load > *above && !(bbr && self.keeps_up(now)),
            Metric::Cpu { bbr } => machine.cpu > *above && !(bbr && self.keeps_up(now)),
        };
        if let Some((metric, _)) = rules.iter().flat_map(|rule| &rule.0).find(broken) {
            return Err(*metric);
        }
        self.half(now).passed += 1;
        self.running += 1;
        Ok(())
    }

    /// One that was counted at `then` was answered, in this time.
    pub(super) fn done(&mut self, took: Duration, now: Duration) {
        self.running = self.running.saturating_sub(1);
        let took = millis(took);
        let half = self.half(now);
        half.least = if half.done == 0 { took } else { half.least.min(took) };
        half.done += 1;
        half.took += took;
    }

    /// One that was counted at `then` was not let through below, or went away.
    pub(super) fn gone(&mut self, then: Duration) {
        self.running = self.running.saturating_sub(1);
        let at = millis(then) / HALF;
        if let Some(half) = self.halves.iter_mut().find(|half| half.at == at) {
            half.passed = half.passed.saturating_sub(1);
        }
    }

    /// No more are under way than the best of late gets done: the time that the fastest took, times how many ended a second.
    fn keeps_up(&self, now: Duration) -> bool {
        let best = self.of_late(now).map(|half| half.done).max().unwrap_or_default() * 2;
        let least = self.of_late(now).filter(|half| half.done > 0).map(|half| half.least.max(1)).min();
        self.running <= 1 || self.running as f64 <= best as f64 * least.unwrap_or(1) as f64 / 1000.0
    }

    fn mean(&self, now: Duration) -> f64 {
        let done = self.sum(now, |half| half.done);
        if done == 0 { 0.0 } else { self.sum(now, |half| half.took) as f64 / done as f64 }
    }

    /// Requests of the last second, under way, and their mean time, for people.
    pub(super) fn seen(&self, now: Duration) -> (u64, u64, f64) {
        (self.sum(now, |half| half.passed), self.running, self.mean(now))
    }

    fn sum(&self, now: Duration, what: impl Fn(&Half) -> u64) -> u64 {
        self.of_late(now).map(what).sum()
    }

    fn of_late(&self, now: Duration) -> impl Iterator<Item = &Half> {
        let at = millis(now) / HALF;
        self.halves.iter().filter(move |half| half.at <= at && at - half.at <= 1)
    }

    fn half(&mut self, now: Duration) -> &mut Half {
        let at = millis(now) / HALF;
        let half = &mut self.halves[(at % 2) as usize];
        if half.at != at {
            *half = Half { at, ..Half::default() };
        }
        half
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: u64 = 1_700_000_000_000;
    const CALM: Machine = Machine { load: 0.0, cpu: 0.0 };

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn bound(metric: Metric, above: f64) -> [SystemRule; 1] {
        [SystemRule(vec![(metric, above)])]
    }

    #[test]
    fn each_bound() {
        let now = ms(START);
        let mut vitals = Vitals::default();
        for _ in 0..3 {
            assert_eq!(vitals.ask(&bound(Metric::Qps, 3.0), CALM, now), Ok(()));
        }
        assert_eq!(vitals.ask(&bound(Metric::Qps, 3.0), CALM, now), Err(Metric::Qps));
        // What was not let through below gives its place back.
        vitals.gone(now);
        assert_eq!(vitals.ask(&bound(Metric::Qps, 3.0), CALM, now), Ok(()));
        // As in Sentinel, those under way may reach the bound before another is asked about.
        assert_eq!(vitals.ask(&bound(Metric::Threads, 3.0), CALM, now), Ok(()));
        assert_eq!(vitals.ask(&bound(Metric::Threads, 3.0), CALM, now), Err(Metric::Threads));
        vitals.done(ms(30), now);
        vitals.done(ms(50), now);
        assert_eq!(vitals.ask(&bound(Metric::Rt, 40.0), CALM, now), Ok(()));
        assert_eq!(vitals.ask(&bound(Metric::Rt, 39.0), CALM, now), Err(Metric::Rt));
        assert_eq!(
            vitals.ask(&bound(Metric::Rt, 39.0), CALM, now + ms(1000)),
            Ok(()),
            "a second later it is forgotten"
        );
    }

    #[test]
    fn a_busy_machine_refuses_and_with_bbr_only_what_is_not_got_done() {
        let (now, busy) = (ms(START), Machine { load: 9.0, cpu: 0.9 });
        for (metric, above, bbr) in [
            (Metric::Load { bbr: false }, 8.0, false),
            (Metric::Cpu { bbr: false }, 0.8, false),
            (Metric::Load { bbr: true }, 8.0, true),
            (Metric::Cpu { bbr: true }, 0.8, true),
        ] {
            let mut vitals = Vitals::default();
            assert_eq!(vitals.ask(&bound(metric, above), busy, now).is_ok(), bbr, "one alone keeps up");
            assert_eq!(vitals.ask(&bound(metric, 9.0), busy, now), Ok(()), "not above");
            vitals.running = 4;
            assert_eq!(vitals.ask(&bound(metric, above), busy, now), Err(metric));
            // Twenty a second, of which the fastest took 200 ms: four at once are got done.
            (0..10).for_each(|_| vitals.done(ms(200), now));
            vitals.running = 4;
            assert_eq!(vitals.ask(&bound(metric, above), busy, now).is_ok(), bbr);
        }
    }

    proptest! {
        /// Against a list of all moments: no more pass in a window than the bound, and those that may do.
        #[test]
        fn the_second_counts_what_a_list_counts(steps in prop::collection::vec((0u64..300, any::<bool>()), 1..80)) {
            let (mut vitals, mut all, mut now) = (Vitals::default(), Vec::<u64>::new(), START);
            for (step, gone) in steps {
                now += step;
                let from = (now / HALF).saturating_sub(1) * HALF;
                let of_late = all.iter().filter(|one| **one >= from).count();
                let passes = vitals.ask(&bound(Metric::Qps, 5.0), CALM, ms(now)).is_ok();
                prop_assert_eq!(passes, of_late < 5);
                if passes && gone {
                    vitals.gone(ms(now));
                } else if passes {
                    vitals.done(ms(1), ms(now));
                    all.push(now);
                }
            }
        }
    }
}
