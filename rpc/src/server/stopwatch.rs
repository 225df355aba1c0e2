//! Times the polls of handlers, and tells computing from being held up.

use super::{
    Took,
    inline::{LONG, SHORT},
};
use std::time::Duration;
use tokio::time::Instant;

/// Times polls one after the other on one thread.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    began: Instant,
    lap: Instant,
    computed: Duration,
}

impl Stopwatch {
    /// Begins now, on the thread that polls.
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { began: now, lap: now, computed: thread_time() }
    }

    /// When the last lap ended.
    pub(crate) fn lapped(&self) -> Instant {
        self.lap
    }

    /// Since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.lap - self.began
    }

    /// Ends a lap: how long was it?
    pub(crate) fn lap(&mut self) -> Took {
        let before = self.elapsed();
        let now = Instant::now();
        let wall = now - self.lap;
        self.lap = now;
        judge(wall, before, || thread_time().saturating_sub(self.computed))
    }
}

/// How long a lap was that took `wall`, when the laps before it took `before`, and all of them together `computed`.
fn judge(wall: Duration, before: Duration, computed: impl FnOnce() -> Duration) -> Took {
    if wall <= SHORT {
        return Took::Short;
    }
    // The laps before cannot have computed for longer than they lasted: this is the least that this one did.
    match computed().saturating_sub(before) {
        alone if alone > LONG => Took::Long(alone),
        _ => Took::Held,
    }
}

/// How long this thread has computed.
#[cfg(unix)]
fn thread_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// How long this thread has computed: not known here, so all long laps count as being held up.
#[cfg(not(unix))]
fn thread_time() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computing_is_told_from_standing_still() {
        let micros = Duration::from_micros;
        for (wall, before, computed, took) in [
            (100, 0, 100, Took::Short),
            (101, 0, 101, Took::Held),
            (1_001, 0, 1_001, Took::Long(micros(1_001))),
            (20_000, 0, 20_000, Took::Long(micros(20_000))),
            (4_000, 0, 30, Took::Held),
            (4_000, 150, 180, Took::Held),
            (20_000, 150, 19_000, Took::Long(micros(18_850))),
        ] {
            assert_eq!(judge(micros(wall), micros(before), || micros(computed)), took, "{wall} {before} {computed}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_thread_s_own_time_is_read() {
        let mut watch = Stopwatch::start();
        let end = thread_time() + 2 * LONG;
        while thread_time() < end {}
        assert!(matches!(watch.lap(), Took::Long(computed) if computed > LONG));
        assert!(watch.elapsed() >= 2 * LONG);
    }
}
