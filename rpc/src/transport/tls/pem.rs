//! Certificates and keys as PEM: where they are, and what is in there.

use super::{TlsError, provider};
use std::{
    borrow::Cow,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_rustls::rustls::{
    self, InconsistentKeys, RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer, UnixTime,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};

/// PEM text: in memory, or in a file that is read whenever it is needed. It may hold a private key, so its content is
/// never shown.
#[derive(Clone)]
pub struct Pem(Place);

#[derive(Clone)]
enum Place {
    Text(Arc<[u8]>),
    File(PathBuf),
}

impl Pem {
    /// The text of a file.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self(Place::File(path.as_ref().to_owned()))
    }

    /// Every certificate.
    pub(super) fn certificates(&self, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let text = self.read(what)?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        match found {
            Ok(found) if found.is_empty() => Err(self.missing(what, "CERTIFICATE")),
            found => found.map_err(|error| self.not_pem(what, &error)),
        }
    }

    /// The first private key.
    pub(super) fn key(&self, what: &'static str) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.read(what)?).map_err(|error| match error {
            pem::Error::NoItemsFound => self.missing(what, "PRIVATE KEY"),
            error => self.not_pem(what, &error),
        })
    }

    /// Every certificate as an authority.
    pub(super) fn authorities(&self, what: &'static str) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(what)? {
            roots.add(certificate).map_err(|source| TlsError::Refused { what, origin: self.to_string(), source })?;
        }
        Ok(roots)
    }

    fn read(&self, what: &'static str) -> Result<Cow<'_, [u8]>, TlsError> {
        match &self.0 {
            Place::Text(text) => Ok(Cow::Borrowed(text)),
            Place::File(path) => {
                let failed = |source| TlsError::File { what, path: path.clone(), source };
                fs::read(path).map(Cow::Owned).map_err(failed)
            }
        }
    }

    fn missing(&self, what: &'static str, section: &'static str) -> TlsError {
        TlsError::Missing { what, origin: self.to_string(), section }
    }

    fn not_pem(&self, what: &'static str, error: &pem::Error) -> TlsError {
        // The others quote what they stumbled over, which may be a piece of a key.
        let cause = match error {
            pem::Error::MissingSectionEnd { .. } => "a section does not end",
            pem::Error::IllegalSectionStart { .. } => "a section does not begin well",
            pem::Error::Base64Decode(_) => "a section is no base64",
            _ => "it cannot be read",
        };
        TlsError::NotPem { what, origin: self.to_string(), cause: cause.to_owned() }
    }
}

/// Reads a certificate chain and its key, and checks that they belong together and that `now` the chain is not over.
pub(super) fn identity(
    chain: &Pem,
    key: &Pem,
    what: &'static str,
    now: UnixTime,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let certificates = chain.certificates(what)?;
    for certificate in &certificates {
        if let Some(ago_s) = expired(certificate, now) {
            return Err(TlsError::Expired { what, origin: chain.to_string(), ago_s });
        }
    }
    let signing = provider().key_provider.load_private_key(key.key("private key")?);
    let signing =
        signing.map_err(|source| TlsError::Refused { what: "private key", origin: key.to_string(), source })?;
    let certified = CertifiedKey::new(certificates, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Arc::new(certified)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::KeyMismatch { key: key.to_string(), certificate: chain.to_string() })
        }
        Err(source) => Err(TlsError::Refused { what, origin: chain.to_string(), source }),
    }
}

/// How many seconds ago a certificate's time ended. What else is wrong with it is for peers to say.
fn expired(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<u64> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    let usage = webpki::KeyUsage::server_auth();
    // Nobody vouches for it here, so this fails in any case; an end of its time is said first.
    match parsed.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &[], &[], now, usage, None, None) {
        Err(webpki::Error::CertExpired { time, not_after }) => Some(time.as_secs() - not_after.as_secs()),
        _ => None,
    }
}

impl From<&[u8]> for Pem {
    fn from(text: &[u8]) -> Self {
        Self(Place::Text(text.into()))
    }
}

impl From<Vec<u8>> for Pem {
    fn from(text: Vec<u8>) -> Self {
        Self(Place::Text(text.into()))
    }
}

impl From<&str> for Pem {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<String> for Pem {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Text(text) => write!(f, "the text given ({} bytes)", text.len()),
            Place::File(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({self})")
    }
}
