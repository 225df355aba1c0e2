//! Signed requests: each is taken once.
//!
//! What is asked first costs least: the size, whose key, the time, the signature, and only then whether it came before. A nonce is
//! kept only of a request that was signed, or anybody could fill the room.

use super::{
    Identity,
    nonces::{Nonces, Seen},
    signed::{Bad, Said},
    unauthenticated,
};
use crate::{
    config::SignedConfig,
    handle::{announces_more, is_too_large, too_large},
    ingress::Target,
    refusal::Refusal,
};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use mainstay::edge::Body;
use mainstay_registry::Secret;
use ring::hmac;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A secret that signs has at least as many bytes as its hash.
const LEAST: usize = 32;

/// Takes requests that one of several keys signed.
#[derive(Debug)]
pub(super) struct Signer {
    config: SignedConfig,
    keys: HashMap<String, hmac::Key>,
    nonces: Mutex<Nonces>,
}

impl Signer {
    /// Reads the secrets.
    ///
    /// # Errors
    /// One cannot be read, or is too short.
    pub(super) fn read(config: SignedConfig) -> Result<Self, String> {
        let read = |(name, place): (&String, &String)| {
            let secret = Secret::read(place).map_err(|why| format!("the secret of {name}: {why}"))?;
            let bytes = secret.expose().as_bytes();
            if bytes.len() < LEAST {
                let length = bytes.len();
                return Err(format!("the secret of {name} has {length} bytes, at least {LEAST} are wanted"));
            }
            Ok((name.clone(), hmac::Key::new(hmac::HMAC_SHA256, bytes)))
        };
        let keys = config.keys.iter().map(read).collect::<Result<_, String>>()?;
        Ok(Self { config, keys, nonces: Mutex::default() })
    }

    /// Who signed a request, and the request, whose body has been read.
    ///
    /// # Errors
    /// Nobody did, or it came before.
    pub(super) async fn check(
        &self,
        target: &Target,
        request: Request<Body>,
        limit: Option<u64>,
    ) -> Result<(Identity, Request<Body>), Refusal> {
        let limit = limit.unwrap_or(self.config.max_body).min(self.config.max_body);
        if announces_more(request.headers(), limit) {
            return Err(too_large(limit));
        }
        let header = request.headers().get(&self.config.header).cloned();
        let header = header.ok_or_else(|| unauthenticated("UNSIGNED", "the request is not signed"))?;
        let said = header.to_str().map_err(|_| Bad::Form).and_then(Said::parse)?;
        let key = self.keys.get(said.key).ok_or(Bad::Mac)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        said.is_of(now, self.config.window)?;
        let (head, body) = request.into_parts();
        let body = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX)).collect().await;
        let body = body.map_err(|error| match is_too_large(error.as_ref()) {
            true => too_large(limit),
            false => Refusal::new(StatusCode::BAD_REQUEST, "BODY_LOST", "the body did not come whole"),
        })?;
        let body = body.to_bytes();
        said.is_by(key, (&head.method, target), &body)?;
        let (print, end) = said.once(self.config.window);
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        match nonces.ask(print, end, now, self.config.max_nonces) {
            Seen::Never => {}
            Seen::Before => return Err(unauthenticated("REPLAYED", "the request came before")),
            Seen::Full => {
                let text = "more signed requests than can be remembered";
                let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "NONCES_FULL", text);
                return Err(Refusal { retry_after: Some(Duration::from_secs(1)), ..refusal });
            }
        }
        let name = said.key.to_owned();
        let identity = Identity { account: Some(name.clone()), key: Some(name), how: "signature", token: None };
        Ok((identity, Request::from_parts(head, Body::from(body))))
    }
}

impl From<Bad> for Refusal {
    fn from(bad: Bad) -> Self {
        match bad {
            Bad::Form => unauthenticated("BAD_SIGNATURE", "the signature has another form"),
            Bad::Time => unauthenticated("SIGNATURE_EXPIRED", "the signature is of another time"),
            Bad::Mac => unauthenticated("BAD_SIGNATURE", "the signature is not of this request"),
        }
    }
}
