//! Calls that go to several instances at once: forking takes the first good answer, broadcasting wants one of each.
//!
//! Which calls may is decided before (`layer/failure/policy.rs`). Each try is a call of its endpoint like any other: it counts for
//! its load and its health. Whoever is not waited for any more is cancelled by being dropped.

use super::{
    Inner,
    endpoint::{Endpoint, Sent},
    line::May,
    live::Live,
    pick::Sought,
    place::{Place, refused},
};
use crate::{
    call::{Invocation, Reason, Reply, Status},
    layer::Spread,
};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};
use tonic::Code;

/// Instances that are asked at once, at most.
const AT_ONCE: usize = 64;

impl Inner {
    pub(super) async fn send_to_several(self: Arc<Self>, call: Invocation, spread: Spread) -> Result<Reply, Status> {
        match spread {
            Spread::Fork(forks) => self.fork(call, forks).await,
            Spread::All | Spread::First => self.broadcast(call).await,
        }
    }

    /// The first good answer of so many that are connected; of one, when nobody is connected yet.
    async fn fork(self: Arc<Self>, mut call: Invocation, forks: usize) -> Result<Reply, Status> {
        let mut asked = FuturesUnordered::<Sent>::new();
        for _ in 0..forks {
            let now = self.common.now();
            let Some(copy) = call.try_clone() else { break };
            let picked = self.pick(self.sought(&call), now, false, |pick| pick.choose(false))?;
            let Some((place, pooled)) = picked else { break };
            // Another one next.
            call.tried.extend(place.live.known().map(|own| own.instance.id.clone()));
            asked.push(place.call(pooled, copy, now));
        }
        let mut failed = None;
        while let Some(result) = asked.next().await {
            match result {
                Ok(reply) => return Ok(reply),
                Err(status) => failed = Some(status),
            }
        }
        match failed {
            Some(status) => Err(status),
            None => self.send_later(call).await,
        }
    }

    /// An answer of everybody; the first one's in the order of the ids.
    async fn broadcast(self: Arc<Self>, call: Invocation) -> Result<Reply, Status> {
        let all = self.everybody(self.sought(&call), call.deadline).await?;
        let count = all.len();
        let copies = all.into_iter().enumerate();
        let copies: Option<Vec<_>> =
            copies.map(|(place, endpoint)| Some((place, endpoint, call.try_clone()?))).collect();
        let once = || Status::because(Reason::BadRequest, Code::Internal, "a stream can be sent to one instance only");
        let mut waiting = copies.ok_or_else(once)?.into_iter();
        let ask = |(place, endpoint, copy): (usize, Arc<Endpoint>, Invocation)| {
            let this = self.clone();
            async move { (place, this.ask(endpoint, copy).await) }
        };
        let mut asked: FuturesUnordered<_> = waiting.by_ref().take(AT_ONCE).map(ask).collect();
        let (mut first, mut failed) = (None, Vec::new());
        while let Some((place, result)) = asked.next().await {
            asked.extend(waiting.next().map(ask));
            match result {
                Ok(reply) if first.as_ref().is_none_or(|(known, _)| place < *known) => first = Some((place, reply)),
                Ok(_) => {}
                Err(status) => failed.push(status),
            }
        }
        match (failed.first(), first) {
            (None, Some((_, reply))) => Ok(reply),
            (None, None) => Err(self.nobody(self.sought(&call), false)),
            (Some(status), _) => {
                let text = format!("{} of {count} instances failed, one with: {}", failed.len(), status.message());
                Err(Status::because(status.reason(), status.code(), text).not_retryable())
            }
        }
    }

    /// Those that the call may go to, once there is anybody.
    async fn everybody(&self, sought: Sought<'_>, deadline: Option<Instant>) -> Result<Vec<Arc<Endpoint>>, Status> {
        let until = self.until(deadline);
        loop {
            let mut changed = std::pin::pin!(self.common.changed.notified());
            changed.as_mut().enable();
            let all: Vec<_> =
                self.pick(sought, self.common.now(), false, |pick| pick.endpoints().cloned().collect())?;
            if !all.is_empty() {
                return Ok(all);
            }
            if timeout_at(until, changed).await.is_err() {
                return Err(self.nobody(sought, deadline == Some(until)));
            }
        }
    }

    /// Asks one instance, and waits for a place there and a connection.
    async fn ask(&self, endpoint: Arc<Endpoint>, call: Invocation) -> Result<Reply, Status> {
        let until = self.until(call.deadline);
        let live = endpoint.live(&self.common);
        let pool = &live.own(&endpoint.instance).pool;
        let Some(place) = self.place_at(live, until).await else {
            let text = format!("{}: as many calls as may be are under way", endpoint.instance.address());
            return Err(refused(Reason::ConcurrencyLimited, text).at(endpoint.instance.id.clone()));
        };
        loop {
            let mut changed = std::pin::pin!(self.common.changed.notified());
            changed.as_mut().enable();
            let now = self.common.now();
            if let Some(pooled) = pool.take(false, now) {
                return place.call(pooled, call, now).await;
            }
            if !live.is_reachable(now) && pool.connectivity() == super::Connectivity::TransientFailure {
                break;
            }
            pool.dial(false, now);
            if timeout_at(until, changed).await.is_err() {
                break;
            }
        }
        let error = endpoint.last_error();
        let text = format!("{}: {}", endpoint.instance.address(), error.as_deref().unwrap_or("no connection yet"));
        Err(Status::because(Reason::ConnectFailed, Code::Unavailable, text)
            .not_reached()
            .at(endpoint.instance.id.clone()))
    }

    /// A place at this one.
    async fn place_at(&self, live: &Arc<Live>, until: Instant) -> Option<Place> {
        if let Some(place) = Place::at(live) {
            return Some(place);
        }
        let mut line = self.common.line.stand(May::These(vec![live.identity()]), usize::MAX, self.common.now())?;
        // It may have come free before.
        match Place::at(live) {
            Some(place) => Some(place),
            None => timeout_at(until, line.turn()).await.ok()?,
        }
    }

    /// Until when a call waits for instances, connections and places.
    pub(super) fn until(&self, deadline: Option<Instant>) -> Instant {
        let patient = Instant::now() + self.common.settings.patience;
        deadline.map_or(patient, |deadline| deadline.min(patient))
    }
}
