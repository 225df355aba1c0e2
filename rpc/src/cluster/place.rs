//! The place of a call at an instance: had from the pick on, and free again when the call has ended.
//!
//! Where a client sets no limit for its instances, places are not counted, and cost a look at a flag.

use super::{endpoint::Endpoint, line::May, live::Live};
use crate::{
    call::{Reason, Status},
    layer::names::{POLICY, REASON, REFUSED},
    policy::{Concurrency, Ended, Policy, Refusal},
};
use std::{sync::Arc, time::Duration};

/// A call's place at an instance. One that is dropped before its call has ended is free again all the same.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) live: Arc<Live>,
    /// It is one of so many.
    counted: bool,
}

impl Place {
    /// A place there; `None` when as many calls as may be are under way.
    pub(crate) fn at(live: &Arc<Live>) -> Option<Self> {
        let counted = match live.places() {
            None => false,
            Some(places) if places.take() => true,
            Some(_) => return None,
        };
        Some(Self { live: live.clone(), counted })
    }

    /// The call has ended: the place is the next one's.
    pub(crate) fn settle(&mut self, ended: &Ended, now: Duration) {
        if !std::mem::replace(&mut self.counted, false) {
            return;
        }
        let free = self.live.places().map_or(0, |places| places.settle(ended, now));
        for _ in 0..free {
            if !self.live.hand_on(now) {
                break;
            }
        }
    }

    /// Nobody wanted it.
    fn give_back(mut self, now: Duration) {
        self.counted = false;
        self.live.places().map(|places| places.settle(&Ended::cancelled(), now));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.counted {
            let now = self.live.common.now();
            self.settle(&Ended::cancelled(), now);
        }
    }
}

impl Live {
    /// The places there, where they are counted.
    pub(crate) fn places(&self) -> Option<&Concurrency> {
        self.known().and_then(|own| own.places.as_deref())
    }

    /// Gives a place to the first that waits for one. Says whether somebody took it.
    fn hand_on(self: &Arc<Self>, now: Duration) -> bool {
        let line = &self.common.line;
        // Whoever waits would rather wait for one that is well.
        if line.is_empty() || !self.is_ready() || self.ailing(now).is_some() {
            return false;
        }
        let Some(place) = Place::at(self) else { return false };
        match line.offer(self.identity(), place, now) {
            None => true,
            Some(back) => {
                back.give_back(now);
                false
            }
        }
    }

    /// Who this is.
    pub(crate) fn identity(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }
}

impl Endpoint {
    /// As many calls as may be are under way there.
    pub(crate) fn is_full(&self) -> bool {
        self.known().and_then(|live| live.places()).is_some_and(Concurrency::is_full)
    }
}

/// All that a call may go to, and that are connected and well, are full.
#[derive(Debug)]
pub(crate) struct Full {
    /// How many that are.
    pub(crate) count: usize,
    /// Whose places it may have.
    pub(crate) may: May,
}

/// Why a call gets no place.
#[cold]
pub(super) fn refused(reason: Reason, text: String) -> Status {
    metrics::counter!(REFUSED, POLICY => "endpoint_concurrency", REASON => reason.as_str()).increment(1);
    Refusal::new(reason, text).into_status()
}

/// That all are full, in words.
pub(super) fn all_full(count: usize) -> String {
    format!("as many calls as may be are under way at each of the {count} instances that are connected")
}
