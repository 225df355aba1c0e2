//! What a route changes of requests and answers on their way, and which of its lanes a request takes. Pure.
//!
//! | file | what |
//! |---|---|
//! | `canary.rs` | which lane: by header, query, cookie or share |
//! | `cors.rs` | scripts of other origins |
//! | `headers.rs` | headers set, added, removed |
//! | `rewrite.rs` | the path that an upstream sees |

mod canary;
mod cors;
mod headers;
mod rewrite;

pub(crate) use canary::{Canary, choose};
pub(crate) use cors::{Cors, preflight_of};
pub(crate) use headers::HeaderMutations;
pub(crate) use rewrite::Rewrite;
