//! One rule: how many may pass, and when. Pure: the time comes in.
//!
//! The formulas are those of Sentinel 1.8.9 (`DefaultController`, `WarmUpController`, `ThrottlingController`,
//! `WarmUpRateLimiterController`), its integer divisions included.

use super::{
    rule::{Behaviour, FlowRule, Grade},
    window::Window,
};
use std::time::Duration;

/// A rule at work.
#[derive(Clone, Debug)]
pub(super) struct Controller {
    pub(super) rule: FlowRule,
    warm: Warm,
    /// When the last one that queued passes, in nanoseconds; `None` before the first.
    latest: Option<u64>,
}

/// The bucket of a resource that warms up.
#[derive(Clone, Debug, Default)]
struct Warm {
    tokens: f64,
    /// The second of the last refill. The first one fills the bucket: a resource begins cold.
    filled: u64,
}

/// What a rule says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Pass,
    /// It may pass after this time; its place is taken.
    Wait(Duration),
    /// Not now: perhaps after this time.
    Reject(Duration),
}

impl Controller {
    pub(super) fn new(rule: FlowRule) -> Self {
        Self { rule, warm: Warm::default(), latest: None }
    }

    /// Asks for one request. `running` are under way.
    pub(super) fn ask(&mut self, window: &Window, running: u64, now: Duration) -> Says {
        let count = self.rule.count;
        if self.rule.grade == Grade::Thread {
            // When one of them ends nobody knows: soon, or later.
            let fits = running as f64 + 1.0 <= count;
            return if fits { Says::Pass } else { Says::Reject(Duration::from_secs(1)) };
        }
        match self.rule.behaviour {
            Behaviour::Reject => within(window, count, now),
            Behaviour::WarmUp { seconds, cold_factor } => {
                let allowed = self.warm.allowed(count, seconds, cold_factor, window, now);
                within(window, allowed, now)
            }
            Behaviour::Queue { at_most } => self.queue(count, at_most, now),
            Behaviour::WarmUpAndQueue { seconds, cold_factor, at_most } => {
                let allowed = self.warm.allowed(count, seconds, cold_factor, window, now);
                self.queue(allowed, at_most, now)
            }
        }
    }

    /// One after the other, evenly; who would wait for too long does not.
    fn queue(&mut self, count: f64, at_most: Duration, now: Duration) -> Says {
        if count <= 0.0 {
            return Says::Reject(Duration::from_secs(1));
        }
        let cost = (1e9 / count).round() as u64;
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let expected = self.latest.map_or(now, |latest| latest.saturating_add(cost));
        if expected <= now {
            self.latest = Some(now);
            return Says::Pass;
        }
        let wait = Duration::from_nanos(expected - now);
        if wait > at_most {
            return Says::Reject(wait - at_most);
        }
        self.latest = Some(expected);
        Says::Wait(wait)
    }
}

/// So many in the last second.
fn within(window: &Window, count: f64, now: Duration) -> Says {
    if window.passed(now) as f64 + 1.0 <= count { Says::Pass } else { Says::Reject(Window::until_next(now)) }
}

impl Warm {
    /// How many a second may pass now.
    fn allowed(&mut self, count: f64, seconds: u32, cold_factor: u32, window: &Window, now: Duration) -> f64 {
        let cold = f64::from(cold_factor.max(2));
        // Sentinel divides whole numbers here.
        let warning = ((f64::from(seconds) * count) as u64 / u64::from(cold_factor.max(2) - 1)) as f64;
        let most = warning + (2.0 * f64::from(seconds) * count / (1.0 + cold)).floor();
        let slope = (cold - 1.0) / count / (most - warning).max(1.0);
        let passed = window.before(now);
        self.refill((warning, most), count, cold_factor, passed, now);
        if self.tokens >= warning {
            let above = self.tokens - warning;
            return (1.0 / (above * slope + 1.0 / count)).next_up();
        }
        count
    }

    fn refill(&mut self, (warning, most): (f64, f64), count: f64, cold_factor: u32, passed: u64, now: Duration) {
        let second = now.as_secs();
        if second <= self.filled {
            return;
        }
        let elapsed = (second - self.filled) as f64;
        // Above the warning line only who is quiet grows cold again.
        let quiet = passed < count as u64 / u64::from(cold_factor.max(1));
        if self.tokens < warning || (self.tokens > warning && quiet) {
            self.tokens += elapsed * count;
        }
        self.tokens = (self.tokens.min(most) - passed as f64).max(0.0);
        self.filled = second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_000_000;

    fn rule(count: f64, behaviour: Behaviour) -> FlowRule {
        FlowRule::new("r", Grade::Qps, count, behaviour)
    }

    /// Asks every `step` ms for `seconds`; how many passed in each second.
    fn passed(rule: FlowRule, step: u64, seconds: u64) -> Vec<u64> {
        let (mut controller, mut window) = (Controller::new(rule), Window::default());
        let mut all = vec![0; seconds as usize];
        for ms in (0..seconds * 1000).step_by(step as usize) {
            let now = Duration::from_millis(START + ms);
            if controller.ask(&window, 0, now) == Says::Pass {
                window.pass(now);
                all[(ms / 1000) as usize] += 1;
            }
        }
        all
    }

    #[test]
    fn no_more_pass_in_a_second_than_the_count() {
        assert_eq!(passed(rule(10.0, Behaviour::Reject), 20, 4), [10; 4]);
        assert_eq!(passed(rule(0.0, Behaviour::Reject), 20, 2), [0; 2]);
        let mut controller = Controller::new(rule(1.0, Behaviour::Reject));
        let mut window = Window::default();
        let now = Duration::from_millis(START + 100);
        window.pass(now);
        assert_eq!(controller.ask(&window, 0, now), Says::Reject(Duration::from_millis(400)));
    }

    #[test]
    fn calls_at_once_are_bounded() {
        let mut controller = Controller::new(FlowRule { grade: Grade::Thread, ..rule(2.0, Behaviour::Reject) });
        let asks = [0, 1, 2].map(|running| controller.ask(&Window::default(), running, Duration::ZERO) == Says::Pass);
        assert_eq!(asks, [true, true, false]);
    }

    #[test]
    fn a_cold_resource_lets_a_third_pass_and_grows_to_the_whole() {
        let warm = passed(rule(100.0, Behaviour::WarmUp { seconds: 10, cold_factor: 3 }), 1, 20);
        assert!((30..=36).contains(&warm[0]), "{warm:?}");
        assert!(warm.windows(2).skip(1).all(|pair| pair[0] <= pair[1] + 4), "{warm:?}");
        assert!(warm[5] < 80 && warm[19] >= 99, "{warm:?}");
    }

    #[test]
    fn who_queues_passes_evenly_and_nobody_waits_for_long() {
        let at_most = Duration::from_millis(250);
        let mut controller = Controller::new(rule(10.0, Behaviour::Queue { at_most }));
        let now = Duration::from_millis(START);
        let said: Vec<_> = (0..4).map(|_| controller.ask(&Window::default(), 0, now)).collect();
        let ms = Duration::from_millis;
        assert_eq!(said, [Says::Pass, Says::Wait(ms(100)), Says::Wait(ms(200)), Says::Reject(ms(50))]);
        assert_eq!(controller.ask(&Window::default(), 0, now + ms(60)), Says::Wait(ms(240)));
        assert_eq!(
            controller.ask(&Window::default(), 0, now + ms(5000)),
            Says::Pass,
            "what was not used is not made up for"
        );
    }

    #[test]
    fn cold_and_in_a_queue_the_gaps_are_three_times_as_wide() {
        let behaviour = Behaviour::WarmUpAndQueue { seconds: 10, cold_factor: 3, at_most: Duration::from_secs(9) };
        let mut controller = Controller::new(rule(100.0, behaviour));
        let now = Duration::from_millis(START);
        controller.ask(&Window::default(), 0, now);
        let Says::Wait(gap) = controller.ask(&Window::default(), 0, now) else { panic!("it waits") };
        assert!((29..=31).contains(&gap.as_millis()), "{gap:?}");
    }
}
