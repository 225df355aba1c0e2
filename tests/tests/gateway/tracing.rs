//! Spans of requests, as a collector of OpenTelemetry sees them: by OTLP, over gRPC.

use super::{
    bed::{Gateway, Mirror, SOON},
    grpc::RUNTIME,
};
use mainstay::{
    Message,
    call::{Cx, Status},
    server::{Running, Server},
    transport::TcpAccept,
};
use std::sync::{Arc, Mutex};
use testbed::ports;

/// What a span says of itself, of all that OTLP has.
#[derive(Message, Clone, Debug, PartialEq)]
pub(crate) struct Said {
    key: String,
    value: Option<SaidValue>,
}

/// A text or a number.
#[derive(Message, Clone, Debug, PartialEq)]
pub(crate) struct SaidValue {
    #[field(1)]
    text: Option<String>,
    #[field(3)]
    number: Option<i64>,
}

/// A span.
#[derive(Message, Clone, Debug, PartialEq)]
pub(crate) struct Span {
    #[field(1)]
    trace_id: bytes::Bytes,
    #[field(2)]
    span_id: bytes::Bytes,
    #[field(4)]
    parent_span_id: bytes::Bytes,
    #[field(5)]
    name: String,
    #[field(6)]
    kind: u32,
    #[field(9)]
    attributes: Vec<Said>,
}

/// Spans of one library.
#[derive(Message, Clone, Debug, PartialEq)]
pub(crate) struct ScopeSpans {
    #[field(2)]
    spans: Vec<Span>,
}

/// Whose spans they are.
#[derive(Message, Clone, Debug, PartialEq)]
pub(crate) struct Resource {
    #[field(1)]
    attributes: Vec<Said>,
}

/// Spans of one process.
#[derive(Message, Clone, Debug, PartialEq)]
pub(crate) struct ResourceSpans {
    #[field(1)]
    resource: Option<Resource>,
    #[field(2)]
    scope_spans: Vec<ScopeSpans>,
}

/// All were taken.
#[derive(Message, Clone, Debug, PartialEq)]
pub(crate) struct Taken {}

/// A collector.
#[mainstay::service(package = "opentelemetry.proto.collector.trace.v1")]
pub(crate) trait TraceService {
    async fn export(&self, resource_spans: Vec<ResourceSpans>) -> Result<Taken, Status>;
}

#[derive(Clone, Default)]
struct Kept {
    all: Arc<Mutex<Vec<ResourceSpans>>>,
    /// The places in a trace that calls came with.
    parents: Arc<Mutex<Vec<String>>>,
}

impl TraceService for Kept {
    async fn export(&self, resource_spans: Vec<ResourceSpans>) -> Result<Taken, Status> {
        let parent = Cx::current().and_then(|cx| Some(cx.metadata().get("traceparent")?.to_str().ok()?.to_owned()));
        self.parents.lock().unwrap().extend(parent);
        self.all.lock().unwrap().extend(resource_spans);
        Ok(Taken {})
    }
}

/// A server that keeps what it is told.
struct Collector {
    address: String,
    kept: Kept,
    _running: Running,
}

impl Collector {
    fn start() -> Self {
        let kept = Kept::default();
        let running = RUNTIME.block_on(async {
            let accept = TcpAccept::bind("127.0.0.1:0").await.unwrap();
            Server::new().serve(TraceServiceServer::new(kept.clone())).start(accept)
        });
        Self { address: running.address().unwrap().to_string(), kept, _running: running }
    }

    fn spans(&self) -> Vec<Span> {
        let all = self.kept.all.lock().unwrap();
        all.iter().flat_map(|one| &one.scope_spans).flat_map(|one| &one.spans).cloned().collect()
    }
}

impl Span {
    fn says(&self, key: &str) -> Option<String> {
        let value = self.attributes.iter().find(|said| said.key == key)?.value.clone()?;
        value.text.or_else(|| value.number.map(|number| number.to_string()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn file(collector: &str, more: &str, mirror: &Mirror, behind: &str) -> String {
    format!(
        "tracing: {{otlp: 'http://{collector}', service_name: edge{more}}}
upstreams: {{m: {{endpoints: ['{}']}}, g: {{endpoints: ['{behind}']}}}}
routes:
  - {{name: calls, match: {{path: /opentelemetry.proto.collector.trace.v1.TraceService/*}},
     grpc: {{upstream: g, services: [opentelemetry.proto.collector.trace.v1.*]}}}}
  - {{name: pages, match: {{path: /pages/*}}, http: {{upstream: m}}}}
",
        mirror.address
    )
}

/// The span of the place in a trace that the last request had when it came to its server.
fn told(head: &str) -> (String, String) {
    let line = head.lines().find_map(|line| line.strip_prefix("traceparent: ")).expect("a place in a trace");
    let [_, trace, span, _] = line.split('-').collect::<Vec<_>>()[..] else { panic!("{line}") };
    (trace.to_owned(), span.to_owned())
}

#[test]
fn a_request_has_a_span_between_its_caller_and_whoever_answers() {
    let (collector, behind, mirror) = (Collector::start(), Collector::start(), Mirror::start());
    let mut gateway = Gateway::start(&file(&collector.address, "", &mirror, &behind.address));
    let page = gateway.ask(&format!("GET /pages/a?secret=1\ntraceparent: 00-{TRACE}-{CALLER}-01\ntracestate: a=b"), "");
    assert_eq!(page.code, 200);
    assert!(page.body.contains("tracestate: a=b\r\n"), "{page:?}");
    let of_page = told(&page.body);
    assert_eq!(gateway.ask("GET /none", "").code, 404);
    RUNTIME.block_on(async {
        let client = TraceServiceClient::connect("").address(gateway.address.as_str()).build().unwrap();
        client.export(Vec::new()).await.unwrap();
    });
    let of_call = told(&format!("traceparent: {}", behind.kept.parents.lock().unwrap().last().unwrap()));
    // The last are handed over at the end.
    assert!(gateway.process.end(SOON).success(), "{}", gateway.process.stderr());
    let spans = collector.spans();
    let named = |name: &str| {
        let found = spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no span is called {name}: {spans:?}"))
    };
    let (page, call) = (named("GET pages"), named("POST calls"));
    assert_eq!((hex(&page.trace_id), hex(&page.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));
    assert_eq!(of_page, (TRACE.to_owned(), hex(&page.span_id)));
    assert_eq!(of_call, (hex(&call.trace_id), hex(&call.span_id)));
    assert_eq!(page.kind, 2, "it is of a server");
    for (span, key, value) in [
        (page, "url.path", "/pages/a"),
        (page, "http.response.status_code", "200"),
        (page, "client.address", "127.0.0.1"),
        (page, "server.address", "shop.example"),
        (call, "rpc.grpc.status_code", "0"),
        (named("GET"), "mainstay.reason", "NO_ROUTE"),
    ] {
        assert_eq!(span.says(key).as_deref(), Some(value), "{key} of {span:?}");
    }
    assert_eq!((spans.len(), page.says("error.type")), (3, None));
    let resources = collector.kept.all.lock().unwrap();
    let service = resources[0].resource.as_ref().unwrap().attributes.iter().find(|said| said.key == "service.name");
    assert_eq!(service.unwrap().value.as_ref().unwrap().text.as_deref(), Some("edge"));
    assert!(!format!("{resources:?}").contains("secret"), "queries are personal");
}

#[test]
fn of_traces_that_begin_at_the_gateway_a_share_is_kept_and_of_others_those_that_are_wanted() {
    let (collector, mirror) = (Collector::start(), Mirror::start());
    let more = ", random_sampling: 0";
    let mut gateway = Gateway::start(&file(&collector.address, more, &mirror, &collector.address));
    for flags in ["00", "01"] {
        gateway.ask(&format!("GET /pages/{flags}\ntraceparent: 00-{TRACE}-{CALLER}-{flags}"), "");
    }
    assert_eq!(told(&gateway.ask("GET /pages/new", "").body).0.len(), 32, "it has a place in a trace all the same");
    assert!(gateway.process.end(SOON).success());
    let kept: Vec<_> = collector.spans().iter().filter_map(|span| span.says("url.path")).collect();
    assert_eq!(kept, ["/pages/01"]);
}

#[test]
fn requests_go_on_without_the_collector() {
    let (mirror, nobody) = (Mirror::start(), format!("127.0.0.1:{}", ports::free().unwrap()));
    let mut gateway = Gateway::start(&file(&nobody, "", &mirror, &nobody));
    for _ in 0..50 {
        assert_eq!(gateway.ask("GET /pages/a", "").code, 200);
    }
    // It gives up on the last spans, says so, and was drained all the same.
    assert!(gateway.process.end(SOON).success());
    let log = gateway.process.stderr();
    assert!(log.contains("ExportError") || log.contains("did not reach the collector"), "{log}");
}
