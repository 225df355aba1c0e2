//! What comes in, and what is made of it before any route is asked.
//!
//! | file | what |
//! |---|---|
//! | `framing.rs`, `guard.rs` | where requests of HTTP/1.1 begin and end, read strictly: the reading, and the bytes under hyper |
//! | `crowd.rs` | connections of one address |
//! | `certificates.rs` | TLS of a listener |
//! | `head.rs` | what the head of a request must be, and where it is for |
//! | `path.rs` | the one form of a path |
//! | `forwarded.rs` | who the client is, and which headers are believed |

mod certificates;
mod crowd;
mod forwarded;
mod framing;
mod guard;
mod head;
mod path;

pub(crate) use certificates::Certificates;
pub(crate) use crowd::CrowdAccept;
pub(crate) use forwarded::{Cidr, hop_by_hop, prepare};
pub(crate) use guard::GuardedAccept;
pub(crate) use head::{Refused, Target, read};
