//! The echo program of the benchmark on mainstay: the whole default stack at both ends, as a user gets it who sets nothing.

#[path = "../load/load.rs"]
mod load;

use std::net::SocketAddr;
use std::process::ExitCode;

use bytes::Bytes;
use load::{Failure, Peer};
use mainstay::Message;
use mainstay::call::{Status, Streaming};
use mainstay::client::Client;
use mainstay::server::Server;
use mainstay::transport::{TcpAccept, memory};
use tokio::net::TcpListener;

/// What travels in streams, and what comes back.
#[derive(Message, Clone, Debug)]
pub struct Body {
    /// The payload.
    pub body: Bytes,
}

/// What every echo program of the benchmark answers.
#[mainstay::service(package = "bench.v1")]
pub trait Echo {
    /// Gives the payload back.
    async fn echo(&self, body: Bytes, compute_us: u32) -> Result<Body, Status>;

    /// Gives the payload back so many times.
    async fn stream(&self, body: Bytes, compute_us: u32, repeat: u32) -> Result<Streaming<Body>, Status>;
}

struct Service;

impl Echo for Service {
    async fn echo(&self, body: Bytes, compute_us: u32) -> Result<Body, Status> {
        load::compute(compute_us);
        Ok(Body { body })
    }

    async fn stream(&self, body: Bytes, _: u32, repeat: u32) -> Result<Streaming<Body>, Status> {
        Ok(Streaming::of((0..repeat).map(move |_| Body { body: body.clone() })))
    }
}

struct Mainstay;

impl Peer for Mainstay {
    type Connection = EchoClient;

    async fn serve(listener: TcpListener) -> Result<(), Failure> {
        let mut running = Server::new().serve(EchoServer::new(Service)).start(TcpAccept::from(listener));
        Ok(running.ended().await?)
    }

    /// One client with one connection, as a tonic `Channel` has: the rows say how many there are.
    async fn connect(addr: SocketAddr) -> Result<EchoClient, Failure> {
        Ok(EchoClient::connect("").registry(format!("static://{addr}")).connections(1..=1).build()?)
    }

    async fn echo(to: &mut EchoClient, body: Bytes, compute_us: u32) -> Result<usize, Failure> {
        Ok(to.echo(body, compute_us).await?.body.len())
    }

    async fn stream(to: &mut EchoClient, body: Bytes, repeat: u32) -> Result<u64, Failure> {
        let mut answers = to.stream(body, 0, repeat).await?;
        let mut count = 0;
        while answers.message().await?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Both stacks as they are built, each layer with its side.
    fn layers() -> Vec<String> {
        let client = mainstay::client::connect::<Client>(EchoClient::definition(), "").registry("memory://").build();
        let server = Server::new().serve(EchoServer::new(Service)).start(memory().1);
        let client = client.iter().flat_map(|c| c.layers()).map(|name| format!("client {name}"));
        client.chain(server.layers().iter().map(|name| format!("server {name}"))).collect()
    }
}

fn main() -> ExitCode {
    load::main::<Mainstay>()
}
