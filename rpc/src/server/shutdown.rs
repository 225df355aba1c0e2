//! How a server ends: in an order that can be recited.
//!
//! Serving → Draining (no new connections, GOAWAY on the old ones, what is under way goes on) → Parting (streams that are
//! still open are ended with a status that says why) → Closed (what is left is cut). What comes before, health and the
//! registry, is the application's part.

use tokio::sync::watch;

/// Where a server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    Draining,
    Parting,
    Closed,
}

/// Moves a server on. Going back is impossible.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(watch::Sender<Phase>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }
}

impl Shutdown {
    /// Moves on to a phase, unless it is there already.
    pub(crate) fn to(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }

    /// Waits for a phase, or a later one. Cancel safe.
    pub(crate) async fn reached(&self, phase: Phase) {
        // The sender is this very value, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|now| *now >= phase).await;
    }
}
