//! A service of tonic's beside ours on one port, and tonic's client calling it: the wire is gRPC's.
//!
//! The service is tonic-health's own, mounted at its name; whatever tonic generates is mounted the same way.

use mainstay::prelude::*;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// Ours.
#[mainstay::service(package = "ours.v1")]
trait Echo {
    /// Says it again.
    async fn echo(&self, text: String) -> Result<String>;
}

struct Wall;

impl Echo for Wall {
    async fn echo(&self, text: String) -> Result<String> {
        Ok(text)
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("tonics.v1.Own", tonic_health::ServingStatus::Serving).await;
    let app = App::new("echo").registry("memory://").serve(EchoServer::new(Wall));
    let running = app.mount("grpc.health.v1.Health", health).start().await?;
    let address = running.address().to_string();

    let ours = EchoClient::connect("echo").address(address.clone()).build()?;
    assert_eq!(ours.echo("both".into()).await?, "both");

    let channel = tonic::transport::Endpoint::new(format!("http://{address}"))?.connect().await?;
    let request = HealthCheckRequest { service: "tonics.v1.Own".to_owned() };
    let answer = HealthClient::new(channel).check(request).await?.into_inner();
    println!("tonic's service says {:?}", answer.status());
    assert_eq!(answer.status(), tonic_health::pb::health_check_response::ServingStatus::Serving);

    running.drain().await;
    Ok(())
}
