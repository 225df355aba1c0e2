//! An upstream of plain HTTP/1.1: who is there, who gets a request, and sending it again where that is safe.
//!
//! Sent again is what certainly went nowhere (no connection, or one that ended before it took the request), whatever it is; and
//! what may have been seen only when it has no body and its method is idempotent (RFC 9110, 9.2.2). Nothing is sent again
//! once an answer has begun.

mod clock;
mod endpoint;
mod pick;

pub(crate) use endpoint::Endpoint;

use super::wire::Wire;
use crate::{
    config::{Address, LbPolicy, UpstreamConfig},
    filter::Session,
};
use arc_swap::ArcSwap;
use endpoint::{Active, Leased, answer, copy};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use mainstay::{edge::Body, transport::Connect};
use mainstay_registry::{Change, Changes, InstanceId};
use pick::{Seen, pick};
use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

/// How long a request waits for somebody to be known.
const PATIENCE: Duration = Duration::from_secs(2);

/// The endpoints of one upstream.
#[derive(Debug)]
pub(crate) struct HttpUpstream {
    shared: Arc<Shared>,
    lb_policy: LbPolicy,
    connect_timeout: Duration,
    turn: AtomicUsize,
    dice: RandomState,
    /// Follows a registry.
    follower: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    changed: Notify,
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// Nobody is known.
    #[error("no endpoint is known")]
    Nobody,
    /// Nobody could be connected to.
    #[error("no endpoint can be connected to: {0}")]
    Connect(#[source] io::Error),
    /// The connection ended, or what came is no HTTP.
    #[error("the upstream gave no answer: {0}")]
    Lost(#[source] hyper::Error),
    /// What came is no answer to this request.
    #[error("the upstream switched protocols unasked")]
    Switched,
    /// Nothing came in time.
    #[error("no answer began in time")]
    Late,
}

/// How a request may be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// How often it may be sent again, at most.
    pub(crate) retries: u32,
    /// It goes where it went before, as long as that is well.
    pub(crate) session: Option<Session>,
    /// When its answer must have begun.
    pub(crate) until: Instant,
}

impl Failed {
    /// A stable word.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Nobody => "NO_INSTANCE",
            Self::Connect(_) => "CONNECT_FAILED",
            Self::Lost(_) => "CONNECTION_LOST",
            Self::Switched => "BAD_RESPONSE",
            Self::Late => "UPSTREAM_TIMEOUT",
        }
    }

    /// As which answer the client hears of it.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Nobody | Self::Connect(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Lost(_) | Self::Switched => StatusCode::BAD_GATEWAY,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

impl HttpUpstream {
    /// Of endpoints that are given once.
    pub(super) fn fixed(endpoints: &[Address], config: &UpstreamConfig, wire: &Wire) -> Self {
        let all = endpoints.iter().map(|at| Arc::new(Endpoint::new(&at.host, at.port, wire.http1.clone()))).collect();
        Self::of(Shared { endpoints: ArcSwap::from_pointee(all), ..Shared::default() }, config)
    }

    /// Of those that a registry tells of.
    pub(super) fn following(changes: Changes, config: &UpstreamConfig, wire: &Wire) -> Self {
        let mut upstream = Self::of(Shared::default(), config);
        upstream.follower = Some(tokio::spawn(follow(upstream.shared.clone(), changes, wire.http1.clone())));
        upstream
    }

    fn of(shared: Shared, config: &UpstreamConfig) -> Self {
        let (turn, dice) = (AtomicUsize::new(0), RandomState::new());
        let (lb_policy, connect_timeout) = (config.lb_policy, config.connect_timeout);
        Self { shared: Arc::new(shared), lb_policy, connect_timeout, turn, dice, follower: None }
    }

    /// Everybody who is known.
    pub(crate) fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.shared.endpoints.load_full()
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// Why there is no answer. Cancel safe: dropping it closes the connection that it is on.
    pub(crate) async fn send(
        &self,
        mut request: Request<Body>,
        Terms { retries, session, until }: Terms,
    ) -> Result<Response<Body>, Failed> {
        let repeatable = request.body().is_end_stream() && is_idempotent(request.method());
        let (mut tried, mut left, mut fresh): (Vec<Arc<Endpoint>>, _, _) = (Vec::new(), retries, false);
        loop {
            let endpoint = match self.pick(&tried, session) {
                Some(endpoint) => endpoint,
                None => Box::pin(timeout_at(until, self.somebody())).await.map_err(|_| Failed::Late)??,
            };
            let active = Active::at(&endpoint);
            let leased = match endpoint.idle(fresh) {
                Some(leased) => Ok(leased),
                // What may have to wait is put away: a request carries along no room for it.
                None => {
                    let lease = timeout_at(until, endpoint.lease(fresh, self.connect_timeout));
                    Box::pin(lease).await.map_err(|_| Failed::Late)?
                }
            };
            let Leased { mut line, reused } = match leased {
                Ok(leased) => leased,
                Err(error) => {
                    endpoint.failed();
                    self.shared.changed.notify_waiters();
                    let others = self.shared.endpoints.load().len() > tried.len() + 1;
                    if left == 0 || !others {
                        return Err(Failed::Connect(error));
                    }
                    left -= 1;
                    tried.push(endpoint);
                    continue;
                }
            };
            let again = (repeatable && left > 0).then(|| copy(&request));
            let answered = line.clock.until(until, line.send.try_send_request(request)).await;
            match answered.ok_or(Failed::Late)? {
                Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => return Err(Failed::Switched),
                Ok(response) => {
                    endpoint.answered();
                    return Ok(answer(response, line, active));
                }
                Err(mut error) => {
                    // One that was idle had perhaps just been closed: that says nothing of the endpoint.
                    fresh = reused;
                    if let Some(unsent) = error.take_message() {
                        request = unsent;
                        if reused {
                            continue;
                        }
                    } else if let Some(copy) = again {
                        request = copy;
                    } else {
                        return Err(Failed::Lost(error.into_error()));
                    }
                    if left == 0 {
                        return Err(Failed::Lost(error.into_error()));
                    }
                    left -= 1;
                    if !reused {
                        endpoint.failed();
                        tried.push(endpoint);
                    }
                }
            }
        }
    }

    /// Waits until somebody is known.
    async fn somebody(&self) -> Result<Arc<Endpoint>, Failed> {
        let known = async {
            loop {
                let mut changed = std::pin::pin!(self.shared.changed.notified());
                changed.as_mut().enable();
                if let Some(endpoint) = self.pick(&[], None) {
                    return endpoint;
                }
                changed.await;
            }
        };
        timeout(PATIENCE, known).await.map_err(|_| Failed::Nobody)
    }

    /// Who gets a request; `None` when nobody is known.
    fn pick(&self, tried: &[Arc<Endpoint>], session: Option<Session>) -> Option<Arc<Endpoint>> {
        let all = self.shared.endpoints.load();
        if let [only] = all.as_slice() {
            return Some(only.clone());
        }
        let seen: Vec<_> = all
            .iter()
            .map(|endpoint| Seen {
                active: endpoint.active(),
                ejected: endpoint.is_ejected(),
                tried: tried.iter().any(|tried| Arc::ptr_eq(tried, endpoint)),
                affinity: session.map(|session| session.affinity(endpoint.key)),
            })
            .collect();
        let turn = self.turn.fetch_add(1, Relaxed);
        let at = pick(self.lb_policy, &seen, self.dice.hash_one(turn), turn)?;
        Some(all[at].clone())
    }
}

impl Drop for HttpUpstream {
    fn drop(&mut self) {
        self.follower.iter().for_each(JoinHandle::abort);
    }
}

/// Who changed and who stayed: an endpoint keeps its connections as long as its id, host and port stay.
async fn follow(shared: Arc<Shared>, mut changes: Changes, connect: Arc<dyn Connect>) {
    let mut known: BTreeMap<InstanceId, Arc<Endpoint>> = BTreeMap::new();
    let endpoint = |known: &BTreeMap<InstanceId, Arc<Endpoint>>, instance: &mainstay_registry::Instance| {
        let same =
            known.get(&instance.id).filter(|one| one.target.host == instance.host && one.target.port == instance.port);
        same.cloned().unwrap_or_else(|| Arc::new(Endpoint::new(&instance.host, instance.port, connect.clone())))
    };
    while let Some(change) = changes.next().await {
        match change {
            Change::Snapshot(all) => {
                let new: HashMap<_, _> =
                    all.iter().map(|instance| (instance.id.clone(), endpoint(&known, instance))).collect();
                known = new.into_iter().collect();
            }
            Change::Up(instance) => drop(known.insert(instance.id.clone(), endpoint(&known, &instance))),
            Change::Down(id, _) => drop(known.remove(&id)),
            _ => {}
        }
        shared.endpoints.store(Arc::new(known.values().cloned().collect()));
        shared.changed.notify_waiters();
    }
}

fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::TRACE].contains(method)
}
