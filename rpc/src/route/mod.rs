//! Which instances a call may go to: rules that operators keep in the config centre, under Dubbo's keys and in Dubbo's words.
//!
//! | file | what |
//! |---|---|
//! | `error.rs` | what is wrong, and where; texts are read by `yaml.rs` |
//! | `pattern.rs` | what texts and addresses are compared with |
//! | `subject.rs` | what rules see of a client, a call, an instance |
//! | `tag.rs` | calls with a tag go to those that have it, and no others do |
//! | `condition.rs` | which calls go where, also drawn by weight: a canary |
//! | `overrides.rs`, `tune.rs` | what is said over what instances and programs say of themselves |
//! | `offer.rs` | the same, of the instance that a provider registers |
//! | `set.rs`, `plan.rs` | the rules made ready for the instances that there are |
//! | `book.rs` | under which keys rules lie, and which are in force |
//! | `follow.rs` | the shell that follows them |
//! | `explain.rs` | what they would do, for tools |
//!
//! All but the last two is decided without a clock or a socket. The cluster's pick asks the plan (`cluster/pick.rs`), and a client
//! without any rule has none: that costs a look at a pointer.

mod book;
mod condition;
mod error;
mod explain;
mod follow;
#[cfg(feature = "server")]
mod offer;
mod overrides;
mod pattern;
mod plan;
mod set;
mod subject;
mod tag;
mod tune;

pub use book::RuleState;
pub(crate) use book::{Book, Rules};
pub use error::RuleError;
pub use explain::{Explanation, Question};
pub(crate) use follow::{Following, RuleBoard, RulesFrom};
#[cfg(feature = "server")]
pub(crate) use offer::Offer;
pub(crate) use plan::{Left, Plan, Those};
pub(crate) use set::Set;
pub(crate) use subject::{Asked, Consumer};
pub(crate) use tune::Tunes;

use crate::yaml::{Fields, Node};

/// The metadata, and the label, that says which tag a call asks for, or a provider has.
pub const TAG: &str = "dubbo.tag";
/// The metadata that says, with `true`, that nobody without the tag will do.
pub const FORCE_TAG: &str = "dubbo.force.tag";

/// Who goes by an override.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who calls.
    Consumer,
    /// Who is called.
    Provider,
}

/// What is the same in all rules: `scope` is one of two words, and what is said for other tools can be read.
fn check_head(fields: &Fields<'_>) -> Result<(), RuleError> {
    for name in ["key", "priority"] {
        fields.get(name).map(Node::text).transpose()?;
    }
    fields.boolean("runtime", true)?;
    match fields.get("scope").map(|scope| Ok::<_, RuleError>((scope.text()?, scope.line))).transpose()? {
        None | Some(("service" | "application", _)) => Ok(()),
        Some((other, line)) => {
            Err(RuleError::at(line, format!("the scope `{other}` is neither service nor application")))
        }
    }
}

/// The versions of rules that have only one form.
fn check_version(fields: &Fields<'_>) -> Result<(), RuleError> {
    match fields.get("configVersion").map(|version| Ok::<_, RuleError>((version.text()?, version.line))).transpose()? {
        None | Some(("v2.7" | "v3.0" | "v3.1", _)) => Ok(()),
        Some((other, line)) => Err(RuleError::at(line, format!("version `{other}` is not known: v3.0 is"))),
    }
}
