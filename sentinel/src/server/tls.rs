//! TLS at the port, by the `tls-…` directives. Nothing is trusted but what they name.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::conf::{ClientAuth, TlsConfig};

/// Reads certificates and key. Blocks for the reading.
///
/// # Errors
/// What is missing or wrong, with the directive that names it.
pub(super) fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor, String> {
    let (name, path) = named("tls-cert-file", config.cert_file.as_ref())?;
    let chain = certificates(name, path)?;
    let (name, path) = named("tls-key-file", config.key_file.as_ref())?;
    let key = PrivateKeyDer::from_pem_file(path).map_err(|_| format!("`{name}`: there is no private key in {path}"))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    let builder = match config.auth_clients {
        ClientAuth::No => builder.with_no_client_auth(),
        wanted => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(config)?), provider);
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

/// The authorities that vouch for clients: those of the file, and those of each file in the directory.
fn authorities(config: &TlsConfig) -> Result<RootCertStore, String> {
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
        return Err(
            "`tls-auth-clients yes` needs authorities: set `tls-ca-cert-file`, or `tls-auth-clients no`".to_owned()
        );
    }
    Ok(roots)
}

fn named<'a>(name: &'static str, path: Option<&'a String>) -> Result<(&'static str, &'a str), String> {
    path.map(|path| (name, path.as_str())).ok_or_else(|| format!("`tls-port` needs `{name}`"))
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
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::ClientConfig;

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
                .with_root_certificates(authorities(&self.config(ClientAuth::No)).unwrap());
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
        assert_eq!(said(&|c| c.cert_file = None), "`tls-port` needs `tls-cert-file`");
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
}
