//! An application as a process: what it prints, and how it ends when it is told to.
//!
//! The test binary runs itself again, as the test `an_application_ends_when_it_is_told_to`, with its role in a variable.

#![cfg(unix)]

use mainstay::prelude::*;
use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};

const ROLE: &str = "APP_TEST_ROLE";

#[mainstay::service(package = "test.v1")]
trait Desk {
    /// Never answers.
    async fn hold(&self) -> Result<()>;
}

struct Clerk;

impl Desk for Clerk {
    async fn hold(&self) -> Result<()> {
        std::future::pending().await
    }
}

/// The child: an application whose settings are the words of the variable. Never comes back when there is one.
fn be_an_application_if_asked() {
    let Ok(settings) = std::env::var(ROLE) else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let words = settings.split_whitespace().map(str::to_owned);
    let ended = runtime.block_on(async {
        let nothing = std::iter::empty::<(String, String)>();
        App::from_sources("desk", words, nothing)?.serve(DeskServer::new(Clerk)).run().await
    });
    if let Err(error) = &ended {
        eprintln!("{error:?}");
    }
    std::process::exit(i32::from(ended.is_err()));
}

struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(settings: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "an_application_ends_when_it_is_told_to", "--nocapture"])
            .env(ROLE, format!("--registry memory:// {settings}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, output }
    }

    /// The first line that begins with this.
    fn line(&mut self, begins: &str) -> String {
        let mut line = String::new();
        while !line.trim_start().starts_with(begins) {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).expect("text"), 0, "it ended before it said `{begins}`");
        }
        line
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(sent.expect("kill(1) is there").success());
    }

    fn ended(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("text");
        let mut errors = self.child.stderr.take().expect("its errors");
        errors.read_to_string(&mut rest).expect("text");
        (self.child.wait().expect("it was ours"), rest)
    }
}

/// Makes a call that is never answered, and holds it.
fn hold(address: &str) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let desk = runtime.block_on(async { DeskClient::connect("desk").address(address).build() }).expect("a client");
    runtime.spawn(async move { desk.hold().await });
    // Answered calls behind it on the same server show that it came in.
    runtime.block_on(async {
        let ping = DeskClient::connect("desk").address(address).build().expect("a client");
        let late = mainstay::call::timeout(std::time::Duration::from_millis(300));
        ping.with(late).hold().await.expect_err("never answered");
    });
    runtime
}

#[test]
fn an_application_ends_when_it_is_told_to() {
    be_an_application_if_asked();
    for signal in ["TERM", "INT"] {
        let mut process = Process::start("");
        process.line("registered");
        process.signal(signal);
        let (status, rest) = process.ended();
        assert_eq!(status.code(), Some(0), "{signal}: {rest}");
        assert!(rest.contains("drained"), "{rest}");
    }
}

#[test]
fn a_call_that_was_cut_shows_in_the_exit_code() {
    let mut process = Process::start("--drain-delay 0 --drain-grace 10ms");
    let address = process.line("listening").trim().replace("listening", "").trim().to_owned();
    let held = hold(&address);
    process.signal("TERM");
    let (status, rest) = process.ended();
    assert_eq!(status.code(), Some(75), "{rest}");
    assert!(rest.contains("calls that were cut: 1"), "{rest}");
    held.shutdown_background();
}

#[test]
fn a_second_signal_waits_for_nobody() {
    let mut process = Process::start("--drain-delay 1h --drain-grace 1h");
    let address = process.line("listening").trim().replace("listening", "").trim().to_owned();
    let held = hold(&address);
    process.signal("TERM");
    process.line("draining");
    process.signal("TERM");
    let (status, rest) = process.ended();
    assert_eq!(status.code(), Some(75), "{rest}");
    held.shutdown_background();
}

#[test]
fn settings_are_printed_with_who_set_them_and_nothing_is_served() {
    let (status, text) = Process::start("--print-config --zone a").ended();
    assert_eq!(status.code(), Some(0), "{text}");
    let zone = text.lines().find(|line| line.starts_with("zone")).expect("a line of the zone");
    assert!(zone.ends_with("--zone") && !text.contains("desk serves"), "{text}");
    let (status, text) = Process::start("--zoen a").ended();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("unknown flag `--zoen`, did you mean `--zone`?"), "{text}");
}
