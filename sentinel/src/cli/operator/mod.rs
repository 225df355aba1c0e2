//! What an operator asks of a running sentinel, over its own port, and of its peers where a view over all of them helps.
//!
//! Everything goes through RESP, so that it works from anywhere and against redis-sentinels as far as they know the words.
//! A command gathers a report first and shows it then, for people or as one line of JSON. Keys of that JSON may be added;
//! none is renamed or taken away.
//!
//! | file | what it is |
//! |---|---|
//! | `order` | the command line of each command; pure |
//! | `door`, `remote` | how to get in; a connection |
//! | `group` | what one sentinel tells, as values, and how all are asked |
//! | `table` | columns; pure |
//! | `status`, `topology`, `why` | what is shown |
//! | `drill` | a switchover or a kill on purpose, and what it cost |
//! | `change`, `quorum`, `tell` | switchover and failover; ckquorum; what is told to one or all of them |

mod change;
mod door;
mod drill;
mod group;
mod order;
mod quorum;
mod remote;
mod status;
mod table;
mod tell;
mod topology;
mod why;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

pub(super) use order::{Order, VERBS};

use super::{NO, UNREACHED, show};
use door::{Door, DoorError};
use order::What;
use remote::{Failed, Remote};

/// How a command ends when it could be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    No,
}

/// Why it could not be.
#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error(transparent)]
    Door(#[from] DoorError),
    #[error(transparent)]
    Failed(#[from] Failed),
    #[error("no answer can be made of what {0} says")]
    Strange(String),
    #[error("this program cannot work here: {0}")]
    Process(#[from] std::io::Error),
}

/// Carries a command out.
pub(super) fn run(order: Order) -> ExitCode {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = tokio.map_err(OrderError::from).and_then(|tokio| tokio.block_on(carry_out(order)));
    match ended {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::No) => ExitCode::from(NO),
        Err(error) => {
            // Nothing more can be done when even this fails.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(if matches!(error, OrderError::Failed(Failed::Said { .. })) { NO } else { UNREACHED })
        }
    }
}

async fn carry_out(order: Order) -> Result<Verdict, OrderError> {
    let Order { reach, json, what } = order;
    let door = Door::open(&reach)?;
    let mut remote = Remote::connect(&door).await.map_err(Failed::from)?;
    let show = Show { json };
    match what {
        What::Status { master } => status::run(&mut remote, &door, master.as_deref(), show).await,
        What::Topology { master } => topology::run(&mut remote, master.as_deref(), show).await,
        What::WhyNot { master } => why::run(&mut remote, &door, &master, show).await,
        What::Ckquorum { master } => quorum::run(&mut remote, &master, show).await,
        What::Drill(plan) => drill::run(&mut remote, &door, &reach, *plan, show).await,
        What::Change(change) => change::run(&mut remote, &door, change, show).await,
        What::Pause { master, by } => {
            let words = ["pause".to_owned(), master, by.unwrap_or_else(tell::whoami)];
            tell::run(&mut remote, &door, &words, true, show).await
        }
        What::Tell { words, all } => tell::run(&mut remote, &door, &words, all, show).await,
    }
}

/// How reports are shown.
#[derive(Debug, Clone, Copy)]
struct Show {
    json: bool,
}

impl Show {
    /// Shows a report on standard output.
    fn report(self, report: &(impl serde::Serialize + Display)) {
        show(self.json, report);
    }
}
