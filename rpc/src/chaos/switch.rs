//! Whether faults are injected now: never for ever, and never by accident.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Arms and disarms the faults of the layers that hold it. Made disarmed; a clone is the same switch.
#[derive(Clone, Debug, Default)]
pub struct ChaosSwitch(Arc<Mutex<Option<Instant>>>);

impl ChaosSwitch {
    /// The longest that faults are armed at once: whoever forgets them finds them gone.
    pub const LONGEST: Duration = Duration::from_secs(60 * 60);

    /// Injects faults for so long from now, an hour at most; takes the place of what was said before.
    pub fn arm(&self, time: Duration) {
        let until = Instant::now() + time.min(Self::LONGEST);
        tracing::warn!(seconds = time.min(Self::LONGEST).as_secs_f64(), "faults are injected from now on");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// Injects no more.
    pub fn disarm(&self) {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::warn!("no faults are injected any more");
        }
    }

    /// How much longer faults are injected; `None` when none are.
    pub fn armed(&self) -> Option<Duration> {
        let until = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn it_lapses_by_itself_and_never_lasts_for_more_than_an_hour() {
        let (switch, hour) = (ChaosSwitch::default(), ChaosSwitch::LONGEST);
        assert_eq!(switch.armed(), None);
        switch.arm(Duration::from_secs(2));
        assert_eq!(switch.clone().armed(), Some(Duration::from_secs(2)));
        advance(Duration::from_secs(2)).await;
        assert_eq!(switch.armed(), None);
        switch.arm(Duration::MAX);
        assert_eq!(switch.armed(), Some(hour));
        switch.disarm();
        assert_eq!(switch.armed(), None);
    }
}
