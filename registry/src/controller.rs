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
    /// Where the jitter begins, to be the same each time in a simulation. Default: chosen at random.
    pub seed: Option<u64>,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            audit: Duration::from_secs(3),
            grace: Duration::from_secs(10),
            operation: Duration::from_secs(5),
            backoff: Backoff::default(),
            removals: 3,
            seed: None,
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
    /// The provider wants it not to be there, and may want it again.
    offline: bool,
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
            offline: false,
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
        let removes = self.withdrawing || (self.offline && self.may_exist);
        let writes = self.dirty && !self.offline;
        let due = if removes || writes { self.not_before } else { self.audit_at };
        match () {
            () if done => Step::Done,
            () if now < due => Step::Wait(due - now),
            () if removes => Step::Remove,
            () if writes => Step::Write,
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

    /// The provider wants it not to be there for a while, or there again.
    pub(crate) fn set_offline(&mut self, offline: bool) {
        if std::mem::replace(&mut self.offline, offline) == offline {
            return;
        }
        (self.failures, self.not_before) = (0, Duration::ZERO);
        if !offline {
            self.dirty = true;
            self.state = LeaseState::Pending;
        } else if !self.may_exist {
            self.state = LeaseState::Offline;
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
            Ok(Seen::Absent) if self.offline => self.is_offline(now, random),
            Ok(_) if self.offline => {
                self.may_exist = true;
                self.not_before = now;
            }
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
                if now - since >= self.timing.grace && !self.offline {
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
                if self.offline && !self.withdrawing {
                    self.is_offline(now, random);
                }
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

    /// It is not there, as it should be.
    fn is_offline(&mut self, now: Duration, random: u64) {
        self.well(now, random);
        self.state = LeaseState::Offline;
    }

    fn failed(&mut self, now: Duration, why: String, random: u64) {
        self.failures = self.failures.saturating_add(1);
        self.trouble = Some(why);
        self.not_before = now + self.timing.backoff.delay(self.failures, random);
    }
}

#[cfg(test)]
#[path = "controller_tests.rs"]
mod tests;
