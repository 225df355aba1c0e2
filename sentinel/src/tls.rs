//! TLS by the `tls-…` directives, at the port and on links. Nothing is trusted but what they name.
//!
//! A link takes every server that a named authority vouches for, whatever name it goes by, as redis-sentinel does:
//! masters and sentinels are known by addresses that change, and certificates of a group are often one.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::conf::{ClientAuth, TlsConfig};

/// Encrypts links. A clone is equal to what it was made from.
#[derive(Clone)]
pub struct Connector(Arc<ClientConfig>);

impl Connector {
    /// Encryption of links by `tls-replication` and the files that the other directives name; none if it is off. Blocks
    /// for the reading.
    ///
    /// # Errors
    /// What is missing or wrong, with the directive that names it.
    pub fn new(config: &TlsConfig) -> Result<Option<Self>, String> {
        if !config.replication {
            return Ok(None);
        }
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(authorities(config, "`tls-replication yes`")?);
        let chain = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
        let chain = chain.build().map_err(|error| format!("`tls-ca-cert-file`: {error}"))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyName(chain)));
        let own = match (&config.client_cert_file, &config.client_key_file) {
            (None, None) => (config.cert_file.as_ref(), config.key_file.as_ref()),
            (certificate, key) => (certificate.as_ref(), key.as_ref()),
        };
        let config = match own {
            (None, None) => builder.with_no_client_auth(),
            (chain, key) => {
                let (chain_name, chain_path) = named("tls-client-cert-file", chain)?;
                let (key_name, key_path) = named("tls-client-key-file", key)?;
                let chain = certificates(chain_name, chain_path)?;
                let refused = |error| format!("`{key_name}` {key_path}: {error}");
                builder.with_client_auth_cert(chain, private_key(key_name, key_path)?).map_err(refused)?
            }
        };
        Ok(Some(Self(Arc::new(config))))
    }

    /// Makes the handshake.
    ///
    /// Cancel safe: dropping it drops the connection.
    pub(crate) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::from(stream.peer_addr()?.ip());
        TlsConnector::from(self.0.clone()).connect(name, stream).await
    }
}

impl PartialEq for Connector {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Connector {}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

/// Trusts by the chain alone. The chain is looked at first, so a wrong name is only told of one that is right.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Encrypts connections to the port. Reads certificates and key. Blocks for the reading.
///
/// # Errors
/// What is missing or wrong, with the directive that names it.
pub(crate) fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor, String> {
    let (name, path) = named("tls-cert-file", config.cert_file.as_ref())?;
    let chain = certificates(name, path)?;
    let (name, path) = named("tls-key-file", config.key_file.as_ref())?;
    let key = private_key(name, path)?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    let builder = match config.auth_clients {
        ClientAuth::No => builder.with_no_client_auth(),
        wanted => {
            let verifier = WebPkiClientVerifier::builder_with_provider(
                Arc::new(authorities(config, "`tls-auth-clients yes`")?),
                provider,
            );
            let verifier = match wanted {
                ClientAuth::Optional => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| format!("`tls-ca-cert-file`: {error}"))?)
        }
    };
    let config = builder.with_single_cert(chain, key).map_err(|error| format!("`{name}` {path}: {error}"))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The authorities that vouch for others: those of the file, and those of each file in the directory.
fn authorities(config: &TlsConfig, why: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let mut add = |name: &str, path: &str| -> Result<(), String> {
        for certificate in certificates(name, path)? {
            roots.add(certificate).map_err(|error| format!("`{name}` {path}: {error}"))?;
        }
        Ok(())
    };
    if let Some(path) = &config.ca_cert_file {
        add("tls-ca-cert-file", path)?;
    }
    if let Some(directory) = &config.ca_cert_dir {
        let unreadable = |error: std::io::Error| format!("`tls-ca-cert-dir` {directory}: {error}");
        for entry in std::fs::read_dir(Path::new(directory)).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_file() {
                add("tls-ca-cert-dir", &path.to_string_lossy())?;
            }
        }
    }
    if roots.is_empty() {
        return Err(format!("{why} needs authorities: set `tls-ca-cert-file`, or turn it off"));
    }
    Ok(roots)
}

fn named<'a>(name: &'static str, path: Option<&'a String>) -> Result<(&'static str, &'a str), String> {
    path.map(|path| (name, path.as_str())).ok_or_else(|| format!("TLS needs `{name}`"))
}

fn private_key(name: &str, path: &str) -> Result<PrivateKeyDer<'static>, String> {
    // What is wrong with it may quote a piece of the key.
    PrivateKeyDer::from_pem_file(path).map_err(|_| format!("`{name}`: there is no private key in {path}"))
}

fn certificates(name: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let list = CertificateDer::pem_file_iter(path).map_err(|error| format!("`{name}` {path}: {error}"))?;
    let list: Result<Vec<_>, _> = list.collect();
    match list {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(format!("`{name}`: there is no certificate in {path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use std::path::PathBuf;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::net::TcpListener;

    /// An authority with a certificate that it vouches for, as files that go with it.
    struct Files(PathBuf);

    impl Files {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("mainstay-tls-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&dir).unwrap();
            let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
            let mut ca = CertificateParams::default();
            ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            std::fs::write(dir.join("ca"), ca.self_signed(&ca_key).unwrap().pem()).unwrap();
            let params = CertificateParams::new(vec!["sentinel.local".to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
            std::fs::write(dir.join("cert"), certificate.pem()).unwrap();
            std::fs::write(dir.join("key"), key.serialize_pem()).unwrap();
            Self(dir)
        }

        fn path(&self, name: &str) -> String {
            self.0.join(name).to_string_lossy().into_owned()
        }

        fn config(&self, auth_clients: ClientAuth) -> TlsConfig {
            TlsConfig {
                cert_file: Some(self.path("cert")),
                key_file: Some(self.path("key")),
                ca_cert_file: Some(self.path("ca")),
                auth_clients,
                ..TlsConfig::default()
            }
        }

        /// What a client hears after a handshake, with or without a certificate of its own.
        async fn heard(&self, config: &TlsConfig, shows_certificate: bool) -> std::io::Result<String> {
            let (here, there) = duplex(16 * 1024);
            let acceptor = acceptor(config).unwrap();
            let server = async move {
                let mut stream = acceptor.accept(there).await?;
                stream.write_all(b"+PONG\r\n").await?;
                stream.shutdown().await
            };
            let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(authorities(&self.config(ClientAuth::No), "").unwrap());
            let client = match shows_certificate {
                true => {
                    let key = PrivateKeyDer::from_pem_file(self.path("key")).unwrap();
                    builder.with_client_auth_cert(certificates("cert", &self.path("cert")).unwrap(), key).unwrap()
                }
                false => builder.with_no_client_auth(),
            };
            let client = async move {
                let name = "sentinel.local".try_into().unwrap();
                let mut stream = TlsConnector::from(Arc::new(client)).connect(name, here).await?;
                let mut text = String::new();
                stream.read_to_string(&mut text).await?;
                Ok(text)
            };
            tokio::join!(server, client).1
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn clients_must_may_or_need_not_show_a_certificate() {
        let files = Files::new("auth");
        let table = [
            (ClientAuth::Required, true, true),
            (ClientAuth::Required, false, false),
            (ClientAuth::Optional, false, true),
            (ClientAuth::Optional, true, true),
            (ClientAuth::No, false, true),
        ];
        for (wanted, shown, served) in table {
            let heard = files.heard(&files.config(wanted), shown).await;
            assert_eq!(heard.is_ok_and(|text| text == "+PONG\r\n"), served, "{wanted:?} {shown}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_directive() {
        let (files, others) = (Files::new("wrong"), Files::new("other"));
        let said = |change: &dyn Fn(&mut TlsConfig)| {
            let mut config = files.config(ClientAuth::Required);
            change(&mut config);
            acceptor(&config).map(|_| ()).unwrap_err()
        };
        assert_eq!(said(&|c| c.cert_file = None), "TLS needs `tls-cert-file`");
        assert!(said(&|c| c.cert_file = Some("/nonexistent".into())).starts_with("`tls-cert-file` /nonexistent: "));
        assert!(
            said(&|c| c.key_file = Some(files.path("cert"))).starts_with("`tls-key-file`: there is no private key")
        );
        assert!(said(&|c| c.key_file = Some(others.path("key"))).starts_with("`tls-key-file` "));
        assert!(said(&|c| c.ca_cert_file = Some(files.path("key"))).contains("there is no certificate in"));
        assert!(said(&|c| c.ca_cert_file = None).contains("needs authorities"));
    }

    #[test]
    fn a_directory_of_authorities() {
        let files = Files::new("directory");
        let mut config = files.config(ClientAuth::Required);
        let directory = files.0.join("authorities");
        std::fs::create_dir(&directory).unwrap();
        std::fs::copy(files.path("ca"), directory.join("one.pem")).unwrap();
        config.ca_cert_file = None;
        config.ca_cert_dir = Some(directory.to_string_lossy().into_owned());
        assert!(acceptor(&config).is_ok());
    }

    #[tokio::test]
    async fn a_link_takes_whom_its_authority_vouches_for_by_any_name() {
        let (ours, theirs) = (Files::new("ours"), Files::new("theirs"));
        let mut config = ours.config(ClientAuth::Required);
        assert_eq!(Connector::new(&config).unwrap(), None);
        config.replication = true;
        let connector = Connector::new(&config).unwrap().unwrap();
        assert_eq!(connector, connector.clone());
        // The certificate is for `sentinel.local`, the address an IP.
        for (files, taken) in [(&ours, true), (&theirs, false)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let own = files.config(ClientAuth::Required);
            let acceptor = acceptor(&TlsConfig { ca_cert_file: config.ca_cert_file.clone(), ..own }).unwrap();
            let server = async move { acceptor.accept(listener.accept().await.unwrap().0).await };
            let client = async { connector.connect(TcpStream::connect(address).await.unwrap()).await };
            let (server, client) = tokio::join!(server, client);
            assert_eq!((server.is_ok(), client.is_ok()), (taken, taken));
        }
        config.ca_cert_file = None;
        let error = Connector::new(&config).unwrap_err();
        assert_eq!(error, "`tls-replication yes` needs authorities: set `tls-ca-cert-file`, or turn it off");
    }
}
