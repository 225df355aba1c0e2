//! An application at work, and how it ends: what is told to whom, in which order, and for how long.

use super::{
    App, AppError, advertise::Advertised, builder::say, readiness::Readiness, report, signals::Signals, stage::Stage,
};
use crate::Error;
use crate::server::{Drained, Running};
use mainstay_registry::{Hub, Lease, LeaseState, Registration, Registry, RegistryError};
use std::{future::pending, net::SocketAddr, pin::pin, time::Duration};
use tokio::{sync::oneshot, task::JoinHandle, time::sleep};

/// How long the registry has to take a registration back.
const WITHDRAW: Duration = Duration::from_secs(3);
/// The process' exit code when something was cut: EX_TEMPFAIL of sysexits.
const CUT: i32 = 75;

/// An application that was started. Dropping it withdraws the registration and lets the server go on: use
/// [`drain`](Self::drain).
#[derive(Debug)]
pub struct RunningApp {
    server: Running,
    readiness: Readiness,
    plan: Plan,
    withdraw: oneshot::Sender<()>,
    registration: JoinHandle<Result<(), RegistryError>>,
}

/// What was decided at the start.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) application: String,
    pub(crate) services: Vec<String>,
    pub(crate) listening: SocketAddr,
    pub(crate) advertised: Advertised,
    pub(crate) registry: String,
    pub(crate) delay: Duration,
    pub(crate) grace: Duration,
}

impl RunningApp {
    pub(crate) fn new(
        server: Running,
        hub: &Hub,
        registration: Registration,
        readiness: Readiness,
        plan: Plan,
    ) -> Self {
        let (withdraw, end) = oneshot::channel();
        readiness.enter(Stage::Serving);
        let registration = tokio::spawn(keep(hub.register(registration), readiness.clone(), end));
        Self { server, readiness, plan, withdraw, registration }
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.plan.listening
    }

    /// What consumers are told, and why.
    pub fn advertised(&self) -> &Advertised {
        &self.plan.advertised
    }

    /// Whether it is ready, for probes of one's own.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// The server: its connections and calls.
    pub fn server(&self) -> &Running {
        &self.server
    }

    /// Ends in order: see [`Stage`]. Takes at most the time to deregister (3 s), the delay and the grace together.
    pub async fn drain(self) -> Drained {
        self.drain_until(pending()).await
    }

    /// The same, but cuts what is under way as soon as `hurry` is ready.
    pub async fn drain_until(self, hurry: impl Future<Output = ()>) -> Drained {
        let Self { server, readiness, plan, withdraw, registration } = self;
        let mut hurry = pin!(hurry);
        let leave = async {
            readiness.enter(Stage::Unready);
            server.health().stop();
            readiness.enter(Stage::NotServing);
            // The task is gone only with its runtime: then the registration is gone too.
            let _ = withdraw.send(());
            if let Ok(Err(error)) = registration.await {
                tracing::warn!(%error, "the registry was not told in time");
            }
            readiness.enter(Stage::Deregistered);
            sleep(plan.delay).await;
            readiness.enter(Stage::Propagated);
        };
        let hurried = tokio::select! {
            () = leave => false,
            () = &mut hurry => true,
        };
        readiness.enter(Stage::GoAway);
        let grace = if hurried { Duration::ZERO } else { plan.grace };
        let drained = tokio::select! {
            drained = server.drain(grace) => drained,
            () = &mut hurry, if !hurried => server.drain(Duration::ZERO).await,
        };
        readiness.enter(Stage::Closed);
        drained
    }
}

/// Keeps a lease and says how it stands, until it is to be withdrawn.
async fn keep(mut lease: Lease, readiness: Readiness, mut end: oneshot::Receiver<()>) -> Result<(), RegistryError> {
    readiness.stands(lease.state());
    loop {
        tokio::select! {
            _ = &mut end => break,
            state = lease.changed() => readiness.stands(state),
        }
    }
    let withdrawn = lease.withdraw(WITHDRAW).await;
    readiness.stands(LeaseState::Withdrawn);
    withdrawn
}

/// [`App::run`] once there is something to run.
pub(crate) async fn run(app: App, stop: impl Future<Output = ()>) -> Result<(), Error> {
    // Before anything is announced: a signal that comes at once must not find the default handler.
    let mut signals = Signals::new().map_err(AppError::Signals)?;
    let mut app = app.start().await?;
    let plan = &app.plan;
    say(&report::banner(&plan.application, &plan.services, plan.listening, &plan.advertised, &plan.registry));
    let told = tokio::spawn(tell(app.readiness.clone()));
    tokio::select! {
        () = signals.next() => {}
        () = stop => {}
        ended = app.server.ended() => {
            let source = ended.err().unwrap_or_else(|| std::io::ErrorKind::UnexpectedEof.into());
            return Err(AppError::Listener { address: app.plan.listening, source }.into());
        }
    }
    told.abort();
    say("draining; a second signal cuts what is under way\n");
    let drained = app.drain_until(signals.next()).await;
    if drained.cut_calls == 0 {
        say("drained\n");
        return Ok(());
    }
    say(&format!("calls that were cut: {}\n", drained.cut_calls));
    std::process::exit(CUT)
}

/// Tells people how the registration does: when it is there, and when it is lost.
async fn tell(readiness: Readiness) {
    let mut standing = readiness.subscribe();
    let mut last = LeaseState::Pending;
    loop {
        let state = standing.borrow_and_update().state.clone();
        if state != last {
            say(&report::registration(&state));
        }
        last = state;
        if standing.changed().await.is_err() {
            return;
        }
    }
}
