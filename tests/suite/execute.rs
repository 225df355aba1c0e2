//! Runs one command to its end: output goes to a file, nothing takes for ever, and nothing outlives it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use testbed::reap;
use testbed::wait::poll;

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) status: Result<ExitStatus, String>,
    /// What it printed.
    pub(crate) text: String,
    pub(crate) time: Duration,
    /// The processes that it left behind, which were ended.
    pub(crate) left: Vec<String>,
}

/// Runs it; what it prints goes to `log`. A child that goes on beside it is left alone.
pub(crate) fn execute(mut command: Command, log: &Path, patience: Duration, beside: Option<u32>) -> Ended {
    let start = Instant::now();
    let status = started(&mut command, log).and_then(|mut child| {
        let ended = poll(patience, || child.try_wait().transpose());
        match ended {
            Some(status) => status.map_err(|e| format!("waiting for it: {e}")),
            None => {
                reap::end_descendants(beside);
                Err(format!("ended after {} minutes", patience.as_secs() / 60))
            }
        }
    });
    let text = fs::read(log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
    Ended { status, text, time: start.elapsed(), left: reap::left_behind(beside) }
}

fn started(command: &mut Command, log: &Path) -> Result<Child, String> {
    let written = |e| format!("writing {}: {e}", log.display());
    log.parent().map_or(Ok(()), fs::create_dir_all).map_err(written)?;
    let file = File::create(log).map_err(written)?;
    let both = file.try_clone().map_err(written)?;
    let child = command.stdin(Stdio::null()).stdout(file).stderr(both).spawn();
    child.map_err(|e| format!("starting {command:?}: {e}"))
}
