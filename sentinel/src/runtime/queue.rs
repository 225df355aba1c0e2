//! Which script runs when: at most 16 at a time, 256 in all, tried again with growing waits. Pure.
//!
//! The rules are those of redis-sentinel: exit code 0 is done; 1, or death by a signal, is tried again up to 10 times, after
//! 30 s, then 60 s, …; anything else is a failure. A script that runs too long is killed.

use std::collections::VecDeque;

use crate::core::action::Script;
use crate::core::ids::Millis;
use crate::view::ScriptView;

const MOST_RUNNING: usize = 16;
const LONGEST: usize = 256;
const MOST_RETRIES: u32 = 10;

/// A script in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct JobId(u64);

/// How a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    Code(i32),
    Signal(i32),
    /// It could not even be started.
    NotStarted,
}

/// What follows from its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Done,
    Again,
    /// Path, signal and exit code.
    Failed(String, i32, i32),
}

#[derive(Debug)]
struct Job {
    id: JobId,
    script: Script,
    retries: u32,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Waiting(Millis),
    Running { since: Millis, process: u32, killed: bool },
}

/// The scripts that run or wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    jobs: VecDeque<Job>,
    last: u64,
}

impl Queue {
    /// Puts a script in. When there are too many, the oldest that waits is dropped and returned.
    pub(super) fn push(&mut self, script: Script, now: Millis) -> Option<Script> {
        self.last += 1;
        self.jobs.push_back(Job { id: JobId(self.last), script, retries: 0, state: State::Waiting(now) });
        if self.jobs.len() <= LONGEST {
            return None;
        }
        let oldest = self.jobs.iter().position(|j| matches!(j.state, State::Waiting(_)))?;
        self.jobs.remove(oldest).map(|j| j.script)
    }

    /// A script to start now; call [`started`](Self::started) or [`ended`](Self::ended) for it before asking again.
    pub(super) fn next(&self, now: Millis) -> Option<(JobId, Script)> {
        if self.running() >= MOST_RUNNING {
            return None;
        }
        let due = self.jobs.iter().find(|j| matches!(j.state, State::Waiting(at) if at <= now))?;
        Some((due.id, due.script.clone()))
    }

    /// It runs, as this process.
    pub(super) fn started(&mut self, id: JobId, process: u32, now: Millis) {
        if let Some(job) = self.jobs.iter_mut().find(|j| j.id == id) {
            job.state = State::Running { since: now, process, killed: false };
        }
    }

    /// It ended.
    pub(super) fn ended(&mut self, id: JobId, exit: Exit, now: Millis, delay: u64) -> Verdict {
        let Some(at) = self.jobs.iter().position(|j| j.id == id) else { return Verdict::Done };
        let job = &mut self.jobs[at];
        let again = matches!(exit, Exit::Code(1) | Exit::Signal(_)) && job.retries < MOST_RETRIES;
        if again {
            job.state = State::Waiting(now.after(delay.saturating_mul(1 << job.retries)));
            job.retries += 1;
            return Verdict::Again;
        }
        let Some(job) = self.jobs.remove(at) else { return Verdict::Done };
        match exit {
            Exit::Code(0) => Verdict::Done,
            Exit::Code(code) => Verdict::Failed(job.script.path, 0, code),
            Exit::Signal(signal) => Verdict::Failed(job.script.path, signal, 0),
            Exit::NotStarted => Verdict::Failed(job.script.path, 0, 2),
        }
    }

    /// The scripts that have run too long: path and process. Each is named once.
    pub(super) fn overdue(&mut self, now: Millis, longest: u64) -> Vec<(String, u32)> {
        let mut found = Vec::new();
        for job in &mut self.jobs {
            if let State::Running { since, process, killed: killed @ false } = &mut job.state
                && now.since(*since) > longest
            {
                *killed = true;
                found.push((job.script.path.clone(), *process));
            }
        }
        found
    }

    /// When something is due next.
    pub(super) fn wake(&self, longest: u64) -> Millis {
        let full = self.running() >= MOST_RUNNING;
        let due = self.jobs.iter().map(|j| match &j.state {
            State::Waiting(_) if full => Millis::NEVER,
            State::Waiting(at) => *at,
            State::Running { since, killed: false, .. } => since.after(longest + 1),
            State::Running { .. } => Millis::NEVER,
        });
        due.min().unwrap_or(Millis::NEVER)
    }

    /// As it is shown.
    pub(super) fn view(&self) -> Vec<ScriptView> {
        let shown = |j: &Job| ScriptView {
            argv: std::iter::once(&j.script.path).chain(&j.script.args).cloned().collect(),
            running: match j.state {
                State::Running { since, process, .. } => Some((process, since)),
                State::Waiting(_) => None,
            },
            due: match j.state {
                State::Waiting(at) if j.retries > 0 => Some(at),
                _ => None,
            },
            retries: j.retries,
        };
        self.jobs.iter().map(shown).collect()
    }

    fn running(&self) -> usize {
        self.jobs.iter().filter(|j| matches!(j.state, State::Running { .. })).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: u64 = 30_000;
    const T0: Millis = Millis(1_000);

    fn script(n: usize) -> Script {
        Script { path: format!("/s{n}"), args: vec!["a".into()] }
    }

    fn start(queue: &mut Queue, now: Millis) -> JobId {
        let (id, _) = queue.next(now).unwrap();
        queue.started(id, 42, now);
        id
    }

    #[test]
    fn sixteen_run_at_a_time_in_order() {
        let mut queue = Queue::default();
        (0..20).for_each(|n| assert_eq!(queue.push(script(n), T0), None));
        let ids: Vec<JobId> = (0..16).map(|_| start(&mut queue, T0)).collect();
        assert_eq!(queue.next(T0), None);
        assert_eq!(queue.ended(ids[3], Exit::Code(0), T0, DELAY), Verdict::Done);
        assert_eq!(queue.next(T0).unwrap().1, script(16));
    }

    #[test]
    fn failures_are_tried_again_with_growing_waits() {
        let mut queue = Queue::default();
        queue.push(script(0), T0);
        let mut now = T0;
        for n in 0..10 {
            let id = start(&mut queue, now);
            let exit = if n % 2 == 0 { Exit::Code(1) } else { Exit::Signal(9) };
            assert_eq!(queue.ended(id, exit, now, DELAY), Verdict::Again);
            let due = now.after(DELAY << n);
            assert_eq!((queue.wake(60_000), queue.next(Millis(due.0 - 1))), (due, None));
            now = due;
        }
        let id = start(&mut queue, now);
        assert_eq!(queue.ended(id, Exit::Signal(9), now, DELAY), Verdict::Failed("/s0".into(), 9, 0));
        assert_eq!(queue.view(), []);
    }

    #[test]
    fn other_codes_and_missing_scripts_fail_at_once() {
        for (exit, code) in [(Exit::Code(2), 2), (Exit::Code(127), 127), (Exit::NotStarted, 2)] {
            let mut queue = Queue::default();
            queue.push(script(0), T0);
            let id = start(&mut queue, T0);
            assert_eq!(queue.ended(id, exit, T0, DELAY), Verdict::Failed("/s0".into(), 0, code));
        }
    }

    #[test]
    fn one_that_runs_too_long_is_named_once() {
        let mut queue = Queue::default();
        queue.push(script(0), T0);
        let id = start(&mut queue, T0);
        assert_eq!(queue.overdue(T0.after(60_000), 60_000), []);
        assert_eq!(queue.wake(60_000), T0.after(60_001));
        assert_eq!(queue.overdue(T0.after(60_001), 60_000), [("/s0".to_owned(), 42)]);
        assert_eq!((queue.overdue(T0.after(70_000), 60_000), queue.wake(60_000)), (vec![], Millis::NEVER));
        assert_eq!(queue.ended(id, Exit::Signal(9), T0.after(70_000), DELAY), Verdict::Again);
    }

    #[test]
    fn the_oldest_that_waits_makes_room() {
        let mut queue = Queue::default();
        queue.push(script(0), T0);
        start(&mut queue, T0);
        (1..256).for_each(|n| assert_eq!(queue.push(script(n), T0), None));
        assert_eq!(queue.push(script(256), T0), Some(script(1)));
        let view = queue.view();
        assert_eq!((view.len(), view[0].running, view[0].argv.len()), (256, Some((42, T0)), 2));
    }
}
