//! A disk that is full or turns read-only: the sentinel goes on to serve, votes nothing that it cannot keep, says so, and
//! votes again when there is room.
//!
//! The state is on a small file system of its own, in a mount namespace that ends with the sentinel. Needs root.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use testbed::redis::{Reply, Sentinel};
use testbed::{Scratch, eventually, tree};

const SOON: Duration = Duration::from_secs(20);
/// Nobody listens there, and a sentinel of ours votes only when it sees the master down itself.
const LINES: &str = "sentinel monitor m 127.0.0.1 1 2\nsentinel down-after-milliseconds m 50";

/// A sentinel with little room for its state.
struct Cramped {
    sentinel: Sentinel,
    state: PathBuf,
    _dir: Scratch,
}

impl Cramped {
    fn start() -> Cramped {
        let dir = Scratch::new("cramped").unwrap();
        let state = dir.join("state");
        fs::create_dir(&state).unwrap();
        let mount = "mount -t tmpfs -o size=256k,mode=0700 state \"$0\" && exec \"$1\" --state \"$0\" \"$2\"";
        let (program, at) = (tree::built("mainstay-sentinel"), state.display());
        let script = format!("#!/bin/sh\nexec unshare --mount sh -c '{mount}' {at} {} \"$1\"\n", program.display());
        let script = dir.write("cramped", script).unwrap();
        fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        Cramped { sentinel: Sentinel::start("cramped", &script, LINES), state, _dir: dir }
    }

    /// A file of the state's directory, as the sentinel sees it.
    fn file(&mut self, name: &str) -> PathBuf {
        let inside = self.state.join(name);
        let root = format!("/proc/{}/root", self.sentinel.process().id());
        PathBuf::from(root).join(inside.strip_prefix("/").unwrap())
    }

    /// Runs a command in its mount namespace.
    fn inside(&mut self, words: &[&str]) {
        let mut enter = Command::new("nsenter");
        enter.args([&format!("--target={}", self.sentinel.process().id()), "--mount"]).args(words).arg(&self.state);
        assert!(enter.status().unwrap().success(), "{words:?}");
    }

    /// Asks for its vote in this epoch.
    fn asked(&self, epoch: u32) -> Reply {
        let words = format!("SENTINEL is-master-down-by-addr 127.0.0.1 1 {epoch} {}", "b".repeat(40));
        self.sentinel.client().call(&words.split(' ').collect::<Vec<_>>()).unwrap()
    }

    /// Whether it votes in this epoch.
    fn votes(&self, epoch: u32) -> bool {
        self.asked(epoch).items().get(2) == Some(&Reply::Int(i64::from(epoch)))
    }

    fn info(&self) -> String {
        self.sentinel.client().call(&["INFO", "state"]).unwrap().text()
    }

    /// It serves, and does nothing that it could not keep.
    fn serves_and_promises_nothing(&self, epoch: u32, why: &str) {
        // That the master is down is what it sees, and no promise; a vote would be one.
        let told = self.asked(epoch);
        let [down, leader, at] = told.items() else { panic!("{told:?}") };
        assert_eq!((down, leader.text().as_str(), at), (&Reply::Int(1), "*", &Reply::Int(0)), "{told:?}");
        let set = self.sentinel.client().call(&["SENTINEL", "SET", "m", "quorum", "3"]).unwrap();
        assert!(matches!(&set, Reply::Error(text) if text.contains("Failed to save")), "{set:?}");
        assert_eq!(self.sentinel.master("m"), Some(1));
        let info = self.info();
        assert!(info.contains("state_save_status:err") && info.contains(why), "{info}");
        assert!(self.sentinel.process_output().contains("+state-unsaved"), "{}", self.sentinel.process_output());
    }

    /// It finds out by itself that there is room, and votes again.
    fn recovers(&self, epoch: u32) {
        eventually(SOON, "the state to be saved", || self.info().contains("state_save_status:ok"));
        eventually(SOON, "a vote", || self.votes(epoch));
        assert!(self.sentinel.process_output().contains("-state-unsaved"));
    }
}

#[test]
fn a_full_disk_stops_votes_and_nothing_else() {
    let mut cramped = Cramped::start();
    eventually(SOON, "a vote", || cramped.votes(5));
    let ballast = cramped.file("ballast");
    // More than there is room for: what fits stays.
    fs::write(&ballast, vec![0; 1 << 20]).unwrap_err();
    cramped.serves_and_promises_nothing(6, "the disk is full");
    fs::remove_file(ballast).unwrap();
    cramped.recovers(7);
}

#[test]
fn a_disk_that_turns_read_only_stops_votes_and_nothing_else() {
    let mut cramped = Cramped::start();
    eventually(SOON, "a vote", || cramped.votes(5));
    // Over the other one, which cannot change while files are open there.
    cramped.inside(&["mount", "-t", "tmpfs", "-o", "ro", "state"]);
    cramped.serves_and_promises_nothing(6, "Read-only file system");
    cramped.inside(&["umount"]);
    cramped.recovers(7);
}
