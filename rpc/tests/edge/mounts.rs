//! Services of others beside ours on one port: tonic, axum, layers of tower-http.

use crate::{
    bed::{BOTH, Bed, json_of, request, text},
    shop::ShopClient,
};
use http::HeaderValue;
use mainstay::{edge::Body, prelude::*};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_server};

/// A tonic service, by its generated code.
async fn tonic_health() -> health_server::HealthServer<impl health_server::Health> {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("shop", tonic_health::ServingStatus::Serving).await;
    service
}

#[mainstay::service(package = "grpc.health.v1", name = "Health")]
trait AskHealth {
    async fn check(&self, request: HealthCheckRequest) -> Result<HealthCheckResponse>;
}

fn client<C: From<mainstay::client::Client>>(builder: mainstay::client::ConnectBuilder<C>, bed: &Bed) -> C {
    builder.address(bed.address.to_string()).build().unwrap()
}

#[tokio::test]
async fn a_tonic_service_and_an_axum_router_on_our_port() {
    let health = tonic_health().await;
    let router = axum::Router::new()
        .route("/hello/{name}", axum::routing::get(|name: axum::extract::Path<String>| async move { name.0 }))
        .route("/break", axum::routing::get(|| async { panic!("as asked") as &str }));
    let bed = Bed::with(|server| server.mount("grpc.health.v1.Health", health).mount("/", router)).await;
    let ask = client(AskHealthClient::connect(""), &bed);
    let serving = ask.check(HealthCheckRequest { service: "shop".into() }).await.unwrap();
    assert_eq!(serving.status, 1);
    let unknown = ask.check(HealthCheckRequest { service: "nope".into() }).await.unwrap_err();
    assert_eq!(unknown.status().unwrap().code(), Code::NotFound);
    let shop = client(ShopClient::connect(""), &bed);
    assert_eq!(shop.level("a".into(), 0).await.unwrap().left, 3);
    for over in BOTH {
        assert_eq!(bed.send(over, request("GET", "/hello/you", "", "")).await.body(), "you");
        assert_eq!(json_of(&bed.send(over, request("GET", "/v1/stock/a", "", "")).await)["left"], 3);
        assert_eq!(bed.send(over, request("GET", "/nothing", "", "")).await.status(), 404);
        let broken = bed.send(over, request("GET", "/break", "", "")).await;
        assert_eq!(json_of(&broken)["message"], "the handler panicked");
    }
    bed.until(|running| running.calls() == 0).await;
}

/// Lets nobody in without a key.
#[derive(Clone)]
struct Guard<S>(S);

impl<S> tower_service::Service<http::Request<Body>> for Guard<S>
where
    S: tower_service::Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.headers().contains_key("key") {
            return Box::pin(self.0.call(request));
        }
        let mut refused = text("no key");
        *refused.status_mut() = http::StatusCode::UNAUTHORIZED;
        Box::pin(async { Ok(refused) })
    }
}

#[derive(Clone)]
struct GuardLayer;

impl<S> tower_layer::Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard(inner)
    }
}

#[tokio::test]
async fn a_layer_of_http_guards_native_grpc_as_well() {
    let bed = Bed::with(|server| server.http_layer(GuardLayer)).await;
    for over in BOTH {
        assert_eq!(bed.send(over, request("GET", "/v1/stock/a", "", "")).await.status(), 401);
        let mut keyed = request("GET", "/v1/stock/a", "", "");
        keyed.headers_mut().insert("key", HeaderValue::from_static("1"));
        assert_eq!(bed.send(over, keyed).await.status(), 200);
    }
    let shop = client(ShopClient::connect(""), &bed);
    let refused = shop.level("a".into(), 0).await.unwrap_err();
    assert_eq!(refused.status().unwrap().code(), Code::Unauthenticated);
    let keyed = shop.with(mainstay::call::CallOptions::new().metadata("key".parse().unwrap(), "1".parse().unwrap()));
    assert_eq!(keyed.level("a".into(), 0).await.unwrap().left, 3);
    let (sender, articles) = Streaming::channel(1);
    let mut chat = keyed.chat(articles).await.unwrap();
    sender.send(crate::shop::Article::default()).await.unwrap();
    assert_eq!(chat.message().await.unwrap().unwrap().left, 1);
    drop((sender, chat));
    bed.until(|running| running.calls() == 0).await;
}

#[tokio::test]
async fn layers_of_tower_http_as_they_are() {
    use tower_http::{limit::RequestBodyLimitLayer, set_header::SetResponseHeaderLayer};
    let stamp = SetResponseHeaderLayer::overriding("x-stamp".parse().unwrap(), HeaderValue::from_static("1"));
    let bed = Bed::with(|server| server.http_layer(RequestBodyLimitLayer::new(20)).http_layer(stamp)).await;
    for over in BOTH {
        let small = bed.send(over, request("POST", "/shop.v1.Shop/Put", "application/json", "{\"left\":1}")).await;
        assert_eq!((small.status().as_u16(), &small.headers()["x-stamp"]), (200, &HeaderValue::from_static("1")));
        let large =
            request("POST", "/shop.v1.Shop/Put", "application/json", format!("{{\"sku\":\"{}\"}}", "x".repeat(50)));
        assert_eq!(bed.send(over, large).await.status(), 413);
    }
}
