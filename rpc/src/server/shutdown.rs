//! How a server ends: in an order that can be recited.
//!
//! Serving → Draining (no new connections, GOAWAY on the old ones, what is under way goes on) → Parting (streams that are
//! still open are ended with a status that says why) → Closed (what is left is cut). What comes before, health and the
//! registry, is the application's part.
//!
//! A server that goes on serving can send its peers away too: each that is connected is to connect anew, if it still finds it.

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
pub(crate) struct Shutdown(watch::Sender<Standing>);

/// Where it stands, and how often it has sent its peers away.
#[derive(Clone, Copy, Debug)]
struct Standing {
    phase: Phase,
    sent_away: u64,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self(watch::Sender::new(Standing { phase: Phase::Serving, sent_away: 0 }))
    }
}

impl Shutdown {
    /// Moves on to a phase, unless it is there already.
    pub(crate) fn to(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = phase > now.phase;
            now.phase = phase.max(now.phase);
            later
        });
    }

    /// Waits for a phase, or a later one. Cancel safe.
    pub(crate) async fn reached(&self, phase: Phase) {
        // The sender is this very value, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|now| now.phase >= phase).await;
    }

    /// Tells those that are connected to go, and to come again if they still find the server. It goes on as it was.
    pub(crate) fn send_away(&self) {
        self.0.send_modify(|now| now.sent_away += 1);
    }

    /// Waits until those that are connected now are to go: they are sent away, or the server drains. Cancel safe.
    pub(crate) async fn to_go(&self) {
        let mut standing = self.0.subscribe();
        let since = standing.borrow().sent_away;
        let _ = standing.wait_for(|now| now.phase >= Phase::Draining || now.sent_away > since).await;
    }
}
