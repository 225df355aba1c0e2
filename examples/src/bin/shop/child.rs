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
    /// Where operators ask, of a role that has such a port.
    pub(crate) admin: Option<String>,
    process: tokio::process::Child,
}

impl Child {
    /// Starts a process of this role, with these settings besides, and waits until it is registered. `show`: pass on what it
    /// prints.
    pub(crate) async fn start(
        role: &'static str,
        registry: &str,
        settings: &[&str],
        show: bool,
    ) -> Result<Self, String> {
        let settings: Vec<&str> = ["--registry", registry].iter().chain(settings).copied().collect();
        Self::with(role, &settings, ("advertised", &["registered", "not"]), show).await
    }

    /// Starts a gateway with this file, and waits until it listens.
    pub(crate) async fn gateway(file: &str, show: bool) -> Result<Self, String> {
        Self::with("gateway", &[file, "--log", "warn"], ("listening", &["listening"]), show).await
    }

    async fn with(role: &'static str, arguments: &[&str], words: (&str, &[&str]), show: bool) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| format!("where is the shop's program? {error}"))?;
        let mut command = Command::new(program);
        // What is set for the demo, a port above all, cannot be right for each of its children.
        let ours =
            std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("MAINSTAY_"));
        for name in ours {
            command.env_remove(name);
        }
        command.arg(role).args(arguments).env(CHILD, "1").process_group(0);
        // A check that fails in the middle may leave one that is stopped, and does not see that its parent goes.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().map_err(|error| format!("cannot start {role}: {error}"))?;
        let (pid, stdout) = (process.id().unwrap_or_default(), process.stdout.take());
        let mut lines = BufReader::new(stdout.ok_or("a pipe is missing")?).lines();
        let ports = timeout(PATIENCE, ports(&mut lines, words)).await;
        let ports = ports.ok().flatten().ok_or_else(|| format!("{role} (process {pid}) did not start to serve"))?;
        tokio::spawn(pass_on(lines, show.then(|| format!("{role} {pid}"))));
        Ok(Self { role, pid, address: ports.0, admin: ports.1, process })
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

    /// SIGCONT: it hangs no more.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
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

/// The address, and where operators ask, in what a process prints: behind which word it stands, and after which words it serves.
async fn ports(
    lines: &mut Lines<BufReader<ChildStdout>>,
    (place, ready): (&str, &[&str]),
) -> Option<(String, Option<String>)> {
    let (mut address, mut admin) = (None, None);
    while let Ok(Some(line)) = lines.next_line().await {
        let mut words = line.split_whitespace();
        let Some(word) = words.next() else { continue };
        if word == place {
            address = words.next().map(str::to_owned);
        }
        if word == "admin" {
            admin = words.next().map(str::to_owned);
        }
        if ready.contains(&word) {
            return address.map(|address| (address, admin));
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
