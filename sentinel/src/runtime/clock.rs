//! The monotonic clock in the core's milliseconds: it stands still in no step of the wall clock, and in tests it is
//! tokio's, which can be paused.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::core::ids::Millis;

/// What the clock shows when it begins: the core takes its first moment, 0, for long ago.
const BEGIN: Millis = Millis(3_600_000);

/// A clock that began when it was made.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that begins now.
    #[expect(clippy::new_without_default, reason = "a default that differs with each call surprises")]
    pub fn new() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// Now.
    pub fn now(&self) -> Millis {
        BEGIN.after(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Waits for a moment; for ever if it never comes. Cancel safe.
    pub async fn until(&self, at: Millis) {
        match self.origin.checked_add(Duration::from_millis(at.since(BEGIN))) {
            Some(instant) if at != Millis::NEVER => sleep_until(instant).await,
            _ => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_follows_the_runtime_and_never_means_never() {
        let clock = Clock::new();
        clock.until(BEGIN.after(50)).await;
        assert_eq!(clock.now(), BEGIN.after(50));
        clock.until(BEGIN.after(20)).await;
        assert_eq!(clock.now(), BEGIN.after(50));
        let never = tokio::time::timeout(Duration::from_secs(1_000_000), clock.until(Millis::NEVER)).await;
        assert!(never.is_err());
    }
}
