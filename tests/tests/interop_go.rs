//! grpc-go's own interop client against a server that is written with our macros, plain and over TLS.
//!
//! The cases are those of the gRPC project; each is a test of its own, against a server process of its own.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};
use std::time::Duration;

use testbed::wait::poll;
use testbed::{Process, Scratch, tree};

const SOON: Duration = Duration::from_secs(20);
/// The longest case is a soak of a few iterations.
const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "interop.example";

/// Runs one case and fails with what the client said.
fn passes(case: &str, tls: bool) {
    let certificates = Scratch::new("interop").unwrap();
    let (cert, key) = (certificates.join("cert.pem"), certificates.join("key.pem"));
    let mut command = Command::new(tree::built("interop-server"));
    command.args(["--listen", "127.0.0.1:0"]);
    if tls {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        command.arg("--cert").arg(&cert).arg("--key").arg(&key);
    }
    let mut server = Process::spawn("interop-server", command).unwrap();
    let addr = server.line(SOON, "listening ");
    let (host, port) = addr.rsplit_once(':').expect("host:port");

    let mut client = Command::new(tree::peer("bin/client"));
    client.args(["--server_host", host, "--server_port", port, "--test_case", case]);
    if tls {
        client.args(["--use_tls", "--use_test_ca", "--server_host_override", NAME, "--ca_file"]).arg(&cert);
    }
    // Else it says nothing when all is well.
    client.env("GRPC_GO_LOG_SEVERITY_LEVEL", "info");
    let log = certificates.join("client");
    let both = std::fs::File::create(&log).unwrap();
    let mut client = client.stdin(Stdio::null()).stdout(both.try_clone().unwrap()).stderr(both).spawn().unwrap();
    let status = poll(PATIENCE, || client.try_wait().unwrap());
    if status.is_none() {
        client.kill().unwrap();
        client.wait().unwrap();
    }
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(status.is_some_and(|s| s.success()), "{case}: {status:?}\n{said}");
    assert!(said.contains(" done"), "{case}: it never came to its end\n{said}");
    assert!(server.ended().is_none(), "the server is gone after {case}");
}

macro_rules! cases {
    ($($case:ident)*) => {
        mod plain {
            $(#[test] fn $case() { super::passes(stringify!($case), false); })*
        }
        mod tls {
            $(#[test] fn $case() { super::passes(stringify!($case), true); })*
        }
    };
}

cases! {
    empty_unary
    large_unary
    client_streaming
    server_streaming
    ping_pong
    empty_stream
    timeout_on_sleeping_server
    cancel_after_begin
    cancel_after_first_response
    status_code_and_message
    special_status_message
    custom_metadata
    unimplemented_method
    unimplemented_service
    rpc_soak
    channel_soak
}
