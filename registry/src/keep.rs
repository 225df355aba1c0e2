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
    rng::Rng,
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
    let mut rng = Rng::new(timing.seed.unwrap_or_else(fresh));
    let mut wanted = desk.wanted.borrow_and_update().clone();
    loop {
        // A lease that was dropped wants nothing any more.
        let dropped = desk.wanted.has_changed().is_err();
        match &wanted {
            _ if dropped => controller.withdraw(),
            Wanted::Gone => controller.withdraw(),
            Wanted::Absent(_) => controller.set_offline(true),
            Wanted::Present(_) => controller.set_offline(false),
        }
        publish(&desk, &controller);
        match (controller.step(start.elapsed()), wanted.registration()) {
            (Step::Write, Some(registration)) => {
                let result = bounded("writing the record", &timing, record.write(registration)).await;
                controller.wrote(start.elapsed(), result, rng.next_u64());
            }
            (Step::ReadBack, Some(registration)) => {
                let result = bounded("reading the record back", &timing, record.read_back(registration)).await;
                controller.read(start.elapsed(), result, rng.next_u64());
            }
            (Step::Remove, _) => {
                let result = bounded("removing the record", &timing, record.remove()).await;
                controller.removed(start.elapsed(), result, rng.next_u64());
            }
            (Step::Wait(wait), _) => {
                tokio::select! {
                    biased;
                    _ = desk.wanted.changed(), if !dropped => {}
                    () = record.disturbed() => controller.disturbed(),
                    () = sleep(wait.max(Duration::from_millis(1))) => {}
                }
            }
            (Step::Done, _) | (_, None) => break,
        }
        let next = desk.wanted.borrow_and_update().clone();
        if let (Some(old), Some(new)) = (wanted.registration(), next.registration())
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

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use crate::{Instance, ServiceKey};

    /// A registry that does what the test says.
    #[derive(Clone, Debug, Default)]
    struct Server(Arc<Mutex<State>>);

    #[derive(Debug, Default)]
    struct State {
        away: bool,
        hangs: bool,
        record: Option<Arc<Registration>>,
        writes: u64,
    }

    impl Server {
        fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
            act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }

        async fn answer<T>(&self, act: impl FnOnce(&mut State) -> T) -> Result<T, RegistryError> {
            if self.with(|state| state.hangs) {
                std::future::pending::<()>().await;
            }
            if self.with(|state| state.away) {
                let (attempted, why) = ("writing".to_owned(), "connection refused".to_owned());
                return Err(RegistryError::Unavailable { attempted, why });
            }
            Ok(self.with(act))
        }
    }

    impl Record for Server {
        async fn write(&mut self, wanted: &Arc<Registration>) -> Result<(), RegistryError> {
            self.answer(|state| {
                state.writes += 1;
                state.record = Some(wanted.clone());
            })
            .await
        }

        async fn read_back(&mut self, wanted: &Arc<Registration>) -> Result<Seen, RegistryError> {
            self.answer(|state| match &state.record {
                None => Seen::Absent,
                Some(record) if record == wanted => Seen::Same,
                Some(_) => Seen::Different,
            })
            .await
        }

        async fn remove(&mut self) -> Result<(), RegistryError> {
            self.answer(|state| state.record = None).await
        }
    }

    async fn told(lease: &mut Lease) -> LeaseState {
        timeout(MINUTE, lease.changed()).await.expect("a change within a minute")
    }

    const MINUTE: Duration = Duration::from_secs(60);

    fn start(server: &Server) -> Lease {
        let registration = Registration::new(Instance::new("a", "h", 1), [ServiceKey::new("a.B")]);
        keep(server.clone(), registration, Timing::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_that_is_away_for_an_hour_is_found_again() {
        let server = Server::default();
        server.with(|state| state.away = true);
        let mut lease = start(&server);
        let error = lease.registered(60 * MINUTE).await.unwrap_err().to_string();
        assert!(error.contains("connection refused"), "{error}");
        assert_eq!(lease.state(), LeaseState::Pending);
        server.with(|state| state.away = false);
        lease.registered(MINUTE).await.unwrap();
        assert_eq!((lease.trouble(), lease.repairs()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_that_hangs_is_cut_off_and_tried_again() {
        let server = Server::default();
        server.with(|state| state.hangs = true);
        let mut lease = start(&server);
        let error = lease.registered(MINUTE).await.unwrap_err().to_string();
        assert!(error.contains("writing the record took longer than 5s"), "{error}");
        server.with(|state| state.hangs = false);
        lease.registered(MINUTE).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn data_that_was_lost_or_changed_is_written_again() {
        let server = Server::default();
        let mut lease = start(&server);
        lease.registered(MINUTE).await.unwrap();
        server.with(|state| state.record = None);
        assert_eq!((told(&mut lease).await, lease.repairs()), (LeaseState::Registered, 1));
        let other = Registration::new(Instance::new("b", "h", 1), []);
        server.with(|state| state.record = Some(Arc::new(other)));
        assert_eq!((told(&mut lease).await, lease.repairs()), (LeaseState::Registered, 2));
        assert_eq!(server.with(|state| state.record.clone()), lease.registration());
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_that_goes_away_later_is_told_of_after_the_grace() {
        let server = Server::default();
        let mut lease = start(&server);
        lease.registered(MINUTE).await.unwrap();
        server.with(|state| state.away = true);
        assert_eq!(told(&mut lease).await, LeaseState::Registered, "trouble is told at once");
        let since = Instant::now();
        assert!(lease.trouble().is_some_and(|why| why.contains("connection refused")));
        assert!(matches!(told(&mut lease).await, LeaseState::Lost { .. }));
        assert!(since.elapsed() >= Timing::default().grace, "{:?}", since.elapsed());
        server.with(|state| state.away = false);
        assert_eq!(told(&mut lease).await, LeaseState::Registered);
    }

    #[tokio::test(start_paused = true)]
    async fn an_update_is_written_at_once_and_an_equal_one_is_not() {
        let server = Server::default();
        let mut lease = start(&server);
        lease.registered(MINUTE).await.unwrap();
        lease.set_weight(7);
        lease.set_weight(7);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(server.with(|state| (state.writes, state.record.as_ref().unwrap().instance.weight)), (2, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn withdrawing_is_done_when_it_says_so_and_bounded_when_it_cannot() {
        let server = Server::default();
        let mut lease = start(&server);
        lease.registered(MINUTE).await.unwrap();
        lease.withdraw(MINUTE).await.unwrap();
        assert_eq!(server.with(|state| state.record.clone()), None);

        let mut lease = start(&server);
        lease.registered(MINUTE).await.unwrap();
        server.with(|state| state.away = true);
        let error = lease.withdraw(MINUTE).await.unwrap_err().to_string();
        assert!(error.contains("connection refused"), "{error}");

        server.with(|state| state.away = false);
        let mut lease = start(&server);
        lease.registered(MINUTE).await.unwrap();
        server.with(|state| state.hangs = true);
        let error = lease.withdraw(Duration::from_secs(2)).await.unwrap_err();
        assert!(matches!(error, RegistryError::Timeout { .. }), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_dropped_is_withdrawn() {
        let server = Server::default();
        let mut lease = start(&server);
        lease.registered(MINUTE).await.unwrap();
        drop(lease);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(server.with(|state| state.record.clone()), None);
    }

    #[test]
    fn without_a_runtime_it_says_so() {
        let lease = start(&Server::default());
        assert!(matches!(lease.state(), LeaseState::Lost { reason } if reason.contains("outside of a tokio runtime")));
    }
}
