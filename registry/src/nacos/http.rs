//! The server's own eyes: its HTTP API, with which registrations are read back, writers of texts told apart, and users log in.
//!
//! One connection per request: they are seconds apart, and a connection of its own sees the server as a stranger would.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use prost::bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::{Instant, timeout};

use super::{
    dial::Protocol,
    text::TextName,
    url::Server,
    wire::{Listing, MAX_ANSWER, Service},
};
use crate::{dubbo::escape, error::RegistryError, secret::Login};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Of the time that a token lives, how much passes before the next one is fetched.
const RENEW_AFTER: f64 = 0.5;
/// How much of an error's text is shown, in characters.
const MAX_TEXT: usize = 300;

/// The instances of a service, as a stranger is told them.
pub(super) async fn instances(
    server: &Server,
    token: Option<&str>,
    service: &Service,
) -> Result<Listing, RegistryError> {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        data: Listing,
    }
    let mut form = vec![
        ("namespaceId", service.namespace.as_str()),
        ("groupName", service.group_name.as_str()),
        ("serviceName", service.service_name.as_str()),
    ];
    form.extend(token.map(|token| ("accessToken", token)));
    let attempted = || format!("reading {} back from {server}", service.service_name);
    let envelope: Envelope = asked(server, Method::GET, "/nacos/v2/ns/instance/list", &form, attempted).await?;
    Ok(envelope.data)
}

/// What the database has of a text: not the cache that texts are given out of, which comes after it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Stored {
    /// Who made it.
    pub(super) create_user: Option<String>,
    /// Of its content; none when there is no text.
    pub(super) md5: Option<String>,
}

/// What the database has under a name.
pub(super) async fn stored(server: &Server, token: Option<&str>, name: &TextName) -> Result<Stored, RegistryError> {
    let mut form = vec![
        ("show", "all"),
        ("tenant", name.tenant.as_str()),
        ("group", name.group.as_str()),
        ("dataId", name.data_id.as_str()),
    ];
    form.extend(token.map(|token| ("accessToken", token)));
    let attempted = || format!("asking {server} what is stored of {}", name.data_id);
    let (status, body) = answered(server, Method::GET, "/nacos/v1/cs/configs", &form, &attempted).await?;
    // Of what is not there it has nothing to say.
    if status == 200 && body.is_empty() {
        return Ok(Stored::default());
    }
    read(status, &body, &attempted)
}

/// The instance of a service at an address, also one that an operator switched off, whom no list has; none when the server
/// shows none.
pub(super) async fn instance(
    server: &Server,
    token: Option<&str>,
    service: &Service,
    (host, port): (&str, u32),
) -> Result<Option<serde_json::Value>, RegistryError> {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        data: serde_json::Value,
    }
    let port = port.to_string();
    let mut form = vec![
        ("namespaceId", service.namespace.as_str()),
        ("groupName", service.group_name.as_str()),
        ("serviceName", service.service_name.as_str()),
        ("ip", host),
        ("port", &port),
    ];
    form.extend(token.map(|token| ("accessToken", token)));
    let attempted = || format!("reading {host}:{port} of {} back from {server}", service.service_name);
    let (status, body) = answered(server, Method::GET, "/nacos/v2/ns/instance", &form, &attempted).await?;
    // Servers say in several ways that there is none.
    if status != 200 {
        return Ok(None);
    }
    read::<Envelope>(status, &body, &attempted).map(|envelope| Some(envelope.data))
}

/// Who asks, and the token that proves it.
#[derive(Debug)]
pub(super) struct Auth {
    login: Option<Login>,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: String,
    renew_at: Instant,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("renew_at", &self.renew_at).finish_non_exhaustive()
    }
}

impl Auth {
    pub(super) fn new(login: Option<Login>) -> Self {
        Self { login, token: Mutex::default() }
    }

    /// The token to show, if there is any.
    pub(super) fn token(&self) -> Option<String> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        token.as_ref().map(|token| token.text.clone())
    }

    /// Logs in, unless there is no user or the last time was not long ago.
    ///
    /// # Errors
    /// The server's own code and text.
    pub(super) async fn renew(&self, server: &Server) -> Result<(), RegistryError> {
        let Some(login) = &self.login else { return Ok(()) };
        let due = |token: &Token| token.renew_at <= Instant::now();
        if self.token.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|token| !due(token)) {
            return Ok(());
        }
        let token = logged_in(server, login).await?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(())
    }

    /// The token is not believed any more, as after a server came back without its data: the next time is a new one.
    pub(super) fn forget(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

async fn logged_in(server: &Server, login: &Login) -> Result<Token, RegistryError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Granted {
        access_token: String,
        #[serde(default)]
        token_ttl: u32,
    }
    let form = [("username", login.user.expose()), ("password", login.password.expose())];
    let attempted = || format!("logging in at {server}");
    let granted: Granted = asked(server, Method::POST, "/nacos/v1/auth/login", &form, attempted).await?;
    let lives = Duration::from_secs(granted.token_ttl.max(10).into());
    Ok(Token { text: granted.access_token, renew_at: Instant::now() + lives.mul_f64(RENEW_AFTER) })
}

async fn asked<T: DeserializeOwned>(
    server: &Server,
    method: Method,
    path: &str,
    form: &[(&str, &str)],
    attempted: impl Fn() -> String,
) -> Result<T, RegistryError> {
    let (status, body) = answered(server, method, path, form, &attempted).await?;
    read(status, &body, &attempted)
}

/// The status and the body of an answer.
async fn answered(
    server: &Server,
    method: Method,
    path: &str,
    form: &[(&str, &str)],
    attempted: &impl Fn() -> String,
) -> Result<(u16, Bytes), RegistryError> {
    let failed = |why: String| RegistryError::Unavailable { attempted: attempted(), why };
    match timeout(PATIENCE, sent(server, method, path, form)).await {
        Err(_) => Err(failed(format!("no answer within {PATIENCE:?}"))),
        Ok(answer) => answer.map_err(failed),
    }
}

/// What a good answer says.
fn read<T: DeserializeOwned>(status: u16, body: &[u8], attempted: &impl Fn() -> String) -> Result<T, RegistryError> {
    let failed = |why: String| RegistryError::Unavailable { attempted: attempted(), why };
    if status != 200 {
        return Err(failed(format!("HTTP {status}: {}", said(body))));
    }
    serde_json::from_slice(body).map_err(|why| failed(format!("an answer that cannot be read: {why}")))
}

async fn sent(server: &Server, method: Method, path: &str, form: &[(&str, &str)]) -> Result<(u16, Bytes), String> {
    let form: Vec<String> =
        form.iter().map(|(name, value)| format!("{}={}", escape::encode(name), escape::encode(value))).collect();
    let form = form.join("&");
    let (target, body) =
        if method == Method::GET { (format!("{path}?{form}"), String::new()) } else { (path.to_owned(), form) };
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, server.to_string())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(body)))
        .map_err(|why| why.to_string())?;
    let stream = server.dial.connect((&server.host, server.http), Protocol::Http1).await;
    let stream = stream.map_err(|why| why.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|why| why.to_string())?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|why| why.to_string())?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(|why| why.to_string())?;
        Ok((status, body.to_bytes()))
    };
    // The connection moves the bytes; what it fails of, the exchange says too.
    tokio::pin!(connection, exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        _ = &mut connection => exchange.await,
    }
}

/// What a server says of a refusal: the message in its JSON, or the text as it is.
fn said(body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let message = json["message"].as_str().or_else(|| json["error"].as_str()).map(str::to_owned);
    let text = message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let text: String = text.trim().trim_matches('"').chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
    if text.is_empty() { "no text".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nacos::dial::Dial;

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        for (body, expected) in [
            (r#"{"status":403,"error":"Forbidden","message":"user not found!"}"#, "user not found!"),
            (r#"{"error":"Internal Server Error"}"#, "Internal Server Error"),
            ("unknown user!\n", "unknown user!"),
            ("\"unknown user!\"", "unknown user!"),
            ("", "no text"),
        ] {
            assert_eq!(said(body.as_bytes()), expected);
        }
        assert_eq!(said(&[b'x'; 1000]).len(), MAX_TEXT);
    }

    #[tokio::test]
    async fn nobody_there_is_told_by_whom_and_where() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap().port();
        drop(listener);
        let server = Server { host: "127.0.0.1".to_owned(), http, grpc: 1, dial: Dial::default() };
        let service =
            Service { namespace: "public".to_owned(), group_name: "G".to_owned(), service_name: "s".to_owned() };
        let why = instances(&server, None, &service).await.unwrap_err().to_string();
        assert!(why.contains(&format!("reading s back from 127.0.0.1:{http}")) && why.contains("refused"), "{why}");
    }
}
