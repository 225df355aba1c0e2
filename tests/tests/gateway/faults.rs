//! The file changed, and upstreams killed and replaced, under load: nobody outside notices.

use super::{
    bed::{Answer, Gateway, Mirror, SOON, Stock},
    grpc::{RUNTIME, StockApiClient},
    load::Load,
};
use rustix::process::Signal;
use std::{
    fmt::Write as _,
    io::{BufReader, Write as _},
    net::TcpStream,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use testbed::{Process, Scratch, eventually, tree};

const GET: (&str, &str, &str) = ("GET /v1/stock/a-7", "", "\"left\":7");
const JSON: (&str, &str, &str) = ("POST /shop.stock.v1.StockApi/Level", "{\"sku\":\"a-8\"}", "\"left\":8");

fn file(stocks: &[&Stock], more: usize) -> String {
    let endpoints = stocks.iter().map(|stock| format!("'{}'", stock.address)).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "upstreams: {{stock: {{endpoints: [{endpoints}]}}}}
routes:
  - {{name: http, match: {{path: /v1/**}}, http: {{upstream: stock}}}}
  - {{name: json, match: {{path: /shop.stock.v1.StockApi/*}}, json: {{upstream: stock, services: [shop.stock.v1.StockApi], auto_mapping: true}}}}
"
    );
    for n in 0..more {
        writeln!(text, "  - {{name: more-{n}, match: {{path: /more/{n}}}, respond: {{}}}}").unwrap();
    }
    text
}

#[test]
fn a_hundred_reloads_under_load_fail_no_request() {
    let (one, two) = (Stock::start(), Stock::start());
    let gateway = Gateway::start(&file(&[&one, &two], 0));
    let load = Load::start(&gateway.address, 4, &[GET, JSON]);
    load.goes_on(20);
    for n in 1..=100 {
        // Each time there is one route more, and the endpoints change with every tenth.
        let stocks: &[&Stock] = if n / 10 % 2 == 0 { &[&one, &two] } else { &[&two, &one] };
        gateway.reload(&file(stocks, n), n as u64 + 1);
        load.goes_on(1);
    }
    assert_eq!(gateway.ask("GET /more/99", "").code, 200);
    // A file that is refused changes nothing.
    gateway.write("routes: [{name: a, match: {path: x}, respond: {}}]");
    eventually(SOON, "the refusal", || gateway.process.stderr().contains("a path begins with `/`"));
    assert_eq!(gateway.ask("GET /more/99", "").code, 200);
    load.goes_on(20);
    let failed = load.stop();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), &failed[..failed.len().min(3)]);
}

#[test]
fn an_upstream_that_is_killed_fails_no_request() {
    let (mut one, two, three) = (Stock::start(), Stock::start(), Stock::start());
    let gateway = Gateway::start(&file(&[&one, &two, &three], 0));
    let load = Load::start(&gateway.address, 4, &[GET, JSON]);
    load.goes_on(100);
    one.process.kill().unwrap();
    load.goes_on(200);
    // The same address, another process.
    let _one = Stock::at(&one.address);
    load.goes_on(200);
    let failed = load.stop();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), &failed[..failed.len().min(3)]);
}

#[test]
fn calls_of_grpc_that_are_idempotent_do_not_notice_a_kill() {
    let (mut one, two) = (Stock::start(), Stock::start());
    let gateway = Gateway::start(&format!(
        "upstreams: {{stock: {{endpoints: ['{}', '{}']}}}}
routes: [{{name: grpc, match: {{}}, grpc: {{upstream: stock, services: [shop.stock.v1.*]}}}}]
",
        one.address, two.address
    ));
    let done = Arc::<AtomicUsize>::default();
    let failed = RUNTIME.block_on(async {
        // What it is saved from, the gateway does: this client sends nothing again.
        let client = StockApiClient::connect("stock").address(gateway.address.as_str()).retries(0).build().unwrap();
        let call = async |client: StockApiClient, done: Arc<AtomicUsize>| {
            let mut failed = Vec::new();
            while done.fetch_add(1, Relaxed) < 3_000 {
                failed.extend(client.level("a-7".into()).await.err().map(|error| error.to_string()));
            }
            failed
        };
        let calls: Vec<_> = (0..4).map(|_| tokio::spawn(call(client.clone(), done.clone()))).collect();
        tokio::task::spawn_blocking(move || {
            eventually(SOON, "calls", || done.load(Relaxed) > 500);
            one.process.kill().unwrap();
            eventually(SOON, "more calls", || done.load(Relaxed) > 2_500);
        })
        .await
        .unwrap();
        let mut failed = Vec::new();
        for call in calls {
            failed.extend(call.await.unwrap());
        }
        failed
    });
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), &failed[..failed.len().min(3)]);
}

/// A member of the shop, which drains when it is told to end.
fn member(registry: &str) -> Process {
    let mut command = Command::new(tree::built("shop"));
    command.args(["member", "--registry", registry, "--drain-grace", "5s"]);
    let mut process = Process::spawn("member", command).unwrap();
    process.line(SOON, "  registered");
    process
}

#[test]
fn members_of_a_registry_are_drained_killed_and_added_and_no_request_fails() {
    let place = Scratch::new("gateway-registry").unwrap();
    let registry = format!("file://{}", place.path().display());
    let mut members = [member(&registry), member(&registry)];
    let gateway = Gateway::start(&format!(
        "upstreams: {{member: {{registry: '{registry}'}}}}
routes:
  - {{name: member, match: {{}}, json: {{upstream: member, services: [shop.member.v1.MemberApi], auto_mapping: true}}}}
"
    ));
    let ask = ("POST /shop.member.v1.MemberApi/Member", "{\"id\":\"ada\"}", "\"by\"");
    let load = Load::start(&gateway.address, 4, &[ask]);
    load.goes_on(100);
    assert_eq!(members[0].end(SOON).code(), Some(0));
    load.goes_on(200);
    let mut third = member(&registry);
    load.goes_on(100);
    members[1].kill().unwrap();
    load.goes_on(200);
    let _fourth = member(&registry);
    assert_eq!(third.end(SOON).code(), Some(0));
    load.goes_on(100);
    let failed = load.stop();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), &failed[..failed.len().min(3)]);
}

#[test]
fn a_drain_answers_what_is_under_way() {
    let mirror = Mirror::start();
    let mut gateway = Gateway::start(&format!(
        "upstreams: {{m: {{endpoints: ['{}']}}}}\nroutes: [{{name: all, match: {{}}, http: {{upstream: m}}}}]\n",
        mirror.address
    ));
    let mut stream = gateway.connect();
    write!(stream, "POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: 8\r\n\r\nhalf").unwrap();
    eventually(SOON, "the head at the upstream", || !mirror.seen.lock().unwrap().is_empty());
    gateway.process.signal(Signal::TERM).unwrap();
    gateway.process.line(SOON, "draining");
    eventually(SOON, "nobody is let in", || TcpStream::connect(&gateway.address).is_err());
    write!(stream, "done").unwrap();
    let answer = Answer::read(&mut BufReader::new(stream), false).expect("an answer");
    assert!(answer.code == 200 && answer.body.ends_with("halfdone"), "{answer:?}");
    assert_eq!(gateway.process.wait(SOON).code(), Some(0));
}
