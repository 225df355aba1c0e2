//! When to fetch the next credential. Pure: times count from any fixed moment.

use mainstay_registry::Backoff;
use std::time::Duration;

/// What is known of the credential of a client.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    /// From when on the next one is fetched, and from when on this one is none; `None` for never.
    until: Option<(Option<Duration>, Option<Duration>)>,
    in_flight: bool,
    failures: u32,
    /// No fetch before this.
    not_before: Duration,
}

/// What to do with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What is there can be shown.
    pub(super) usable: bool,
    /// Fetch the next one now. It counts as begun.
    pub(super) fetch: bool,
    /// One is being fetched.
    pub(super) in_flight: bool,
}

impl Freshness {
    /// A call wants to be made.
    pub(super) fn asked(&mut self, now: Duration) -> Step {
        let before = |moment: Option<Duration>| moment.is_none_or(|moment| now < moment);
        let usable = self.until.is_some_and(|(_, ends)| before(ends));
        let due = self.until.is_none_or(|(due, _)| !before(due));
        let fetch = due && !self.in_flight && now >= self.not_before;
        self.in_flight |= fetch;
        Step { usable, fetch, in_flight: self.in_flight }
    }

    /// One was fetched that lasts so long.
    pub(super) fn fetched(&mut self, now: Duration, lasts: Option<Duration>) {
        let (due, ends) = (lasts.map(|lasts| now + lasts / 5 * 4), lasts.map(|lasts| now + lasts));
        *self = Self { until: Some((due, ends)), ..Self::default() };
    }

    /// None could be fetched. What is there stays.
    pub(super) fn failed(&mut self, now: Duration, random: u64) {
        self.in_flight = false;
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + Backoff::default().delay(self.failures, random);
    }

    /// Until when a call need not ask: the next one is not due before.
    pub(super) fn fresh_until(&self) -> Option<Duration> {
        self.until.and_then(|(due, _)| due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn asked(freshness: &mut Freshness, now: u32) -> (bool, bool) {
        let step = freshness.asked(S * now);
        (step.usable, step.fetch)
    }

    #[test]
    fn one_is_fetched_ahead_of_time_and_by_one_alone() {
        let mut freshness = Freshness::default();
        assert_eq!([asked(&mut freshness, 0), asked(&mut freshness, 0)], [(false, true), (false, false)]);
        freshness.fetched(S, Some(S * 100));
        assert_eq!((asked(&mut freshness, 80), freshness.fresh_until()), ((true, false), Some(S * 81)));
        assert_eq!([asked(&mut freshness, 81), asked(&mut freshness, 82)], [(true, true), (true, false)]);
        freshness.failed(S * 82, 0);
        assert_eq!(asked(&mut freshness, 100), (true, true), "what is there is good to its end");
        assert_eq!(asked(&mut freshness, 101), (false, false));
        freshness.fetched(S * 102, None);
        assert_eq!(asked(&mut freshness, 1_000_000), (true, false));
    }

    #[test]
    fn failures_wait_longer_each_time() {
        let mut freshness = Freshness::default();
        let (mut now, mut fetches) = (Duration::ZERO, 0);
        while now < S * 60 {
            if freshness.asked(now).fetch {
                fetches += 1;
                freshness.failed(now, u64::MAX);
            }
            now += Duration::from_millis(10);
        }
        assert!((4..20).contains(&fetches), "{fetches}");
    }
}
