//! Faults on purpose, for whoever wants to see what clients and services do in trouble: requests that are late, refused, or whose
//! answer is lost.
//!
//! The file says which requests are met. Nothing is done until an operator arms it at the admin port, which lasts an hour at most and
//! ends by itself; so many requests are held up at once, and no more.
//!
//! | file | what |
//! |---|---|
//! | `rule.rs` | which requests are met, and by what: the decision |
//! | `lost.rs` | the body of an answer that is lost |

mod lost;
mod rule;

pub(crate) use lost::lost;
pub(crate) use rule::{ChaosRule, End};

use crate::{refusal::Refusal, route::Asked};
use http::StatusCode;
use mainstay::chaos::ChaosSwitch;
use metrics::counter;
use rule::{Fate, fate};
use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// Requests that were met, by what.
const FAULTS: &str = "mainstay_gateway_faults_total";
/// Requests that are held up at once, at most; others go their way.
const HELD: usize = 1000;

/// Whether faults are injected. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chaos(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    switch: ChaosSwitch,
    held: AtomicUsize,
    dice: RandomState,
    throws: AtomicU64,
}

/// A place among those that are held up.
struct Held<'a>(&'a AtomicUsize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Chaos {
    /// Injects faults for so long, an hour at most.
    pub(crate) fn arm(&self, time: Duration) {
        self.0.switch.arm(time);
    }

    /// Injects no more.
    pub(crate) fn disarm(&self) {
        self.0.switch.disarm();
    }

    /// How much longer faults are injected.
    pub(crate) fn armed(&self) -> Option<Duration> {
        self.0.switch.armed()
    }

    /// Holds a request up, and says whether its answer will be lost.
    ///
    /// # Errors
    /// It is refused on purpose.
    pub(crate) async fn meet(
        &self,
        rules: &[ChaosRule],
        route: &str,
        asked: Asked<'_>,
        until: Instant,
    ) -> Result<bool, Refusal> {
        if self.armed().is_none() {
            return Ok(false);
        }
        let throw = || self.0.dice.hash_one(self.0.throws.fetch_add(1, Relaxed));
        let Fate { delay, end } = fate(rules, route, asked, throw);
        self.hold(delay, until).await;
        match end {
            None => Ok(false),
            Some(End::Abort(status)) => {
                count("abort");
                Err(Refusal::new(status, "FAULT_INJECTED", "refused on purpose"))
            }
            Some(End::Reset) => {
                count("reset");
                Ok(true)
            }
        }
    }

    async fn hold(&self, delay: Duration, until: Instant) {
        let held = &self.0.held;
        let room = |held: usize| (held < HELD).then_some(held + 1);
        if delay.is_zero() || held.fetch_update(Relaxed, Relaxed, room).is_err() {
            return;
        }
        let _place = Held(held);
        count("delay");
        sleep_until(until.min(Instant::now() + delay)).await;
    }
}

fn count(what: &'static str) {
    counter!(FAULTS, "fault" => what).increment(1);
}

/// A status by which a request may be refused on purpose.
pub(crate) fn refusing(status: u32) -> Option<StatusCode> {
    let status = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
    (status.is_client_error() || status.is_server_error()).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method};

    #[tokio::test(start_paused = true)]
    async fn nothing_is_met_until_it_is_armed_and_it_ends_by_itself() {
        let chaos = Chaos::default();
        let rule = ChaosRule {
            name: "late".into(),
            routes: Vec::new(),
            conditions: Vec::new(),
            share: u64::MAX,
            delay: Some(Duration::from_secs(2)),
            end: Some(End::Abort(StatusCode::SERVICE_UNAVAILABLE)),
        };
        let headers = HeaderMap::new();
        let asked = Asked { host: "h", path: "/", query: "", method: &Method::GET, headers: &headers };
        let began = Instant::now();
        let (rules, until) = ([rule], began + Duration::from_secs(60));
        assert!(chaos.meet(&rules, "r", asked, until).await.is_ok());
        chaos.arm(Duration::from_secs(30));
        assert_eq!(chaos.meet(&rules, "r", asked, until).await.unwrap_err().reason, "FAULT_INJECTED");
        assert_eq!(began.elapsed().as_secs(), 2);
        let soon = Instant::now() + Duration::from_secs(1);
        assert!(chaos.meet(&rules, "r", asked, soon).await.is_err());
        assert_eq!(began.elapsed().as_secs(), 3, "nobody is held up for longer than there is time");
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(chaos.meet(&rules, "r", asked, until).await.is_ok());
        assert_eq!(chaos.0.held.load(Relaxed), 0);
    }
}
