//! What is kept of an instance as long as it lives: a line of memory of each that a balancer has compared, and the rest of
//! those that are called.
//!
//! A pick among ten thousand draws instances that nobody has looked at for a while. What that costs is the way to each word
//! that is looked at, so those of an instance that is well stand side by side, and the others are looked at when something is
//! wrong. None of it is there before a call wants it: who knows ten thousand and calls ten pays for ten.

use super::{Common, connectivity::Connectivity, endpoint::TOKEN, health::Health, load::Load, pool::Pool};
use crate::{policy::Concurrency, transport::Target};
use mainstay_registry::Instance;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};
use tonic::metadata::{Ascii, MetadataValue};

/// What a pick looks at of one instance, and the way to the rest.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Live {
    pub(crate) load: Load,
    /// Whether it can be reached: [`READY`], or from when on it may be dialled, in microseconds and one more.
    reach: AtomicU64,
    /// Something may be wrong with it: 0 for nothing, else another number each time.
    alarm: AtomicU32,
    pub(super) common: Arc<Common>,
    own: OnceLock<Box<Own>>,
}

const _: () = assert!(size_of::<Live>() == 64);

/// A connection is open.
const READY: u64 = 0;
/// It may be dialled at once.
const IDLE: u64 = 1;
/// Nothing is dialled until this is over: an attempt is under way, or the instance is gone.
const NEVER: u64 = u64::MAX;

/// What an instance has that a call wanted.
#[derive(Debug)]
pub(crate) struct Own {
    /// As it was when the call came; its id and address stay what they are.
    pub(crate) instance: Arc<Instance>,
    pub(crate) health: Health,
    /// How many calls there may be at once, where that is bounded.
    pub(super) places: Option<Box<Concurrency>>,
    pub(crate) pool: Arc<Pool>,
    /// What the provider wants its callers to show, as Dubbo's do by the `token` of their registration.
    pub(crate) token: Option<MetadataValue<Ascii>>,
}

impl Live {
    pub(super) fn new(common: &Arc<Common>) -> Self {
        Self {
            load: Load::default(),
            reach: AtomicU64::new(IDLE),
            alarm: AtomicU32::new(0),
            common: common.clone(),
            own: OnceLock::new(),
        }
    }

    /// What it has; made now if it has nothing yet.
    pub(crate) fn own(self: &Arc<Self>, instance: &Arc<Instance>) -> &Own {
        self.own.get_or_init(|| {
            let host = instance.host.trim_start_matches('[').trim_end_matches(']');
            let pool = Pool::new(Target::new(host, instance.port), self.common.clone(), Arc::downgrade(self));
            // A token that no header can hold is nobody's.
            let token = instance.labels.get(TOKEN).and_then(|token| token.parse().ok());
            let health = Health::new(&self.common.settings.health);
            let places = self.common.settings.concurrency.clone().map(|options| Box::new(Concurrency::new(options)));
            Box::new(Own { instance: instance.clone(), health, places, pool: Arc::new(pool), token })
        })
    }

    /// What it has, if a call has wanted it.
    pub(crate) fn known(&self) -> Option<&Own> {
        self.own.get().map(|own| &**own)
    }

    /// A connection is open.
    pub(crate) fn is_ready(&self) -> bool {
        self.reach.load(Relaxed) == READY
    }

    /// A connection is open, or a call that wants it may dial now.
    pub(crate) fn is_reachable(&self, now: Duration) -> bool {
        match self.reach.load(Relaxed) {
            READY => true,
            NEVER => false,
            from => u128::from(from - 1) <= now.as_micros(),
        }
    }

    /// Lets picks see how its connections do, and from when on it may be dialled.
    pub(super) fn show(&self, state: Connectivity, again: Duration) {
        let reach = match state {
            Connectivity::Ready => READY,
            Connectivity::Connecting => NEVER,
            // Rounded up: an attempt before its time would be refused.
            _ => u64::try_from(again.as_nanos().div_ceil(1000)).unwrap_or(NEVER).saturating_add(IDLE),
        };
        self.reach.store(reach, Relaxed);
    }

    /// The registry has withdrawn it.
    pub(super) fn show_gone(&self) {
        self.reach.store(NEVER, Relaxed);
    }

    /// Something is wrong with its health from now on.
    pub(super) fn raise(&self) {
        let next = |alarm: u32| Some(alarm.wrapping_add(1).max(1));
        // It always has a next one.
        let _ = self.alarm.fetch_update(Release, Relaxed, next);
    }

    /// Its health, when something is wrong with that.
    pub(crate) fn ailing(&self, now: Duration) -> Option<&Health> {
        let alarm = self.alarm.load(Acquire);
        if alarm == 0 {
            return None;
        }
        let health = &self.known()?.health;
        if !health.is_well(now) {
            return Some(health);
        }
        // What has been raised meanwhile stays.
        let _ = self.alarm.compare_exchange(alarm, 0, Relaxed, Relaxed);
        None
    }
}
