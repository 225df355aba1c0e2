//! Which instance gets a call.

use crate::{
    call::{BoxFuture, Invocation, Reason, Reply, Status},
    client::Balance,
    transport::{Connect, Connection, Http2Limits, Target},
};
use mainstay_registry::{Change, Changes, Discover, Instance, InstanceId, Lookup};
use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::Mutex;
use tonic::Code;
use tower_service::Service;

/// What a client's endpoints are made with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) connector: Arc<dyn Connect>,
    pub(crate) limits: Http2Limits,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: u32,
    pub(crate) balance: Balance,
    pub(crate) connections: RangeInclusive<usize>,
    pub(crate) connect_timeout: Duration,
}

/// The instances of one service, as one service of invocations.
#[derive(Clone, Debug)]
pub(crate) struct Cluster(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    discover: Arc<dyn Discover>,
    lookup: Lookup,
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    changes: Option<Changes>,
    instances: BTreeMap<InstanceId, Instance>,
    connections: BTreeMap<InstanceId, Connection>,
    turn: usize,
}

impl Cluster {
    pub(crate) fn new(discover: Arc<dyn Discover>, lookup: Lookup, settings: Settings) -> Self {
        Self(Arc::new(Inner { discover, lookup, settings, state: Mutex::default() }))
    }
}

impl Inner {
    async fn connection(&self) -> Result<Connection, Status> {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        let changes = state.changes.get_or_insert_with(|| self.discover.subscribe(self.lookup.clone()));
        loop {
            let change = if state.instances.is_empty() {
                tokio::time::timeout(Duration::from_secs(2), changes.next()).await.ok().flatten()
            } else {
                use futures_util::FutureExt as _;
                changes.next().now_or_never().flatten()
            };
            match change {
                None => break,
                Some(Change::Snapshot(all)) => {
                    state.instances = all.into_iter().map(|one| (one.id.clone(), one)).collect();
                }
                Some(Change::Up(one)) => drop(state.instances.insert(one.id.clone(), one)),
                Some(Change::Down(id, _)) => drop(state.instances.remove(&id)),
                Some(_) => {}
            }
        }
        state.connections.retain(|id, connection| state.instances.contains_key(id) && connection.is_open());
        state.turn = state.turn.wrapping_add(1);
        let Some(instance) = state.instances.values().nth(state.turn % state.instances.len().max(1)) else {
            let survey = self.discover.survey(&self.lookup.key.interface);
            let text = survey.explain(&self.lookup, &self.discover.describe());
            return Err(Status::because(Reason::NoInstance, Code::Unavailable, text).not_reached());
        };
        if let Some(connection) = state.connections.get(&instance.id) {
            return Ok(connection.clone());
        }
        let target = Target::new(instance.host.clone(), instance.port);
        let failed = |text: String| Status::because(Reason::ConnectFailed, Code::Unavailable, text).not_reached();
        let connector = &self.settings.connector;
        let io = connector.connect(&target).await.map_err(|e| failed(format!("could not connect to {target}: {e}")))?;
        let authority = instance.address().parse().map_err(|e| failed(format!("{target} is no authority: {e}")))?;
        let connection = Connection::open(io, connector.scheme(), authority, &self.settings.limits).await;
        let connection = connection.map_err(|e| failed(format!("could not connect to {target}: {e}")))?;
        state.connections.insert(instance.id.clone(), connection.clone());
        Ok(connection)
    }
}

impl Service<Invocation> for Cluster {
    type Response = Reply;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Reply, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Invocation) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move { inner.connection().await?.call(call).await })
    }
}
