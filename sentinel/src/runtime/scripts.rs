//! Scripts as processes: started from the queue, killed when they run too long, never waited for.
//!
//! Each leads a process group of its own, so that what it started goes with it.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::queue::{Exit, JobId, Queue, Verdict};
use crate::core::action::Script;
use crate::core::event::{Done, Failure};
use crate::core::ids::Millis;
use crate::view::{ScriptView, Tuning};

/// The scripts that run and wait.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    queue: Queue,
    running: JoinSet<(JobId, Exit)>,
}

/// Something about a script that is announced: `-script-error` or `-script-timeout`, and its payload.
pub(super) type Trouble = (&'static str, String);

impl Scripts {
    /// Puts a script in the queue.
    pub(super) fn push(&mut self, script: Script, now: Millis) {
        if let Some(dropped) = self.queue.push(script, now) {
            tracing::warn!(script = dropped.path, "too many scripts wait: one is dropped");
        }
    }

    /// Starts what is due and kills what runs too long.
    pub(super) fn tend(&mut self, now: Millis, tuning: &Tuning) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        for (path, process) in self.queue.overdue(now, tuning.script_max_runtime) {
            kill_group(process);
            troubles.push(("-script-timeout", format!("{path} {process}")));
        }
        while let Some((id, script)) = self.queue.next(now) {
            match command(&script).spawn() {
                Ok(child) => {
                    // A child that was not waited for has its id.
                    self.queue.started(id, child.id().unwrap_or_default(), now);
                    self.running.spawn(async move { (id, wait(child).await) });
                }
                Err(e) => {
                    tracing::warn!(script = script.path, error = %e, "a script cannot be started");
                    troubles.extend(failed(self.queue.ended(id, Exit::NotStarted, now, 0)));
                }
            }
        }
        troubles
    }

    /// Waits for the end of any script; for ever when none runs. Cancel safe.
    pub(super) async fn end(&mut self) -> (JobId, Exit) {
        loop {
            match self.running.join_next().await {
                Some(Ok(ended)) => return ended,
                // Nothing here is aborted and nothing panics.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Notes an end that was waited for.
    pub(super) fn ended(&mut self, (id, exit): (JobId, Exit), now: Millis, tuning: &Tuning) -> Option<Trouble> {
        failed(self.queue.ended(id, exit, now, tuning.script_retry_delay))
    }

    /// When to [`tend`](Self::tend) next.
    pub(super) fn wake(&self, tuning: &Tuning) -> Millis {
        self.queue.wake(tuning.script_max_runtime)
    }

    /// As they are shown.
    pub(super) fn view(&self) -> Vec<ScriptView> {
        self.queue.view()
    }
}

/// Runs a fence script to its end: done when it exits with 0 in time.
pub(super) async fn fence(script: Script, longest: Duration) -> Result<Done, Failure> {
    let Ok(child) = command(&script).spawn() else { return Err(Failure::NotSent) };
    let process = child.id().unwrap_or_default();
    match timeout(longest, wait(child)).await {
        Ok(Exit::Code(0)) => Ok(Done::Ok),
        Ok(_) => Err(Failure::Refused),
        Err(_) => {
            kill_group(process);
            Err(Failure::Unknown)
        }
    }
}

fn command(script: &Script) -> Command {
    let mut command = Command::new(&script.path);
    command.args(&script.args).stdin(Stdio::null()).process_group(0);
    command
}

async fn wait(mut child: Child) -> Exit {
    match child.wait().await {
        Ok(status) => exit(status),
        // Somebody else took its status: as if it had been killed.
        Err(_) => Exit::Signal(9),
    }
}

fn exit(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(9)),
    }
}

fn kill_group(process: u32) {
    let group = i32::try_from(process).ok().filter(|p| *p > 1).and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // It may have ended meanwhile.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

fn failed(verdict: Verdict) -> Option<Trouble> {
    match verdict {
        Verdict::Failed(path, signal, code) => Some(("-script-error", format!("{path} {signal} {code}"))),
        Verdict::Done | Verdict::Again => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(text: &str) -> Script {
        Script { path: "/bin/sh".into(), args: vec!["-c".into(), text.into()] }
    }

    #[tokio::test]
    async fn scripts_run_and_their_ends_are_judged() {
        let tuning = Tuning::default();
        let mut scripts = Scripts::default();
        for text in ["exit 0", "exit 1", "exit 3"] {
            scripts.push(sh(text), Millis(0));
        }
        scripts.push(Script { path: "/no/such/script".into(), args: vec![] }, Millis(0));
        let troubles = scripts.tend(Millis(0), &tuning);
        assert_eq!(troubles, [("-script-error", "/no/such/script 0 2".to_owned())]);
        let mut said = Vec::new();
        for _ in 0..3 {
            let end = scripts.end().await;
            said.extend(scripts.ended(end, Millis(5), &tuning));
        }
        assert_eq!(said, [("-script-error", "/bin/sh 0 3".to_owned())]);
        let view = scripts.view();
        assert_eq!((view.len(), view[0].due, view[0].retries), (1, Some(Millis(30_005)), 1));
    }

    #[tokio::test]
    async fn one_that_runs_too_long_is_killed_with_what_it_started() {
        let tuning = Tuning::default();
        let mut scripts = Scripts::default();
        scripts.push(sh("sleep 600 & wait"), Millis(0));
        assert_eq!(scripts.tend(Millis(0), &tuning), []);
        let (channel, payload) = scripts.tend(Millis(60_001), &tuning).remove(0);
        assert_eq!((channel, payload.starts_with("/bin/sh ")), ("-script-timeout", true));
        assert_eq!(scripts.end().await.1, Exit::Signal(9));
    }

    #[tokio::test]
    async fn a_fence_holds_only_if_it_says_so() {
        let long = Duration::from_secs(60);
        assert_eq!(fence(sh("exit 0"), long).await, Ok(Done::Ok));
        assert_eq!(fence(sh("exit 1"), long).await, Err(Failure::Refused));
        assert_eq!(fence(sh("sleep 600"), Duration::from_millis(20)).await, Err(Failure::Unknown));
        assert_eq!(fence(Script { path: "/no/such".into(), args: vec![] }, long).await, Err(Failure::NotSent));
    }
}
