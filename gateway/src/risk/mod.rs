//! Risk control: who is refused, how often somebody did something of late, and what rules make of it.
//!
//! | file | what |
//! |---|---|
//! | `list/` | who is refused, let pass and looked at |
//! | `subjects.rs` | where a request says who asks; pure |
//! | `velocity/` | counters over sliding windows |
//! | `rule/` | rules in CEL: read, checked, and what they make of a request |
//! | `engine.rs` | the set of rules in force |
//! | `follow.rs` | where it comes from |
//! | `record/` | the record of decisions |
//! | `case.rs` | a request as rules see it |
//! | `control.rs` | all of it at work, beside the snapshots of the file |
//! | `measure.rs` | what rules cost, for the benchmark |

mod case;
mod control;
mod engine;
mod follow;
mod list;
mod measure;
mod record;
mod rule;
mod subjects;
mod velocity;

pub(crate) use case::Case;
pub(crate) use control::{DECISION, Risk};
pub(crate) use follow::follow;
pub(crate) use list::{Change, ListError, Name, Subject, Who};
pub use measure::{RuleCost, rule_cost};
pub(crate) use rule::{
    Action, Answer, Bands, CounterRule, Declared, Expression, Facts, Ground, MOST_WINDOW, Mode, Replies, Reply, Rule,
    RuleSet, Total, Wanted,
};
pub(crate) use subjects::{Source, Subjects};
pub(crate) use velocity::{Kind, Shape};
