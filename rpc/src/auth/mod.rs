//! Who calls, how that is known, and who may call what; and what a client shows of itself.
//!
//! | file | what |
//! |---|---|
//! | `caller.rs` | [`Caller`]: a name and its proof |
//! | `rules.rs` | who may call what |
//! | `guard.rs` | [`Auth`]: from a call to its caller, and to yes or no |
//! | `layer.rs` | the layer of the server stack |
//! | `token.rs`, `jwt.rs`, `key.rs`, `jwk.rs`, `signed.rs` | bearer tokens: the port, and signed ones (feature `jwt`) |
//! | `credential.rs`, `freshness.rs`, `keeper.rs` | a client's token: what it is, when to fetch the next one, the one task that does |
//!
//! A proof is a certificate of mutual TLS, a signed token, or Dubbo's token that all of a service's consumers share. A name
//! that is only said (`tri-consumer-appname`) is a [`Caller`] too where that is asked for, and is marked so: it is for
//! programs that trust their network, and satisfies no rule that does not say so.
//!
//! A token of RS256 by a key of 2 048 bits takes a server 37 µs when it comes for the first time, and 4 µs from then on: it is known by
//! its hash, and what it says is read and judged each time. `cargo bench-layers --only layers` measures both.

#[cfg(test)]
pub(crate) mod testing;

mod caller;
mod credential;
mod freshness;
mod guard;
#[cfg(feature = "jwt")]
mod jwk;
#[cfg(feature = "jwt")]
mod jwt;
mod keeper;
#[cfg(feature = "jwt")]
mod key;
mod layer;
mod rules;
#[cfg(feature = "jwt")]
mod signed;
mod token;

pub use caller::{Caller, Proof};
pub(crate) use credential::AtPlace;
pub use credential::{Credential, Credentials};
pub use guard::Auth;
#[cfg(feature = "jwt")]
pub use jwt::Jwt;
pub use keeper::{Showing, Shows, ShowsLayer};
#[cfg(feature = "jwt")]
pub use key::JwtKey;
pub use layer::{AuthLayer, Authenticated, Authenticates};
#[cfg(feature = "server")]
pub(crate) use token::bearer;
pub use token::{BadToken, Tokens};
