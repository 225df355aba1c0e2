//! Which of a server's certificates a client is shown: by the name that it asks for (SNI).

use std::sync::Arc;
use tokio_rustls::rustls::{
    pki_types::CertificateDer,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// Certificates with the DNS names in them; there is one at least.
#[derive(Debug)]
pub(super) struct ByName(Vec<(Vec<String>, Arc<CertifiedKey>)>);

impl ByName {
    pub(super) fn new(all: Vec<Arc<CertifiedKey>>) -> Self {
        Self(all.into_iter().map(|own| (own.cert.first().map(names).unwrap_or_default(), own)).collect())
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().unwrap_or_default();
        let at = choose(self.0.iter().map(|(names, _)| names.as_slice()), asked);
        self.0.get(at).map(|(_, own)| own.clone())
    }
}

/// Pure: the first with this very name, else the first with a wildcard for it, else the first of all.
fn choose<'a>(all: impl Iterator<Item = &'a [String]> + Clone, asked: &str) -> usize {
    let parent = asked.split_once('.').map_or("", |(_, parent)| parent);
    let is_wild = |name: &String| name.strip_prefix("*.").is_some_and(|rest| rest.eq_ignore_ascii_case(parent));
    let exact = all.clone().position(|names| names.iter().any(|name| name.eq_ignore_ascii_case(asked)));
    exact.or_else(|| all.clone().position(|names| names.iter().any(is_wild))).unwrap_or_default()
}

fn names(certificate: &CertificateDer<'static>) -> Vec<String> {
    let parsed = webpki::EndEntityCert::try_from(certificate);
    parsed.map(|parsed| parsed.valid_dns_names().map(str::to_owned).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_name_comes_before_a_wildcard_and_the_first_is_for_all_others() {
        let all = [&["shop.example", "www.shop.example"][..], &["*.shop.example"], &["api.shop.example"], &[]];
        let all = all.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        for (asked, at) in [
            ("www.shop.example", 0),
            ("WWW.Shop.example", 0),
            ("api.shop.example", 2),
            ("other.shop.example", 1),
            ("a.b.shop.example", 0),
            ("shop.example", 0),
            ("", 0),
            ("elsewhere", 0),
        ] {
            assert_eq!(choose(all.iter().map(Vec::as_slice), asked), at, "{asked}");
        }
    }
}
