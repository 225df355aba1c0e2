//! How connections to an upstream are made: plain, or encrypted as the file says.

use crate::config::UpstreamTls;
use mainstay::transport::{ClientTls, Connect, Pem, Tcp, Tls, TlsError};
use std::sync::Arc;

/// The ways to the endpoints of one upstream.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    /// For HTTP/1.1.
    pub(super) http1: Arc<dyn Connect>,
    /// For clients of `mainstay`.
    pub(super) tls: Option<ClientTls>,
}

impl Wire {
    /// Reads the files that are named.
    ///
    /// # Errors
    /// The first that is wrong.
    pub(super) fn new(config: Option<&UpstreamTls>) -> Result<Self, TlsError> {
        let Some(UpstreamTls { ca, server_name, identity }) = config else {
            return Ok(Self { http1: Arc::new(Tcp), tls: None });
        };
        let mut tls = Tls::client().ca(Pem::file(ca));
        if let Some(name) = server_name {
            tls = tls.server_name(name);
        }
        if let Some((certificate, key)) = identity {
            tls = tls.identity(Pem::file(certificate), Pem::file(key));
        }
        Ok(Self { http1: Arc::new(tls.clone().http1().over(Tcp)?), tls: Some(tls) })
    }
}
