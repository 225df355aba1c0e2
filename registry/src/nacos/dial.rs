//! The way to both ports of a server: TCP, and TLS over it where the URL says who vouches for servers.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tonic::codegen::http::Uri;

use super::tls::Tls;
use crate::{error::RegistryError, url::RegistryUrl};

/// What is spoken over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// The HTTP API.
    Http1,
    /// gRPC.
    Http2,
}

/// An open connection.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// How connections are opened; clones share what was read.
#[derive(Clone, Default)]
pub(super) struct Dial {
    tls: Option<Tls>,
}

impl Dial {
    /// What a URL says in its parameter `ca`: TLS, and whose certificates are believed; none of it without.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`], also when the file cannot be read, or this build has no TLS.
    pub(super) fn of(url: &RegistryUrl) -> Result<Self, RegistryError> {
        let Some(ca) = url.parameter_as::<String>("ca")? else { return Ok(Self::default()) };
        let path =
            ca.strip_prefix("file:").ok_or_else(|| url.bad("`ca` should be a file of certificates: `file:/path`"))?;
        let tls = Tls::of(path).map_err(|why| url.bad(format!("`ca`: {path}: {why}")))?;
        Ok(Self { tls: Some(tls) })
    }

    /// Whether connections are encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Opens one.
    ///
    /// # Errors
    /// Whatever the network says, or why the server is not believed.
    pub(super) async fn connect(&self, (host, port): (&str, u16), protocol: Protocol) -> io::Result<Box<dyn Io>> {
        let stream = TcpStream::connect((host, port)).await?;
        // Small writes go out at once; it is a hint, and failing to set it changes nothing but speed.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            Some(tls) => tls.over(stream, host, protocol).await,
            None => Ok(Box::new(stream)),
        }
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial").field("encrypted", &self.is_encrypted()).finish()
    }
}

/// The way to the port of connections, as the channel of gRPC asks for it.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) dial: Dial,
    pub(super) host: String,
    pub(super) port: u16,
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Io>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { dial, host, port } = self.clone();
        Box::pin(async move { dial.connect((&host, port), Protocol::Http2).await.map(TokioIo::new) })
    }
}
