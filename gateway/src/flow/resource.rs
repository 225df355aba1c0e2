//! All rules of one route together: each must let a request pass. Pure, but for the lock around it.

use super::{
    controller::{Controller, Says},
    rule::FlowRule,
    window::Window,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A route's rules at work.
#[derive(Debug)]
pub(crate) struct Resource(Mutex<State>);

#[derive(Debug)]
struct State {
    controllers: Vec<Controller>,
    window: Window,
    running: u64,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It passes after this time, zero mostly; it is under way until this is dropped.
    Pass(Duration, Running),
    Refused(Refused),
}

/// Why a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Refused {
    /// The count of the rule that refused.
    pub(crate) limit: f64,
    /// After which time another may pass.
    pub(crate) retry_after: Duration,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Running(Arc<Resource>);

impl Resource {
    pub(super) fn new(rules: &[FlowRule]) -> Self {
        let controllers = rules.iter().cloned().map(Controller::new).collect();
        Self(Mutex::new(State { controllers, window: Window::default(), running: 0 }))
    }

    /// The rules.
    pub(super) fn is_of(&self, rules: &[FlowRule]) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.controllers.iter().map(|one| &one.rule).eq(rules)
    }

    /// Asks for one request at a moment since the epoch. The first rule that refuses decides; who waits, waits for the longest.
    pub(crate) fn ask(self: &Arc<Self>, now: Duration) -> Verdict {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { controllers, window, running } = &mut *state;
        let mut wait = Duration::ZERO;
        for controller in controllers {
            match controller.ask(window, *running, now) {
                Says::Pass => {}
                Says::Wait(longer) => wait = wait.max(longer),
                Says::Reject(retry_after) => {
                    return Verdict::Refused(Refused { limit: controller.rule.count, retry_after });
                }
            }
        }
        window.pass(now + wait);
        *running += 1;
        Verdict::Pass(wait, Running(self.clone()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.running = state.running.saturating_sub(1);
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
        let resource = Arc::new(Resource::new(&[rule(Grade::Qps, 3.0), rule(Grade::Thread, 2.0)]));
        let now = Duration::from_secs(1_700_000_000);
        let pass = |verdict| match verdict {
            Verdict::Pass(_, running) => Ok(running),
            Verdict::Refused(refused) => Err(refused.limit),
        };
        let (one, two) = (pass(resource.ask(now)).unwrap(), pass(resource.ask(now)).unwrap());
        assert_eq!(pass(resource.ask(now)).unwrap_err(), 2.0);
        drop((one, two));
        let _third = pass(resource.ask(now)).unwrap();
        assert_eq!(pass(resource.ask(now)).unwrap_err(), 3.0);
        assert!(pass(resource.ask(now + Duration::from_secs(1))).is_ok());
        assert!(resource.is_of(&[rule(Grade::Qps, 3.0), rule(Grade::Thread, 2.0)]));
        assert!(!resource.is_of(&[rule(Grade::Qps, 3.0)]));
    }
}
