//! Keys that tokens are checked with: a secret, or a public key as PEM. Pure but for reading the place where a key is.

use super::guard::setting;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mainstay_registry::Secret;
use ring::{
    hmac,
    signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use std::fmt;

/// A key that tokens are checked with. It takes tokens of its own algorithm alone, whatever they say.
#[derive(Clone)]
pub struct JwtKey {
    pub(super) id: Option<String>,
    pub(super) kind: Kind,
}

#[derive(Clone)]
pub(super) enum Kind {
    Hs256(hmac::Key),
    Rs256(UnparsedPublicKey<Vec<u8>>),
    Es256(UnparsedPublicKey<Vec<u8>>),
}

/// A secret of HS256 has at least as many bytes as its hash.
const LEAST_SECRET: usize = 32;
/// `rsaEncryption`, and `id-ecPublicKey` with the curve P-256, as a key names them.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const P256: &[u8] =
    &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

impl JwtKey {
    /// The secret at this place (`env:NAME` or `file:/path`), for HS256: 32 bytes at least.
    ///
    /// # Errors
    /// When it is not there, or too short.
    pub fn secret(place: &str) -> Result<Self, crate::Error> {
        let bad = |why| setting("the secret of tokens", why);
        let secret = Secret::read(place).map_err(bad)?;
        let bytes = secret.expose().as_bytes();
        if bytes.len() < LEAST_SECRET {
            return Err(bad(format!("{place} holds {} bytes, at least {LEAST_SECRET} are wanted", bytes.len())));
        }
        Ok(Self { id: None, kind: Kind::Hs256(hmac::Key::new(hmac::HMAC_SHA256, bytes)) })
    }

    /// The public key at this place, as PEM (`BEGIN PUBLIC KEY`): an RSA key of 2 048 bits or more for RS256, one of the curve
    /// P-256 for ES256.
    ///
    /// # Errors
    /// When it is not there, or is none of these.
    pub fn public(place: &str) -> Result<Self, crate::Error> {
        let bad = |why| setting("the public key of tokens", why);
        let pem = Secret::read(place).map_err(bad)?;
        let kind = public(pem.expose()).ok_or_else(|| {
            bad(format!("{place} holds no `BEGIN PUBLIC KEY` of RSA or P-256, 2 048 bits of RSA at least"))
        })?;
        Ok(Self { id: None, kind })
    }

    /// For tokens that name this key (`kid`), and those that name none.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Whether it may have signed a token of this algorithm that names this key.
    pub(super) fn is_for(&self, algorithm: &str, id: Option<&str>) -> bool {
        self.kind.algorithm() == algorithm && (id.is_none() || self.id.is_none() || self.id.as_deref() == id)
    }

    /// It is a public key, which takes long to check.
    pub(super) fn is_public(&self) -> bool {
        !matches!(self.kind, Kind::Hs256(_))
    }

    /// Whether it signed this.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.kind {
            Kind::Hs256(key) => hmac::verify(key, message, signature).is_ok(),
            Kind::Rs256(key) | Kind::Es256(key) => key.verify(message, signature).is_ok(),
        }
    }
}

impl Kind {
    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            Self::Hs256(_) => "HS256",
            Self::Rs256(_) => "RS256",
            Self::Es256(_) => "ES256",
        }
    }
}

/// The key in a PEM of a `SubjectPublicKeyInfo`.
fn public(pem: &str) -> Option<Kind> {
    let (_, rest) = pem.split_once("-----BEGIN PUBLIC KEY-----")?;
    let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    let der = STANDARD.decode(body).ok()?;
    let (info, rest) = element(&der, 0x30)?;
    let (algorithm, bits) = element(info, 0x30)?;
    let (bits, after) = element(bits, 0x03)?;
    // No bits of the last byte are left out, and nothing stands behind.
    let (&0, key) = bits.split_first()? else { return None };
    if !rest.is_empty() || !after.is_empty() {
        return None;
    }
    if algorithm.starts_with(RSA) && modulus(key)? >= 2048 {
        Some(Kind::Rs256(UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.to_vec())))
    } else if algorithm == P256 {
        Some(Kind::Es256(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.to_vec())))
    } else {
        None
    }
}

/// How many bits the modulus of an RSA key has, to the next eight.
pub(super) fn modulus(key: &[u8]) -> Option<usize> {
    let (numbers, _) = element(key, 0x30)?;
    let (modulus, _) = element(numbers, 0x02)?;
    let significant = modulus.iter().position(|byte| *byte != 0)?;
    Some((modulus.len() - significant) * 8)
}

/// The content of the first element of DER, which must have this tag, and what stands behind it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => rest.split_first_chunk::<2>().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length)).flatten()
}

/// Without the key.
impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::Place, *};
    use proptest::prelude::*;

    fn public_at(pem: &str) -> Result<JwtKey, crate::Error> {
        let place = Place::of(pem);
        JwtKey::public(&place.said())
    }

    fn secret_at(text: &str) -> Result<JwtKey, crate::Error> {
        let place = Place::of(text);
        JwtKey::secret(&place.said())
    }

    #[test]
    fn keys_are_told_apart_and_weak_ones_refused() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let p256 = public_at(&key.public_key_pem()).unwrap().with_id("a");
        assert!(p256.is_for("ES256", None) && p256.is_for("ES256", Some("a")));
        assert!(!p256.is_for("ES256", Some("b")) && !p256.is_for("HS256", None) && !p256.is_for("none", None));
        for (name, text) in [
            ("p384", &*rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().public_key_pem()),
            ("private", &*key.serialize_pem()),
            ("cut", "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"),
            ("text", "sesame"),
        ] {
            let error = public_at(text).unwrap_err().to_string();
            assert!(error.contains("BEGIN PUBLIC KEY") && !error.contains("sesame"), "{name}: {error}");
        }
        assert!(secret_at("sesame").unwrap_err().to_string().contains("6 bytes"));
        let secret = secret_at(&"sesame".repeat(6)).unwrap();
        assert!(secret.is_for("HS256", Some("any")) && !format!("{secret:?}").contains("sesame"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_key_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let pem = format!("-----BEGIN PUBLIC KEY-----{}-----END PUBLIC KEY-----", STANDARD.encode(&bytes));
            let _ = public(&pem);
            let _ = element(&bytes, 0x30);
        }
    }
}
