//! Provider processes: the test binary runs itself again, as one of its own tests, with its role in the environment.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use mainstay_registry::{Registry, connect};

use crate::support::{DEADLINE, stock};

const ROLE: &str = "MAINSTAY_TEST_PROVIDER";

/// A provider process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Provider {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Provider {
    /// Starts one that registers `key` under `id` in the registry `url`, as the test `entry` of this binary, which must call
    /// [`be_provider_if_asked`] first. It is registered when this returns.
    pub(crate) fn start(entry: &str, url: &str, id: &str, key: &str) -> Self {
        let mut provider = Self::launch(entry, url, id, key);
        provider.wait_until_registered();
        provider
    }

    /// [`start`](Self::start) without waiting.
    pub(crate) fn launch(entry: &str, url: &str, id: &str, key: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", entry, "--nocapture"])
            .env(ROLE, format!("{url}|{id}|{key}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        Self { child, stdin }
    }

    /// Waits for the process to say that it is registered.
    pub(crate) fn wait_until_registered(&mut self) {
        let stdout = BufReader::new(self.child.stdout.take().unwrap());
        let registered = stdout.lines().map_while(Result::ok).any(|line| line.contains("@registered"));
        assert!(registered, "the provider process ended before it was registered");
    }

    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Asks it to withdraw and end, and waits for that.
    pub(crate) fn leave(mut self) {
        self.stdin.take().unwrap().write_all(b"leave\n").unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In a process that was started as a provider: be one until asked to leave, and end the process. Else nothing.
pub(crate) fn be_provider_if_asked() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let [url, id, key] = role.split('|').collect::<Vec<_>>().try_into().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let hub = connect(url).unwrap();
        let mut lease = hub.register(stock(id, &[key]));
        lease.registered(DEADLINE).await.unwrap();
        println!("@registered {id}");
        std::io::stdout().flush().unwrap();
        let (leave, left) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = std::io::stdin().read_line(&mut line);
            let _ = leave.send(line);
        });
        // The end of the pipe is the end of the test that asked: an order to leave only if it says so.
        let line = left.await.unwrap();
        if line == "leave\n" {
            lease.withdraw(Duration::from_secs(5)).await.unwrap();
        }
    });
    std::process::exit(0);
}
