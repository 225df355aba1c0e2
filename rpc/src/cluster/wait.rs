//! Calls that find nobody at once: they wait until somebody is there and connected, and has a place for them.

use super::{
    Inner,
    line::InLine,
    pick::{Pick, Sought},
    place::{Place, all_full, refused},
    pool::Pooled,
    routes::NoRoute,
};
use crate::call::{Invocation, Reason, Reply, Status};
use std::{future::pending, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};
use tonic::Code;

/// How long a call waits for one endpoint before it would take any other.
const STEP: Duration = Duration::from_millis(250);

/// A call that waits.
struct Wait<'a> {
    inner: &'a Inner,
    sought: Sought<'a>,
    /// How many may stand in line before each instance when it comes.
    share: usize,
    /// One that failed it before will do.
    tried_too: bool,
    /// Rules that do not insist are passed over.
    relaxed: bool,
    /// All are full, and it stands in line.
    in_line: Option<InLine<Place>>,
    /// What it got there.
    given: Option<Place>,
}

type Found = (Place, Arc<Pooled>);

/// What keeps it from being sent.
struct Missed {
    /// No breaker of those that are connected lets it through.
    broken: bool,
    /// Nobody of those that rules want will answer.
    in_vain: bool,
    /// So many are full, and so is the line before them.
    no_room: Option<usize>,
}

impl Wait<'_> {
    /// Looks for somebody; `None` when it is to wait for a change, or for its turn.
    fn look(&mut self, now: Duration) -> Result<Option<Found>, Status> {
        loop {
            let inner = self.inner;
            match inner.pick(self.sought, now, self.relaxed, |pick| self.ask(pick, now))? {
                Ok(found) => return Ok(Some(found)),
                // Others do, where the rules do not insist.
                Err(Missed { in_vain: true, .. }) if !self.relaxed => self.relaxed = true,
                Err(Missed { broken: true, .. }) => return Err(broken()),
                Err(Missed { no_room: Some(count), .. }) => {
                    let text = format!("{}, and the line is full", all_full(count));
                    return Err(refused(Reason::ConcurrencyLimited, text));
                }
                Err(_) => return Ok(None),
            }
        }
    }

    fn ask(&mut self, pick: &Pick<'_>, now: Duration) -> Result<Found, Missed> {
        let hope = pick.hope();
        self.tried_too |= !self.sought.tried.is_empty() && !hope;
        let taken_up = self.given.take().and_then(|place| pick.take_up(place));
        if let Some(found) = taken_up.or_else(|| pick.choose(self.tried_too)) {
            return Ok(found);
        }
        let stands = self.stand(pick, now);
        // A place may have come free since the look.
        let found = if let Ok(true) = stands { pick.choose(self.tried_too) } else { None };
        found.ok_or_else(|| Missed {
            broken: pick.broken(),
            in_vain: pick.part.is_some() && !hope,
            no_room: stands.err(),
        })
    }

    /// Stands in line when all are full. Says whether it just came; how many are full, when there is no room.
    fn stand(&mut self, pick: &Pick<'_>, now: Duration) -> Result<bool, usize> {
        let full = pick.full(self.tried_too);
        self.in_line.take_if(|line| full.as_ref().is_none_or(|full| line.may != full.may));
        let Some(full) = full.filter(|_| self.in_line.is_none()) else { return Ok(false) };
        let (common, count) = (&self.inner.common, full.count);
        self.in_line = common.line.stand(full.may, self.share.saturating_mul(count), now);
        if self.in_line.is_some() { Ok(true) } else { Err(count) }
    }

    /// Its turn, where it stands in line; `None` when it is let go.
    async fn turn(&mut self) -> Option<Place> {
        match &mut self.in_line {
            Some(line) => line.turn().await,
            None => pending().await,
        }
    }
}

impl Inner {
    pub(super) async fn send_later(self: Arc<Self>, call: Invocation) -> Result<Reply, Status> {
        let share = self.common.settings.concurrency.as_ref().map_or(0, |options| options.share(&call));
        let ((place, pooled), began) = self.wait(self.sought(&call), call.deadline, share).await?;
        place.call(pooled, call, began).await
    }

    /// Waits until somebody is there and connected, and has a place.
    async fn wait(
        &self,
        sought: Sought<'_>,
        deadline: Option<Instant>,
        share: usize,
    ) -> Result<(Found, Duration), Status> {
        let until = self.until(deadline);
        let (tried_too, relaxed, in_line, given) = (false, false, None, None);
        let mut wait = Wait { inner: self, sought, share, tried_too, relaxed, in_line, given };
        loop {
            let mut changed = std::pin::pin!(self.common.changed.notified());
            changed.as_mut().enable();
            let now = self.common.now();
            if let Some(found) = wait.look(now)? {
                return Ok((found, now));
            }
            let step = Instant::now() + STEP;
            tokio::select! {
                biased;
                turn = wait.turn() => {
                    (wait.in_line, wait.given) = (None, turn);
                    if wait.given.is_none() {
                        return Err(shed());
                    }
                }
                () = changed => {}
                () = sleep_until(until.min(step)) => {
                    wait.tried_too = true;
                    if Instant::now() >= until {
                        return Err(self.nobody(sought, deadline == Some(until)));
                    }
                }
            }
        }
    }

    /// Why nobody took the call.
    pub(super) fn nobody(&self, sought: Sought<'_>, late: bool) -> Status {
        let explain = |pick: &Pick<'_>| {
            if pick.snapshot.endpoints.is_empty() {
                return (Reason::NoInstance, self.directory.explain(pick.snapshot.heard));
            }
            if let Some(full) = pick.full(true) {
                return (Reason::ConcurrencyLimited, all_full(full.count));
            }
            let errors = pick.endpoints().map(|endpoint| {
                let error = endpoint.last_error();
                format!("{}: {}", endpoint.instance.address(), error.as_deref().unwrap_or("no connection yet"))
            });
            let (all, shown) = (pick.endpoints().count(), errors.take(3).collect::<Vec<_>>().join("; "));
            let among = if pick.part.is_some() { " that rules leave for this call" } else { "" };
            (Reason::ConnectFailed, format!("none of {all} instances{among} is connected: {shown}"))
        };
        let (reason, text) = match self.pick(sought, self.common.now(), false, explain) {
            Ok(explained) => explained,
            Err(error) => return error.into(),
        };
        if late {
            let text = format!("the deadline passed while waiting for an instance: {text}");
            return Status::because(Reason::DeadlineExceeded, Code::DeadlineExceeded, text).not_reached();
        }
        if reason == Reason::ConcurrencyLimited {
            return refused(reason, text);
        }
        Status::because(reason, Code::Unavailable, text).not_reached()
    }
}

/// Waiting would not help: rules change when somebody changes them.
impl From<NoRoute> for Status {
    #[cold]
    fn from(NoRoute(by): NoRoute) -> Self {
        let text = format!("rules leave no instance for this call: {by}");
        Self::because(Reason::NoRoute, Code::Unavailable, text).not_reached()
    }
}

/// Waiting would not help: whoever is connected is not to be called for a while.
#[cold]
fn broken() -> Status {
    let text = "too many calls failed: the breaker of every instance that is connected is open";
    Status::because(Reason::BreakerOpen, Code::Unavailable, text).not_reached()
}

#[cold]
fn shed() -> Status {
    let text = "the line before the instances does not empty, and the call has waited for too long";
    refused(Reason::Shed, text.to_owned())
}
