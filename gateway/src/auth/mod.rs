//! Who asks, as far as it can be proved: by a key, a signed token, a signature of the whole request, or by the word of another
//! service. A route says what it wants; what is proved is handed on to rules, lists, the access log and the upstream.
//!
//! | file | what |
//! |---|---|
//! | `identity.rs` | who was found, and what upstreams are told of it; pure |
//! | `api_key.rs` | keys that are kept as hashes; pure |
//! | `jwks.rs` | which keys of a set may sign; when a set is fetched; pure |
//! | `jwt.rs` | signed tokens, by sets of keys that are fetched |
//! | `signed.rs` | what of a request is signed, and whether it was; pure |
//! | `nonces.rs` | what was used once; pure |
//! | `signer.rs` | signed requests, each taken once |
//! | `forward.rs` | another service is asked |
//! | `desk.rs` | all that a route wants, one after the other |

mod api_key;
mod desk;
mod forward;
mod identity;
mod jwks;
mod jwt;
mod nonces;
mod signed;
mod signer;

pub(crate) use api_key::ApiKey;
pub(crate) use desk::{ANYONE, Desk};
pub(crate) use identity::Identity;
pub(crate) use jwks::Ages;
pub(crate) use jwt::AGES;

use crate::refusal::Refusal;
use http::StatusCode;

/// Nobody was shown, or not well enough.
fn unauthenticated(reason: &'static str, why: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, reason, why)
}

/// Whether somebody is known cannot be told now.
fn unavailable() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "AUTH_UNAVAILABLE", "who asks cannot be checked now")
}
