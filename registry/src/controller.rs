//! What to do next about one registration: the decisions of its controller, pure.
//!
//! The loop is: write → read back every few seconds, with the server's eyes → repair what differs → again, for ever.
//! Registering is not a call that succeeded once: sessions end, servers come back empty, somebody deletes a node,
//! a delete is processed after the re-create. All of these look the same from here: the record is not what is wanted.
//! `keep.rs` is the shell that acts. Time is a `Duration` since the shell's start; randomness comes in.

use std::time::Duration;

use crate::{
    backoff::{Backoff, spread},
    lease::{LeaseState, Standing},
};

/// The intervals of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// How often the record is read back (jittered down to a half).
    pub audit: Duration,
    /// How long the record may be unreadable before the registration counts as lost.
    pub grace: Duration,
    /// How long one operation may take.
    pub operation: Duration,
    /// Waits between failures.
    pub backoff: Backoff,
    /// How often a removal is tried before the lease ends without.
    pub removals: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            audit: Duration::from_secs(3),
            grace: Duration::from_secs(10),
            operation: Duration::from_secs(5),
            backoff: Backoff::default(),
            removals: 3,
        }
    }
}

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Write,
    ReadBack,
    Remove,
    Wait(Duration),
    Done,
}

/// What a record looks like in the registry, compared with what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// It is there as wanted.
    Same,
    /// It is not there, or not ours any more.
    Absent,
    /// It is there with other content.
    Different,
}

/// The state of one registration.
#[derive(Debug)]
pub(crate) struct Controller {
    timing: Timing,
    state: LeaseState,
    trouble: Option<String>,
    repairs: u64,
    /// The wish is not in the registry, as far as known.
    dirty: bool,
    /// The pending write mends a record that had been there.
    repairing: bool,
    /// Something of ours may be in the registry: a write that failed may have been done.
    may_exist: bool,
    withdrawing: bool,
    failures: u32,
    not_before: Duration,
    audit_at: Duration,
    unreadable_since: Option<Duration>,
}

impl Controller {
    pub(crate) fn new(timing: Timing) -> Self {
        Self {
            timing,
            state: LeaseState::Pending,
            trouble: None,
            repairs: 0,
            dirty: true,
            repairing: false,
            may_exist: false,
            withdrawing: false,
            failures: 0,
            not_before: Duration::ZERO,
            audit_at: Duration::ZERO,
            unreadable_since: None,
        }
    }

    /// How it stands, for the lease.
    pub(crate) fn standing(&self) -> Standing {
        Standing { state: self.state.clone(), repairs: self.repairs, trouble: self.trouble.clone(), each: Vec::new() }
    }

    /// What to do at `now`.
    pub(crate) fn step(&self, now: Duration) -> Step {
        let done = self.withdrawing && (!self.may_exist || self.failures >= self.timing.removals);
        let due = if self.withdrawing || self.dirty { self.not_before } else { self.audit_at };
        match () {
            () if done => Step::Done,
            () if now < due => Step::Wait(due - now),
            () if self.withdrawing => Step::Remove,
            () if self.dirty => Step::Write,
            () => Step::ReadBack,
        }
    }

    /// The provider wants something else: write it at once.
    pub(crate) fn wish_changed(&mut self) {
        self.dirty = true;
        self.not_before = Duration::ZERO;
    }

    /// The provider wants it gone.
    pub(crate) fn withdraw(&mut self) {
        if !self.withdrawing {
            self.withdrawing = true;
            self.failures = 0;
            self.not_before = Duration::ZERO;
            if !self.may_exist {
                self.state = LeaseState::Withdrawn;
            }
        }
    }

    /// The adapter saw something happen to the record: look now.
    pub(crate) fn disturbed(&mut self) {
        self.audit_at = Duration::ZERO;
    }

    /// A write has ended.
    pub(crate) fn wrote(&mut self, now: Duration, result: Result<(), String>, random: u64) {
        self.may_exist = true;
        match result {
            Ok(()) => {
                self.repairs += u64::from(std::mem::take(&mut self.repairing));
                self.dirty = false;
                self.well(now, random);
            }
            Err(why) => {
                if self.state != LeaseState::Pending {
                    self.state = LeaseState::Lost { reason: why.clone() };
                }
                self.failed(now, why, random);
            }
        }
    }

    /// A read-back has ended.
    pub(crate) fn read(&mut self, now: Duration, result: Result<Seen, String>, random: u64) {
        match result {
            Ok(Seen::Same) => self.well(now, random),
            Ok(seen) => {
                let reason = match seen {
                    Seen::Absent => "the record is gone from the registry",
                    _ => "the record was changed by somebody else",
                };
                self.state = LeaseState::Lost { reason: reason.to_owned() };
                self.unreadable_since = None;
                self.dirty = true;
                self.repairing = true;
                self.not_before = now;
            }
            Err(why) => {
                let since = *self.unreadable_since.get_or_insert(now);
                if now - since >= self.timing.grace {
                    self.state = LeaseState::Lost { reason: why.clone() };
                }
                self.failed(now, why, random);
                self.audit_at = self.not_before;
            }
        }
    }

    /// A removal has ended.
    pub(crate) fn removed(&mut self, now: Duration, result: Result<(), String>, random: u64) {
        match result {
            Ok(()) => {
                self.may_exist = false;
                self.trouble = None;
                self.state = LeaseState::Withdrawn;
            }
            Err(why) => {
                self.state = LeaseState::Lost { reason: format!("not withdrawn: {why}") };
                self.failed(now, why, random);
            }
        }
    }

    fn well(&mut self, now: Duration, random: u64) {
        self.state = LeaseState::Registered;
        self.trouble = None;
        self.failures = 0;
        self.unreadable_since = None;
        self.audit_at = now + spread(self.timing.audit, random);
    }

    fn failed(&mut self, now: Duration, why: String, random: u64) {
        self.failures = self.failures.saturating_add(1);
        self.trouble = Some(why);
        self.not_before = now + self.timing.backoff.delay(self.failures, random);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    fn registered() -> Controller {
        let mut controller = Controller::new(Timing::default());
        assert_eq!(controller.step(Duration::ZERO), Step::Write);
        controller.wrote(Duration::ZERO, Ok(()), 0);
        controller
    }

    #[test]
    fn write_then_read_back_for_ever() {
        let mut controller = registered();
        let mut now = Duration::ZERO;
        for round in 0..5u64 {
            assert_eq!(controller.state, LeaseState::Registered);
            let Step::Wait(wait) = controller.step(now) else { panic!("round {round}: {controller:?}") };
            assert!(wait >= SEC && wait <= 3 * SEC, "{wait:?}");
            now += wait;
            assert_eq!(controller.step(now), Step::ReadBack);
            controller.read(now, Ok(Seen::Same), round << 60);
        }
        assert_eq!(controller.repairs, 0);
    }

    #[test]
    fn a_record_that_is_gone_or_changed_is_written_again_and_counted() {
        for seen in [Seen::Absent, Seen::Different] {
            let mut controller = registered();
            controller.disturbed();
            assert_eq!(controller.step(SEC), Step::ReadBack);
            controller.read(SEC, Ok(seen), 0);
            assert!(matches!(controller.state, LeaseState::Lost { .. }));
            assert_eq!(controller.step(SEC), Step::Write);
            controller.wrote(SEC, Err("no".to_owned()), 0);
            assert_eq!(controller.repairs, 0, "a repair counts when it is done");
            controller.wrote(2 * SEC, Ok(()), 0);
            assert_eq!((controller.repairs, controller.state.clone()), (1, LeaseState::Registered));
        }
    }

    #[test]
    fn a_registry_that_is_away_is_tried_for_ever_and_told() {
        let mut controller = Controller::new(Timing::default());
        let mut now = Duration::ZERO;
        for _ in 0..1000 {
            assert_eq!(controller.step(now), Step::Write);
            controller.wrote(now, Err("refused".to_owned()), u64::MAX);
            let Step::Wait(wait) = controller.step(now) else { panic!() };
            assert!(wait <= 10 * SEC);
            now += wait;
        }
        assert_eq!((controller.state.clone(), controller.trouble.as_deref()), (LeaseState::Pending, Some("refused")));
    }

    #[test]
    fn an_unreadable_record_is_lost_only_after_the_grace() {
        let mut controller = registered();
        for (second, lost) in [(3u32, false), (8, false), (12, false), (13, true)] {
            controller.read(second * SEC, Err("timeout".to_owned()), 0);
            assert_eq!(matches!(controller.state, LeaseState::Lost { .. }), lost, "{second}");
        }
        controller.read(14 * SEC, Ok(Seen::Same), 0);
        assert_eq!((controller.state.clone(), controller.trouble.clone()), (LeaseState::Registered, None));
    }

    #[test]
    fn withdrawing_removes_what_may_exist_and_gives_up_after_some_tries() {
        let mut fresh = Controller::new(Timing::default());
        fresh.withdraw();
        assert_eq!((fresh.step(SEC), fresh.state.clone()), (Step::Done, LeaseState::Withdrawn));

        let mut half = Controller::new(Timing::default());
        half.wrote(SEC, Err("connection lost".to_owned()), 0);
        half.withdraw();
        assert_eq!(half.step(SEC), Step::Remove, "the write may have been done");
        half.removed(SEC, Ok(()), 0);
        assert_eq!((half.step(SEC), half.state.clone()), (Step::Done, LeaseState::Withdrawn));

        let mut stuck = registered();
        stuck.withdraw();
        let mut tries = 0;
        let mut now = SEC;
        loop {
            match stuck.step(now) {
                Step::Remove => stuck.removed(now, Err("no".to_owned()), 0),
                Step::Wait(wait) => now += wait,
                Step::Done => break,
                step => panic!("{step:?}"),
            }
            tries += 1;
            assert!(tries < 20);
        }
        assert!(matches!(stuck.state, LeaseState::Lost { .. }));
    }

    #[test]
    fn a_new_wish_does_not_wait_for_the_backoff() {
        let mut controller = registered();
        controller.wish_changed();
        controller.wrote(SEC, Err("no".to_owned()), 0);
        assert!(matches!(controller.step(SEC), Step::Wait(_)));
        controller.wish_changed();
        assert_eq!(controller.step(SEC), Step::Write);
    }

    /// What a registry does between two steps of the controller.
    #[derive(Clone, Copy, Debug)]
    enum Fate {
        GoesAway,
        ComesBack,
        LosesTheRecord,
        MixesItUp,
        Nothing,
    }

    /// A registry: away or not, and with what record (`Some(true)`: as wanted).
    #[derive(Clone, Copy, Debug, Default)]
    struct Server {
        away: bool,
        record: Option<bool>,
    }

    impl Server {
        fn suffer(&mut self, fate: Fate) {
            match fate {
                Fate::GoesAway => self.away = true,
                Fate::ComesBack => self.away = false,
                Fate::LosesTheRecord => self.record = None,
                Fate::MixesItUp => self.record = self.record.map(|_| false),
                Fate::Nothing => {}
            }
        }

        /// Does one step of `controller` and answers how long that took.
        fn serve(&mut self, controller: &mut Controller, now: Duration, random: u64) -> Duration {
            let answer = |away| if away { Err("away".to_owned()) } else { Ok(()) };
            match controller.step(now) {
                Step::Wait(wait) => return wait,
                Step::Write => {
                    // Away in the middle: it may be done although it failed.
                    if !self.away || random.is_multiple_of(2) {
                        self.record = Some(true);
                    }
                    controller.wrote(now, answer(self.away), random);
                }
                Step::ReadBack => {
                    let seen = self.record.map_or(Seen::Absent, |same| if same { Seen::Same } else { Seen::Different });
                    controller.read(now, answer(self.away).map(|()| seen), random);
                }
                Step::Remove | Step::Done => panic!("nobody asked for that: {controller:?}"),
            }
            Duration::from_millis(1)
        }
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop::sample::select(vec![
            Fate::GoesAway,
            Fate::ComesBack,
            Fate::LosesTheRecord,
            Fate::MixesItUp,
            Fate::Nothing,
        ])
    }

    proptest! {
        #[test]
        fn whatever_a_registry_suffered_the_record_is_right_soon_after_it_is_well(
            history in prop::collection::vec((fate(), any::<u64>()), 0..60)
        ) {
            let timing = Timing::default();
            let mut controller = Controller::new(timing);
            let (mut server, mut now) = (Server::default(), Duration::ZERO);
            for (fate, random) in history {
                server.suffer(fate);
                now += server.serve(&mut controller, now, random);
            }
            server.suffer(Fate::ComesBack);
            let bound = now + timing.backoff.max + timing.audit + SEC;
            while server.record != Some(true) || controller.state != LeaseState::Registered {
                now += server.serve(&mut controller, now, u64::MAX);
                prop_assert!(now <= bound, "{controller:?} {server:?}");
            }
        }
    }
}
