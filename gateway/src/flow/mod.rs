//! Flow control by the rules of Alibaba Sentinel: how many requests of a route may pass, how soon after a quiet time and how
//! evenly; how many for each client, or whatever else tells them apart; who may; when a route is given up for a while; and
//! what the gateway as a whole bears.
//!
//! The rules are Sentinel's own JSON, in the dialect of Java or of Go, as its dashboards write it. Their `resource` is the name of
//! a route, or of a group of paths. They come from files or from the config centre, and are followed there.
//!
//! | file | what |
//! |---|---|
//! | `rule/` | what the JSON says; pure |
//! | `window.rs` | requests that passed of late; pure |
//! | `controller.rs`, `gate.rs` | one flow rule: reject, warm up, queue; all of a resource; pure |
//! | `hot.rs` | one rule of a hot parameter; pure |
//! | `breaker.rs` | one degrade rule; pure |
//! | `vitals.rs`, `machine.rs` | system rules: the decision, pure; how the machine does |
//! | `asks.rs` | what of a request a rule looks at; pure |
//! | `resource.rs` | all rules of a resource, in their order |
//! | `limits.rs`, `texts.rs` | those in force; what texts say of them |
//! | `shared/` | limits that several gateways share through Redis |
//! | `places.rs`, `body.rs` | what a request has taken, until it ends |
//! | `refused.rs`, `meters.rs`, `page.rs` | what is told: to callers, of metrics, to operators |
//! | `follow.rs` | where rules come from |

mod asks;
mod body;
mod breaker;
mod controller;
mod follow;
mod gate;
mod hot;
mod limits;
mod machine;
mod meters;
mod page;
mod places;
mod refused;
mod resource;
mod rule;
mod shared;
mod texts;
mod vitals;
mod window;

pub(crate) use asks::Asks;
pub(crate) use body::hold;
pub(crate) use follow::{Source, follow};
pub(crate) use limits::Limits;
pub(crate) use machine::watch;
pub(crate) use meters::describe;
pub(crate) use rule::Pick;
pub(crate) use shared::Shared;
