//! What operators ask of a running application, and tell it: on a port of its own, as JSON or as text.
//!
//! The port is off unless the setting `admin` names it, and on loopback unless that says otherwise. One that other machines
//! reach wants a token. On loopback, where no token is needed, a web page that a browser on the same machine shows must not
//! get in either: `door.rs`.
//!
//! | file | what |
//! |---|---|
//! | `console.rs` | the clients that are shown |
//! | `door.rs` | who may ask |
//! | `inside.rs` | what can be seen of an application |
//! | `pages.rs` | which path shows or does what |
//! | `answer.rs`, `text.rs` | an answer, and how it is written for people |
//! | `port.rs` | the port |
//! | `log.rs` | what is logged, changed at run time |

mod answer;
mod console;
mod door;
mod inside;
mod log;
mod pages;
mod port;
mod text;

pub use console::Console;
pub(crate) use door::may_listen;
pub(crate) use inside::Inside;
pub use log::LogFilter;
pub(crate) use port::start;
