//! What a client shows of the instances that it knows.

use mainstay::{
    client::Connectivity,
    prelude::*,
    registry::{FixedRegistry, Instance, InstanceId},
    server::Server,
    transport::TcpAccept,
};
use std::time::Duration;
use tokio::net::TcpListener;
use tower_layer::layer_fn;

#[mainstay::service(package = "test.connectivity.v1")]
trait Echo {
    #[rpc(idempotent)]
    async fn echo(&self, text: String) -> Result<String>;
}

struct Service;

impl Echo for Service {
    async fn echo(&self, text: String) -> Result<String> {
        Ok(text)
    }
}

/// The states by name of instance, as `a: ready`.
fn states(client: &EchoClient) -> Vec<String> {
    client.connectivity().iter().map(|one| format!("{}: {}", one.instance, one.connectivity)).collect()
}

/// Calls until the client shows these states.
async fn shows(client: &EchoClient, expected: &[&str]) {
    let calls = async {
        while states(client) != expected {
            let _ = client.echo("x".into()).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), calls).await;
    waited.unwrap_or_else(|_| panic!("{:?} instead of {expected:?}", states(client)));
}

#[tokio::test]
async fn a_client_shows_how_the_connections_to_each_instance_do() {
    let running = Server::new().serve(EchoServer::new(Service)).start(TcpAccept::bind("127.0.0.1:0").await.unwrap());
    let here = running.address().unwrap();
    // The second one's port is nobody's: bound, and let go of.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let instance = |id: &str, port| Instance::new("echo", "127.0.0.1", port).with_id(InstanceId::new(id));
    let registry = FixedRegistry::new([instance("a", here.port()), instance("b", nobody.port())]);
    // A layer of one's own hides nothing.
    let client = EchoClient::connect("echo").registry(registry).layer(layer_fn(|channel| channel)).build().unwrap();

    assert_eq!(states(&client), [""; 0], "nothing is looked up before the first call");
    shows(&client, &["a: ready", "b: transient failure"]).await;
    let known = client.connectivity();
    assert_eq!(known[0].address, here.to_string());
    assert_eq!((known[0].connections, known[0].calls, known[0].last_error.as_deref()), (1, 0, None));
    assert_eq!((known[1].connections, known[1].connectivity), (0, Connectivity::TransientFailure));
    assert!(known[1].last_error.as_deref().unwrap().contains("refused"), "{known:?}");
    assert!(known[1].to_string().starts_with(&format!("{nobody} transient failure: ")), "{}", known[1]);

    running.drain(Duration::from_secs(5)).await;
    drop(running);
    shows(&client, &["a: transient failure", "b: transient failure"]).await;
}

#[tokio::test]
async fn a_client_that_connects_to_nobody_shows_nobody() {
    let client = EchoClient::in_process(Service);
    assert_eq!(client.echo("x".into()).await.unwrap(), "x");
    assert!(client.connectivity().is_empty());
}
