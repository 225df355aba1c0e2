//! The client's side of TLS: a connector around another.

use super::{H2, HTTP_1_1, Pem, TlsError, pem, provider};
use crate::{
    call::BoxFuture,
    transport::io::{BoxIo, Connect, Target},
};
use std::{fmt, io, sync::Arc};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, RootCertStore,
        client::ResolvesClientCert,
        pki_types::{ServerName, UnixTime},
        sign::{CertifiedKey, SingleCertAndKey},
    },
};

/// A client's TLS before it is built. It trusts only what it is given.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    authorities: Vec<Pem>,
    identity: Option<(Pem, Pem)>,
    server_name: Option<String>,
    old: bool,
}

impl ClientTls {
    /// Trusts servers that these authorities vouch for, beside those named before.
    #[must_use]
    pub fn ca(mut self, authorities: impl Into<Pem>) -> Self {
        self.authorities.push(authorities.into());
        self
    }

    /// Shows this certificate, followed by its intermediates, to servers that ask: mutual TLS.
    #[must_use]
    pub fn identity(mut self, certificates: impl Into<Pem>, key: impl Into<Pem>) -> Self {
        self.identity = Some((certificates.into(), key.into()));
        self
    }

    /// Expects this name in the server's certificate, whatever host is connected to. Without it the host's name is
    /// expected, which does not fit when a registry gives out addresses.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Speaks HTTP/1.1 to servers, for who uses the connections for that.
    #[must_use]
    pub fn http1(mut self) -> Self {
        self.old = true;
        self
    }

    /// Reads and checks everything, and puts it around a connector.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn over(self, connect: impl Connect) -> Result<TlsConnect, TlsError> {
        self.around(Arc::new(connect))
    }

    pub(crate) fn around(self, connect: Arc<dyn Connect>) -> Result<TlsConnect, TlsError> {
        let server_name = self.server_name.as_deref().map(name).transpose()?;
        let mut config = self.config()?;
        config.alpn_protocols = vec![if self.old { HTTP_1_1.to_vec() } else { H2.to_vec() }];
        Ok(TlsConnect { connect, config: Arc::new(config), server_name, old: self.old })
    }

    fn config(&self) -> Result<ClientConfig, TlsError> {
        let mut roots = RootCertStore::empty();
        for pem in &self.authorities {
            roots.roots.extend(pem.authorities("authorities")?.roots);
        }
        if roots.is_empty() {
            return Err(TlsError::NoAuthority);
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|source| {
                let origin = "the crypto provider".to_owned();
                TlsError::Refused { what: "protocol versions", origin, source }
            })?
            .with_root_certificates(roots);
        Ok(match &self.identity {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let own: Arc<CertifiedKey> = pem::identity(chain, key, "client certificate", UnixTime::now())?;
                let own: Arc<dyn ResolvesClientCert> = Arc::new(SingleCertAndKey::from(own));
                config.with_client_cert_resolver(own)
            }
        })
    }
}

/// Opens connections that are encrypted, to servers that were vouched for. A clone shares everything.
#[derive(Clone)]
pub struct TlsConnect {
    connect: Arc<dyn Connect>,
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    /// HTTP/1.1 needs no agreement.
    old: bool,
}

impl Connect for TlsConnect {
    fn connect<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, io::Result<BoxIo>> {
        Box::pin(async move {
            let expected = match &self.server_name {
                Some(name) => name.clone(),
                None => name(&target.host).map_err(io::Error::other)?,
            };
            let failed = |error| explain(error, target, &expected);
            let io = self.connect.connect(target).await?;
            let connector = TlsConnector::from(self.config.clone());
            let stream = connector.connect(expected.clone(), io).await.map_err(failed)?;
            if !self.old && stream.get_ref().1.alpn_protocol() != Some(H2) {
                let text = format!("TLS with {target}: the server does not offer HTTP/2 (ALPN h2)");
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
            Ok(Box::new(stream) as BoxIo)
        })
    }

    fn scheme(&self) -> http::uri::Scheme {
        http::uri::Scheme::HTTPS
    }
}

fn name(text: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(text.to_owned()).map_err(|_| TlsError::BadName { name: text.to_owned() })
}

/// What a handshake failed of, with whom, and what to look at.
fn explain(error: io::Error, target: &Target, expected: &ServerName<'_>) -> io::Error {
    let hint = match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        None if error.kind() == io::ErrorKind::UnexpectedEof => "; does it speak TLS at this port?".to_owned(),
        Some(rustls::Error::InvalidMessage(_)) => "; does it speak TLS at this port?".to_owned(),
        Some(rustls::Error::InvalidCertificate(_)) => {
            format!(" (expected {} of a known authority)", expected.to_str())
        }
        _ => String::new(),
    };
    io::Error::new(error.kind(), format!("TLS with {target}: {error}{hint}"))
}

impl fmt::Debug for TlsConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnect").field("over", &self.connect).field("server_name", &self.server_name).finish()
    }
}
