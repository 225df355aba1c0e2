//! The echo program on raw tonic: a `Channel`, the generated client and server, nothing else.

#[path = "../../../load/load.rs"]
mod load;

use std::net::SocketAddr;
use std::process::ExitCode;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use load::{Failure, Peer};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

mod proto {
    tonic::include_proto!("bench.v1");
}
use proto::Message;
use proto::echo_client::EchoClient;
use proto::echo_server::{Echo, EchoServer};

/// Above the largest payload of the benchmark.
const LIMIT: usize = 16 * 1024 * 1024;

struct Service;

#[tonic::async_trait]
impl Echo for Service {
    async fn echo(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        let message = request.into_inner();
        load::compute(message.compute_us);
        Ok(Response::new(Message { body: message.body, ..Message::default() }))
    }

    type StreamStream = BoxStream<'static, Result<Message, Status>>;

    async fn stream(&self, request: Request<Message>) -> Result<Response<Self::StreamStream>, Status> {
        let Message { body, repeat, .. } = request.into_inner();
        let answers = (0..repeat).map(move |_| Ok(Message { body: body.clone(), ..Message::default() }));
        Ok(Response::new(stream::iter(answers).boxed()))
    }
}

struct Tonic;

impl Peer for Tonic {
    type Connection = EchoClient<Channel>;

    async fn serve(listener: TcpListener) -> Result<(), Failure> {
        let service = EchoServer::new(Service).max_decoding_message_size(LIMIT);
        let incoming = TcpListenerStream::new(listener).map(|socket| {
            // What `Server::serve` does by itself when it is given an address.
            socket.and_then(|s| s.set_nodelay(true).map(|()| s))
        });
        Ok(Server::builder().add_service(service).serve_with_incoming(incoming).await?)
    }

    async fn connect(addr: SocketAddr) -> Result<Self::Connection, Failure> {
        let channel = Endpoint::new(format!("http://{addr}"))?.connect().await?;
        Ok(EchoClient::new(channel).max_decoding_message_size(LIMIT))
    }

    async fn echo(to: &mut Self::Connection, body: Bytes, compute_us: u32) -> Result<usize, Failure> {
        Ok(to.echo(Message { body, compute_us, repeat: 0 }).await?.into_inner().body.len())
    }

    async fn stream(to: &mut Self::Connection, body: Bytes, repeat: u32) -> Result<u64, Failure> {
        let mut answers = to.stream(Message { body, compute_us: 0, repeat }).await?.into_inner();
        let mut count = 0;
        while answers.message().await?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}

fn main() -> ExitCode {
    load::main::<Tonic>()
}
