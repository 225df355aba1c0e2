//! Whether an application is ready, as anyone may ask at any time: probes, health, tests.

use super::stage::{Stage, ready};
use mainstay_registry::LeaseState;
use std::{fmt, sync::Arc};
use tokio::{sync::watch, time::Instant};

/// Who is told of each stage.
pub(crate) type OnStage = Arc<[Box<dyn Fn(Stage) + Send + Sync>]>;

/// Where an application stands, and how its registration does. A clone looks at the same application.
#[derive(Clone)]
pub struct Readiness {
    stage: watch::Sender<Stage>,
    lease: watch::Sender<Standing>,
    /// What an operator wants.
    offline: watch::Sender<bool>,
    on_stage: OnStage,
}

/// How the registration stands, and since when it is lost.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) state: LeaseState,
    lost_since: Option<Instant>,
}

impl Readiness {
    /// Of an application that begins to serve, and is not registered yet.
    pub(crate) fn new(on_stage: OnStage) -> Self {
        let standing = Standing { state: LeaseState::Pending, lost_since: None };
        let (stage, offline) = (watch::Sender::new(Stage::Serving), watch::Sender::new(false));
        Self { stage, lease: watch::Sender::new(standing), offline, on_stage }
    }

    /// Whether it is ready, and if not, why.
    ///
    /// # Errors
    /// Why not, in words: it drains, or its registration is not there.
    pub fn check(&self) -> Result<(), String> {
        if self.is_offline() && self.stage() == Stage::Serving {
            return ready(Stage::Serving, &LeaseState::Offline, None);
        }
        let standing = self.lease.borrow();
        ready(self.stage(), &standing.state, standing.lost_since.map(|since| since.elapsed()))
    }

    /// Where it stands.
    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// How its registration stands.
    pub fn registration(&self) -> LeaseState {
        self.lease.borrow().state.clone()
    }

    /// Takes the registration back, or brings it back. What an operator wants is kept whatever the registry does, and ends
    /// with the process. Callers are sent away, once they have had time to hear of others; calls that come all the same are served.
    pub fn set_offline(&self, offline: bool) {
        self.offline.send_if_modified(|before| {
            let changes = *before != offline;
            if changes {
                tracing::info!(offline, "an operator decided");
            }
            *before = offline;
            changes
        });
    }

    /// An operator wants it to be offline.
    pub fn is_offline(&self) -> bool {
        *self.offline.borrow()
    }

    /// What an operator wants, from now on.
    pub(crate) fn wishes(&self) -> watch::Receiver<bool> {
        self.offline.subscribe()
    }

    /// Waits until the registration is written, or until there is nothing to wait for. Cancel safe.
    pub async fn registered(&self) {
        let known = |standing: &Standing| matches!(standing.state, LeaseState::Registered | LeaseState::Unsupported);
        // The sender is this very value, so waiting cannot fail.
        let _ = self.lease.subscribe().wait_for(known).await;
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Standing> {
        self.lease.subscribe()
    }

    /// Enters a stage, and tells everyone.
    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
        tracing::info!(stage = stage.as_str(), "the application moves on");
        self.on_stage.iter().for_each(|function| function(stage));
    }

    /// The registration stands so now.
    pub(crate) fn stands(&self, state: LeaseState) {
        self.lease.send_modify(|standing| {
            let lost = matches!(state, LeaseState::Lost { .. });
            standing.lost_since = lost.then(|| standing.lost_since.unwrap_or_else(Instant::now));
            standing.state = state;
        });
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("stage", &self.stage()).field("registration", &self.registration()).finish()
    }
}
