//! Keys that are kept as hashes: the file does not tell what they are. Pure.
//!
//! A key is drawn, not chosen, so one round of SHA-256 is enough: there is nothing to guess.

use ring::digest::{SHA256, digest};

/// A key: its name, whose it is, and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiKey {
    pub(crate) name: String,
    hash: [u8; 32],
}

impl ApiKey {
    /// Understands `sha256:` and 64 digits of hex.
    ///
    /// # Errors
    /// It is none; what stands there is not repeated, since it may be the key itself.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let wrong = || "a key is kept as its hash: sha256: and 64 digits of hex".to_owned();
        let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.is_ascii()).ok_or_else(wrong)?;
        let mut hash = [0; 32];
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self { name: name.to_owned(), hash })
    }
}

/// Whose key is shown. Every one is compared to its end, so that the time tells nothing of it.
pub(super) fn whose<'a>(keys: &'a [ApiKey], shown: &[u8]) -> Option<&'a str> {
    let hash = digest(&SHA256, shown);
    let same = |key: &ApiKey| key.hash.iter().zip(hash.as_ref()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0;
    keys.iter().fold(None, |found, key| if same(key) { Some(key.name.as_str()) } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `sesame` and of `open`.
    const SESAME: &str = "sha256:d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272";
    const OPEN: &str = "sha256:2348f998744212575d85959674f9607ab26f67708a917157472832386337c904";

    #[test]
    fn a_key_is_known_by_its_hash_alone() {
        let keys = [ApiKey::parse("other", OPEN).unwrap(), ApiKey::parse("acme", SESAME).unwrap()];
        assert_eq!(whose(&keys, b"sesame"), Some("acme"));
        for shown in ["Sesame", "", "sesame ", SESAME] {
            assert_eq!(whose(&keys, shown.as_bytes()), None, "{shown}");
        }
        for text in ["sesame", "sha256:", &SESAME[..70], "md5:d0c04f4b1951e4ae", &SESAME.replace('d', "g")] {
            let why = ApiKey::parse("acme", text).unwrap_err();
            assert!(!why.contains("sesame") && !why.contains("d0c0"), "{why}");
        }
    }
}
