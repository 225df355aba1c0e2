//! The program where it ends by itself: what it says and its exit code.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file in a directory that is gone afterwards.
struct Conf(PathBuf);

impl Conf {
    fn new(name: &str, text: &str) -> Conf {
        let dir = std::env::temp_dir().join(format!("mainstay-program-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("sentinel.conf");
        std::fs::write(&path, text).unwrap();
        Conf(path)
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn run(args: &[&str], conf: Option<&Path>) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay-sentinel"));
    let Output { status, stdout, stderr } = command.args(args).args(conf).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

const MISTAKES: &str = "prot 26379\nport many\nsentinel monitor m 127.0.0.1 6379\nsentinel monitor n 127.0.0.1 99999 2\n\
sentinel monitor ok 127.0.0.1 6379 2\nsentinel down-after-milliseconds ok soon\nsentinel down-after-miliseconds ok 1\n\
sentinel failover-timeout ok 0\nsentinel parallel-syncs unknown 1\nsentinel myid short\nsentinel resolve-hostnames maybe\n";

#[test]
fn ten_mistakes_are_named_at_once() {
    let conf = Conf::new("mistakes", MISTAKES);
    for args in [&["check"][..], &[]] {
        let (code, said) = run(args, Some(&conf.0));
        assert_eq!(code, Some(1), "{said}");
        for line in [1, 2, 3, 4, 6, 7, 8, 9, 10, 11] {
            assert!(
                said.contains(&format!("line {line}:")) || said.contains(&format!(":{line}:")),
                "line {line}: {said}"
            );
        }
    }
}

#[test]
fn a_good_file_passes() {
    let conf = Conf::new("good", "port 26379\nsentinel monitor m 127.0.0.1 6379 2\n");
    let (code, said) = run(&["check"], Some(&conf.0));
    assert_eq!((code, said.contains("1 masters, no mistakes")), (Some(0), true), "{said}");
}

#[test]
fn without_a_file_it_does_not_start() {
    let (code, said) = run(&[], None);
    assert_eq!((code, said.contains("file on disk")), (Some(1), true), "{said}");
    let (code, said) = run(&[], Some(Path::new("/no/such/sentinel.conf")));
    assert_eq!((code, said.contains("/no/such/sentinel.conf")), (Some(1), true), "{said}");
}

#[test]
fn a_mistyped_command_says_what_was_meant() {
    let (code, said) = run(&["stauts", "m"], None);
    assert_eq!((code, said.contains("did you mean `status`?")), (Some(2), true), "{said}");
}

#[test]
fn a_damaged_state_stops_it() {
    let conf = Conf::new("damaged", "port 0\n");
    let listens = "port 1\nbind -192.0.2.1 127.0.0.1\n";
    std::fs::write(&conf.0, listens.replace("port 1", "port 0")).unwrap();
    let dir = conf.0.with_file_name("state");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("state"), "mainstay-sentinel-state 1\nmyid x\nchecksum 00000000\n").unwrap();
    let (code, said) = run(&["--state", dir.to_str().unwrap()], Some(&conf.0));
    assert_eq!((code, said.contains("damaged")), (Some(1), true), "{said}");
}

#[test]
fn version_and_help() {
    let (code, said) = run(&["--version"], None);
    assert_eq!((code, said.starts_with("mainstay-sentinel ")), (Some(0), true));
    let (code, said) = run(&["--help"], None);
    assert_eq!((code, said.contains("--keep-conf")), (Some(0), true));
}
