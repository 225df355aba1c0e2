//! Who calls: names, and how they are known.

use serde_json::{Map, Value};
use std::{fmt, sync::Arc};

/// Who calls, and how that is known. A clone copies a pointer.
#[derive(Clone, PartialEq, Eq)]
pub struct Caller(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    names: Vec<String>,
    proof: Proof,
    claims: Map<String, Value>,
}

/// How a caller is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Proof {
    /// By its certificate, which an authority of the server vouched for.
    Certificate,
    /// By a token that was signed for it.
    Token,
    /// By a token that all who may call share: which of them it is, is not known.
    SharedToken,
    /// Not at all: it says so itself.
    Said,
}

impl Proof {
    /// Whether it proves anything.
    pub fn is_proof(self) -> bool {
        self != Self::Said
    }

    /// A word for logs, as `certificate`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Token => "token",
            Self::SharedToken => "shared-token",
            Self::Said => "said",
        }
    }
}

impl Caller {
    /// A caller of these names.
    pub fn new(names: impl IntoIterator<Item = String>, proof: Proof) -> Self {
        Self(Arc::new(Inner { names: names.into_iter().collect(), proof, claims: Map::new() }))
    }

    /// A caller by a token that says this of it.
    pub fn with_claims(name: String, claims: Map<String, Value>) -> Self {
        Self(Arc::new(Inner { names: vec![name], proof: Proof::Token, claims }))
    }

    /// Its first name; empty when it has none.
    pub fn name(&self) -> &str {
        self.0.names.first().map_or("", String::as_str)
    }

    /// All its names: a certificate may have several.
    pub fn names(&self) -> &[String] {
        &self.0.names
    }

    /// How it is known.
    pub fn proof(&self) -> Proof {
        self.0.proof
    }

    /// Whether it is known for sure.
    pub fn is_proved(&self) -> bool {
        self.0.proof.is_proof()
    }

    /// All that its token says.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.0.claims
    }

    /// What its token says under this name.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.0.claims.get(name)
    }
}

/// What a token says besides is left out: it may be personal.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("names", &self.0.names).field("proof", &self.0.proof).finish_non_exhaustive()
    }
}
