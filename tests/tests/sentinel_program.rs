//! The program as a process: signals, exit codes, its files, and what it does when a disk or a port refuses.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use testbed::redis::{Client, Reply, Sentinel};
use testbed::{Process, Scratch, eventually, tree};

const SOON: Duration = Duration::from_secs(20);
/// Nobody listens there.
const MONITOR: &str = "sentinel monitor m 127.0.0.1 1 2";
/// A sentinel of ours votes only when it sees the master down itself.
const SOON_DOWN: &str = "sentinel monitor m 127.0.0.1 1 2\nsentinel down-after-milliseconds m 50";

fn start(name: &str, lines: &str) -> Sentinel {
    Sentinel::start(name, &tree::built("mainstay-sentinel"), lines)
}

fn call(sentinel: &Sentinel, line: &str) -> Reply {
    sentinel.client().call(&line.split(' ').collect::<Vec<_>>()).unwrap()
}

#[test]
fn told_to_end_it_leaves_its_file_up_to_date() {
    let mut sentinel = start("term", SOON_DOWN);
    let id = call(&sentinel, "SENTINEL MYID").text();
    assert_eq!(call(&sentinel, "SENTINEL SET m quorum 3").text(), "OK");
    assert!(sentinel.conf().contains("sentinel monitor m 127.0.0.1 1 3\n"), "{}", sentinel.conf());
    let vote = format!("SENTINEL is-master-down-by-addr 127.0.0.1 1 5 {}", "b".repeat(40));
    eventually(SOON, "its vote", || call(&sentinel, &vote).items().get(2) == Some(&Reply::Int(5)));
    assert_eq!(sentinel.process().end(SOON).code(), Some(0));
    let conf = sentinel.conf();
    for line in [format!("sentinel myid {id}"), "sentinel leader-epoch m 5".into(), "sentinel current-epoch 5".into()] {
        assert!(conf.contains(&line), "{line}: {conf}");
    }
}

#[test]
fn a_vote_survives_kill_9() {
    let mut sentinel = start("vote", SOON_DOWN);
    let ask = |candidate: &str| format!("SENTINEL is-master-down-by-addr 127.0.0.1 1 5 {}", candidate.repeat(40));
    eventually(SOON, "its vote", || call(&sentinel, &ask("b")).items().get(1).map(Reply::text) == Some("b".repeat(40)));
    sentinel.process().kill().unwrap();
    sentinel.again(&tree::built("mainstay-sentinel"));
    assert_eq!(call(&sentinel, &ask("c")).items()[1].text(), "b".repeat(40));
}

#[test]
fn shutdown_ends_it() {
    let mut sentinel = start("shutdown", MONITOR);
    sentinel.client().send(&["SHUTDOWN"]).unwrap();
    assert_eq!(sentinel.process().wait(SOON).code(), Some(0));
}

#[test]
fn a_simulated_failure_has_its_code() {
    let mut sentinel = start("simulated", "sentinel monitor m 127.0.0.1 1 1");
    assert_eq!(call(&sentinel, "SENTINEL SIMULATE-FAILURE crash-after-election").text(), "OK");
    // It may end before it has answered.
    sentinel.client().send(&["SENTINEL", "SET", "m", "down-after-milliseconds", "50"]).unwrap();
    assert_eq!(sentinel.process().wait(SOON).code(), Some(99));
}

#[test]
fn a_port_or_a_state_in_use_stops_a_second_one() {
    let first = start("first", MONITOR);
    let dir = Scratch::new("second").unwrap();
    let conf = dir.write("sentinel.conf", format!("port {}\nbind 127.0.0.1\n{MONITOR}\n", first.port())).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(tree::built("mainstay-sentinel"));
        command.args(args).arg(&conf);
        let mut process = Process::spawn("second", command).unwrap();
        (process.wait(SOON).code(), process.stdout() + &process.stderr())
    };
    let (code, said) = run(&[]);
    assert_eq!((code, said.contains("in use")), (Some(1), true), "{said}");
    dir.write("sentinel.conf", format!("port 0\nbind 127.0.0.1\n{MONITOR}\n")).unwrap();
    let state = first.state();
    let (code, said) = run(&["--state", state.to_str().unwrap()]);
    assert_eq!((code, said.contains("in use by another process")), (Some(1), true), "{said}");
}

#[test]
fn a_file_that_is_gone_is_written_anew() {
    let sentinel = start("gone", MONITOR);
    std::fs::remove_file(sentinel.path()).unwrap();
    assert_eq!(call(&sentinel, "SENTINEL FLUSHCONFIG").text(), "OK");
    assert!(sentinel.conf().contains(MONITOR));
}

#[test]
fn it_goes_to_the_background_with_a_log_and_a_process_id() {
    let dir = Scratch::new("background").unwrap();
    let port = testbed::ports::free().unwrap();
    let conf = format!(
        "port {port}\nbind 127.0.0.1\ndaemonize yes\ndir {}\nlogfile log\npidfile pid\n{MONITOR}\n",
        dir.path().display()
    );
    let mut command = Command::new(tree::built("mainstay-sentinel"));
    command.arg(dir.write("sentinel.conf", conf).unwrap());
    let mut parent = Process::spawn("background", command).unwrap();
    assert_eq!(parent.wait(SOON).code(), Some(0));
    eventually(SOON, "the one in the background", || Client::to(port).and_then(|mut c| c.call(&["PING"])).is_ok());
    let pid = std::fs::read_to_string(dir.join("pid")).unwrap();
    assert!(pid.trim().parse::<u32>().is_ok(), "{pid}");
    Client::to(port).unwrap().send(&["SHUTDOWN"]).unwrap();
    eventually(SOON, "its process id to go", || !dir.join("pid").exists());
    let log = std::fs::read_to_string(dir.join("log")).unwrap();
    assert!(log.contains("+monitor master m 127.0.0.1 1 quorum 2"), "{log}");
}

/// A program of ours with this file in a directory of its own, which is given back too.
fn spawn(name: &str, lines: &str, set: impl FnOnce(&mut Command, &Scratch)) -> (Process, Scratch) {
    let dir = Scratch::new(name).unwrap();
    let mut command = Command::new(tree::built("mainstay-sentinel"));
    set(&mut command, &dir);
    command.arg(dir.write("sentinel.conf", lines).unwrap());
    (Process::spawn(name, command).unwrap(), dir)
}

#[test]
fn what_is_set_beside_a_file_that_is_left_alone_holds_until_the_file_is_edited() {
    let (dir, port) = (Scratch::new("kept").unwrap(), testbed::ports::free().unwrap());
    let lines = format!("port {port}\nbind 127.0.0.1\n{MONITOR}\nsentinel monitor old 127.0.0.1 3 2\n");
    let conf = dir.write("sentinel.conf", &lines).unwrap();
    let run = || {
        let mut command = Command::new(tree::built("mainstay-sentinel"));
        command.arg("--keep-conf").arg(&conf);
        let process = Process::spawn("kept", command).unwrap();
        eventually(SOON, "an answer", || Client::to(port).and_then(|mut c| c.call(&["PING"])).is_ok());
        process
    };
    let call = |line: &str| Client::to(port).unwrap().call(&line.split(' ').collect::<Vec<_>>()).unwrap();
    let quorum = |name: &str| {
        let reply = call(&format!("SENTINEL MASTER {name}"));
        let at = reply.items().iter().position(|i| i.text() == "quorum")?;
        Some(reply.items()[at + 1].text())
    };
    let mut process = run();
    for line in ["SENTINEL SET m quorum 3", "SENTINEL MONITOR new 127.0.0.1 2 1", "SENTINEL REMOVE old"] {
        assert_eq!(call(line).text(), "OK", "{line}");
    }
    process.kill().unwrap();
    assert_eq!(std::fs::read_to_string(&conf).unwrap(), lines, "it is left alone");
    let mut process = run();
    assert_eq!(["m", "new", "old"].map(quorum), [Some("3".into()), Some("1".into()), None]);
    process.kill().unwrap();

    std::fs::write(&conf, format!("{lines}sentinel down-after-milliseconds m 700\n")).unwrap();
    let process = run();
    assert_eq!(["m", "new", "old"].map(quorum), [Some("2".into()), None, Some("2".into())]);
    let said = process.stdout() + &process.stderr();
    assert!(said.contains("was edited since it was changed at run time"), "{said}");
    assert!(dir.join("sentinel.conf.state/sentinel.conf.old").exists());
}

#[test]
fn systemd_is_told_when_it_serves_and_when_it_ends() {
    let port = testbed::ports::free().unwrap();
    let lines = format!("port {port}\nbind 127.0.0.1\n{MONITOR}\n");
    let mut manager = None;
    let (mut process, _dir) = spawn("notify", &lines, |command, dir| {
        let path = dir.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        manager = Some(socket);
        command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", "1000000");
    });
    let manager = manager.unwrap();
    let heard = || {
        let mut bytes = [0; 512];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let ready = heard();
    assert!(ready.starts_with("READY=1\n") && ready.contains("1 masters"), "{ready}");
    // It listened before it said so.
    assert_eq!(Client::to(port).unwrap().call(&["PING"]).unwrap().text(), "PONG");
    assert_eq!([heard(), heard()], ["WATCHDOG=1", "WATCHDOG=1"]);
    assert_eq!(process.end(SOON).code(), Some(0));
    let last = std::iter::repeat_with(heard).find(|said| said != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

#[test]
fn metrics_are_scraped_and_the_log_is_json() {
    let (port, admin) = (testbed::ports::free().unwrap(), testbed::ports::free().unwrap());
    let lines = format!("port {port}\nbind 127.0.0.1\nsentinel metrics-bind {admin}\n{SOON_DOWN}\n");
    let (process, _dir) = spawn("metrics", &lines, |command, _| {
        command.args(["--log-format", "json"]);
    });
    let scrape = || {
        let mut stream = TcpStream::connect(("127.0.0.1", admin)).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: here\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    };
    for line in [
        "mainstay_sentinel_master_sdown{master=\"m\"} 1",
        "mainstay_sentinel_events_total{master=\"m\",event=\"+sdown\"} 1",
        "mainstay_sentinel_quorum_reachable{master=\"m\"} 0",
        "mainstay_sentinel_failovers_total{master=\"m\",result=\"switched\"} 0",
    ] {
        eventually(SOON, line, || scrape().is_some_and(|text| text.lines().any(|l| l == line)));
    }
    let page = std::fs::read_to_string(tree::root().join("sentinel/README.md")).unwrap();
    let text = scrape().unwrap();
    let families: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let unknown: Vec<_> = families.iter().filter(|family| !page.contains(&format!("`{family}`"))).collect();
    assert!(families.len() > 15 && unknown.is_empty(), "{unknown:?}");
    let events = process.stdout().lines().map(|l| serde_json::from_str(l).unwrap()).collect::<Vec<serde_json::Value>>();
    let down = events.iter().find(|e| e["code"] == "+sdown").unwrap();
    assert_eq!((&down["master"], &down["epoch"], &down["level"]), (&"m".into(), &0.into(), &"warn".into()));
}

#[test]
fn a_metrics_port_in_use_stops_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let port = testbed::ports::free().unwrap();
    let lines = format!("port {port}\nbind 127.0.0.1\nsentinel metrics-bind {at}\n{MONITOR}\n");
    let (mut process, _dir) = spawn("taken", &lines, |_, _| {});
    assert_eq!(process.wait(SOON).code(), Some(1));
    assert!(process.stderr().contains(&format!("`sentinel metrics-bind {at}`")), "{}", process.stderr());
}

#[test]
fn a_file_is_checked_for_programs_and_the_history_needs_a_place() {
    let run = |words: &[&str]| Command::new(tree::built("mainstay-sentinel")).args(words).output().unwrap();
    let dir = Scratch::new("check").unwrap();
    let replicas =
        "sentinel known-replica m 127.0.0.1 2\nsentinel fencing m gate 1\nsentinel notification-script m /bin/true";
    let conf = dir.write("sentinel.conf", format!("{MONITOR}\n{replicas}\n")).unwrap();
    let json = |words: &[&str]| {
        let output = run(words);
        (output.status.code(), serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap())
    };
    let (code, report) = json(&["check", "--json", conf.to_str().unwrap()]);
    assert_eq!((code, &report["ok"], &report["masters"]), (Some(0), &true.into(), &1.into()));
    let codes: Vec<_> = report["advice"].as_array().unwrap().iter().map(|a| a["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["gate-stops-writes", "no-peer"]);
    let script = format!("{MONITOR}\nsentinel notification-script m /no/such\n");
    for (lines, line) in [("prot 1\n", 1), (&*script, 2), ("port 0\ntls-port 1\n", 0)] {
        dir.write("sentinel.conf", lines).unwrap();
        let (code, report) = json(&["check", "--json", conf.to_str().unwrap()]);
        assert_eq!((code, &report["ok"], &report["problems"][0]["line"]), (Some(1), &false.into(), &line.into()));
        // What would not start is no good file, and what is no good file does not start.
        assert_eq!(run(&[conf.to_str().unwrap()]).status.code(), Some(1), "{lines}");
    }
    assert_eq!(run(&["history"]).status.code(), Some(2));
    assert_eq!(run(&["history", "--state", "/no/such"]).status.code(), Some(2));
}
