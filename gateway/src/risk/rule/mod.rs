//! Rules in CEL: what they may ask, what is wrong with them, and what a set of them makes of a request.
//!
//! | file | what |
//! |---|---|
//! | `facts.rs` | the fields, and their values; pure |
//! | `check.rs` | an expression is held against what there is; pure |
//! | `expression.rs` | an expression that can be executed; pure |
//! | `verdict.rs` | what becomes of a request by its score; pure |
//! | `set.rs` | a set, and what it makes of a request; pure |
//!
//! The text of a set is read in `config/rules.rs`, with its tests.

mod check;
mod expression;
mod facts;
mod set;
#[cfg(test)]
mod tests;
mod verdict;

pub(crate) use check::Declared;
pub(crate) use expression::{Expression, Ground, Wanted};
pub(crate) use facts::{Answer, Facts, Total};
pub(crate) use set::{CounterRule, Decision, MOST_WINDOW, Rule, RuleSet};
pub(crate) use verdict::{Action, Bands, Mode, Replies, Reply};
