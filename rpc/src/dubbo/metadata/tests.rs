//! An application is asked for its metadata by the port that registries use.

use super::{NAME, links};
use crate::{App, app::RunningApp, call::Cx};
use mainstay_registry::dubbo::{FetchMetadata, MetadataAddress, MetadataInfo};
use std::{sync::Arc, time::Duration};

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

async fn app() -> RunningApp {
    let app = App::new("desk").registry("memory://").listen("127.0.0.1:0").drain(Duration::ZERO, Duration::ZERO);
    app.service_group("g1")
        .service_version("1.2.0")
        .weight(50)
        .serve(DeskApiServer::new(Desk))
        .start()
        .await
        .expect("it starts")
}

fn port() -> Arc<dyn FetchMetadata> {
    links().metadata.expect("there is one")
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
            assert_eq!((service.port, service.path.as_str()), (i32::from(address.port()), "shop.desk.v1.DeskApi"));
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
