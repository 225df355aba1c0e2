//! h2spec against the gateway's port: what HTTP/2 must be, by who knows it.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::{process::Command, time::Duration};
use testbed::{Process, Scratch, tree};

/// What a port cannot do that speaks HTTP/1.1 too: what is no preface of HTTP/2 is a request of HTTP/1.1, and answered as such.
const SHARED_PORT: &str = "Sends invalid connection preface";

#[test]
fn the_port_is_what_h2spec_expects_but_for_its_http1() {
    let place = Scratch::new("h2spec").unwrap();
    let text = "listeners: [{address: '127.0.0.1:0'}]\nroutes: [{name: all, match: {}, respond: {body: fine}}]\n";
    let mut command = Command::new(tree::built("mainstay-gateway"));
    command.arg(place.write("gateway.yaml", text).unwrap());
    let mut gateway = Process::spawn("gateway", command).unwrap();
    let address = gateway.line(Duration::from_secs(30), "listening ");
    let port = address.rsplit(':').next().unwrap();
    let mut h2spec = Command::new(tree::peer("bin/h2spec"));
    let output = h2spec.args(["--host", "127.0.0.1", "--port", port, "--timeout", "20"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let summary = said.lines().rev().find(|line| line.contains(" tests, ")).unwrap_or_else(|| panic!("{said}"));
    let passed: u32 = summary.split(", ").find_map(|part| part.strip_suffix(" passed")).unwrap().parse().unwrap();
    assert!(passed >= 140, "{said}");
    // Failures stand at the end, each with a cross.
    let failed: Vec<_> =
        said.split("Failures:").nth(1).unwrap_or_default().lines().filter(|line| line.contains('×')).collect();
    assert!(failed.iter().all(|line| line.contains(SHARED_PORT)) && failed.len() <= 1, "{summary}\n{failed:#?}");
    assert!(gateway.ended().is_none());
}
