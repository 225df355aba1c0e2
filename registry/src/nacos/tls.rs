//! TLS to a server. Nothing of the system's is believed: only who was named vouches for servers.

use std::{io, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::dial::{Io, Protocol};

/// How connections are encrypted, by what is spoken over them.
#[derive(Clone)]
pub(super) struct Tls {
    http1: TlsConnector,
    http2: TlsConnector,
}

impl Tls {
    /// Who signs the certificates of servers is in this file.
    pub(super) fn of(path: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|why| why.to_string())? {
            let certificate = certificate.map_err(|why| why.to_string())?;
            roots.add(certificate).map_err(|why| why.to_string())?;
        }
        if roots.is_empty() {
            return Err("there is no certificate in it".to_owned());
        }
        let of = |protocol: &[u8]| {
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
            let config = config.with_safe_default_protocol_versions().map_err(|why| why.to_string())?;
            let mut config = config.with_root_certificates(roots.clone()).with_no_client_auth();
            config.alpn_protocols = vec![protocol.to_vec()];
            Ok::<_, String>(TlsConnector::from(Arc::new(config)))
        };
        Ok(Self { http1: of(b"http/1.1")?, http2: of(b"h2")? })
    }

    pub(super) async fn over(&self, stream: TcpStream, host: &str, protocol: Protocol) -> io::Result<Box<dyn Io>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connector = match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        };
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(why) => Err(explained(&why)),
        }
    }
}

fn explained(why: &io::Error) -> io::Error {
    let hint = match why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidMessage(_)) => "; does it speak TLS at this port?",
        None if why.kind() == io::ErrorKind::UnexpectedEof => "; does it speak TLS at this port?",
        _ => "",
    };
    io::Error::new(why.kind(), format!("TLS: {why}{hint}"))
}
