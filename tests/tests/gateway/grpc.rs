//! Services of gRPC behind the gateway: called by gRPC and gRPC-Web, whose messages it does not decode, and by JSON, for which it
//! asks them what they are.

use super::bed::{Answer, Gateway, SOON, Stock};
use mainstay::{Message, ServiceError, call::Streaming};
use serde_json::json;
use std::{
    io::{BufReader, Write},
    sync::LazyLock,
};

/// What is in store of an article.
#[derive(Message, Clone, Debug, PartialEq)]
pub(crate) struct Level {
    sku: String,
    left: u32,
}

/// What can go wrong.
#[derive(ServiceError, Clone, Debug, PartialEq)]
pub(crate) enum StockError {
    /// There is no such article.
    #[error(code = NotFound, "no article {sku}")]
    Unknown {
        /// The article asked for.
        sku: String,
    },
}

/// A part of what the stock-server serves.
#[mainstay::service(package = "shop.stock.v1", version = "1.0.0")]
pub(crate) trait StockApi {
    #[rpc(idempotent)]
    async fn level(&self, sku: String) -> Result<Level, StockError>;
    async fn watch(&self, skus: Vec<String>) -> Result<Streaming<Level>, StockError>;
    async fn load(&self, rows: Streaming<Level>) -> Result<u64, StockError>;
}

fn file(stock: &Stock) -> String {
    format!(
        "upstreams: {{stock: {{endpoints: ['{}']}}}}
routes:
  - {{name: grpc, match: {{path: /shop.stock.v1.StockApi/*, headers: {{content-type: {{prefix: application/grpc}}}}}},
     grpc: {{upstream: stock, services: [shop.stock.v1.*]}}}}
  - {{name: json, match: {{path: /shop.stock.v1.StockApi/*, methods: [POST]}}, max_body: 1KiB,
     json: {{upstream: stock, services: [shop.stock.v1.StockApi], auto_mapping: true}}}}
  - {{name: all, match: {{path: /api/**}}, json: {{upstream: stock, services: [shop.none.v1.None], auto_mapping: true}}}}
",
        stock.address
    )
}

pub(crate) static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

#[test]
fn a_client_of_grpc_does_not_notice_the_gateway() {
    let stock = Stock::start();
    let gateway = Gateway::start(&file(&stock));
    RUNTIME.block_on(async {
        let client = StockApiClient::connect("stock").address(gateway.address.as_str()).build().unwrap();
        assert_eq!(client.level("a-7".into()).await.unwrap(), Level { sku: "a-7".into(), left: 7 });
        let error = client.level("none".into()).await.unwrap_err();
        assert_eq!(error.app(), Some(&StockError::Unknown { sku: "none".into() }));
        let mut levels = client.watch(vec!["a-1".into(), "a-2".into()]).await.unwrap();
        let mut seen = Vec::new();
        while let Some(level) = levels.next().await {
            seen.push(level.unwrap().left);
        }
        assert_eq!(seen, [1, 2]);
        let rows = Streaming::of((1..=3).map(|n| Level { sku: format!("a-{n}"), left: 9 }).collect::<Vec<_>>());
        assert_eq!(client.load(rows).await.unwrap(), 6);
    });
    // What no route names is not there, though the server has it.
    let health = gateway.ask("POST /grpc.health.v1.Health/Check\ncontent-type: application/grpc-web", "");
    assert!(health.body.contains("grpc-status: 12"), "{health:?}");
}

#[test]
fn grpc_web_comes_over_http_1() {
    let stock = Stock::start();
    let gateway = Gateway::start(&file(&stock));
    let mut stream = gateway.connect();
    let message = b"\x0a\x03a-7";
    write!(
        stream,
        "POST /shop.stock.v1.StockApi/Level HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc-web+proto\r\n"
    )
    .unwrap();
    write!(stream, "content-length: {}\r\n\r\n\0\0\0\0", message.len() + 5).unwrap();
    stream.write_all(&[message.len() as u8]).unwrap();
    stream.write_all(message).unwrap();
    let answer = Answer::read(&mut BufReader::new(stream), false).unwrap();
    assert_eq!((answer.code, answer.header("content-type")), (200, Some("application/grpc-web+proto")));
    assert!(answer.body.contains("a-7") && answer.body.contains("grpc-status: 0"), "{answer:?}");
}

#[test]
fn json_becomes_a_call_with_no_file() {
    let stock = Stock::start();
    let gateway = Gateway::start(&file(&stock));
    let level = "/shop.stock.v1.StockApi/Level";
    let answer = gateway.post(level, r#"{"sku":"a-7"}"#);
    assert_eq!((answer.code, answer.json()), (200, json!({"sku": "a-7", "left": 7})), "{answer:?}");
    let missing = gateway.post(level, r#"{"sku":"none"}"#);
    assert_eq!((missing.code, missing.header("x-mainstay-origin")), (404, None), "{missing:?}");
    let body = missing.json();
    assert_eq!((&body["code"], &body["message"]), (&json!(5), &json!("no article none")));
    let info = &body["details"][0];
    assert_eq!((&info["reason"], &info["metadata"]["sku"]), (&json!("UNKNOWN"), &json!("none")));
    for (path, body, code) in [
        (level, r#"{"sku":"#, 400),
        (level, r#"{"nothing":1}"#, 400),
        ("/shop.stock.v1.StockApi/None", "{}", 404),
        ("/shop.stock.v1.StockApi/Load", "{}", 501),
        ("/api/shop.stock.v1.StockApi/Level", "{}", 503),
        ("/api/grpc.health.v1.Health/Check", "{}", 503),
        ("/elsewhere", "{}", 404),
    ] {
        let answer = gateway.post(path, body);
        assert_eq!(answer.code, code, "{path} {body}: {answer:?}");
    }
    let long = format!("{{\"sku\":\"{}\"}}", "x".repeat(2000));
    assert_eq!(gateway.post(level, &long).code, 413);
}

#[test]
fn a_stream_is_an_array_lines_or_events() {
    let stock = Stock::start();
    let gateway = Gateway::start(&file(&stock));
    let ask = |accept: &str| {
        let head = format!("POST /shop.stock.v1.StockApi/Watch\ncontent-type: application/json\naccept: {accept}");
        gateway.ask(&head, r#"{"skus":["a-1","a-2"]}"#)
    };
    let (one, two) = (r#"{"sku":"a-1","left":1}"#, r#"{"sku":"a-2","left":2}"#);
    for (accept, body) in [
        ("*/*", format!("[{one},{two}]")),
        ("application/x-ndjson", format!("{one}\n{two}\n")),
        ("text/event-stream", format!("data: {one}\n\ndata: {two}\n\n")),
    ] {
        let answer = ask(accept);
        assert_eq!((answer.code, answer.body), (200, body), "{accept}");
    }
    assert_eq!(ask("text/event-stream").header("content-type"), Some("text/event-stream"));
}

#[test]
fn a_service_that_is_away_is_no_404_and_is_found_when_it_comes() {
    let mut stock = Stock::start();
    let gateway = Gateway::start(&file(&stock));
    stock.process.kill().unwrap();
    let ask = || gateway.post("/shop.stock.v1.StockApi/Level", r#"{"sku":"a-7"}"#);
    let away = ask();
    assert_eq!((away.code, away.header("x-mainstay-origin")), (503, Some("gateway")), "{away:?}");
    let _again = Stock::at(&stock.address);
    testbed::eventually(SOON, "an answer", || ask().code == 200);
}

#[test]
fn several_calls_are_one_answer_and_a_part_that_fails_is_what_the_file_says() {
    let stock = Stock::start();
    let part = "upstream: stock, service: shop.stock.v1.StockApi, method: Level";
    let gateway = Gateway::start(&format!(
        "upstreams: {{stock: {{endpoints: ['{}']}}}}
routes:
  - name: page
    match: {{path: '/page/{{sku}}', methods: [GET]}}
    aggregate:
      parts:
        main: {{{part}, request: {{sku: '{{sku}}'}}}}
        also: {{{part}, request: {{sku: '{{query.also}}'}}, fallback: {{left: none}}}}
        slow: {{{part}, request: {{sku: forever}}, timeout: 500ms, fallback: {{}}}}
",
        stock.address
    ));
    let page = gateway.ask("GET /page/a%2D7?also=a-2", "");
    assert_eq!(page.code, 200, "{page:?}");
    let level = |sku: &str, left: u32| json!({"sku": sku, "left": left});
    assert_eq!(page.json(), json!({"main": level("a-7", 7), "also": level("a-2", 2), "slow": {}}));
    assert_eq!(page.header("x-mainstay-fallback"), Some("slow"));
    let fallen = gateway.ask("GET /page/a-7?also=none", "");
    assert_eq!((fallen.code, &fallen.json()["also"]["left"]), (200, &json!("none")), "{fallen:?}");
    let failed = gateway.ask("GET /page/none", "");
    assert_eq!((failed.code, failed.json()["message"].as_str()), (404, Some("main: no article none")), "{failed:?}");
}
