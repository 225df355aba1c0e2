//! The access log: a line for each request, when its answer has been taken or given up.
//!
//! A line says what was asked for and how it ended. Queries, headers and bodies are not in it: they may be personal, or secret.
//!
//! | file | what |
//! |---|---|
//! | `line.rs` | a line, and how it is written |
//! | `body.rs` | the body of an answer, whose end ends the request, and its span (`trace/`) |

mod body;
mod line;

pub(crate) use body::{Logged, Told};
pub(crate) use line::Line;

use crate::config::AccessLogConfig;
use mainstay::access::AccessLog;
use std::{fs::OpenOptions, io};

/// Where lines go.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) to: AccessLog,
    pub(crate) json: bool,
}

impl Log {
    /// Opens the log.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn open(config: &AccessLogConfig) -> io::Result<Self> {
        let to = match &config.path {
            Some(path) => AccessLog::json(OpenOptions::new().create(true).append(true).open(path)?)?,
            None => AccessLog::json(io::stdout())?,
        };
        Ok(Self { to, json: config.json })
    }
}
