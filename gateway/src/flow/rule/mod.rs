//! What rules say: Sentinel's JSON, in the dialect of Java (1.8.9) or of Go, as its dashboards write it.
//!
//! | file | what |
//! |---|---|
//! | `text.rs` | an array of rules, and the fields of one |
//! | `flow.rs` | how many a second, or at once |
//! | `degrade.rs` | when a route is given up for a while |
//! | `system.rs` | what the gateway as a whole bears |
//! | `param.rs` | how many for each value of something of the request |
//! | `gateway.rs` | the same as Sentinel's gateways say it, and groups of paths |
//! | `authority.rs` | who may |

mod authority;
mod degrade;
mod flow;
mod gateway;
mod param;
mod system;
mod text;

pub(crate) use authority::{AuthorityRule, authority};
pub(crate) use degrade::{DegradeRule, Measure, degrade};
pub(crate) use flow::{App, Behaviour, FlowRule, Grade, Relation, flow};
pub(crate) use gateway::{ApiGroup, api_group, gateway};
pub(crate) use param::{ParamRule, Pick, Tempo, param};
pub(crate) use system::{Metric, SystemRule, system};
pub(crate) use text::{Parsed, parse};
