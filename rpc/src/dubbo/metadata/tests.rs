//! An application is asked for its metadata by the port that registries use.

use super::{MetadataInfoV2, NAME, ServiceInfoV2, links};
use crate::{
    App,
    app::RunningApp,
    call::Cx,
    policy::Rate,
    transport::{Connect, Tcp},
};
use mainstay_registry::dubbo::{FetchMetadata, MetadataAddress, MetadataInfo, ServiceInstance};
use proptest::prelude::*;
use prost::Message;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

#[mainstay::service(package = "shop.desk.v1")]
trait DeskApi {
    async fn level(&self, cx: &Cx, sku: String) -> Result<u32, crate::call::Status>;
}

struct Desk;

impl DeskApi for Desk {
    async fn level(&self, _: &Cx, _: String) -> Result<u32, crate::call::Status> {
        Ok(3)
    }
}

fn plain() -> App {
    App::new("desk").registry("memory://").listen("127.0.0.1:0").drain(Duration::ZERO, Duration::ZERO)
}

async fn app() -> RunningApp {
    let app = plain();
    app.service_group("g1")
        .service_version("1.2.0")
        .weight(50)
        .serve(DeskApiServer::new(Desk))
        .start()
        .await
        .expect("it starts")
}

fn port() -> Arc<dyn FetchMetadata> {
    port_by(Arc::new(Tcp))
}

fn port_by(connector: Arc<dyn Connect>) -> Arc<dyn FetchMetadata> {
    links(connector).metadata.expect("there is one")
}

#[tokio::test]
async fn an_application_tells_what_it_registered() {
    let app = app().await;
    let address = app.address();
    for host in ["127.0.0.1", "localhost"] {
        // Under whatever name and revision it is asked: a consumer knows one of them from elsewhere.
        for application in ["desk", "other"] {
            let from = MetadataAddress::new(application, host, address.port(), "any");
            let told: MetadataInfo = port().fetch(&from).await.unwrap();
            assert_eq!((told.application.as_str(), told.revision.len()), ("desk", 32));
            let service = &told.services["g1/shop.desk.v1.DeskApi:1.2.0:tri"];
            assert_eq!(
                (service.port, service.path.as_str()),
                (0, "shop.desk.v1.DeskApi"),
                "its instance says the port"
            );
            assert!(service.params["methods"].contains("Level"), "{:?}", service.params);
            assert_eq!(service.params["weight"], "50");
            assert_eq!(told.services.len(), 1, "it does not tell of itself");
        }
    }
    assert_eq!(app.server().health().is_serving(&format!("desk/{NAME}:2.0.0")), Some(true));
    app.drain().await;
}

#[tokio::test]
async fn nobody_there_is_told_in_words() {
    let app = app().await;
    let gone = app.address();
    app.drain().await;
    let from = MetadataAddress::new("desk", "127.0.0.1", gone.port(), "any");
    let error = port().fetch(&from).await.unwrap_err();
    assert!(error.contains(&gone.to_string()), "{error}");
}

#[tokio::test]
async fn limits_spare_what_is_asked_before_anything_is_called() {
    let app = plain().with_server(|server| server.rate(Rate::per_second(1).burst(1)));
    let app = app.serve(DeskApiServer::new(Desk)).start().await.unwrap();
    let address = app.address().to_string();
    let client = DeskApiClient::connect("desk").address(address).retries(0).build().unwrap();
    let mut refused = 0;
    for _ in 0..5 {
        refused += u32::from(client.level("a-1".to_owned()).await.is_err());
        let from = MetadataAddress::new("desk", "127.0.0.1", app.address().port(), "any");
        port().fetch(&from).await.unwrap();
    }
    assert!(refused > 0, "the rate let everything pass");
    app.drain().await;
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_port_that_is_secured_is_asked_as_it_is_called() {
    use crate::transport::Tls;
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let identity = Tls::server(cert.pem(), signing_key.serialize_pem()).build().unwrap();
    let app = plain().secure(identity).serve(DeskApiServer::new(Desk)).start().await.unwrap();
    let from = MetadataAddress::new("desk", "127.0.0.1", app.address().port(), "any");
    let tls = Tls::client().ca(cert.pem()).over(Tcp).unwrap();
    let told = port_by(Arc::new(tls)).fetch(&from).await.unwrap();
    assert!(told.services.contains_key("shop.desk.v1.DeskApi:tri"), "{told:?}");
    port().fetch(&from).await.unwrap_err();
    app.drain().await;
}

/// What a provider says of one service.
fn answer() -> Vec<u8> {
    let text = str::to_owned;
    let service = ServiceInfoV2 {
        name: text("a.B"),
        group: text("g"),
        version: text("1"),
        protocol: text("tri"),
        port: 7,
        path: text("a.B"),
        params: [(text("weight"), text("7"))].into(),
    };
    MetadataInfoV2 { app: text("desk"), version: text("r"), services: [(text("g/a.B:1:tri"), service)].into() }
        .encode_to_vec()
}

/// How many services `bytes` offer, read as a provider's answer.
fn offered(bytes: &[u8]) -> usize {
    let Ok(told) = MetadataInfoV2::decode(bytes) else { return 0 };
    let (info, instance) = (MetadataInfo::from(told), ServiceInstance::new("desk", "h", 1, BTreeMap::new()));
    info.services.values().flat_map(|service| info.offered(&instance, &service.name)).filter(Result::is_ok).count()
}

#[test]
fn an_answer_is_read() {
    assert_eq!(offered(&answer()), 1);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        offered(&bytes);
    }

    #[test]
    fn an_answer_with_damage_does_no_harm(at: prop::sample::Index, byte: u8, cut: bool) {
        let mut bytes = answer();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(if cut { at } else { bytes.len() });
        offered(&bytes);
    }
}
