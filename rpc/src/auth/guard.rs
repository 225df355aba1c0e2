//! From a call to its caller, and to yes or no. Pure: the time is an argument.

use super::{
    BadToken, Caller, Proof, Tokens,
    rules::{Rules, Verdict, Whom},
    token::bearer,
};
use crate::call::{Invocation, Peer, Reason, Status};
use mainstay_registry::Secret;
use std::{fmt, sync::Arc, time::Duration};
use tonic::Code;

/// Who may call a server, and by which proofs callers are known. See [`Server::auth`](crate::server::Server::auth).
///
/// ```
/// # fn example() -> Result<(), mainstay::Error> {
/// use mainstay::{auth::Auth, server::Server};
///
/// let auth = Auth::new()
///     .certificates()                                          // the names of mutual TLS
///     .shared_token("file:/etc/stock/token")?                  // Dubbo's `token`
///     .allow("shop.stock.v1.StockApi", ["site"])               // by name, known for sure
///     .allow_anyone("shop.stock.v1.StockApi/Level");
/// let server = Server::new().auth(auth);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Auth {
    certificates: bool,
    tokens: Option<Arc<dyn Tokens>>,
    shared: Option<Secret>,
    said: bool,
    rules: Rules,
    pub(super) also_builtin: bool,
}

impl Auth {
    /// Knows nobody yet: every call but those that anyone may make is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows callers by the names in their certificates: mutual TLS.
    #[must_use]
    pub fn certificates(mut self) -> Self {
        self.certificates = true;
        self
    }

    /// Knows callers by the token in `authorization: Bearer …`. One that is shown must be good, whatever else is shown.
    #[must_use]
    pub fn tokens(mut self, tokens: impl Tokens) -> Self {
        self.tokens = Some(Arc::new(tokens));
        self
    }

    /// Lets in who shows the token that is at this place (`env:NAME` or `file:/path`) as the attachment `token`, as Dubbo's
    /// consumers do when the registration has it: [`App::token`](crate::App::token).
    ///
    /// # Errors
    /// When there is none.
    pub fn shared_token(self, place: &str) -> Result<Self, crate::Error> {
        let secret = Secret::read(place).map_err(|why| setting("the shared token", why))?;
        Ok(self.with_shared_token(secret))
    }

    pub(crate) fn with_shared_token(mut self, token: Secret) -> Self {
        self.shared = Some(token);
        self
    }

    /// Takes the application that a caller says it is for its name. Nothing proves it: only
    /// [`allow_said`](Self::allow_said) lets such a caller in.
    #[must_use]
    pub fn applications(mut self) -> Self {
        self.said = true;
        self
    }

    /// Lets callers of these names, known for sure, call `what`: a method `a.B/C`, a service `a.B`, or `*` for the rest.
    #[must_use]
    pub fn allow<N: Into<String>>(mut self, what: &str, names: impl IntoIterator<Item = N>) -> Self {
        self.rules.add(what, Whom::Named(names.into_iter().map(Into::into).collect()));
        self
    }

    /// Lets everybody who is known for sure call `what`.
    #[must_use]
    pub fn allow_known(mut self, what: &str) -> Self {
        self.rules.add(what, Whom::Proved);
        self
    }

    /// Lets callers call `what` that say these names, proved or not.
    #[must_use]
    pub fn allow_said<N: Into<String>>(mut self, what: &str, names: impl IntoIterator<Item = N>) -> Self {
        self.rules.add(what, Whom::Said(names.into_iter().map(Into::into).collect()));
        self
    }

    /// Lets everybody call `what`.
    #[must_use]
    pub fn allow_anyone(mut self, what: &str) -> Self {
        self.rules.add(what, Whom::Anyone);
        self
    }

    /// Guards health and reflection too, which anyone may ask otherwise: probes have no proof to show.
    #[must_use]
    pub fn also_builtin(mut self) -> Self {
        self.also_builtin = true;
        self
    }

    /// The caller of a call, if it may make it; `None` where anyone may. `now` is since the epoch.
    ///
    /// # Errors
    /// UNAUTHENTICATED when it is not known for sure who calls, PERMISSION_DENIED when it is, and may not.
    pub(super) fn admit(&self, call: &Invocation, now: Duration) -> Result<Option<Caller>, Status> {
        let caller = self.caller(call, now).map_err(bad)?;
        match self.rules.judge(call.method.path().as_str(), call.method.service(), caller.as_ref()) {
            Verdict::Allowed => Ok(caller),
            Verdict::WantsProof => Err(refuse(Reason::NoCredentials, self.wanted())),
            Verdict::Denied => Err(refuse(Reason::NotAllowed, denied(caller.as_ref(), call))),
        }
    }

    fn caller(&self, call: &Invocation, now: Duration) -> Result<Option<Caller>, BadToken> {
        let text = |name: &str| call.metadata.get(name).map(tonic::metadata::MetadataValue::as_bytes);
        if let (Some(tokens), Some(shown)) = (&self.tokens, text("authorization")) {
            let token = bearer(shown).ok_or(BadToken::new("the authorization is no bearer token"))?;
            return tokens.caller(token, now).map(Some);
        }
        let names = call.peer.as_ref().filter(|_| self.certificates).map(names_of).unwrap_or_default();
        if !names.is_empty() {
            return Ok(Some(Caller::new(names, Proof::Certificate)));
        }
        if let (Some(shared), Some(shown)) = (&self.shared, text("token")) {
            let right = shared.is(shown);
            return right
                .then(|| Some(Caller::new([], Proof::SharedToken)))
                .ok_or(BadToken::new("the token is another"));
        }
        let said = text("tri-consumer-appname").filter(|_| self.said);
        let said = said.and_then(|name| std::str::from_utf8(name).ok()).filter(|name| !name.is_empty());
        Ok(said.map(|name| Caller::new([name.to_owned()], Proof::Said)))
    }

    /// What a caller might show.
    fn wanted(&self) -> String {
        let all = [
            (self.tokens.is_some(), "a bearer token"),
            (self.certificates, "a certificate"),
            (self.shared.is_some(), "the service's token"),
        ];
        let all: Vec<_> = all.into_iter().filter_map(|(takes, what)| takes.then_some(what)).collect();
        match all.is_empty() {
            true => "the server knows nobody who may make this call".to_owned(),
            false => format!("it is not known for sure who calls: show {}", all.join(" or ")),
        }
    }
}

/// The names in the certificate of a peer.
#[cfg(feature = "tls")]
fn names_of(peer: &Peer) -> Vec<String> {
    peer.names()
}

/// Without TLS nobody shows one.
#[cfg(not(feature = "tls"))]
fn names_of(_: &Peer) -> Vec<String> {
    Vec::new()
}

fn bad(token: BadToken) -> Status {
    let reason = if token.expired { Reason::CredentialsExpired } else { Reason::BadCredentials };
    refuse(reason, token.why.into_owned())
}

fn denied(caller: Option<&Caller>, call: &Invocation) -> String {
    let who = caller.map_or("nobody", |caller| if caller.name().is_empty() { "whoever calls" } else { caller.name() });
    format!("{who} may not call {}", call.method.path())
}

#[cold]
fn refuse(reason: Reason, text: String) -> Status {
    let code = if reason == Reason::NotAllowed { Code::PermissionDenied } else { Code::Unauthenticated };
    Status::because(reason, code, text)
}

pub(super) fn setting(what: &str, why: String) -> crate::Error {
    crate::Error::Setting { what: what.to_owned(), why }
}

/// Without secrets.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("rules", &self.rules).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::Place, *};
    use crate::{call::Kind, layer::testing::call};

    struct Word;

    impl Tokens for Word {
        fn caller(&self, token: &str, now: Duration) -> Result<Caller, BadToken> {
            match token {
                "old" => Err(BadToken::expired("its time is over")),
                name if now > Duration::ZERO => Ok(Caller::new([name.to_owned()], Proof::Token)),
                _ => Err(BadToken::new("it is none")),
            }
        }
    }

    fn shows(pairs: &[(&'static str, &'static str)]) -> Invocation {
        let mut call = call(Kind::Unary, false);
        pairs.iter().for_each(|(name, value)| drop(call.metadata.insert(*name, value.parse().unwrap())));
        call
    }

    fn shared() -> Secret {
        let place = Place::of("sesame");
        Secret::read(&place.said()).unwrap()
    }

    #[test]
    fn a_call_is_its_callers_and_a_bad_proof_is_worse_than_none() {
        let auth = Auth::new().certificates().tokens(Word).with_shared_token(shared()).applications();
        let auth = auth.allow("a.B", ["site"]).allow_said("a.B", ["old-shop"]).allow_known("a.B/D");
        let seen = |pairs: &[(&'static str, &'static str)]| match auth.admit(&shows(pairs), Duration::from_secs(1)) {
            Ok(caller) => caller.map_or("anyone".to_owned(), |caller| caller.name().to_owned()),
            Err(status) => format!("{} {:?}", status.reason(), status.code()),
        };
        for (pairs, expected) in [
            (&[][..], "NO_CREDENTIALS Unauthenticated"),
            (&[("authorization", "Bearer site")], "site"),
            (&[("authorization", "bearer  site")], "site"),
            (&[("authorization", "Bearer other")], "NOT_ALLOWED PermissionDenied"),
            (&[("authorization", "Bearer old")], "CREDENTIALS_EXPIRED Unauthenticated"),
            (&[("authorization", "Basic c2l0ZQ")], "BAD_CREDENTIALS Unauthenticated"),
            (&[("authorization", "Bearer ")], "BAD_CREDENTIALS Unauthenticated"),
            (&[("token", "sesame")], "NOT_ALLOWED PermissionDenied"),
            (&[("token", "sesam")], "BAD_CREDENTIALS Unauthenticated"),
            (&[("tri-consumer-appname", "old-shop")], "old-shop"),
            (&[("tri-consumer-appname", "site")], "NO_CREDENTIALS Unauthenticated"),
        ] {
            assert_eq!(seen(pairs), expected, "{pairs:?}");
        }
        let mut known = shows(&[("token", "sesame")]);
        known.method = crate::call::Method::new("a.B", "D", Kind::Unary).unwrap();
        assert_eq!(auth.admit(&known, Duration::ZERO).unwrap().unwrap().proof(), Proof::SharedToken);
    }

    #[test]
    fn who_knows_nobody_lets_nobody_in_but_where_anyone_may() {
        let status = Auth::new().admit(&shows(&[("authorization", "Bearer site")]), Duration::ZERO).unwrap_err();
        assert_eq!(status.message(), "the server knows nobody who may make this call");
        assert_eq!(Auth::new().allow_anyone("a.B/C").admit(&shows(&[]), Duration::ZERO).unwrap(), None);
        let status = Auth::new().certificates().tokens(Word).admit(&shows(&[]), Duration::ZERO).unwrap_err();
        assert!(status.message().ends_with("show a bearer token or a certificate"), "{status}");
        assert!(!format!("{:?}", Auth::new().with_shared_token(shared())).contains("sesame"));
    }
}
