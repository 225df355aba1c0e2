//! TLS and mutual TLS, by rustls on ring, around any connector and acceptor. Wants the feature `tls`.
//!
//! Nothing is taken from the process or the system: no default provider, no built-in authorities. What is trusted is what
//! was given, so a service talks to its own peers and to nobody else. Both sides offer TLS 1.2 and 1.3, HTTP/2 by ALPN.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mainstay::server::Server;
//! use mainstay::transport::{ClientAuth, Pem, Tcp, TcpAccept, Tls};
//!
//! let tls = Tls::server(Pem::file("server.pem"), Pem::file("server.key"))
//!     .client_ca(Pem::file("ca.pem"), ClientAuth::Required)
//!     .build()?;
//! let running = Server::new().tls(tls.clone()).start(TcpAccept::bind("127.0.0.1:0").await?);
//! // When the files were renewed:
//! tls.reload()?;
//!
//! let connector = Tls::client().ca(Pem::file("ca.pem")).identity(Pem::file("me.pem"), Pem::file("me.key")).over(Tcp)?;
//! # let _ = (running, connector);
//! # Ok(())
//! # }
//! ```

mod client;
mod error;
mod names;
mod peer;
mod pem;
mod server;
#[cfg(test)]
mod tests;

pub use client::{ClientTls, TlsConnect};
pub use error::TlsError;
pub use pem::Pem;
pub use server::{ClientAuth, ServerTls, ServerTlsBuilder};

use std::sync::Arc;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

/// The way to both sides' set-up.
#[derive(Clone, Copy, Debug)]
pub struct Tls;

impl Tls {
    /// A server that shows this certificate, followed by its intermediates, and has this private key.
    pub fn server(certificates: impl Into<Pem>, key: impl Into<Pem>) -> ServerTlsBuilder {
        ServerTlsBuilder::new(certificates.into(), key.into())
    }

    /// A client that trusts nobody yet.
    pub fn client() -> ClientTls {
        ClientTls::default()
    }
}

/// What both sides offer by ALPN; a server also takes HTTP/1.1.
const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
