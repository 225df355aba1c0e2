//! The name server is gone: who was found by a name goes on being called.

use std::{net::SocketAddr, process::Command, time::Duration};

use testbed::{Process, Scenario, Scratch, ports, scenario::Check, tree};
use tokio::runtime;

use crate::bed::{
    load::{Called, Load},
    web::{Gateway, SOON, ask},
};

/// Requests a second.
const RATE: u32 = 100;
/// How long they go on before and after.
const WHILE: Duration = Duration::from_secs(2);
/// How long names are not answered: each is asked for again after ten seconds at most.
const GONE: Duration = Duration::from_secs(12);
const NAME: &str = "members.test";
/// Where the members listen, all on the same port.
const ADDRESSES: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

/// What a process looks names up in, which has a mount namespace of its own: the system's files are others there.
struct Names(Scratch);

impl Names {
    fn new() -> Self {
        let files = Scratch::new("names").unwrap();
        files.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n").unwrap();
        let names = Self(files);
        names.answer(&ADDRESSES);
        names
    }

    /// The name is answered with these from now on. The file is changed where it is: it is mounted.
    fn answer(&self, addresses: &[&str]) {
        let lines: String = addresses.iter().map(|address| format!("{address} {NAME}\n")).collect();
        self.0.write("hosts", lines).unwrap();
    }

    /// A command that looks names up here.
    fn command(&self, program: &str) -> Command {
        let here = self.0.path().display();
        let mount = format!("mount --bind {here}/hosts /etc/hosts && mount --bind {here}/resolv.conf /etc/resolv.conf");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")]).arg(tree::built(program));
        command
    }

    /// Whether a process there finds the name.
    fn found(process: &Process) -> bool {
        let mut look = Command::new("nsenter");
        look.args([&format!("--target={}", process.id()), "--mount", "getent", "hosts", NAME]);
        look.output().unwrap().status.success()
    }
}

/// A member that is listed nowhere else.
fn member(address: SocketAddr) -> (Process, Scratch) {
    let registry = Scratch::new("alone").unwrap();
    let mut command = Command::new(tree::built("frail-member"));
    let url = format!("file://{}", registry.path().display());
    command.args(["--registry", &url, "--listen", &address.to_string()]);
    let mut process = Process::spawn("member", command).unwrap();
    process.line(SOON, "  listening");
    (process, registry)
}

#[test]
fn a_name_server_that_is_gone_is_not_noticed() {
    let mut scenario = Scenario::new(
        "a_name_server_that_is_gone_is_not_noticed",
        "A gateway finds three members by a name, which is not answered for twelve seconds.",
    );
    let (names, port) = (Names::new(), ports::free().unwrap());
    let _members = ADDRESSES.map(|address| member(format!("{address}:{port}").parse().unwrap()));
    let gateway =
        Gateway::by(names.command("mainstay-gateway"), "127.0.0.1:0", &Gateway::file(&format!("dns://{NAME}:{port}")));
    assert!(Names::found(&gateway.process));
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let address = gateway.address;
        let load = Load::start(RATE, move |_| ask(address, "GET /v1/member/ada", "", SOON));
        load.goes_on(WHILE).await;
        let at = load.now();
        names.answer(&[]);
        let met = !Names::found(&gateway.process);
        load.goes_on(GONE).await;
        names.answer(&ADDRESSES);
        let until = load.now();
        load.goes_on(WHILE).await;
        let began = load.began();
        let calls = load.end().await;
        let failed: Vec<_> = calls.iter().filter_map(|call| call.came.as_ref().err()).collect();
        println!("{} failed, as {:?}", failed.len(), failed.first());
        let offset = scenario.at(began);
        scenario.calls("requests", began, calls.iter().map(Called::sample));
        scenario.fault("the name is not answered", at + offset..until + offset, met.into(), "looks that found nothing");
        scenario.check(Check::none("failed requests", failed.len()));
    });
    scenario.end();
}
