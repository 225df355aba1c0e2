//! The shell of the controller: one task per registration that does what `controller.rs` decides.
//!
//! An adapter gives it a [`Record`], its three operations on one record. Everything that is the same in every registry
//! (read-back, repair, backoff, timeouts, withdrawal on drop) is here, once.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout},
};

use crate::{
    controller::{Controller, Seen, Step, Timing},
    error::RegistryError,
    instance::{Registration, fresh},
    lease::{Desk, Lease, LeaseState, Wanted},
};

/// One registration's record in a registry, as its controller handles it.
///
/// Each operation is bounded by [`Timing::operation`]; a future that is dropped then may or may not have had its
/// effect, which the next read-back finds out.
pub trait Record: Send + 'static {
    /// Writes the record, replacing what is there of ours.
    fn write(&mut self, wanted: &Arc<Registration>) -> impl Future<Output = Result<(), RegistryError>> + Send;

    /// Reads the record with the registry's eyes, never from a cache of the client, and compares.
    fn read_back(&mut self, wanted: &Arc<Registration>) -> impl Future<Output = Result<Seen, RegistryError>> + Send;

    /// Removes the record. That it is not there is a success.
    fn remove(&mut self) -> impl Future<Output = Result<(), RegistryError>> + Send;

    /// Ready when something happened that makes an early read-back worth while. Cancel-safe. Never, by default.
    fn disturbed(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// Keeps `registration` in a registry through `record`, on the current tokio runtime, until the lease ends.
///
/// Without a runtime, the lease is [`LeaseState::Lost`] and says so.
pub fn keep<R: Record>(record: R, registration: Registration, timing: Timing) -> Lease {
    let Ok(runtime) = Handle::try_current() else {
        let reason = "register() was called outside of a tokio runtime".to_owned();
        return Lease::settled(registration, LeaseState::Lost { reason });
    };
    let (lease, desk) = Lease::pair(registration);
    runtime.spawn(run(record, desk, timing));
    lease
}

async fn run<R: Record>(mut record: R, mut desk: Desk, timing: Timing) {
    let start = Instant::now();
    let mut controller = Controller::new(timing);
    let mut wanted = desk.wanted.borrow_and_update().clone();
    loop {
        // A lease that was dropped wants nothing any more.
        let dropped = desk.wanted.has_changed().is_err();
        if dropped || matches!(wanted, Wanted::Gone) {
            controller.withdraw();
        }
        publish(&desk, &controller);
        match (controller.step(start.elapsed()), &wanted) {
            (Step::Write, Wanted::Present(registration)) => {
                let result = bounded("writing the record", &timing, record.write(registration)).await;
                controller.wrote(start.elapsed(), result, fresh());
            }
            (Step::ReadBack, Wanted::Present(registration)) => {
                let result = bounded("reading the record back", &timing, record.read_back(registration)).await;
                controller.read(start.elapsed(), result, fresh());
            }
            (Step::Remove, _) => {
                let result = bounded("removing the record", &timing, record.remove()).await;
                controller.removed(start.elapsed(), result, fresh());
            }
            (Step::Wait(wait), _) => {
                tokio::select! {
                    _ = desk.wanted.changed(), if !dropped => {}
                    () = record.disturbed() => controller.disturbed(),
                    () = sleep(wait.max(Duration::from_millis(1))) => {}
                }
            }
            (Step::Done, _) | (_, Wanted::Gone) => break,
        }
        let next = desk.wanted.borrow_and_update().clone();
        if let (Wanted::Present(old), Wanted::Present(new)) = (&wanted, &next)
            && !Arc::ptr_eq(old, new)
        {
            controller.wish_changed();
        }
        wanted = next;
    }
    publish(&desk, &controller);
}

/// Tells the lease how it stands, and the log what a person would want to know.
fn publish(desk: &Desk, controller: &Controller) {
    let now = controller.standing();
    desk.standing.send_if_modified(|before| {
        if *before == now {
            return false;
        }
        match (&before.state, &now.state) {
            (old, new) if old == new => {}
            (_, LeaseState::Lost { reason }) => tracing::warn!(reason, repairs = now.repairs, "registration lost"),
            (_, state) => tracing::debug!(%state, repairs = now.repairs, "registration"),
        }
        if let (None, Some(trouble)) = (&before.trouble, &now.trouble) {
            tracing::warn!(trouble, "registry is not reachable, trying on");
        }
        *before = now;
        true
    });
}

async fn bounded<T>(
    what: &str,
    timing: &Timing,
    operation: impl Future<Output = Result<T, RegistryError>>,
) -> Result<T, String> {
    match timeout(timing.operation, operation).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("{what} took longer than {:?}", timing.operation)),
    }
}
