//! A client of another make that knows nothing of registries: it has a list of addresses, keeps one HTTP/2 connection, and
//! goes elsewhere only when that is told to, by what HTTP/2 has for it. Whatever else befalls a request is a failure.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use h2::{Reason, client::SendRequest};
use http::Request;
use serde_json::Value;
use tokio::{net::TcpStream, sync::watch};

/// How often a request that nobody saw goes elsewhere.
const MOVES: usize = 5;

/// The client.
pub(crate) struct Outsider {
    known: watch::Receiver<Vec<String>>,
    /// The connection, and where to.
    current: tokio::sync::Mutex<Option<(String, SendRequest<Bytes>)>>,
    /// Connections that said goodbye.
    goodbyes: AtomicUsize,
    /// Requests that went elsewhere for it.
    moved: AtomicUsize,
    left: Mutex<Option<String>>,
}

/// What became of a request.
enum Sent {
    Answered(Result<u64, String>),
    /// Certainly nobody saw it: the connection is to be left.
    Unseen,
}

impl Outsider {
    pub(crate) fn new(known: watch::Receiver<Vec<String>>) -> Self {
        let (goodbyes, moved) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { known, current: tokio::sync::Mutex::default(), goodbyes, moved, left: Mutex::default() }
    }

    /// How many connections said goodbye, and how many requests went elsewhere.
    pub(crate) fn told(&self) -> (usize, usize) {
        (self.goodbyes.load(Relaxed), self.moved.load(Relaxed))
    }

    /// Calls a method of the site with JSON. Answers how often it was sent again: never, once somebody may have seen it.
    pub(crate) async fn ask(&self, method: &str, body: Value) -> Result<u64, String> {
        for _ in 0..=MOVES {
            let (address, connection) = self.connection().await?;
            match self.send(connection, &address, method, &body).await {
                Sent::Answered(answer) => return answer,
                Sent::Unseen => self.leave(&address).await,
            }
            self.moved.fetch_add(1, Relaxed);
        }
        Err(format!("{method}: {MOVES} connections said goodbye"))
    }

    async fn send(&self, connection: SendRequest<Bytes>, address: &str, method: &str, body: &Value) -> Sent {
        let answered = async {
            let mut connection = connection.ready().await?;
            let request = Request::post(format!("http://{address}/shop.site.v1.SiteApi/{method}"));
            let request = request.header("content-type", "application/json").body(()).expect("a request");
            let (answer, mut sending) = connection.send_request(request, false)?;
            sending.send_data(body.to_string().into(), true)?;
            let answer = answer.await?;
            let status = answer.status();
            let (mut body, mut text) = (answer.into_body(), Vec::new());
            while let Some(part) = body.data().await {
                let part = part?;
                let _ = body.flow_control().release_capacity(part.len());
                text.extend_from_slice(&part);
            }
            Ok::<_, h2::Error>((status, text))
        };
        match answered.await {
            Ok((status, _)) if status.is_success() => Sent::Answered(Ok(0)),
            Ok((status, text)) => Sent::Answered(Err(format!("{method}: {status} {}", String::from_utf8_lossy(&text)))),
            Err(error) if is_goodbye(&error) => Sent::Unseen,
            Err(error) => Sent::Answered(Err(format!("{method} at {address}: {error:?}"))),
        }
    }

    /// The connection that there is, else one to the first that answers and was not just left.
    async fn connection(&self) -> Result<(String, SendRequest<Bytes>), String> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &*current {
            return Ok(connection.clone());
        }
        let left = self.left.lock().unwrap().clone();
        let known = self.known.borrow().clone();
        for address in known.iter().filter(|one| Some(*one) != left.as_ref()) {
            // Refused: it listens no more.
            let Ok(io) = TcpStream::connect(address).await else { continue };
            let Ok((connection, driver)) = h2::client::handshake(io).await else { continue };
            tokio::spawn(driver);
            return Ok(current.insert((address.clone(), connection)).clone());
        }
        Err(format!("nobody of {known:?} answers, after {left:?}"))
    }

    async fn leave(&self, address: &str) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|(where_to, _)| where_to == address) {
            *current = None;
            *self.left.lock().unwrap() = Some(address.to_owned());
            self.goodbyes.fetch_add(1, Relaxed);
        }
    }
}

/// What promises that the request was not looked at: a GOAWAY without a fault that leaves it out, or a refused stream.
fn is_goodbye(error: &h2::Error) -> bool {
    let refused = error.reason() == Some(Reason::REFUSED_STREAM);
    refused || (error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR))
}
