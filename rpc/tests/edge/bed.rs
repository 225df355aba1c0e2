//! A server on a socket, and the plainest clients there are.

use crate::shop::{Counter, ShopServer};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mainstay::{
    edge::Body,
    server::{Running, Server},
    transport::{Http2Limits, TcpAccept},
};
use prost::bytes::Bytes;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub(crate) const LONG: Duration = Duration::from_secs(20);
/// The largest message of the servers here.
pub(crate) const MAX: usize = 10_000;

pub(crate) struct Bed {
    pub(crate) running: Running,
    pub(crate) address: SocketAddr,
    pub(crate) counter: Counter,
}

/// The versions that a request is sent over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Over {
    Http1,
    Http2,
}

pub(crate) const BOTH: [Over; 2] = [Over::Http1, Over::Http2];

impl Bed {
    /// The shop alone.
    pub(crate) async fn start() -> Self {
        Self::with(|server| server).await
    }

    /// The shop, and more said of the server.
    pub(crate) async fn with(more: impl FnOnce(Server) -> Server) -> Self {
        let counter = Counter::default();
        let mut limits = Http2Limits::default();
        limits.max_message = MAX;
        let server = Server::new().serve(ShopServer::new(counter.clone())).limits(limits);
        let accept = TcpAccept::bind("127.0.0.1:0").await.unwrap();
        let running = more(server).start(accept);
        let address = running.address().unwrap();
        Self { running, address, counter }
    }

    pub(crate) async fn send(&self, over: Over, request: http::Request<Full<Bytes>>) -> http::Response<Bytes> {
        timeout(LONG, try_send(self.address, over, request)).await.expect("an answer in time").unwrap()
    }

    /// Sends bytes as they are, and reads until the server closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A server that closes with bytes unread resets the connection: what came before counts.
        let _ = timeout(LONG, stream.read_to_end(&mut answer)).await.expect("the server closes");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Waits until no call and no connection is left.
    pub(crate) async fn settled(&self) {
        self.until(|running| running.calls() == 0 && running.connections() == 0).await;
    }

    pub(crate) async fn until(&self, reached: impl Fn(&Running) -> bool) {
        let wait = async {
            while !reached(&self.running) {
                tokio::task::yield_now().await;
            }
        };
        let what = || format!("{} calls, {} connections", self.running.calls(), self.running.connections());
        timeout(LONG, wait).await.unwrap_or_else(|_| panic!("not reached: {}", what()));
    }
}

/// Sends over a connection of its own, and reads the whole answer, trailers among its headers.
pub(crate) async fn try_send(
    address: SocketAddr,
    over: Over,
    request: http::Request<Full<Bytes>>,
) -> Result<http::Response<Bytes>, hyper::Error> {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (response, connection) = match over {
        Over::Http1 => {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            let connection = Closing(tokio::spawn(async move { drop(connection.await) }));
            (sender.send_request(request).await, connection)
        }
        Over::Http2 => {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
            let connection = Closing(tokio::spawn(async move { drop(connection.await) }));
            (sender.send_request(request).await, connection)
        }
    };
    let (head, body) = response?.into_parts();
    let body = body.collect().await?;
    let mut response = http::Response::from_parts(head, ());
    if let Some(trailers) = body.trailers() {
        response.headers_mut().extend(trailers.clone());
    }
    drop(connection);
    Ok(response.map(|()| body.to_bytes()))
}

/// Closes a connection with whoever uses it.
struct Closing(tokio::task::JoinHandle<()>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request; the path of one over HTTP/2 needs an authority, which HTTP/1.1 takes too.
pub(crate) fn request(
    method: &str,
    path: &str,
    content_type: &str,
    body: impl Into<Bytes>,
) -> http::Request<Full<Bytes>> {
    let request = http::Request::builder().method(method).uri(format!("http://shop{path}")).header("host", "shop");
    let request = if content_type.is_empty() { request } else { request.header("content-type", content_type) };
    request.body(Full::new(body.into())).unwrap()
}

pub(crate) fn json_of(response: &http::Response<Bytes>) -> serde_json::Value {
    serde_json::from_slice(response.body()).unwrap_or_else(|error| panic!("{error} in {:?}", response.body()))
}

/// One message with gRPC's prefix.
pub(crate) fn framed(message: &impl prost::Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    let mut bytes = vec![0];
    bytes.extend_from_slice(&(message.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&message);
    bytes
}

/// The messages and the trailers of a body of gRPC-Web.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<5>() {
        let len = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        frames.push((head[0], rest[..len].to_vec()));
        bytes = &rest[len..];
    }
    assert!(bytes.is_empty(), "{bytes:?}");
    frames
}

pub(crate) fn text(body: &str) -> http::Response<Body> {
    http::Response::new(Body::from(body.to_owned()))
}
