//! Processes under test: started in a group of their own, waited for by a condition, stopped, killed, and gone at the
//! end of the test together with whatever they started.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::wait::poll;
use crate::{Scratch, seed};

/// How many lines of a log a failing test shows.
const SHOWN: usize = 60;

/// A running program. Dropping it kills it and its group, and shows the end of its logs if the test is failing.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    group: Option<Pid>,
    status: Option<ExitStatus>,
    logs: Scratch,
}

impl Process {
    /// Starts `command` as the leader of a new process group, with its output in files and nothing to read.
    ///
    /// # Errors
    /// When it cannot be started: the error names the program.
    pub fn spawn(name: &str, mut command: Command) -> io::Result<Process> {
        let logs = Scratch::new(&format!("log-{}", name.replace(['/', ' '], "-")))?;
        // What steers tests is not for programs: an application refuses a variable of its prefix that it does not know.
        for name in seed::VARIABLES {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(File::create(logs.join("out"))?).stderr(File::create(logs.join("err"))?);
        let child = command.process_group(0).spawn().map_err(|e| {
            io::Error::new(e.kind(), format!("starting {name} ({}): {e}", command.get_program().to_string_lossy()))
        })?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(Process { name: name.to_owned(), child, group, status: None, logs })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output so far.
    pub fn stdout(&self) -> String {
        self.read("out")
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        self.read("err")
    }

    /// Waits until it is ready in the sense of `cond`.
    ///
    /// # Panics
    /// When it ends before, or `deadline` passes: with its logs.
    #[track_caller]
    pub fn ready(&mut self, deadline: Duration, what: &str, mut cond: impl FnMut(&Process) -> bool) {
        self.ready_some(deadline, what, |p| cond(p).then_some(()));
    }

    /// Waits for a line of standard output that begins with `prefix`, and gives what follows it.
    ///
    /// # Panics
    /// When it ends before, or `deadline` passes: with its logs.
    #[track_caller]
    pub fn line(&mut self, deadline: Duration, prefix: &str) -> String {
        self.ready_some(deadline, &format!("a line `{prefix}…`"), |p| {
            let text = p.stdout();
            // A line without its end is still being written.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            whole.lines().find_map(|l| l.strip_prefix(prefix)).map(|rest| rest.trim().to_owned())
        })
    }

    /// Sends a signal to the process group.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match self.group {
            Some(group) => Ok(kill_process_group(group, signal)?),
            None => Err(io::Error::other(format!("{} has ended", self.name))),
        }
    }

    /// kill -9, and waits until it is gone.
    ///
    /// # Errors
    /// When it had ended before.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL)?;
        let status = self.child.wait()?;
        self.status = Some(status);
        Ok(status)
    }

    /// kill -STOP: it stays there and answers nothing.
    ///
    /// # Errors
    /// When it had ended before.
    pub fn stop(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// kill -CONT.
    ///
    /// # Errors
    /// When it had ended before.
    pub fn cont(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end (TERM) and waits.
    ///
    /// # Panics
    /// When it is still there after `deadline`.
    #[track_caller]
    pub fn end(&mut self, deadline: Duration) -> ExitStatus {
        // It may have ended by itself: the wait says so.
        let _ = self.signal(Signal::TERM);
        self.wait(deadline)
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it is still there after `deadline`.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        match poll(deadline, || self.ended()) {
            Some(status) => status,
            None => panic!("{} has not ended after {deadline:?}\n{}", self.name, self.logs_text()),
        }
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// CPU seconds used so far, user and system, from `/proc`. None where there is no `/proc`, or it has ended.
    pub fn cpu_seconds(&self) -> Option<f64> {
        cpu_seconds(self.id())
    }

    #[track_caller]
    fn ready_some<T>(&mut self, deadline: Duration, what: &str, mut find: impl FnMut(&Process) -> Option<T>) -> T {
        let found = poll(deadline, || match self.ended() {
            Some(status) => Some(Err(status)),
            None => find(self).map(Ok),
        });
        match found {
            Some(Ok(found)) => found,
            Some(Err(status)) => panic!("{} ended ({status}) before {what}\n{}", self.name, self.logs_text()),
            None => panic!("{}: waited {deadline:?} in vain for {what}\n{}", self.name, self.logs_text()),
        }
    }

    fn read(&self, which: &str) -> String {
        fs::read(self.path(which)).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    fn path(&self, which: &str) -> PathBuf {
        self.logs.join(which)
    }

    fn logs_text(&self) -> String {
        let mut text = String::new();
        for which in ["out", "err"] {
            let all = self.read(which);
            let lines: Vec<&str> = all.lines().collect();
            let from = lines.len().saturating_sub(SHOWN);
            text.push_str(&format!("--- {} {which}, the last {} lines\n", self.name, lines.len() - from));
            lines[from..].iter().for_each(|line| text.push_str(&format!("{line}\n")));
        }
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs_text());
        }
        // The group, not only the child: what it started must go too, even when it has ended itself.
        let _ = self.signal(Signal::KILL);
        if self.status.is_none() {
            let _ = self.child.wait();
        }
    }
}

/// CPU seconds of a process, user and system, from `/proc/ID/stat`.
pub fn cpu_seconds(id: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in brackets may hold spaces: count from the last bracket. Fields 14 and 15 of the whole line.
    let mut rest = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let user: u64 = rest.next()?.parse().ok()?;
    let system: u64 = rest.next()?.parse().ok()?;
    Some((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    const SOON: Duration = Duration::from_secs(10);

    fn sh(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn("script", command).expect("sh starts")
    }

    fn alive(pid: &str) -> bool {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    #[test]
    fn a_line_is_waited_for() {
        let mut p = sh("echo noise; echo listening 127.0.0.1:7; exec sleep 600");
        assert_eq!(p.line(SOON, "listening "), "127.0.0.1:7");
        assert!(p.ended().is_none());
    }

    #[test]
    #[should_panic(expected = "the reason")]
    fn an_end_before_readiness_shows_the_logs() {
        sh("echo the reason >&2; exit 3").line(SOON, "listening ");
    }

    #[test]
    fn what_steers_tests_is_not_passed_on() {
        let mut env = Command::new("env");
        env.envs(seed::VARIABLES.map(|name| (name, "1"))).env("OTHER", "1");
        let mut env = Process::spawn("env", env).expect("env starts");
        assert!(env.wait(SOON).success());
        assert!(env.stdout().contains("OTHER=1") && !env.stdout().contains("MAINSTAY_"), "{}", env.stdout());
    }

    #[test]
    fn nothing_is_left_behind() {
        let mut p = sh("sleep 600 & echo child $!; wait");
        let child = p.line(SOON, "child ");
        assert!(alive(&child));
        drop(p);
        eventually(SOON, "the child of the script is gone", || !alive(&child));
    }

    #[test]
    fn a_stopped_process_does_nothing_until_it_goes_on() {
        let mut p = sh("trap 'echo got; exit 0' USR1; echo ready; while :; do :; done");
        p.line(SOON, "ready");
        p.stop().unwrap();
        let id = p.id();
        eventually(SOON, "state T", || {
            fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|s| s.contains(") T "))
        });
        p.cont().unwrap();
        p.signal(Signal::USR1).unwrap();
        assert!(p.wait(SOON).success());
        assert_eq!(p.stdout(), "ready\ngot\n");
    }

    #[test]
    fn a_kill_and_an_end_are_told_apart() {
        use std::os::unix::process::ExitStatusExt;
        let mut p = sh("trap '' TERM; echo ready; while :; do :; done");
        p.line(SOON, "ready");
        assert_eq!(p.kill().unwrap().signal(), Some(9));
        let mut p = sh("trap 'exit 7' TERM; echo ready; while :; do :; done");
        p.line(SOON, "ready");
        assert_eq!(p.end(SOON).code(), Some(7));
    }

    #[test]
    fn its_cpu_time_is_counted() {
        let p = sh("while :; do :; done");
        eventually(SOON, "some CPU time", || p.cpu_seconds().is_some_and(|s| s > 0.02));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Process::spawn("ghost", Command::new("/no/such/program")).unwrap_err().to_string();
        assert!(error.contains("ghost") && error.contains("/no/such/program"), "{error}");
    }
}
