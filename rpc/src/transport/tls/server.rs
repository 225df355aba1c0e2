//! The server's side of TLS.

use super::{H2, HTTP_1_1, Pem, TlsError, names::ByName, pem, provider};
use crate::{
    call::{BoxFuture, Peer},
    transport::io::{Accepted, BoxIo, Secure},
};
use std::{
    fmt, io,
    sync::{Arc, PoisonError, RwLock},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, ServerConfig, pki_types::UnixTime, server::WebPkiClientVerifier},
};

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Who shows none is refused.
    Required,
    /// Who shows none is served, without [certificates](Peer::certificates).
    Optional,
}

/// A server's TLS before it is built.
#[derive(Clone, Debug)]
pub struct ServerTlsBuilder {
    /// Certificates and their keys; the first is for who asks for no name, or for one that none has.
    own: Vec<(Pem, Pem)>,
    clients: Option<(Pem, ClientAuth)>,
}

impl ServerTlsBuilder {
    pub(super) fn new(certificates: Pem, key: Pem) -> Self {
        Self { own: vec![(certificates, key)], clients: None }
    }

    /// Shows this certificate to who asks for a name in it (SNI) that no earlier one has.
    #[must_use]
    pub fn certificate(mut self, certificates: impl Into<Pem>, key: impl Into<Pem>) -> Self {
        self.own.push((certificates.into(), key.into()));
        self
    }

    /// Asks clients for a certificate that one of these authorities vouches for: mutual TLS.
    #[must_use]
    pub fn client_ca(mut self, authorities: impl Into<Pem>, auth: ClientAuth) -> Self {
        self.clients = Some((authorities.into(), auth));
        self
    }

    /// Reads and checks everything.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn build(self) -> Result<ServerTls, TlsError> {
        let config = RwLock::new(self.config()?);
        Ok(ServerTls(Arc::new(Inner { builder: self, config })))
    }

    fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let now = UnixTime::now();
        let identity = |(chain, key): &(Pem, Pem)| pem::identity(chain, key, "server certificate", now);
        let own = self.own.iter().map(identity).collect::<Result<Vec<_>, _>>()?;
        let provider = provider();
        let refused = |what, pem: &Pem, source| TlsError::Refused { what, origin: pem.to_string(), source };
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|source| refused("protocol versions", &self.own[0].0, source))?;
        let config = match &self.clients {
            None => config.with_no_client_auth(),
            Some((authorities, auth)) => {
                let what = "client authorities";
                let roots = Arc::new(authorities.authorities(what)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = match auth {
                    ClientAuth::Required => verifier,
                    ClientAuth::Optional => verifier.allow_unauthenticated(),
                };
                let verifier = verifier
                    .build()
                    .map_err(|error| refused(what, authorities, rustls::Error::General(error.to_string())))?;
                config.with_client_cert_verifier(verifier)
            }
        };
        let mut config = config.with_cert_resolver(Arc::new(ByName::new(own)));
        config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
        Ok(Arc::new(config))
    }
}

/// A server's TLS. A clone is the same, and is reloaded with it.
#[derive(Clone)]
pub struct ServerTls(Arc<Inner>);

struct Inner {
    builder: ServerTlsBuilder,
    config: RwLock<Arc<ServerConfig>>,
}

impl ServerTls {
    /// Reads the files again; connections from now on get what is in them. Blocks for the reading.
    ///
    /// # Errors
    /// What is wrong with them; then everything stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = self.0.builder.config()?;
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.0.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Secure for ServerTls {
    fn secure(&self, accepted: Accepted) -> BoxFuture<'static, io::Result<(BoxIo, Peer)>> {
        let config = self.config();
        Box::pin(async move {
            let stream = TlsAcceptor::from(config).accept(accepted.io).await.map_err(explain)?;
            let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let peer = Peer::new(accepted.address, shown.iter().map(|one| one.to_vec()).collect());
            Ok((Box::new(stream) as BoxIo, peer))
        })
    }
}

/// What a handshake failed of, in words for the log.
fn explain(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidMessage(_)) => {
            io::Error::new(error.kind(), format!("the peer does not speak TLS: {error}"))
        }
        _ => error,
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTls").field(&self.0.builder).finish()
    }
}
