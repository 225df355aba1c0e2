//! Gateways are killed and drained behind nginx, and a floating address goes from one host to another.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustix::process::Signal;
use testbed::{Hosts, Place, Process, Scenario, Scratch, eventually, ports, scenario::Check};
use tokio::{runtime, task::spawn_blocking};

use crate::bed::{
    load::{Called, Load},
    members::Members,
    web::{Gateway, Nginx, SOON, ask},
};

/// Requests a second: each opens a connection.
const RATE: u32 = 200;
/// How long calls go on before, and after.
const WHILE: Duration = Duration::from_secs(3);
/// How long a request may take; a healthy one takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// A member, asked for in the two ways that there are.
const GET: (&str, &str) = ("GET /v1/member/ada", "");
const POST: (&str, &str) = ("POST /shop.member.v1.MemberApi/Member", "{\"id\":\"ada\"}");

fn load(address: SocketAddr, asks: &'static [(&str, &str)]) -> Load<String> {
    Load::start(RATE, move |n| {
        let (head, body) = asks[n as usize % asks.len()];
        ask(address, head, body, PATIENCE)
    })
}

/// Two gateways behind nginx, of which one is ended by this signal; no request may fail.
fn is_not_noticed_behind_nginx(name: &str, what: &str, signal: Signal, asks: &'static [(&str, &str)]) {
    let mut scenario = Scenario::new(name, &format!("nginx shares requests out to two gateways; {what}."));
    let members = Members::here();
    let mut gateways = [Gateway::of_members(&members.registry()), Gateway::of_members(&members.registry())];
    let nginx = Nginx::before(&gateways.each_ref());
    members.called(async || {
        let load = load(nginx.address, asks);
        load.goes_on(WHILE).await;
        let at = load.now();
        gateways[0].process.signal(signal).unwrap();
        load.goes_on(WHILE).await;
        let [gone, _] = &mut gateways;
        let ended = gone.process.ended().is_some();
        // Another one in its place.
        let address = gone.address.to_string();
        let again = spawn_blocking({
            let registry = members.registry();
            move || Gateway::listening(&Place::Here, &address, &Gateway::file(&registry))
        });
        let (_again, until) = (again.await.unwrap(), load.now());
        load.goes_on(WHILE).await;
        let began = load.began();
        let calls = load.end().await;

        let failed: Vec<_> = calls.iter().filter_map(|call| call.came.as_ref().err()).collect();
        println!("{} failed, as {:?}", failed.len(), failed.first());
        let offset = scenario.at(began);
        scenario.calls("requests", began, calls.iter().map(Called::sample));
        scenario.fault(what, at + offset..until + offset, ended.into(), "gateways");
        scenario.check(Check::none("failed requests", failed.len()));
    });
    scenario.end();
}

#[test]
fn a_gateway_that_is_killed_behind_nginx_fails_no_request() {
    // What is sent again must be what may be: nginx sends no POST again that a gateway may have seen.
    is_not_noticed_behind_nginx(
        "a_gateway_that_is_killed_behind_nginx_fails_no_request",
        "one is killed, and started again",
        Signal::KILL,
        &[GET],
    );
}

#[test]
fn a_gateway_that_is_drained_behind_nginx_fails_no_request() {
    is_not_noticed_behind_nginx(
        "a_gateway_that_is_drained_behind_nginx_fails_no_request",
        "one is drained, and started again",
        Signal::TERM,
        &[GET, POST],
    );
}

/// keepalived on a host, which holds a floating address as long as it is the first that lives.
fn keepalived(place: &Place, floating: &str, priority: u8) -> (Process, Scratch) {
    let files = Scratch::new("keepalived").unwrap();
    let text = format!(
        "global_defs {{ vrrp_version 3; vrrp_garp_master_delay 0; }}
vrrp_instance pair {{
  state BACKUP; interface eth0; virtual_router_id 51; priority {priority}; advert_int 0.1
  virtual_ipaddress {{ {floating}/24 dev eth0 }}
}}
"
    );
    let file = files.write("keepalived.conf", text.replace("; ", "\n")).unwrap();
    let mut command = place.command("keepalived");
    command.args(["--dont-fork", "--log-console", "--vrrp", "--use-file"]).arg(file);
    for (option, name) in [("--pid", "pid"), ("--vrrp_pid", "vrrp")] {
        command.arg(option).arg(files.join(name));
    }
    (Process::spawn("keepalived", command).unwrap(), files)
}

#[test]
fn a_floating_address_moves_within_a_second() {
    let mut scenario = Scenario::new(
        "a_floating_address_moves_within_a_second",
        "Two hosts with a gateway and keepalived each; all that runs on the one that holds the address is killed.",
    );
    let hosts = Arc::new(Hosts::new(&["caller", "g1", "g2"]).unwrap());
    let place = |name: &str| Place::On(hosts.clone(), name.to_owned());
    let port = ports::free().unwrap();
    let floating = SocketAddr::from(([198, 51, 100, 200], port));
    let start = |name: &str, priority| {
        let answers = format!("routes: [{{name: all, match: {{}}, respond: {{body: {name}}}}}]\n");
        let gateway = Gateway::listening(&place(name), &format!("0.0.0.0:{port}"), &answers);
        (gateway, keepalived(&place(name), &floating.ip().to_string(), priority))
    };
    let ((mut gateway, (mut first, _files)), _second) = (start("g1", 150), start("g2", 100));
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // A request that meets nobody is given up soon, so that the next one tells who holds the address.
    let patience = Duration::from_millis(100);
    let caller = place("caller");
    let asked = || caller.within(|| runtime.block_on(ask(floating, "GET /", "", patience))).unwrap();
    eventually(SOON, "the first host holds the address", || asked().as_deref() == Ok("g1"));
    let (calls, began, at) = caller
        .within(|| {
            runtime.block_on(async {
                let load = Load::start(RATE, move |_| ask(floating, "GET /", "", patience));
                load.goes_on(WHILE).await;
                let at = load.now();
                first.kill().unwrap();
                gateway.process.kill().unwrap();
                load.goes_on(WHILE).await;
                let began = load.began();
                (load.end().await, began, at)
            })
        })
        .unwrap();

    let by = |name: &'static str| calls.iter().filter(move |call| call.came.as_deref() == Ok(name));
    let moved = by("g2").map(|call| call.due + call.took).min();
    let offset = scenario.at(began);
    scenario.calls("requests", began, calls.iter().map(Called::sample));
    let after = by("g1").filter(|call| call.due > at).count();
    let met = calls.iter().filter(|call| call.came.is_err()).count();
    scenario.fault("the first host dies", at + offset..moved.unwrap_or(at) + offset, met as u64, "requests");
    scenario.check(Check::none("answers of the dead host", after));
    scenario.check(Check::within("the address moves", moved.map_or(WHILE, |moved| moved - at), Duration::from_secs(1)));
    let late = calls.iter().filter(|call| call.due > at + Duration::from_secs(1) && call.came.is_err()).count();
    scenario.check(Check::none("failed requests, a second later", late));
    scenario.end();
}
