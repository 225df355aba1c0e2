//! An unmodified Python gRPC client, with reflection and no `.proto` file, lists our service and calls all four kinds.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::time::Duration;

use testbed::{Process, tree};

const SOON: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn python_calls_all_four_kinds_by_reflection() {
    let mut server = Command::new(tree::built("stock-server"));
    server.args(["--listen", "127.0.0.1:0"]);
    let mut server = Process::spawn("stock-server", server).unwrap();
    let addr = server.line(SOON, "listening ");

    let script = tree::root().join("tests/interop/python/check.py");
    let mut client = Command::new(tree::peer("python/bin/python"));
    client.arg(&script).arg(&addr);
    let mut client = Process::spawn("python", client).unwrap();
    let status = client.wait(PATIENCE);
    let said = client.stdout();
    println!("{said}");
    assert!(status.success(), "{status}\n{said}\n{}", client.stderr());
    let checks = std::fs::read_to_string(script).unwrap().lines().filter(|l| *l == "@check").count();
    assert!(checks > 10);
    assert_eq!(said.lines().filter(|l| l.starts_with("ok ")).count(), checks);
    assert!(said.ends_with(&format!("\n{checks} checks\n")), "{said}");
    assert!(server.ended().is_none(), "the server is gone");
}
