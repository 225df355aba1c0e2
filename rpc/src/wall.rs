//! The time of day: for what others hold against their own clocks. What waits or measures uses tokio's. In a simulation it is
//! the simulation's.

use std::time::{Duration, SystemTime};

/// The time since the epoch; a clock that is set before it says zero.
pub(crate) fn since_the_epoch() -> Duration {
    #[cfg(feature = "sim")]
    if let Some(simulated) = turmoil::since_epoch() {
        return simulated;
    }
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
