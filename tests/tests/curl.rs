//! curl, which knows nothing of gRPC, calls the same service with JSON over HTTP/1.1 and HTTP/2.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use testbed::{Process, tree};

const SOON: Duration = Duration::from_secs(20);
const LEVEL: &str = "/shop.stock.v1.StockApi/Level";

/// A running server, and curl to call it with.
struct Shop {
    server: Process,
    addr: String,
}

/// What curl got.
#[derive(Debug)]
struct Answer {
    code: u16,
    body: Value,
    version: String,
}

impl Shop {
    fn open() -> Shop {
        let mut server = Command::new(tree::built("stock-server"));
        server.args(["--listen", "127.0.0.1:0"]);
        let mut server = Process::spawn("stock-server", server).unwrap();
        let addr = server.line(SOON, "listening ");
        Shop { server, addr }
    }

    fn curl(&self, path: &str, options: &[&str]) -> Answer {
        let url = format!("http://{}{path}", self.addr);
        let written = "\n%{http_code} %{http_version}";
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "10", "--write-out", written]).args(options).arg(&url);
        let output = curl.stdin(Stdio::null()).output().expect("curl: `cargo suite spine` installs it");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{url}: {text}{}", String::from_utf8_lossy(&output.stderr));
        let (body, last) = text.rsplit_once('\n').unwrap();
        let (code, version) = last.split_once(' ').unwrap();
        let body = serde_json::from_str(body).unwrap_or_else(|e| panic!("{url}: {e}\n{text}"));
        Answer { code: code.parse().unwrap(), body, version: version.to_owned() }
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        self.curl(path, &["--header", "content-type: application/json", "--data", body])
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.server.ended().is_none(), "the server is gone");
        }
    }
}

#[test]
fn json_in_json_out_over_both_versions_of_http() {
    let shop = Shop::open();
    let data = ["--header", "content-type: application/json", "--data", r#"{"sku":"a-7"}"#];
    for (version, flag) in [("1.1", "--http1.1"), ("2", "--http2-prior-knowledge")] {
        let answer = shop.curl(LEVEL, &[&data[..], &[flag]].concat());
        assert_eq!((answer.code, answer.version.as_str()), (200, version));
        assert_eq!(answer.body, json!({"sku": "a-7", "left": 7}));
    }
}

#[test]
fn a_path_with_a_variable_answers_get() {
    let shop = Shop::open();
    let answer = shop.curl("/v1/stock/a-9", &[]);
    assert_eq!((answer.code, answer.body), (200, json!({"sku": "a-9", "left": 9})));
    let answer = shop.curl("/v1/stock/a%2D9", &[]);
    assert_eq!(answer.body, json!({"sku": "a-9", "left": 9}));
}

#[test]
fn an_error_is_typed() {
    let shop = Shop::open();
    let answer = shop.post(LEVEL, r#"{"sku":"none"}"#);
    assert_eq!(answer.code, 404);
    assert_eq!(answer.body["message"], "no article none");
    assert_eq!(answer.body["code"], "not_found");
    let info = &answer.body["details"][0];
    assert_eq!(info["type"], "google.rpc.ErrorInfo");
    assert_eq!((&info["debug"]["reason"], &info["debug"]["metadata"]["sku"]), (&json!("UNKNOWN"), &json!("none")));
    let answer = shop.post("/shop.stock.v1.StockApi/Hold", r#"{"sku":"a-1","qty":5}"#);
    assert_eq!((answer.code, &answer.body["message"]), (412, &json!("only 1 left")));
}

#[test]
fn what_cannot_be_read_is_the_callers_fault() {
    let shop = Shop::open();
    let bad = [r#"{"sku":"#, "[]", r#"{"sku":7}"#, r#"{"nothing":1}"#, "not json"];
    for body in bad {
        let answer = shop.post(LEVEL, body);
        assert_eq!(answer.code, 400, "{body}: {answer:?}");
        assert!(!answer.body["message"].as_str().unwrap_or("").is_empty(), "{body}: {answer:?}");
    }
    assert_eq!(shop.curl("/v1/stock/%zz", &[]).code, 400);
    assert_eq!(shop.post("/shop.stock.v1.StockApi/None", "{}").code, 404);
}
