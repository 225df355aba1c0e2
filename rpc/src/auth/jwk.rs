//! Public keys as JSON (RFC 7517), as issuers of tokens publish them: RSA for RS256, the curve P-256 for ES256. Pure.

use super::{
    JwtKey,
    key::{Kind, modulus},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

impl JwtKey {
    /// The key of one `keys` entry of a set; it is for tokens that name its `kid`. `None` for what is none of these: another
    /// algorithm, a key for encryption, RSA of less than 2 048 bits, a secret.
    pub fn from_jwk(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let number = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok();
        if text("use").is_some_and(|used| used != "sig") {
            return None;
        }
        let (algorithm, kind) = match text("kty")? {
            "RSA" => {
                let numbers = [integer(&number("n")?)?, integer(&number("e")?)?].concat();
                let key = element(0x30, &numbers)?;
                (modulus(&key)? >= 2048).then_some(())?;
                ("RS256", Kind::Rs256(UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)))
            }
            "EC" if text("crv") == Some("P-256") => {
                let (x, y) = (number("x")?, number("y")?);
                (x.len() == 32 && y.len() == 32).then_some(())?;
                let point = [&[0x04], &x[..], &y[..]].concat();
                ("ES256", Kind::Es256(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)))
            }
            _ => return None,
        };
        text("alg").is_none_or(|said| said == algorithm).then_some(())?;
        let key = Self { id: None, kind };
        Some(match text("kid") {
            Some(id) => key.with_id(id),
            None => key,
        })
    }

    /// The name by which tokens mean it (`kid`), if it has one.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The algorithm of the tokens that it takes, as `RS256`.
    pub fn algorithm(&self) -> &'static str {
        self.kind.algorithm()
    }
}

/// A number that is not negative, as DER.
fn integer(bytes: &[u8]) -> Option<Vec<u8>> {
    let first = bytes.iter().position(|byte| *byte != 0)?;
    let sign = if bytes[first] >= 0x80 { &[0][..] } else { &[] };
    element(0x02, &[sign, &bytes[first..]].concat())
}

/// An element of DER.
fn element(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(content.len()).ok()?;
    let [high, low] = length.to_be_bytes();
    let head = match length {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    Some([&head[..], content].concat())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Jwt, Tokens, testing::Place},
        *,
    };
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use ring::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };
    use serde_json::json;
    use std::time::Duration;

    const NOW: Duration = Duration::from_secs(1_000_000);

    /// The numbers of an RSA key in a PEM.
    fn rsa(pem: &str) -> (String, String) {
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).unwrap();
        // Behind the algorithm and the head of the bits: a sequence of two numbers, of 257 and of 3 bytes.
        let key = &der[der.len() - 270..];
        assert_eq!(key[..8], [0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01]);
        (URL_SAFE_NO_PAD.encode(&key[9..265]), URL_SAFE_NO_PAD.encode(&key[267..]))
    }

    #[test]
    fn a_key_of_rsa_takes_the_token_that_its_pem_takes() {
        let (token, pem) = include_str!("rs256.txt").split_once("\n\n").unwrap();
        let (n, e) = rsa(pem);
        let jwk = json!({ "kty": "RSA", "n": n, "e": e, "alg": "RS256", "use": "sig" });
        let key = JwtKey::from_jwk(&jwk).unwrap();
        assert_eq!((key.algorithm(), key.id()), ("RS256", None));
        assert_eq!(Jwt::new().key(key).caller(token.trim(), NOW).unwrap().name(), "site");
        let place = Place::of(pem);
        assert!(JwtKey::public(&place.said()).is_ok());
        for (name, value) in [("alg", "RS512"), ("use", "enc"), ("kty", "oct"), ("n", "AQAB"), ("e", ""), ("e", "*")] {
            let mut other = jwk.clone();
            other[name] = value.into();
            assert!(JwtKey::from_jwk(&other).is_none(), "{name} {value}");
        }
    }

    #[test]
    fn a_key_of_p_256_takes_tokens_that_name_it() {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "one" });
        let jwt = Jwt::new().key(JwtKey::from_jwk(&jwk).unwrap());
        let token = |kid: &str| {
            let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let head = part(json!({ "alg": "ES256", "kid": kid }));
            let message = format!("{head}.{}", part(json!({ "sub": "joe", "exp": 1_000_060 })));
            let signature = URL_SAFE_NO_PAD.encode(pair.sign(&random, message.as_bytes()).unwrap());
            format!("{message}.{signature}")
        };
        assert_eq!(jwt.caller(&token("one"), NOW).unwrap().name(), "joe");
        assert!(jwt.caller(&token("two"), NOW).is_err());
        for (name, value) in [("crv", "P-384"), ("x", "AQAB"), ("kty", "RSA")] {
            let mut other = jwk.clone();
            other[name] = value.into();
            assert!(JwtKey::from_jwk(&other).is_none(), "{name} {value}");
        }
    }

    proptest! {
        #[test]
        fn any_json_is_a_key_or_none(n in ".{0,40}", e in "[A-Za-z0-9_-]{0,40}", kty in "(RSA|EC|oct)") {
            let _ = JwtKey::from_jwk(&json!({ "kty": kty, "n": n, "e": e, "crv": "P-256", "x": e, "y": n }));
        }
    }
}
