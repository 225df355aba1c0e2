//! The service under test, a peer that sends headers and bytes as they are told, and one that answers so.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response, StatusCode};
use mainstay::{
    Message,
    call::{Cx, ErrorInfo, Status},
    server::{Running, Server},
    transport::{Connect, Memory, Target, memory},
};
use std::{collections::BTreeMap, time::Duration};
use tonic::Code;

/// What is asked: the fields of the peers' messages.
#[derive(Message, Clone, Debug, PartialEq)]
pub(crate) struct Level {
    pub(crate) sku: String,
    pub(crate) left: i32,
    pub(crate) node: String,
    pub(crate) seen: BTreeMap<String, String>,
}

#[mainstay::service(package = "shop.desk.v1")]
pub(crate) trait DeskApi {
    async fn level(&self, cx: &Cx, sku: String, count: i32, mode: String) -> Result<Level, Status>;
}

/// A provider of a name.
#[derive(Clone)]
pub(crate) struct Desk(pub(crate) &'static str);

impl DeskApi for Desk {
    async fn level(&self, cx: &Cx, sku: String, count: i32, mode: String) -> Result<Level, Status> {
        cx.set_attachment("x-node", self.0).unwrap();
        cx.set_attachment("camelNode", self.0).unwrap();
        if mode == "biz" {
            let info = ErrorInfo::new("SOLD_OUT", "desk");
            return Err(Status::new(Code::FailedPrecondition, "sold out: 100% + 售罄").with_info(info));
        }
        let attachments = cx.attachments();
        let mut seen: BTreeMap<_, _> = attachments.texts().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        seen.extend(cx.consumer().map(|name| ("consumer".to_owned(), name.to_owned())));
        seen.extend(attachments.get_bytes("bin").map(|bytes| ("bin".to_owned(), format!("{} bytes", bytes.len()))));
        let left = cx.remaining().unwrap_or_default();
        seen.insert("waits".to_owned(), (left > Duration::from_secs(2)).to_string());
        Ok(Level { sku, left: count, node: self.0.to_owned(), seen })
    }
}

/// A server in memory.
pub(crate) struct Bed {
    pub(crate) running: Running,
    network: Memory,
}

impl Bed {
    /// It serves the desk in one version and group.
    pub(crate) fn of(version: Option<&str>, group: Option<&str>) -> Self {
        let (network, accept) = memory();
        let running = Server::new().served_as(version, group).serve(DeskApiServer::new(Desk("r1"))).start(accept);
        Self { running, network }
    }

    pub(crate) async fn io(&self) -> mainstay::transport::BoxIo {
        self.network.connect(&Target::new("desk", 1)).await.unwrap()
    }

    pub(crate) async fn peer(&self) -> SendRequest<Bytes> {
        let (send, connection) = h2::client::handshake(self.io().await).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        send
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn send(&self, path: &str, headers: &[(&'static str, &str)], body: &str) -> Answer {
        send(&self.peer().await, path, headers, &[body, ""]).await
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) http: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    pub(crate) fn code(&self) -> Code {
        Code::from_bytes(self.trailers.get("grpc-status").or(self.headers.get("grpc-status")).unwrap().as_bytes())
    }

    pub(crate) fn level(&self) -> Level {
        assert_eq!(self.code(), Code::Ok, "{self:?}");
        prost::Message::decode(&self.body[5..]).unwrap()
    }
}

/// Sends a request whose body is these pieces in hex, the last of which ends it.
pub(crate) async fn send(
    peer: &SendRequest<Bytes>,
    path: &str,
    headers: &[(&'static str, &str)],
    body: &[&str],
) -> Answer {
    let mut request = Request::post(format!("http://192.0.2.2:20890{path}")).body(()).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    let mut ready = peer.clone().ready().await.unwrap();
    let (response, mut stream) = ready.send_request(request, false).unwrap();
    for (i, piece) in body.iter().enumerate() {
        // The server may have answered and reset before all is sent.
        let _ = stream.send_data(hex(piece).into(), i + 1 == body.len());
    }
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut all = Vec::new();
    while let Some(chunk) = body.data().await {
        all.extend(chunk.unwrap());
    }
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    Answer { http: head.status, headers: head.headers, body: all, trailers }
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// What a server answers to each call: the head, the body in hex, and trailers if any.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) http: u16,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: String,
    pub(crate) trailers: Vec<(&'static str, &'static str)>,
}

/// A network whose server answers each call so, and the heads of the requests that came.
pub(crate) fn answering(script: Script) -> (Memory, tokio::sync::mpsc::UnboundedReceiver<HeaderMap>) {
    use mainstay::transport::Accept as _;
    let (network, mut accept) = memory();
    let (seen, heads) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(accepted) = accept.accept().await {
            let (seen, script) = (seen.clone(), script.clone());
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(accepted.io).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let _ = seen.send(request.headers().clone());
                    let mut response = Response::builder().status(script.http).body(()).unwrap();
                    *response.headers_mut() = headers(&script.headers);
                    let empty = script.body.is_empty() && script.trailers.is_empty();
                    let mut send = respond.send_response(response, empty).unwrap();
                    if !script.body.is_empty() {
                        send.send_data(hex(&script.body).into(), script.trailers.is_empty()).unwrap();
                    }
                    if !script.trailers.is_empty() {
                        send.send_trailers(headers(&script.trailers)).unwrap();
                    }
                }
            });
        }
    });
    (network, heads)
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_bytes(value.as_bytes()).unwrap())
        })
        .collect()
}
