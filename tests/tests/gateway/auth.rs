//! Who asks: keys, signed tokens with keys that change, signed requests, and another service that is asked.

use super::{
    bed::{Answer, Gateway, Mirror, SOON},
    teller::{Reply, Teller},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest, hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use std::{
    fmt::Write,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use testbed::{Scratch, eventually};

fn reason(answer: &Answer) -> (u16, Option<&str>) {
    (answer.code, answer.header("x-mainstay-reason"))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn a_key_lets_in_and_no_upstream_sees_it() {
    let mirror = Mirror::start();
    let hash = hex(digest::digest(&digest::SHA256, b"sesame").as_ref());
    let gateway = Gateway::start(&format!(
        "upstreams: {{pages: {{endpoints: ['{}']}}}}
auth: {{partners: {{api_keys: {{keys: {{acme: 'sha256:{hash}'}}}}}}}}
routes:
  - {{name: all, match: {{}}, http: {{upstream: pages}}, auth: [partners]}}
  - {{name: open, match: {{path: /open}}, http: {{upstream: pages}}, auth: [partners, anyone]}}
access_log: {{}}
",
        mirror.address
    ));
    let ask = |head: &str| gateway.ask(&format!("GET /a\n{head}"), "");
    let answer = ask("x-api-key: sesame\nx-mainstay-account: root");
    assert_eq!(answer.code, 200, "{answer:?}");
    assert!(
        answer.body.contains("x-mainstay-account: acme\r\n") && answer.body.contains("x-mainstay-auth: api_key\r\n")
    );
    assert!(!answer.body.contains("sesame") && !answer.body.contains("root"), "{}", answer.body);
    assert_eq!(reason(&ask("x-api-key: Sesame")), (401, Some("KEY_REFUSED")));
    assert_eq!(reason(&ask("x-mainstay-account: root")), (401, Some("UNAUTHENTICATED")));
    assert!(!gateway.ask("GET /open", "").body.contains("x-mainstay-account"));
    assert_eq!(
        reason(&gateway.ask("GET /open\nx-api-key: x", "")),
        (401, Some("KEY_REFUSED")),
        "a wrong one is no none"
    );
    eventually(SOON, "a line with the account", || gateway.process.stdout().contains("\"account\":\""));
    assert!(!gateway.process.stdout().contains("acme"), "it is hashed");
}

#[test]
fn the_origin_is_the_account_that_was_proved() {
    let (place, hash) =
        (Scratch::new("origin").unwrap(), |key: &[u8]| hex(digest::digest(&digest::SHA256, key).as_ref()));
    let rule = r#"[{"resource":"all","limitApp":"acme","strategy":0}]"#;
    let file = place.write("authority.json", rule).unwrap();
    let gateway = Gateway::start(&format!(
        "auth: {{partners: {{api_keys: {{keys: {{acme: 'sha256:{}', other: 'sha256:{}'}}}}}}}}
routes: [{{name: all, match: {{}}, respond: {{}}, auth: [partners]}}]
authority_rules: {{file: '{}'}}
",
        hash(b"sesame"),
        hash(b"poppy"),
        file.display()
    ));
    eventually(SOON, "the rule", || gateway.process.stderr().contains("authority rules are in force"));
    let ask = |key: &str| gateway.ask(&format!("GET /\nx-api-key: {key}\nx-origin: acme"), "");
    assert_eq!(ask("sesame").code, 200);
    assert_eq!(reason(&ask("poppy")), (403, Some("ORIGIN_DENIED")));
}

/// A key that signs tokens.
struct Signs {
    id: &'static str,
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Signs {
    fn new(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { id, pair, random }
    }

    fn set(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": self.id, "use": "sig" }] }).to_string()
    }

    fn token(&self, account: &str, lasts: i64) -> String {
        let claims = json!({ "iss": "https://id.example", "aud": "shop", "sub": account, "exp": now() as i64 + lasts, "tier": "gold" });
        self.signed(&json!({ "alg": "ES256", "kid": self.id }), &claims)
    }

    fn signed(&self, head: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(head), part(claims));
        let signature = self.pair.sign(&self.random, message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[test]
fn tokens_are_checked_by_keys_that_change_and_by_known_ones_when_the_issuer_is_away() {
    let (mirror, one, two) = (Mirror::start(), Signs::new("one"), Signs::new("two"));
    let issuer = Teller::start(|_| Reply::of(503));
    let gateway = Gateway::start(&format!(
        "upstreams: {{pages: {{endpoints: ['{}']}}, id: {{endpoints: ['{}']}}}}
auth:
  users: {{jwt: {{issuer: 'https://id.example', audience: shop, upstream: id, path: /jwks, cooldown: 1ms, headers: {{tier: x-tier}}}}}}
routes: [{{name: all, match: {{}}, http: {{upstream: pages}}, auth: [users]}}]
risk: {{lists: {{deny: [{{account: mallory}}]}}}}
",
        mirror.address, issuer.address
    ));
    let ask = |token: &str| gateway.ask(&format!("GET /a\nauthorization: Bearer {token}\nx-tier: platinum"), "");
    assert_eq!(reason(&ask(&one.token("joe", 60))), (503, Some("AUTH_UNAVAILABLE")), "nothing is known yet");
    let set = one.set();
    issuer.says(move |_| Reply { code: 200, headers: "", body: set.clone() });
    let answer = ask(&one.token("joe", 60));
    assert_eq!(answer.code, 200, "{answer:?}");
    for line in ["x-mainstay-account: joe", "x-mainstay-auth: jwt", "x-tier: gold"] {
        assert!(answer.body.contains(&format!("{line}\r\n")), "{line} is not in {}", answer.body);
    }
    assert!(!answer.body.contains("platinum"));
    assert!(issuer.seen.lock().unwrap()[0].starts_with("get /jwks http/1.1\r\n"));
    assert_eq!(reason(&ask(&one.token("joe", -60))), (401, Some("TOKEN_EXPIRED")));
    let unsigned = one.signed(&json!({ "alg": "none" }), &json!({ "sub": "joe", "exp": now() + 60 }));
    let by_hash = one.signed(&json!({ "alg": "HS256", "kid": "one" }), &json!({ "sub": "joe", "exp": now() + 60 }));
    for token in [&unsigned, &by_hash, &two.token("joe", 60), "a.b.c"] {
        assert_eq!(reason(&ask(token)), (401, Some("TOKEN_REFUSED")), "{token}");
    }
    assert_eq!(reason(&ask(&one.token("mallory", 60))), (403, Some("DENY_LISTED")));
    // The issuer changes its key.
    let set = two.set();
    issuer.says(move |_| Reply { code: 200, headers: "", body: set.clone() });
    eventually(SOON, "the new key", || ask(&two.token("joe", 60)).code == 200);
    assert_eq!(ask(&one.token("joe", 60)).code, 401, "the old one is gone");
    // It goes away, or talks nonsense: what is known stays.
    for body in ["", "nonsense", "{\"keys\":[]}"] {
        issuer.says(move |_| Reply { code: 200, headers: "", body: body.to_owned() });
        let asked = issuer.asked();
        eventually(SOON, "a fetch", || ask(&one.token("joe", 60)).code == 401 && issuer.asked() > asked);
        assert_eq!(ask(&two.token("joe", 60)).code, 200);
    }
    assert!(gateway.process.stderr().contains("no set of keys; what was known stays"));
}

#[test]
fn a_signed_request_is_taken_once() {
    let (mirror, place) = (Mirror::start(), Scratch::new("signed").unwrap());
    let secret = "a secret of more than thirty-two bytes";
    let file = place.write("secret", secret).unwrap();
    let gateway = Gateway::start(&format!(
        "upstreams: {{pages: {{endpoints: ['{}']}}}}
auth: {{partners: {{signed: {{keys: {{acme: 'file:{}'}}, max_body: 64}}}}}}
routes: [{{name: all, match: {{}}, http: {{upstream: pages}}, signature: partners}}]
",
        mirror.address,
        file.display()
    ));
    let sign = |at: u64, nonce: &str, body: &str| {
        let hash = hex(digest::digest(&digest::SHA256, body.as_bytes()).as_ref());
        let text = format!("MAINSTAY-HMAC-SHA256\nPOST\nshop.example\n/pay\nto=joe\n{hash}\n{at}\n{nonce}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let mac = hex(hmac::sign(&key, text.as_bytes()).as_ref());
        format!("x-signature: key=acme, timestamp={at}, nonce={nonce}, signature={mac}")
    };
    let post = |path: &str, header: &str, body: &str| gateway.ask(&format!("POST {path}\n{header}"), body);
    let good = sign(now(), "0123456789abcdef", "five");
    let answer = post("/pay?to=joe", &good, "five");
    assert_eq!(answer.code, 200, "{answer:?}");
    assert!(
        answer.body.ends_with("\r\n\r\nfive") && answer.body.contains("x-mainstay-account: acme\r\n"),
        "{answer:?}"
    );
    assert_eq!(reason(&post("/pay?to=joe", &good, "five")), (401, Some("REPLAYED")));
    let fresh = |nonce: &str| sign(now(), nonce, "five");
    assert_eq!(reason(&post("/pay?to=joe", &fresh("0123456789abcde1"), "six!")), (401, Some("BAD_SIGNATURE")));
    assert_eq!(reason(&post("/pay?to=eve", &fresh("0123456789abcde1"), "five")), (401, Some("BAD_SIGNATURE")));
    assert_eq!(post("/pay?to=joe", &fresh("0123456789abcde1"), "five").code, 200, "what was refused used nothing up");
    let old = sign(now() - 400, "0123456789abcde2", "five");
    assert_eq!(reason(&post("/pay?to=joe", &old, "five")), (401, Some("SIGNATURE_EXPIRED")));
    assert_eq!(reason(&post("/pay?to=joe", "x-other: 1", "five")), (401, Some("UNSIGNED")));
    assert_eq!(reason(&post("/pay?to=joe", &good, &"x".repeat(65))), (413, Some("BODY_TOO_LARGE")));
    assert_eq!(mirror.seen.lock().unwrap().len(), 2, "nothing that was refused went on");
}

#[test]
fn another_service_says_who_asks_and_what_if_it_is_away() {
    let (mirror, desk) = (Mirror::start(), Arc::new(Teller::start(|_| Reply::of(200))));
    let gateway = Gateway::start(&format!(
        "upstreams: {{pages: {{endpoints: ['{}']}}, desk: {{endpoints: ['{}']}}}}
auth:
  strict: {{forward: {{upstream: desk, path: /check, request_headers: [cookie], response_headers: [x-user], account: x-user, timeout: 20s}}}}
  loose: {{forward: {{upstream: desk, failure_mode: allow, timeout: 20s}}}}
routes:
  - {{name: strict, match: {{path: /strict/**}}, http: {{upstream: pages}}, auth: [strict]}}
  - {{name: loose, match: {{path: /loose}}, http: {{upstream: pages}}, auth: [loose]}}
  - {{name: open, match: {{path: /open}}, http: {{upstream: pages}}}}
",
        mirror.address, desk.address
    ));
    desk.says(|_| Reply { code: 200, headers: "x-user: joe\r\nx-other: 1\r\n", body: String::new() });
    let answer = gateway.ask("POST /strict/a?b=c\ncookie: sid=7\nx-user: root\nx-secret: 1", "body");
    assert_eq!(answer.code, 200, "{answer:?}");
    assert!(answer.body.contains("x-user: joe\r\n") && answer.body.contains("x-mainstay-account: joe\r\n"));
    assert!(!answer.body.contains("root") && !answer.body.contains("x-other") && answer.body.ends_with("body"));
    let asked = desk.seen.lock().unwrap()[0].clone();
    assert!(asked.starts_with("get /check http/1.1\r\n"), "{asked}");
    for line in ["cookie: sid=7", "x-forwarded-method: post", "x-forwarded-uri: /strict/a?b=c", "x-real-ip: 127.0.0.1"]
    {
        assert!(asked.contains(&format!("{line}\r\n")), "{line} is not in {asked}");
    }
    assert!(!asked.contains("x-secret") && !asked.contains("root"), "{asked}");
    assert!(!gateway.ask("GET /open\nx-user: root", "").body.contains("root"), "nobody else says who asks");
    desk.says(|_| Reply { code: 401, headers: "www-authenticate: Basic\r\n", body: "why".to_owned() });
    let refused = gateway.ask("GET /strict/a", "");
    assert_eq!((reason(&refused), refused.header("www-authenticate")), ((401, Some("AUTH_REFUSED")), Some("Basic")));
    desk.says(|_| Reply { code: 302, headers: "location: https://id.example/login\r\n", body: String::new() });
    let sent = gateway.ask("GET /strict/a", "");
    assert_eq!((sent.code, sent.header("location")), (302, Some("https://id.example/login")));
    desk.says(|_| Reply::of(500));
    assert_eq!(reason(&gateway.ask("GET /strict/a", "")), (503, Some("AUTH_UNAVAILABLE")));
    assert_eq!(gateway.ask("GET /loose", "").code, 200);
}
