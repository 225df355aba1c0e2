//! Who is at the other end, by the certificate that was shown.

use crate::call::Peer;
use tokio_rustls::rustls::pki_types::CertificateDer;

impl Peer {
    /// The names in the peer's own certificate, which an authority of the server vouched for: DNS names, and URIs such
    /// as `spiffe://…`. Empty without mutual TLS.
    pub fn names(&self) -> Vec<String> {
        let Some(der) = self.certificates().first() else { return Vec::new() };
        let der = CertificateDer::from(der.as_slice());
        let Ok(certificate) = webpki::EndEntityCert::try_from(&der) else { return Vec::new() };
        certificate.valid_dns_names().chain(certificate.valid_uri_names()).map(str::to_owned).collect()
    }
}
