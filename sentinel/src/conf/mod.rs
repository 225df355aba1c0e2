//! `sentinel.conf`: read whole with all problems at once, and rewritten the way redis-sentinel does.
//!
//! Everything here is a function of text: what a file holds comes in, what it means or what it becomes comes out.
//! Whoever has a file reads it, follows `include` and writes it safely.
//!
//! Two things are stricter than in redis-sentinel, because a typo that is passed over silently costs a night: numbers
//! must be numbers (`1000x` is none), and a directive unknown to Redis and to us is a problem even where Redis would
//! stop at an earlier one. Two are kinder: what redis-sentinel wrote twice itself (a replica under two directives) is
//! read without complaint, and a value set twice is a warning.
//!
//! Directives of our own have the form of the others: `sentinel fencing <master> gate 1`, `sentinel confirmed-writes
//! <master> 1`, `sentinel lossless-failover <master> no`, `sentinel observe-only <master> yes`, `sentinel metrics-bind
//! 127.0.0.1:9121`, `sentinel log-format json`, `sentinel registry <url>`. A redis-sentinel refuses a file that holds
//! one; remove them before going back.
//!
//! | file | what it is |
//! |---|---|
//! | `lines` | text to words, with Redis' quoting |
//! | `problem` | what is wrong, where, and what was probably meant |
//! | `parse` | the passes over the lines |
//! | `sentinel` | `sentinel …` directives |
//! | `option` | what can be set per master: the one place that maps words to the core's settings and back |
//! | `server` | the other directives: those that matter to a port, and those that Redis knows |
//! | `user`, `selector` | users, and what they may do |
//! | `advice` | what could be better in a file without mistakes |
//! | `rewrite` | the file with the present state in it |

mod advice;
mod lines;
mod option;
mod parse;
mod problem;
mod rewrite;
mod selector;
mod sentinel;
mod server;
mod user;

pub use advice::{Advice, advice};
pub use lines::arguments_to_text;
pub use option::{OptionError, change, words_of_option};
pub use parse::{Config, NamedRule, NamedScript, parse, parse_with};
pub(crate) use problem::hint;
pub use problem::{Problem, Problems};
pub use rewrite::rewrite;
pub(crate) use selector::CATEGORIES;
pub use selector::{CommandRule, RuleError, Scope, Selector};
pub(crate) use sentinel::announce;
pub use server::{ClientAuth, LogFormat, ServerConfig, TlsConfig};
pub use user::{Rule, User, merged, parse_users};
