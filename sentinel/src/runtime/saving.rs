//! The state on its way to the disk, and what is told when the disk refuses it.

use std::sync::Arc;

use tokio::time::Instant;

use super::Runtime;
use crate::core::durable::Durable;

/// The disk refused the state, and why: no vote is given and nothing is promised.
pub(super) const UNSAVED: &str = "+state-unsaved";
/// The disk took the state again.
pub(super) const SAVED: &str = "-state-unsaved";

impl Runtime {
    /// Waits for the disk; whether it took the state.
    pub(super) async fn persist(&mut self, durable: Durable) -> bool {
        let (store, durable) = (self.store.clone(), Arc::new(durable));
        let (saved, began) = (durable.clone(), Instant::now());
        let result = tokio::task::spawn_blocking(move || store.save(&saved)).await;
        self.meters.saves.add(began.elapsed());
        match result {
            Ok(Ok(())) => {
                self.conf.changed(durable);
                self.saved(None)
            }
            Ok(Err(e)) => self.saved(Some(e.to_string())),
            Err(e) => self.saved(Some(format!("saving the state broke off: {e}"))),
        }
    }

    /// Tells when the disk begins to refuse, and when it takes the state again; whether it did.
    fn saved(&mut self, refused: Option<String>) -> bool {
        let (was, is) = (self.view.unsaved.is_some(), refused.is_some());
        if was != is {
            let (channel, why) = (if is { UNSAVED } else { SAVED }, refused.clone().unwrap_or_default());
            tracing::error!("{channel} {why}");
            self.view.unsaved = refused.map(Into::into);
            self.views.store(Arc::new(self.view.clone()));
            self.publish(channel, why);
        }
        !is
    }
}
