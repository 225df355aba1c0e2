//! A notice as a line of the log: its sentence, and beside it the code, the master, the epoch and, of a beginning failover,
//! the reason.

use crate::core::notice::{Notice, What};

/// Logs a notice whose payload is known.
pub(super) fn log(notice: &Notice, payload: &str) {
    let (code, epoch) = (notice.channel(), notice.epoch.0);
    let master = notice.subject.as_ref().map(|subject| subject.master.as_str());
    let reason = match &notice.what {
        What::TryFailover(reason) => Some(reason.code()),
        _ => None,
    };
    if notice.what.is_warning() {
        tracing::warn!(code, master, epoch, reason, "{code} {payload}");
    } else {
        tracing::info!(code, master, epoch, reason, "{code} {payload}");
    }
}
