//! A provider: the controller of its registration, and a driver that does what that decides.

use std::time::Duration;

use super::{
    MS, SESSION, Sim, Told, What,
    server::{Act, Answer, Operation},
};
use crate::{
    controller::{Controller, Step, Timing},
    lease::LeaseState,
};

/// What a provider wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Present,
    Offline,
    Gone,
}

/// A provider, in the life that it is in.
#[derive(Debug)]
pub(super) struct Provider {
    timing: Timing,
    controller: Controller,
    /// When this life began: the controller counts from there.
    born: Duration,
    pub(super) life: u32,
    pub(super) runs: bool,
    pub(super) wish: Wish,
    /// What its record is to say.
    pub(super) version: u32,
    /// The operation under way.
    busy: Option<u32>,
    wake: u32,
    state: LeaseState,
    /// Operations that failed, and repairs of lives that are over.
    pub(super) failures: u64,
    pub(super) repairs: u64,
}

impl Provider {
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            timing,
            controller: Controller::new(timing),
            born: Duration::ZERO,
            life: 0,
            runs: false,
            wish: Wish::Present,
            version: 1,
            busy: None,
            wake: 0,
            state: LeaseState::Pending,
            failures: 0,
            repairs: 0,
        }
    }

    pub(super) fn is_awaited(&self, wake: u32) -> bool {
        self.runs && self.busy.is_none() && self.wake == wake
    }

    /// It is there, and wants to be found.
    pub(super) fn is_offered(&self) -> bool {
        self.runs && self.wish == Wish::Present
    }

    /// How its lease stands, and how it should when all is well.
    pub(super) fn stands(&self) -> (LeaseState, LeaseState) {
        let should = match self.wish {
            Wish::Present => LeaseState::Registered,
            Wish::Offline => LeaseState::Offline,
            Wish::Gone => LeaseState::Withdrawn,
        };
        (self.controller.standing().state, should)
    }

    /// Takes its repairs into the account.
    pub(super) fn all_repairs(&self) -> u64 {
        self.repairs + self.controller.standing().repairs
    }
}

impl Sim {
    /// A provider starts, or starts again: with a controller that knows nothing.
    pub(super) fn start(&mut self, provider: usize) {
        let one = &mut self.providers[provider];
        if one.runs || one.wish == Wish::Gone {
            return;
        }
        one.repairs = one.all_repairs();
        (one.controller, one.born) = (Controller::new(one.timing), self.now);
        (one.runs, one.busy, one.life) = (true, None, one.life + 1);
        self.turn(provider);
    }

    /// A provider dies. Its session lives on for a while.
    pub(super) fn crash(&mut self, provider: usize) {
        let one = &mut self.providers[provider];
        one.runs = false;
        let life = one.life;
        self.at(self.now + SESSION, What::Expires { provider, life });
    }

    /// A session's time is over: unless that life runs and reaches the registry again.
    pub(super) fn expires(&mut self, provider: usize, life: u32) {
        let one = &self.providers[provider];
        let renewed = one.runs && one.life == life && !self.server.cut.contains(&provider);
        if !renewed && self.server.forgets(provider, life) {
            self.changed();
        }
    }

    /// A provider wants something else.
    pub(super) fn wishes(&mut self, provider: usize, wish: Wish, version: u32) {
        let one = &mut self.providers[provider];
        if one.wish == Wish::Gone {
            return;
        }
        if one.version != version {
            one.controller.wish_changed();
        }
        (one.wish, one.version) = (wish, version);
        if one.runs && one.busy.is_none() {
            self.turn(provider);
        }
    }

    /// Does what the controller decides: the shell of `keep.rs`, on a clock of its own.
    pub(super) fn turn(&mut self, provider: usize) {
        let one = &mut self.providers[provider];
        match one.wish {
            Wish::Gone => one.controller.withdraw(),
            wish => one.controller.set_offline(wish == Wish::Offline),
        }
        let (step, version) = (one.controller.step(self.now - one.born), one.version);
        let act = match step {
            Step::Write => Act::Write { version },
            Step::ReadBack => Act::ReadBack { version },
            Step::Remove => Act::Remove,
            Step::Wait(wait) => {
                one.wake += 1;
                let wake = one.wake;
                return self.at(self.now + wait.max(MS), What::Turn { provider, wake });
            }
            Step::Done => return self.leaves(provider),
        };
        self.is_wanted(provider, act);
        self.begins(provider, act);
    }

    /// Nothing is done that is not wanted.
    fn is_wanted(&mut self, provider: usize, act: Act) {
        let (wish, writes) = (self.providers[provider].wish, matches!(act, Act::Write { .. }));
        if (writes && wish != Wish::Present) || (act == Act::Remove && wish == Wish::Present) {
            self.broken(format!("provider {provider} wants {wish:?} and does {act:?}"));
        }
    }

    /// Its process ends, and its session with it.
    fn leaves(&mut self, provider: usize) {
        let one = &mut self.providers[provider];
        one.runs = false;
        let life = one.life;
        // A registry that is not reached finds out by itself.
        let at = if self.server.is_reached_by(provider) { self.now } else { self.now + SESSION };
        self.at(at, What::Expires { provider, life });
    }

    fn begins(&mut self, provider: usize, act: Act) {
        let latency = self.latency();
        let one = &mut self.providers[provider];
        one.wake += 1;
        let operation = Operation { life: one.life, number: one.wake, began: self.now, act };
        one.busy = Some(operation.number);
        let given_up = one.timing.operation;
        if latency > given_up {
            let (operation, answer) = (operation.clone(), Answer::TooLong);
            self.at(self.now + given_up, What::Ends { provider, operation, answer });
        }
        self.at(self.now + latency, What::Arrives { provider, operation });
    }

    /// An operation arrives: it is done, also when nobody waits for it any more, if its session is still there.
    pub(super) fn arrives(&mut self, provider: usize, operation: Operation) {
        let one = &self.providers[provider];
        let given_up = operation.began + one.timing.operation;
        let is_open = one.runs && one.life == operation.life;
        let answer = if !self.server.is_reached_by(provider) {
            if self.rng.once_in(2) { Answer::Refused } else { Answer::TooLong }
        } else if !is_open {
            return;
        } else {
            let before = self.server.records.get(&provider).copied();
            let answer = self.server.does(provider, operation.life, operation.act);
            if self.server.records.get(&provider).copied() != before {
                self.changed();
            }
            if self.is_troubled() && self.rng.once_in(20) { Answer::TooLong } else { answer }
        };
        let back = self.now + self.latency();
        let (at, answer) = match answer {
            Answer::TooLong => (given_up, answer),
            _ if back > given_up => (given_up, Answer::TooLong),
            _ => (back, answer),
        };
        self.at(at, What::Ends { provider, operation, answer });
    }

    /// The controller hears how an operation ended.
    pub(super) fn ends(&mut self, provider: usize, operation: Operation, answer: Answer) {
        let (random, read) = (self.rng.next_u64(), self.tamper.read_back(answer));
        let one = &mut self.providers[provider];
        if !one.runs || one.life != operation.life || one.busy != Some(operation.number) {
            return;
        }
        one.busy = None;
        one.failures += u64::from(answer.result().is_err());
        let now = self.now - one.born;
        match operation.act {
            Act::Write { .. } => one.controller.wrote(now, answer.result().map(drop), random),
            Act::ReadBack { .. } => one.controller.read(now, read.result(), random),
            Act::Remove => one.controller.removed(now, answer.result().map(drop), random),
        }
        let (state, _) = one.stands();
        if one.state != state {
            one.state = state.clone();
            self.tell(Told::Stands(provider, state));
        }
        self.turn(provider);
    }
}
