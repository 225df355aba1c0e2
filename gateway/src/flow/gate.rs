//! All flow rules of one resource together: each must let a request pass. Pure: the time comes in.
//!
//! As in Sentinel (`FlowRuleChecker`, 1.8.9) a rule looks at the requests of its resource, or of one caller, or at those of another
//! resource, or at those that come by one route; a rule that is not for who asks does not count.

use super::{
    controller::{Controller, Says},
    rule::{App, FlowRule, Relation},
    window::Window,
};
use lru::LruCache;
use std::{collections::BTreeMap, time::Duration};

/// Callers that are told apart, at most; who was not seen for longest begins anew.
const MAX_CALLERS: usize = 1000;

/// Flow rules at work.
#[derive(Debug)]
pub(super) struct Gate {
    controllers: Vec<Controller>,
    whole: Counts,
    /// By name, where a rule tells callers apart.
    callers: Option<LruCache<String, Counts>>,
    /// By the route that requests come by, where a rule asks for it.
    entries: BTreeMap<String, Counts>,
}

/// Requests of late, and under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    window: Window,
    running: u64,
}

/// Who asks, and by which route.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Comes<'a> {
    pub(super) caller: Option<&'a str>,
    pub(super) by: &'a str,
}

/// What a request has taken of a gate: its place in the counts, from a moment on.
#[derive(Debug)]
pub(super) struct Seat {
    then: Duration,
    caller: Option<String>,
    by: Option<String>,
}

/// Why a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rejected {
    /// The count of the rule that refused.
    pub(super) limit: f64,
    /// After which time another may pass.
    pub(super) retry_after: Duration,
}

impl Counts {
    fn pass(&mut self, at: Duration) {
        self.window.pass(at);
        self.running += 1;
    }

    fn ended(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    fn take_back(&mut self, then: Duration) {
        self.ended();
        self.window.take_back(then);
    }
}

impl Gate {
    pub(super) fn new(rules: &[FlowRule]) -> Self {
        let entry = |rule: &FlowRule| match &rule.relation {
            Relation::Entry(by) => Some((by.clone(), Counts::default())),
            Relation::Own | Relation::Other(_) => None,
        };
        // It grows with what comes: one with a bound of its own would take all its room at once.
        let callers = rules.iter().any(|rule| rule.app != App::Any).then(LruCache::unbounded);
        Self {
            callers,
            entries: rules.iter().filter_map(entry).collect(),
            controllers: rules.iter().cloned().map(Controller::new).collect(),
            whole: Counts::default(),
        }
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &FlowRule> {
        self.controllers.iter().map(|one| &one.rule)
    }

    /// The requests of the resource, as rules of another one look at them.
    pub(super) fn whole(&self) -> Counts {
        self.whole.clone()
    }

    /// Asks for one request at a moment since the epoch: after which time it passes, zero mostly. It is under way from then on.
    /// The first rule that refuses decides; who waits, waits for the longest. `related` are the counts of other resources, in
    /// the order of the rules; none where no rule looks at one.
    ///
    /// # Errors
    /// Which limit does not let it.
    pub(super) fn ask(
        &mut self,
        now: Duration,
        comes: Comes<'_>,
        related: &[Counts],
    ) -> Result<(Duration, Seat), Rejected> {
        let (mut wait, none) = (Duration::ZERO, Counts::default());
        let caller = comes.caller.filter(|name| !name.is_empty());
        let named =
            |name: &str| self.controllers.iter().any(|one| matches!(&one.rule.app, App::One(app) if app == name));
        let is_other = caller.is_some_and(|name| !named(name));
        for (at, controller) in self.controllers.iter_mut().enumerate() {
            let is_for = match &controller.rule.app {
                App::Any => true,
                App::One(name) => caller == Some(name),
                App::Others => is_other,
            };
            let counts = match (&controller.rule.relation, &controller.rule.app) {
                _ if !is_for => continue,
                (Relation::Other(_), _) => related.get(at).unwrap_or(&none),
                (Relation::Entry(by), _) if by != comes.by => continue,
                (Relation::Entry(by), _) => self.entries.get(by).unwrap_or(&none),
                (Relation::Own, App::Any) => &self.whole,
                (Relation::Own, _) => {
                    let known = caller.and_then(|name| self.callers.as_ref()?.peek(name));
                    known.unwrap_or(&none)
                }
            };
            match controller.ask(&counts.window, counts.running, now) {
                Says::Pass => {}
                Says::Wait(longer) => wait = wait.max(longer),
                Says::Reject(retry_after) => return Err(Rejected { limit: controller.rule.count, retry_after }),
            }
        }
        Ok((wait, self.sit(now + wait, caller, comes.by)))
    }

    /// One passes at this moment.
    fn sit(&mut self, then: Duration, caller: Option<&str>, by: &str) -> Seat {
        self.whole.pass(then);
        let mut seat = Seat { then, caller: None, by: None };
        if let (Some(callers), Some(name)) = (&mut self.callers, caller) {
            callers.get_or_insert_mut(name.to_owned(), Counts::default).pass(then);
            seat.caller = Some(name.to_owned());
            if callers.len() > MAX_CALLERS {
                callers.pop_lru();
            }
        }
        if let Some(counts) = self.entries.get_mut(by) {
            counts.pass(then);
            seat.by = Some(by.to_owned());
        }
        seat
    }

    /// One has ended.
    pub(super) fn ended(&mut self, seat: &Seat) {
        self.each(seat, Counts::ended);
    }

    /// One that was to pass did not: something else refused it.
    pub(super) fn take_back(&mut self, seat: &Seat) {
        self.each(seat, |counts| counts.take_back(seat.then));
    }

    fn each(&mut self, seat: &Seat, change: impl Fn(&mut Counts)) {
        change(&mut self.whole);
        let caller = seat.caller.as_ref().and_then(|name| self.callers.as_mut()?.peek_mut(name));
        caller.into_iter().for_each(&change);
        let entry = seat.by.as_ref().and_then(|by| self.entries.get_mut(by));
        entry.into_iter().for_each(&change);
    }

    /// Requests of the last second, and under way.
    pub(super) fn seen(&self, now: Duration) -> (u64, u64) {
        (self.whole.window.passed(now), self.whole.running)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::rule::{Behaviour, Grade},
        *,
    };

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn rule(grade: Grade, count: f64) -> FlowRule {
        FlowRule::new("r", grade, count, Behaviour::Reject)
    }

    fn ask(gate: &mut Gate, comes: Comes<'_>, related: &[Counts]) -> Result<Seat, f64> {
        gate.ask(NOW, comes, related).map(|(_, seat)| seat).map_err(|rejected| rejected.limit)
    }

    /// How many of so many requests pass.
    fn passed(gate: &mut Gate, comes: Comes<'_>, many: usize) -> usize {
        (0..many).filter(|_| ask(gate, comes, &[]).is_ok()).count()
    }

    #[test]
    fn each_rule_must_let_a_request_pass_and_what_is_refused_does_not_count() {
        let mut gate = Gate::new(&[rule(Grade::Qps, 3.0), rule(Grade::Thread, 2.0)]);
        let ask = |gate: &mut Gate| ask(gate, Comes::default(), &[]);
        let (one, two) = (ask(&mut gate).unwrap(), ask(&mut gate).unwrap());
        assert_eq!(ask(&mut gate).unwrap_err(), 2.0);
        gate.ended(&one);
        let three = ask(&mut gate).unwrap();
        assert_eq!(ask(&mut gate).unwrap_err(), 3.0);
        gate.take_back(&three);
        assert_eq!(gate.seen(NOW), (2, 1));
        let four = ask(&mut gate).unwrap();
        gate.ended(&four);
        gate.ended(&two);
        assert!(gate.ask(NOW + Duration::from_secs(1), Comes::default(), &[]).is_ok());
    }

    #[test]
    fn a_rule_of_one_caller_is_for_that_one_and_one_of_others_for_each_that_is_not_named() {
        let app = |app, count| FlowRule { app, ..rule(Grade::Qps, count) };
        let mut gate = Gate::new(&[app(App::One("web".into()), 3.0), app(App::Others, 2.0), rule(Grade::Qps, 9.0)]);
        let from = |caller| Comes { caller, by: "r" };
        assert_eq!(passed(&mut gate, from(Some("web")), 5), 3);
        assert_eq!(passed(&mut gate, from(Some("a")), 5), 2, "what others used up is not its own");
        assert_eq!(passed(&mut gate, from(Some("b")), 5), 2);
        assert_eq!(passed(&mut gate, from(Some("")), 5), 2, "of who says nothing all together count: 9 at most");
    }

    #[test]
    fn callers_without_end_are_forgotten() {
        let mut gate = Gate::new(&[FlowRule { app: App::Others, ..rule(Grade::Qps, 1.0) }]);
        for n in 0..3 * MAX_CALLERS {
            let caller = n.to_string();
            assert_eq!(passed(&mut gate, Comes { caller: Some(&caller), by: "r" }, 2), 1);
        }
        assert_eq!(gate.callers.as_ref().map(LruCache::len), Some(MAX_CALLERS));
    }

    #[test]
    fn a_rule_may_look_at_another_resource_or_at_those_who_come_by_one_route() {
        let relation = |relation, count| FlowRule { relation, ..rule(Grade::Qps, count) };
        let mut pay = Gate::new(&[]);
        let mut gate = Gate::new(&[relation(Relation::Other("pay".into()), 2.0)]);
        let now = |pay: &Gate, gate: &mut Gate| ask(gate, Comes::default(), &[pay.whole()]).is_ok();
        assert!(now(&pay, &mut gate) && now(&pay, &mut gate) && now(&pay, &mut gate), "its own do not count");
        assert_eq!(passed(&mut pay, Comes::default(), 2), 2);
        assert!(!now(&pay, &mut gate), "those of the other do");
        let mut group = Gate::new(&[relation(Relation::Entry("pages".into()), 1.0)]);
        let by = |by| Comes { caller: None, by };
        assert_eq!((passed(&mut group, by("pages"), 3), passed(&mut group, by("other"), 3)), (1, 3));
    }
}
