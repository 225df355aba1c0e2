//! Who was found, and what upstreams are told of it. Pure.

use http::{HeaderMap, HeaderName, HeaderValue};
use mainstay::auth::Caller;
use serde_json::Value;

const ACCOUNT: HeaderName = HeaderName::from_static("x-mainstay-account");
const AUTH: HeaderName = HeaderName::from_static("x-mainstay-auth");
const KEY: HeaderName = HeaderName::from_static("x-mainstay-key");

/// Who asks, and how that is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    pub(crate) account: Option<String>,
    /// The name of the key that was shown, or that signed.
    pub(crate) key: Option<String>,
    /// A word, as `jwt`; empty where nothing was proved.
    pub(crate) how: &'static str,
    /// What its token says besides.
    pub(crate) token: Option<Caller>,
}

impl Identity {
    /// What the token says under a name, as a text.
    pub(crate) fn claim(&self, name: &str) -> Option<String> {
        match self.token.as_ref()?.claim(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }
    }

    /// What the token says in texts, numbers and truths.
    pub(crate) fn claims(&self) -> Vec<(String, String)> {
        let names = self.token.iter().flat_map(|token| token.claims().keys());
        names.filter_map(|name| Some((name.clone(), self.claim(name)?))).collect()
    }

    /// What another proof adds: who is known already stays so.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            account: self.account.or(other.account),
            key: self.key.or(other.key),
            how: if self.how.is_empty() { other.how } else { self.how },
            token: self.token.or(other.token),
        }
    }

    /// Tells the upstream. What stood there from outside was taken out at the ingress. An account that no header can hold is not
    /// told at all.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let how = (!self.how.is_empty()).then_some(self.how);
        for (name, value) in [(ACCOUNT, self.account.as_deref()), (KEY, self.key.as_deref()), (AUTH, how)] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_told_what_was_proved() {
        let claims = serde_json::json!({ "tier": 3, "paid": true, "roles": ["a"] });
        let token = Caller::with_claims("joe".into(), claims.as_object().unwrap().clone());
        let jwt = Identity { account: Some("joe".into()), how: "jwt", token: Some(token), ..Identity::default() };
        let signed = Identity { account: Some("acme".into()), key: Some("k1".into()), how: "signature", token: None };
        let both = jwt.and(signed);
        assert_eq!((both.claim("tier"), both.claim("paid")), (Some("3".into()), Some("true".into())));
        assert_eq!((both.claim("roles"), both.claim("none")), (None, None));
        let mut headers = HeaderMap::new();
        both.tell(&mut headers);
        let told = [ACCOUNT, KEY, AUTH].map(|name| headers[name].to_str().unwrap().to_owned());
        assert_eq!(told, ["joe", "k1", "jwt"]);
        let mut headers = HeaderMap::new();
        Identity { account: Some("a\nb".into()), ..Identity::default() }.tell(&mut headers);
        assert!(headers.is_empty());
    }
}
