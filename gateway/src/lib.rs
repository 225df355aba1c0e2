//! The gateway: HTTP, gRPC and JSON in, services out.
//!
//! [`Gateway::start`] runs what a [`Config`] says; [`cli`] is the program over it. A request goes through the stack that is
//! written in `stack.rs`, top to bottom, with a sentence on why each part stands where it does.
//!
//! | folder or file | what |
//! |---|---|
//! | `config/` | the file: what it means, or all that is wrong with it |
//! | `snapshot.rs` | what one version of the file makes, swapped whole |
//! | `gateway.rs`, `builder.rs` | listeners, the drain; filters of one's own |
//! | `reload.rs`, `center.rs`, `versions.rs` | a new version of the file, from disk or a config centre; the versions before |
//! | `stack.rs` | the stack |
//! | `seen.rs` | what is found out of a request on its way |
//! | `ingress/` | what comes in, before any route is asked |
//! | `route/` | which route takes a request |
//! | `deadline.rs` | when its answer must have begun |
//! | `filter/` | what a route changes on the way, and which of its lanes a request takes |
//! | `flow/` | flow control by Sentinel's rules |
//! | `auth/` | who asks, as far as it can be proved |
//! | `risk/` | who is refused, and why |
//! | `chaos/` | faults on purpose |
//! | `handle/` | what becomes of it, by the route's kind |
//! | `transcode/` | JSON for services of gRPC |
//! | `upstream/` | who answers |
//! | `admin/` | what operators see and change |
//! | `access/` | a line for each request |
//! | `trace/` | a span for each request, for a collector of OpenTelemetry |
//! | `meters.rs` | what is counted |
//! | `refusal.rs` | what the gateway answers itself |
//! | `cli/` | the program |

mod access;
mod admin;
mod auth;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod builder;
mod center;
mod chaos;
pub mod cli;
mod config;
mod deadline;
mod filter;
mod flow;
mod gateway;
mod handle;
mod ingress;
mod meters;
mod refusal;
mod reload;
mod risk;
mod route;
mod seen;
mod snapshot;
mod stack;
mod trace;
mod transcode;
mod upstream;
mod versions;

pub use builder::Builder;
pub use config::{Config, Problem, Refused, schema};
pub use filter::Filter;
pub use gateway::{Gateway, StartError};
pub use mainstay::{call::BoxFuture, edge::Body};
pub use reload::ReloadError;
pub use risk::{RuleCost, rule_cost};
pub use snapshot::BadUpstream;
