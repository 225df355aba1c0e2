//! The echo program on tarpc over TCP with bincode: the yardstick of what a call costs without HTTP/2.

#[path = "../../../load/load.rs"]
mod load;

use std::net::SocketAddr;
use std::process::ExitCode;

use bytes::Bytes;
use futures_util::{StreamExt, future};
use load::{Failure, Peer};
use serde_bytes::ByteBuf;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context};
use tokio::net::TcpListener;

#[tarpc::service]
trait Echo {
    async fn echo(body: ByteBuf, compute_us: u32) -> ByteBuf;
}

#[derive(Clone)]
struct Service;

impl Echo for Service {
    async fn echo(self, _: context::Context, body: ByteBuf, compute_us: u32) -> ByteBuf {
        load::compute(compute_us);
        body
    }
}

struct Tarpc;

impl Peer for Tarpc {
    type Connection = EchoClient;

    async fn serve(listener: TcpListener) -> Result<(), Failure> {
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let framed = tarpc::tokio_util::codec::LengthDelimitedCodec::builder().new_framed(socket);
            let transport = tarpc::serde_transport::new(framed, Bincode::default());
            let answers = BaseChannel::with_defaults(transport).execute(Service.serve());
            tokio::spawn(answers.for_each(|answer| {
                tokio::spawn(answer);
                future::ready(())
            }));
        }
    }

    async fn connect(addr: SocketAddr) -> Result<Self::Connection, Failure> {
        let socket = tokio::net::TcpStream::connect(addr).await?;
        socket.set_nodelay(true)?;
        let framed = tarpc::tokio_util::codec::LengthDelimitedCodec::builder().new_framed(socket);
        let transport = tarpc::serde_transport::new(framed, Bincode::default());
        let mut config = client::Config::default();
        // The default of 100 would queue the rows of 256 in flight.
        config.pending_request_buffer = 1024;
        config.max_in_flight_requests = 4096;
        Ok(EchoClient::new(config, transport).spawn())
    }

    async fn echo(to: &mut Self::Connection, body: Bytes, compute_us: u32) -> Result<usize, Failure> {
        Ok(to.echo(context::current(), ByteBuf::from(body), compute_us).await?.len())
    }

    async fn stream(_: &mut Self::Connection, _: Bytes, _: u32) -> Result<u64, Failure> {
        Err("tarpc has no streams".into())
    }
}

fn main() -> ExitCode {
    load::main::<Tarpc>()
}
