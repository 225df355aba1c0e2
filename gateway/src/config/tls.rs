//! Certificates and keys: of listeners and to upstreams, as the file says it. Pure: whether the files are there is seen at the
//! start.

use super::{
    keys::{CERTIFICATE, LISTENER_TLS, UPSTREAM_TLS},
    scope::Scope,
};
use std::path::PathBuf;

/// What a listener shows, and asks of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsConfig {
    /// A certificate and its key: for names that none has, too.
    pub(crate) first: (PathBuf, PathBuf),
    pub(crate) others: Vec<(PathBuf, PathBuf)>,
    /// Who vouches for clients, and whether they must show a certificate.
    pub(crate) clients: Option<(PathBuf, bool)>,
}

/// How the connections to an upstream are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamTls {
    pub(crate) ca: PathBuf,
    /// The name that its certificate must have, in the place of the host that is connected to.
    pub(crate) server_name: Option<String>,
    /// What is shown to it, and the key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

impl TlsConfig {
    /// Every file that is read.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let own = [&self.first].into_iter().chain(&self.others).flat_map(|(certificate, key)| [certificate, key]);
        own.chain(self.clients.iter().map(|(ca, _)| ca))
    }
}

/// Reads that of a listener.
pub(super) fn listener(at: Scope<'_>) -> Option<TlsConfig> {
    let fields = at.fields(&LISTENER_TLS);
    let certificate = |at: Scope<'_>| {
        let fields = at.fields(&CERTIFICATE);
        let path = |name| fields.must(name, |at| at.text().map(PathBuf::from));
        path("cert").zip(path("key"))
    };
    let certificates = fields.must("certificates", |at| Some(at.list(certificate)))?;
    let required = fields.word("client_auth") != Some("optional");
    let clients = fields.text("client_ca").map(|ca| (PathBuf::from(ca), required));
    if clients.is_none() && fields.has("client_auth") {
        at.wrong("`client_auth` says something of clients' certificates, and no `client_ca` vouches for any");
    }
    let mut certificates = certificates.into_iter();
    let Some(first) = certificates.next() else {
        at.wrong("there is no certificate");
        return None;
    };
    Some(TlsConfig { first, others: certificates.collect(), clients })
}

/// Reads that of an upstream.
pub(super) fn upstream(at: Scope<'_>) -> Option<UpstreamTls> {
    let fields = at.fields(&UPSTREAM_TLS);
    let path = |name| fields.text(name).map(PathBuf::from);
    let identity = match (path("cert"), path("key")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            at.wrong("`cert` and `key` come together");
            None
        }
    };
    let ca = fields.must("ca", |at| at.text().map(PathBuf::from))?;
    Some(UpstreamTls { ca, server_name: fields.text("server_name"), identity })
}
