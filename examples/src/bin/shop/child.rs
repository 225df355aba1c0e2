//! One process of the shop, as the demo that started it sees it.

use crate::stop::CHILD;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{ChildStdout, Command},
    time::timeout,
};

/// How long a process may take to listen, or to end.
const PATIENCE: Duration = Duration::from_secs(35);

/// A process that serves.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) role: &'static str,
    pub(crate) pid: u32,
    /// What it advertises.
    pub(crate) address: String,
    process: tokio::process::Child,
}

impl Child {
    /// Starts a process of this role, and waits until it is registered. `show`: pass on what it prints.
    pub(crate) async fn start(role: &'static str, registry: &str, show: bool) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| format!("where is the shop's program? {error}"))?;
        let mut command = Command::new(program);
        // What is set for the demo, a port above all, cannot be right for each of its children.
        let ours =
            std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("MAINSTAY_"));
        for name in ours {
            command.env_remove(name);
        }
        command.args([role, "--registry", registry]).env(CHILD, "1").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("cannot start {role}: {error}"))?;
        let (pid, stdout) = (process.id().unwrap_or_default(), process.stdout.take());
        let mut lines = BufReader::new(stdout.ok_or("a pipe is missing")?).lines();
        let address = timeout(PATIENCE, address(&mut lines)).await;
        let address = address.ok().flatten().ok_or_else(|| format!("{role} (process {pid}) did not start to serve"))?;
        tokio::spawn(pass_on(lines, show.then(|| format!("{role} {pid}"))));
        Ok(Self { role, pid, address, process })
    }

    /// `kill -9`. The answer is how it ended.
    pub(crate) async fn kill(mut self) -> Result<ExitStatus, String> {
        self.process.start_kill().map_err(|error| format!("cannot kill process {}: {error}", self.pid))?;
        self.ended().await
    }

    /// SIGTERM: it drains.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGSTOP: it hangs, with all that was sent to it.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
    }

    fn signal(&self, signal: Signal) {
        // One that is gone already needs no telling.
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Whether it has ended already, by whosever hand.
    pub(crate) fn is_gone(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(Some(_)))
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus, String> {
        let (role, pid) = (self.role, self.pid);
        match timeout(PATIENCE, self.process.wait()).await {
            Ok(ended) => ended.map_err(|error| format!("cannot wait for {role} (process {pid}): {error}")),
            Err(_) => Err(format!("{role} (process {pid}) does not end")),
        }
    }
}

/// Whether a process was ended by `kill -9`.
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::KILL.as_raw())
}

/// The address in what `App::run` prints, once it is registered.
async fn address(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<String> {
    let mut address = None;
    while let Ok(Some(line)) = lines.next_line().await {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("advertised") => address = words.next().map(str::to_owned),
            Some("registered" | "not") => return address,
            _ => {}
        }
    }
    None
}

/// Reads on, so that the pipe never fills; prints it behind a name.
async fn pass_on(mut lines: Lines<BufReader<ChildStdout>>, name: Option<String>) {
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(name) = &name {
            println!("{name:<18} {}", line.trim());
        }
    }
}
