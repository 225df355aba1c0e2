//! Signed tokens: those that are taken, and the ways in which others are none.

use super::{super::testing::Place, *};
use proptest::prelude::*;
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::json;

const SECRET: &str = "a secret of more than thirty-two bytes";
const NOW: Duration = Duration::from_secs(1_000_000);

fn secret() -> Result<JwtKey, crate::Error> {
    let place = Place::of(SECRET);
    JwtKey::secret(&place.said())
}

fn public(pem: &str) -> Result<JwtKey, crate::Error> {
    let place = Place::of(pem);
    JwtKey::public(&place.said())
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn signed(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn hs256(message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), message).as_ref().to_vec()
}

fn jwt() -> Jwt {
    Jwt::new().key(secret().unwrap()).issuer("desk").audience("stock")
}

fn good() -> Value {
    json!({ "sub": "site", "iss": "desk", "aud": "stock", "exp": 1_000_060, "nbf": 999_999 })
}

fn said(token: &str) -> String {
    jwt().caller(token, NOW).map_or_else(|bad| bad.to_string(), |caller| caller.name().to_owned())
}

#[test]
fn a_token_is_taken_for_whom_it_names_and_every_claim_counts() {
    let header = json!({ "alg": "HS256", "typ": "JWT", "kid": "any" });
    for (name, value, expected) in [
        ("sub", json!("site"), "site"),
        ("sub", json!(""), "it does not say whom it is for (`sub`)"),
        ("sub", Value::Null, "it does not say whom it is for (`sub`)"),
        ("exp", json!(999_971), "site"),
        ("exp", json!(999_970), "its time is over"),
        ("exp", json!("1000060"), "its `exp` is no time"),
        ("nbf", json!(1_000_030), "site"),
        ("nbf", json!(1_000_031), "its time has not come"),
        ("nbf", json!(false), "its `nbf` is no time"),
        ("iss", json!("other"), "another one issued it"),
        ("iss", json!(["desk"]), "another one issued it"),
        ("aud", json!(["shop", "stock"]), "site"),
        ("aud", json!(["shop"]), "it is meant for another audience"),
        ("aud", json!("shop"), "it is meant for another audience"),
        ("aud", Value::Null, "it is meant for another audience"),
    ] {
        let mut claims = good();
        claims[name] = value.clone();
        assert_eq!(said(&signed(&header, &claims, hs256)), expected, "{name} {value}");
    }
    for name in ["exp", "iss", "aud", "sub"] {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove(name);
        assert_ne!(said(&signed(&header, &claims, hs256)), "site", "without {name}");
    }
    let open = Jwt::new().key(secret().unwrap());
    let bare = signed(&header, &json!({ "sub": "site", "exp": 1_000_060, "team": 7 }), hs256);
    assert_eq!(open.caller(&bare, NOW).unwrap().claim("team"), Some(&json!(7)));
    assert!(open.caller(&signed(&header, &good(), hs256), NOW).is_err(), "it names an audience, and we have no name");
}

#[test]
fn what_is_not_signed_by_a_key_of_ours_is_none() {
    let none = "no key of this server signed it";
    let unsigned = |_: &[u8]| Vec::new();
    for algorithm in ["none", "None", "HS512", "RS256", "ES256"] {
        assert_eq!(said(&signed(&json!({ "alg": algorithm }), &good(), unsigned)), none, "{algorithm}");
        assert_eq!(said(&signed(&json!({ "alg": algorithm }), &good(), hs256)), none, "{algorithm}");
    }
    let token = signed(&json!({ "alg": "HS256" }), &good(), hs256);
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = rest.split_once('.').unwrap();
    let other = part(&json!({ "sub": "root", "iss": "desk", "aud": "stock", "exp": 1_000_060 }));
    assert_eq!(said(&format!("{header}.{other}.{signature}")), none);
    for garbled in ["", "a", "a.b", "a.b.c", "a.b.c.d", &format!("{token}="), &format!("{token}.")] {
        assert_eq!(said(garbled), "it is no signed token", "{garbled}");
    }
    let critical = json!({ "alg": "HS256", "crit": ["b64"], "b64": false });
    assert!(said(&signed(&critical, &good(), hs256)).contains("critical"));
    assert_eq!(said(&"x".repeat(LONGEST + 1)), "it is too long");
}

#[test]
fn a_public_key_checks_and_is_no_secret_of_hs256() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let pem = pair.public_key_pem();
    let random = SystemRandom::new();
    let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der(), &random).unwrap();
    let jwt = Jwt::new().key(public(&pem).unwrap()).audience("stock");
    let sign = |message: &[u8]| signer.sign(&random, message).unwrap().as_ref().to_vec();
    let caller = jwt.caller(&signed(&json!({ "alg": "ES256" }), &good(), sign), NOW).unwrap();
    assert_eq!((caller.name(), caller.is_proved()), ("site", true));
    // The old trick: the public key, which everybody has, as the secret of an HMAC.
    let trick =
        |message: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, pem.as_bytes()), message).as_ref().to_vec();
    assert!(jwt.caller(&signed(&json!({ "alg": "HS256" }), &good(), trick), NOW).is_err());
    assert!(jwt.caller(&signed(&json!({ "alg": "ES256" }), &good(), trick), NOW).is_err());
}

#[test]
fn a_token_that_is_known_is_judged_all_the_same() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let random = SystemRandom::new();
    let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der(), &random).unwrap();
    let sign = |message: &[u8]| signer.sign(&random, message).unwrap().as_ref().to_vec();
    let jwt = Jwt::new().key(public(&pair.public_key_pem()).unwrap()).audience("stock");
    let header = json!({ "alg": "ES256" });
    let token = signed(&header, &good(), sign);
    let known = |jwt: &Jwt, token: &str| jwt.signed.knows(&Print::of(token));
    assert!(!known(&jwt, &token));
    assert_eq!(jwt.caller(&token, NOW).unwrap().name(), "site");
    assert!(known(&jwt, &token) && known(&jwt.clone(), &token));
    assert_eq!(jwt.caller(&token, NOW).unwrap().name(), "site");
    let late = jwt.caller(&token, NOW + Duration::from_secs(90)).unwrap_err();
    assert_eq!(late.to_string(), "its time is over");
    assert_eq!(
        jwt.clone().audience("desk").caller(&token, NOW).unwrap_err().to_string(),
        "it is meant for another audience"
    );
    // Another text is another token, also where it reads the same.
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let turned = URL_SAFE_NO_PAD.encode([7; 64]);
    assert_ne!(turned, signature);
    assert_eq!(
        jwt.caller(&format!("{rest}.{turned}"), NOW).unwrap_err().to_string(),
        "no key of this server signed it"
    );
    // Neither what says something wrong nor what a secret signed is kept, and whoever takes other keys knows nobody.
    let mut claims = good();
    claims["aud"] = json!("other");
    let other = signed(&header, &claims, sign);
    assert!(jwt.caller(&other, NOW).is_err() && !known(&jwt, &other));
    let more = jwt.clone().key(secret().unwrap());
    let shared = signed(&json!({ "alg": "HS256" }), &good(), hs256);
    assert!(more.caller(&shared, NOW).is_ok() && !known(&more, &shared) && !known(&more, &token));
}

#[test]
fn a_token_that_openssl_signed_with_rs256_is_taken() {
    let (token, pem) = include_str!("rs256.txt").split_once("\n\n").unwrap();
    let jwt = Jwt::new().key(public(pem).unwrap());
    assert_eq!(jwt.caller(token, NOW).unwrap().name(), "site");
    let other = part(&json!({ "sub": "root", "exp": 4_000_000_000_u64 }));
    let mut parts: Vec<_> = token.split('.').collect();
    parts[1] = &other;
    assert!(jwt.caller(&parts.join("."), NOW).is_err());
}

proptest! {
    #[test]
    fn any_text_is_refused_in_words_without_it(text in "[ -~]{0,80}(\\.[ -~]{0,40}){0,3}") {
        let bad = jwt().caller(&text, NOW).unwrap_err();
        prop_assert!(text.len() < 4 || !bad.why.contains(&*text));
    }
}
