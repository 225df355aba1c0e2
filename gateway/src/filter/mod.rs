//! What a route changes of requests and answers on their way, and which of its lanes a request takes. Each decides alone,
//! without clock and socket; `gzip.rs` and `own.rs` stand in the way of bodies and futures.
//!
//! | file | what |
//! |---|---|
//! | `canary.rs` | which lane: by header, query, cookie or share |
//! | `cors.rs` | scripts of other origins |
//! | `headers.rs`, `variables.rs` | headers set, added, removed; what stands in them for what a request is |
//! | `sticky.rs` | who comes again gets the same |
//! | `gzip.rs` | answers made smaller |
//! | `own.rs` | filters of a user's own |
//! | `rewrite.rs` | the path that an upstream sees |

mod canary;
mod cors;
mod gzip;
mod headers;
mod own;
mod rewrite;
mod sticky;
mod variables;

pub(crate) use canary::{Canary, choose};
pub(crate) use cors::{Cors, preflight_of};
pub(crate) use gzip::{accepts as accepts_gzip, compress};
pub(crate) use headers::{HeaderMutations, Value};
pub use own::Filter;
pub(crate) use rewrite::Rewrite;
pub(crate) use sticky::{Session, Sticky, mixed};
pub(crate) use variables::{Pattern, Said};
