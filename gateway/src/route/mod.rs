//! Which route takes a request: decided here, and nowhere else.
//!
//! | file | what |
//! |---|---|
//! | `template.rs` | a path template, as `/v1/{name=shelves/*}:lend` |
//! | `paths.rs` | templates as a tree |
//! | `condition.rs` | what is asked of headers, query and cookies |
//! | `table.rs` | all routes: host, path, method, conditions |

mod condition;
mod paths;
mod table;
mod template;

pub(crate) use condition::{Condition, Place, Test, cookie, cookies, parameters};
pub(crate) use paths::Paths;
pub(crate) use table::{Asked, Matcher, Table};
pub(crate) use template::{Capture, Template};
