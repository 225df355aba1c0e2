//! Signed tokens: JWT in its compact form, HS256, RS256 and ES256. Pure: the time is an argument.
//!
//! The key decides about the algorithm, never the token, and a token without a signature is none. Who checks it must be
//! meant: a token that names an audience is taken only by who has that name.

use super::{
    BadToken, Caller, JwtKey, Tokens,
    signed::{Print, Signed},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};

/// Takes signed tokens: whom they are for (`sub`) is the caller.
#[derive(Clone, Debug, Default)]
pub struct Jwt {
    keys: Vec<JwtKey>,
    issuer: Option<String>,
    audience: Option<String>,
    leeway: Duration,
    /// What public keys were asked about before.
    signed: Arc<Signed>,
}

/// The longest token, in bytes.
const LONGEST: usize = 8 * 1024;

impl Jwt {
    /// Takes none yet.
    pub fn new() -> Self {
        Self { leeway: Duration::from_secs(30), ..Self::default() }
    }

    /// Takes tokens that this key signed. Said again: that one's too, as while keys are changed.
    ///
    /// A token that a public key has checked is not checked by it again, while all that it says is.
    #[must_use]
    pub fn key(mut self, key: JwtKey) -> Self {
        self.keys.push(key);
        self.signed = Arc::default();
        self
    }

    /// Takes only tokens that this one issued (`iss`).
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Takes only tokens that are meant for this name (`aud`). Without it, only those that name no audience.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// How far clocks may differ. Default 30 s.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// What a token says, and its print, if a public key has just found out that it was signed.
    fn claims(&self, token: &str) -> Result<(Map<String, Value>, Option<Print>), BadToken> {
        let none = || BadToken::new("it is no signed token");
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(none());
        };
        let head = object(header).ok_or_else(none)?;
        // What must be understood is not, and so the token is not taken.
        if head.contains_key("crit") {
            return Err(BadToken::new("it has critical extensions, which are not known here"));
        }
        let text = |name: &str| head.get(name).map(|value| value.as_str().ok_or_else(none)).transpose();
        let (algorithm, id) = (text("alg")?.ok_or_else(none)?, text("kid")?);
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| none())?;
        let message = &token.as_bytes()[..header.len() + 1 + claims.len()];
        let mut keys = self.keys.iter().filter(|key| key.is_for(algorithm, id)).peekable();
        // A secret is as fast as the hash by which a token would be known again.
        let print = keys.peek().filter(|key| key.is_public()).map(|_| Print::of(token));
        let new = print.filter(|print| !self.signed.knows(print));
        if (print.is_none() || new.is_some()) && !keys.any(|key| key.signed(message, &signature)) {
            return Err(BadToken::new("no key of this server signed it"));
        }
        Ok((object(claims).ok_or_else(none)?, new))
    }
}

impl Tokens for Jwt {
    fn caller(&self, token: &str, now: Duration) -> Result<Caller, BadToken> {
        if token.len() > LONGEST {
            return Err(BadToken::new("it is too long"));
        }
        let (claims, new) = self.claims(token)?;
        let now = now.as_secs_f64();
        let leeway = self.leeway.as_secs_f64();
        let time = |name: &'static str| match claims.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(BadToken::new(format!("its `{name}` is no time"))),
        };
        let expires = time("exp")?.ok_or(BadToken::new("it does not say when its time is over (`exp`)"))?;
        if expires + leeway <= now {
            return Err(BadToken::expired("its time is over"));
        }
        if time("nbf")?.is_some_and(|from| from - leeway > now) {
            return Err(BadToken::new("its time has not come"));
        }
        if self.issuer.as_deref().is_some_and(|issuer| claims.get("iss").and_then(Value::as_str) != Some(issuer)) {
            return Err(BadToken::new("another one issued it"));
        }
        if !is_meant(claims.get("aud"), self.audience.as_deref()) {
            return Err(BadToken::new("it is meant for another audience"));
        }
        let name = claims.get("sub").and_then(Value::as_str).filter(|name| !name.is_empty() && name.len() <= 256);
        let name = name.ok_or(BadToken::new("it does not say whom it is for (`sub`)"))?.to_owned();
        if let Some(print) = new {
            self.signed.keep(print, expires + leeway, now);
        }
        Ok(Caller::with_claims(name, claims))
    }
}

/// The audience of a token is ours: one name, or one of several.
fn is_meant(said: Option<&Value>, ours: Option<&str>) -> bool {
    match (said, ours) {
        (None, None) => true,
        (Some(Value::String(name)), Some(ours)) => name == ours,
        (Some(Value::Array(names)), Some(ours)) => names.iter().any(|name| name.as_str() == Some(ours)),
        _ => false,
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    match serde_json::from_slice(&bytes).ok()? {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
