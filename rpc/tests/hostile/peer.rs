//! Peers on the `h2` crate: a client that can send anything, and a server that answers anything.

use bytes::Bytes;
use h2::{
    RecvStream,
    client::{ResponseFuture, SendRequest},
    server::SendResponse,
};
use http::{HeaderMap, Request, Response, StatusCode};
use mainstay::transport::{Accept, BoxIo, Memory, memory};
use std::sync::Arc;
use tokio::task::JoinHandle;
use tonic::Code;

/// A client's connection, driven by a task.
pub(crate) async fn connect(io: BoxIo) -> SendRequest<Bytes> {
    let (send, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    send
}

/// The head of a proper request; tests change what they want wrong.
pub(crate) fn request(method: &str) -> Request<()> {
    Request::post(format!("http://desk/hostile.v1.Desk/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

/// The same with one more header.
pub(crate) fn request_with(method: &str, name: &'static str, value: &str) -> Request<()> {
    let mut request = request(method);
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

/// A message with its prefix.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let mut all = vec![0];
    all.extend((message.len() as u32).to_be_bytes());
    all.extend(message);
    all
}

/// A framed message whose first field is a text of up to 127 bytes.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut message = vec![0x0a, u8::try_from(text.len()).unwrap()];
    message.extend(text.as_bytes());
    framed(&message)
}

/// A framed message of numbers, in the order of its fields.
pub(crate) fn numbers(numbers: &[u64]) -> Vec<u8> {
    let mut message = Vec::new();
    for (i, number) in numbers.iter().enumerate() {
        message.push((i as u8 + 1) << 3);
        let mut rest = *number;
        while rest > 127 {
            message.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        message.push(rest as u8);
    }
    framed(&message)
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) http: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    fn last(&self, name: &str) -> Option<&[u8]> {
        self.trailers.get(name).or(self.headers.get(name)).map(|value| value.as_bytes())
    }

    /// The status; there must be one.
    pub(crate) fn code(&self) -> Code {
        Code::from_bytes(self.last("grpc-status").unwrap_or_else(|| panic!("no status in {self:?}")))
    }

    pub(crate) fn message(&self) -> String {
        let message = self.last("grpc-message").unwrap_or_default();
        percent_encoding::percent_decode(message).decode_utf8().unwrap().into_owned()
    }
}

/// Waits for the whole answer.
pub(crate) async fn answer(response: ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    let mut answer = Answer { http: head.status, headers: head.headers, ..Answer::default() };
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        answer.body.extend(chunk);
    }
    answer.trailers = body.trailers().await?.unwrap_or_default();
    Ok(answer)
}

/// Sends a request and a body, and waits for the answer.
pub(crate) async fn send(peer: &mut SendRequest<Bytes>, request: Request<()>, body: &[u8]) -> Answer {
    let mut ready = peer.clone().ready().await.unwrap();
    let (response, mut stream) = ready.send_request(request, false).unwrap();
    // The server may have answered and reset before all is sent.
    let _ = stream.send_data(Bytes::copy_from_slice(body), true);
    answer(response).await.unwrap()
}

/// Sends a proper request of one method.
pub(crate) async fn ask(peer: &mut SendRequest<Bytes>, method: &str, body: &[u8]) -> Answer {
    send(peer, request(method), body).await
}

/// Begins a call that the server will not finish by itself.
pub(crate) async fn begin(
    peer: &mut SendRequest<Bytes>,
    method: &str,
    body: &[u8],
    end: bool,
) -> (ResponseFuture, h2::SendStream<Bytes>) {
    let mut ready = peer.clone().ready().await.unwrap();
    let (response, mut stream) = ready.send_request(request(method), false).unwrap();
    stream.send_data(Bytes::copy_from_slice(body), end).unwrap();
    (response, stream)
}

/// What a broken server does with one call.
pub(crate) type Answering = (Request<RecvStream>, SendResponse<Bytes>);

/// A network whose server does with each call what it is told. Its connections stay until their peers leave, and it until
/// its task is aborted.
pub(crate) fn broken<F, Fut>(answer: F) -> (Memory, JoinHandle<()>)
where
    F: Fn(Answering) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (network, mut accept) = memory();
    let server = tokio::spawn(async move {
        let answer = Arc::new(answer);
        while let Ok(accepted) = accept.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(accepted.io).await.unwrap();
                while let Some(Ok(call)) = connection.accept().await {
                    tokio::spawn(answer(call));
                }
            });
        }
    });
    (network, server)
}

/// The head of a proper answer.
pub(crate) fn response() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

/// Headers from pairs.
pub(crate) fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
}
