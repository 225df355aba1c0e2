//! Flow control by the rules of Alibaba Sentinel: how many requests of a route may pass, how soon after a quiet time, and how
//! evenly.
//!
//! The rules are Sentinel's own JSON, in the dialect of Java or of Go, as its dashboards write it. Their `resource` is the name of
//! a route. They come from a file or from the config centre, and are followed there.
//!
//! | file | what |
//! |---|---|
//! | `rule.rs` | what the JSON says; pure |
//! | `window.rs` | requests that passed of late; pure |
//! | `controller.rs` | one rule: reject, warm up, queue; pure |
//! | `resource.rs` | all rules of a route together; pure |
//! | `rules.rs` | those in force, and a new set of them |
//! | `follow.rs` | where they come from |
//! | `held.rs` | the body of an answer, until whose end a request is under way |

mod controller;
mod follow;
mod held;
mod resource;
mod rule;
mod rules;
mod window;

pub(crate) use follow::{Source, follow};
pub(crate) use held::Held;
pub(crate) use resource::{Refused, Running, Verdict};
pub(crate) use rules::Rules;
