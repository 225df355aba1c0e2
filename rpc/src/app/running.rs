//! An application at work, and how it ends: what is told to whom, in which order, and for how long.

use super::{
    App, AppError, advertise::Advertised, builder::say, offering::Offering, readiness::Readiness, report,
    signals::Signals, stage::Stage,
};
use crate::{
    Error,
    admin::Console,
    route::{RuleBoard, RuleState},
    server::{Drained, Running},
};
use mainstay_registry::{LeaseState, RegistryError};
use std::{future::pending, net::SocketAddr, pin::pin, time::Duration};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};

/// The process' exit code when something was cut: EX_TEMPFAIL of sysexits.
const CUT: i32 = 75;

/// An application that was started. Dropping it withdraws the registration and lets the server go on: use
/// [`drain`](Self::drain).
#[derive(Debug)]
pub struct RunningApp {
    server: Running,
    admin: Option<Running>,
    readiness: Readiness,
    plan: Plan,
    rules: RuleBoard,
    clients: Console,
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
        admin: Option<Running>,
        clients: Console,
        offering: Offering,
        readiness: Readiness,
        plan: Plan,
    ) -> Self {
        let (withdraw, end) = oneshot::channel();
        readiness.enter(Stage::Serving);
        let rules = offering.board.clone();
        let registration = tokio::spawn(offering.keep(readiness.clone(), end));
        Self { server, admin, readiness, plan, rules, clients, withdraw, registration }
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.plan.listening
    }

    /// The address where operators ask; `None` where they cannot.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.address()
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

    /// How it stands with the rules of operators about what it registers, key by key. Empty where no rules are followed.
    pub fn rules(&self) -> Vec<RuleState> {
        self.rules.states()
    }

    /// Ends in order: see [`Stage`]. Takes at most the time to deregister (3 s), the delay and the grace together.
    pub async fn drain(self) -> Drained {
        self.drain_until(pending()).await
    }

    /// The same, but cuts what is under way as soon as `hurry` is ready.
    pub async fn drain_until(self, hurry: impl Future<Output = ()>) -> Drained {
        let Self { server, admin, readiness, plan, rules: _, clients, withdraw, registration } = self;
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
        let until = Instant::now() + grace;
        let drained = tokio::select! {
            drained = server.drain(grace) => drained,
            () = &mut hurry, if !hurried => server.drain(Duration::ZERO).await,
        };
        // What handlers left to be sent again goes out now that there will be no more of it.
        if timeout_at(until, clients.drain()).await.is_err() {
            tracing::warn!("calls that were to be sent again did not end in time");
        }
        readiness.enter(Stage::Closed);
        // To the end operators see how it goes.
        if let Some(admin) = admin {
            admin.drain(Duration::ZERO).await;
        }
        drained
    }
}

/// [`App::run`] once there is something to run.
pub(crate) async fn run(app: App, stop: impl Future<Output = ()>) -> Result<(), Error> {
    // Before anything is announced: a signal that comes at once must not find the default handler.
    let mut signals = Signals::new().map_err(AppError::Signals)?;
    let mut app = app.recording().start().await?;
    let plan = &app.plan;
    say(&report::banner(
        &plan.application,
        &plan.services,
        plan.listening,
        &plan.advertised,
        &plan.registry,
        app.admin(),
    ));
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
