//! All flow rules of one resource together: each must let a request pass. Pure: the time comes in.

use super::{
    controller::{Controller, Says},
    rule::FlowRule,
    window::Window,
};
use std::time::Duration;

/// Flow rules at work.
#[derive(Debug)]
pub(super) struct Gate {
    controllers: Vec<Controller>,
    window: Window,
    running: u64,
}

/// Why a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rejected {
    /// The count of the rule that refused.
    pub(super) limit: f64,
    /// After which time another may pass.
    pub(super) retry_after: Duration,
}

impl Gate {
    pub(super) fn new(rules: &[FlowRule]) -> Self {
        let controllers = rules.iter().cloned().map(Controller::new).collect();
        Self { controllers, window: Window::default(), running: 0 }
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &FlowRule> {
        self.controllers.iter().map(|one| &one.rule)
    }

    /// Asks for one request at a moment since the epoch: after which time it passes, zero mostly. It is under way from then on.
    /// The first rule that refuses decides; who waits, waits for the longest.
    ///
    /// # Errors
    /// Which limit does not let it.
    pub(super) fn ask(&mut self, now: Duration) -> Result<Duration, Rejected> {
        let mut wait = Duration::ZERO;
        for controller in &mut self.controllers {
            match controller.ask(&self.window, self.running, now) {
                Says::Pass => {}
                Says::Wait(longer) => wait = wait.max(longer),
                Says::Reject(retry_after) => return Err(Rejected { limit: controller.rule.count, retry_after }),
            }
        }
        self.window.pass(now + wait);
        self.running += 1;
        Ok(wait)
    }

    /// One has ended.
    pub(super) fn ended(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// One that was to pass at this moment did not: something else refused it.
    pub(super) fn take_back(&mut self, then: Duration) {
        self.ended();
        self.window.take_back(then);
    }

    /// Requests of the last second, and under way.
    pub(super) fn seen(&self, now: Duration) -> (u64, u64) {
        (self.window.passed(now), self.running)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::rule::{Behaviour, Grade},
        *,
    };

    fn rule(grade: Grade, count: f64) -> FlowRule {
        FlowRule { resource: "r".into(), grade, count, behaviour: Behaviour::Reject }
    }

    #[test]
    fn each_rule_must_let_a_request_pass_and_what_is_refused_does_not_count() {
        let mut gate = Gate::new(&[rule(Grade::Qps, 3.0), rule(Grade::Thread, 2.0)]);
        let now = Duration::from_secs(1_700_000_000);
        let ask = |gate: &mut Gate, at| gate.ask(at).map_err(|rejected| rejected.limit);
        assert_eq!([ask(&mut gate, now), ask(&mut gate, now)], [Ok(Duration::ZERO); 2]);
        assert_eq!(ask(&mut gate, now), Err(2.0));
        gate.ended();
        assert_eq!((ask(&mut gate, now), ask(&mut gate, now)), (Ok(Duration::ZERO), Err(3.0)));
        gate.take_back(now);
        assert_eq!((gate.seen(now), ask(&mut gate, now)), ((2, 1), Ok(Duration::ZERO)));
        gate.ended();
        assert!(ask(&mut gate, now + Duration::from_secs(1)).is_ok());
    }
}
