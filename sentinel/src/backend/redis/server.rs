//! A Redis server as a [`Backend`].
//!
//! Questions go over the kept link. A task that asks several things in turn runs beside it and tells its outcome in the
//! end. Pausing writes has a connection of its own: a pause also holds back what the sentinel publishes, and a pause of
//! the link itself would hold back the questions that the switchover waits for.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::commands::{Become, option, ping_reply};
use super::dial::{Access, Kind, dial};
use super::link::{Link, Orders};
use super::subscription::Subscription;
use super::{hello, info};
use crate::backend::{Backend, Fence, LinkId, Sink, Told};
use crate::core::action::HelloBody;
use crate::core::event::{Done, Event, Failure, Role};
use crate::core::ids::{Address, Millis, ServerRef, Target, Ticket};
use crate::resp::Value;

/// The longest wait for the outcome of a task; after it the outcome counts as unknown, and the core asks again.
const TASK: Duration = Duration::from_secs(1);

/// The link to one server.
#[derive(Debug)]
pub struct Server {
    server: ServerRef,
    id: LinkId,
    access: Access,
    link: Link,
    sink: Sink,
    _subscription: Subscription,
}

impl Server {
    /// Makes the link and keeps it.
    pub fn connect(id: LinkId, server: ServerRef, access: Access, sink: Sink) -> Server {
        let link = Link::keep(id, Target::Server(server.clone()), access.clone(), sink.clone());
        let subscription = Subscription::keep(id, access.clone(), sink.clone());
        Server { server, id, access, link, sink, _subscription: subscription }
    }

    /// Runs a task beside the link and tells its outcome.
    fn run(&self, ticket: Ticket, task: impl Future<Output = Result<Done, Failure>> + Send + 'static) {
        let (sink, link) = (self.sink.clone(), self.id);
        tokio::spawn(async move {
            let event = Event::Done(ticket, task.await);
            // The loop is gone: nobody waits any more.
            let _ = sink.send(Told { link, event, text: None }).await;
        });
    }

    fn change_role(&self, ticket: Ticket, what: Become) {
        let (orders, access) = (self.link.orders().clone(), self.access.clone());
        self.run(ticket, async move { reconfigure(&orders, &access, &what, Some(TASK)).await });
    }
}

impl Backend for Server {
    fn probe(&self) {
        let target = Target::Server(self.server.clone());
        self.link.orders().send(&[self.access.names.words("PING", &[])], move |replies| {
            Some((Event::Pong(target, ping_reply(replies.ok()?.first()?)), None))
        });
    }

    fn position(&self, asked: Millis) {
        let from = self.server.clone();
        self.link.orders().send(&[self.access.names.words("INFO", &[])], move |replies| {
            let replies = replies.ok()?;
            let text: Arc<str> = String::from_utf8_lossy(replies.first()?.as_bytes()?).into();
            let report = info::parse(&text)?;
            Some((Event::Report { from, asked, report }, Some(text)))
        });
    }

    fn promote(&self, ticket: Ticket) {
        self.change_role(ticket, Become::Master);
    }

    fn follow(&self, ticket: Ticket, master: &Address) {
        self.change_role(ticket, Become::ReplicaOf(master.clone()));
    }

    fn step_down(&self, ticket: Ticket, master: &Address) {
        self.change_role(ticket, Become::FormerMaster(master.clone()));
    }

    fn fence(&self, ticket: Ticket, fence: &Fence) {
        let (orders, access) = (self.link.orders().clone(), self.access.clone());
        match fence.clone() {
            Fence::Gate { min_replicas, max_lag_s } => {
                self.run(ticket, async move { set_gate(&orders, &access, min_replicas, max_lag_s).await });
            }
            Fence::Detach => self.run(ticket, async move {
                let what = Become::detached();
                // Not written to its file and no client cut off: it is undone by what follows.
                what.outcome(&orders.ask(&what.plain(&access.names), Some(TASK)).await?)
            }),
            // However long the server stays away: the connection's end is the end of the wait.
            Fence::OnReturn(master) => {
                self.run(ticket, async move { reconfigure(&orders, &access, &Become::ReplicaOf(master), None).await })
            }
        }
    }

    fn pause_writes(&self, ticket: Ticket, ms: u64) {
        let access = self.access.clone();
        self.run(ticket, in_time(async move { pause(&access, ms).await }));
    }

    fn resume_writes(&self, ticket: Ticket) {
        let access = self.access.clone();
        self.run(ticket, in_time(async move { resume(&access).await }));
    }

    fn publish(&self, own: &Address, body: &HelloBody) {
        let orders = self.link.orders();
        let Some(own) = own_address(own, orders) else { return };
        let text = hello::format(self.access.me, &own, body);
        orders.send(&[self.access.names.words("PUBLISH", &[hello::CHANNEL, &text])], |_| None);
    }

    fn kill_script(&self) {
        self.link.orders().send(&[self.access.names.words("SCRIPT", &["KILL"])], |_| None);
    }

    fn reconnect(&self) {
        self.link.reconnect();
    }

    fn pending(&self) -> u32 {
        self.link.orders().pending()
    }
}

/// This sentinel's address on a link: as announced, else the local one of the connection.
pub(super) fn own_address(own: &Address, orders: &Orders) -> Option<Address> {
    if own.host.is_empty() { Some(Address::new(&orders.local()?.to_string(), own.port)) } else { Some(own.clone()) }
}

/// The transaction, and the order alone where only what accompanies it is forbidden.
async fn reconfigure(
    orders: &Orders,
    access: &Access,
    what: &Become,
    patience: Option<Duration>,
) -> Result<Done, Failure> {
    let replies = orders.ask(&what.transaction(&access.names), patience).await?;
    if !what.only_the_trimmings_failed(&replies) {
        return what.outcome(&replies);
    }
    tracing::warn!(server = %access.address, "no CONFIG REWRITE or CLIENT KILL allowed: its file and clients stay");
    what.outcome(&orders.ask(&what.plain(&access.names), patience).await?)
}

async fn set_gate(orders: &Orders, access: &Access, min_replicas: u32, max_lag_s: u32) -> Result<Done, Failure> {
    // The old names are known to every version.
    let wanted = [("min-slaves-to-write", min_replicas.to_string()), ("min-slaves-max-lag", max_lag_s.to_string())];
    let gets: Vec<_> = wanted.iter().map(|(key, _)| access.names.words("CONFIG", &["GET", key])).collect();
    let are = orders.ask(&gets, Some(TASK)).await?;
    let differs = |((_, want), is): &(&(&str, String), &Value)| option(is).as_deref() != Some(want);
    let mut sets: Vec<_> = wanted
        .iter()
        .zip(&are)
        .filter(differs)
        .map(|((key, want), _)| access.names.words("CONFIG", &["SET", key, want]))
        .collect();
    if sets.is_empty() {
        return Ok(Done::Ok);
    }
    sets.push(access.names.words("CONFIG", &["REWRITE"]));
    let replies = orders.ask(&sets, Some(TASK)).await?;
    if let Some(e) = replies.last().and_then(Value::as_error) {
        tracing::warn!(server = %access.address, error = %e, "the write gate is set, but not in the server's file");
    }
    replies[..replies.len().saturating_sub(1)].iter().try_for_each(|v| ok(Some(v)).map(drop))?;
    Ok(Done::Ok)
}

/// Pauses a master's writes and reads the offset at which they rest. A replica is not paused: that would hold back only
/// what sentinels publish there. One that stops being a master just then goes on at once.
async fn pause(access: &Access, ms: u64) -> Result<Done, Failure> {
    let mut dialled = dial(access, Kind::Commands).await.map_err(|_| Failure::NotSent)?;
    let info = || access.names.words("INFO", &["replication"]);
    let report =
        |replies: Vec<Value>| replies.last().and_then(Value::as_str).and_then(info::parse).ok_or(Failure::Unknown);
    if report(dialled.ask(&[info()]).await.map_err(|_| Failure::Unknown)?)?.role != Role::Master {
        return Err(Failure::NotMaster);
    }
    let pause = access.names.words("CLIENT", &["PAUSE", &ms.to_string(), "WRITE"]);
    let replies = dialled.ask(&[pause, info()]).await.map_err(|_| Failure::Unknown)?;
    ok(replies.first())?;
    let report = report(replies)?;
    if report.role == Role::Master {
        return Ok(Done::Rested { offset: report.offset });
    }
    resume(access).await?;
    Err(Failure::NotMaster)
}

async fn resume(access: &Access) -> Result<Done, Failure> {
    let mut dialled = dial(access, Kind::Commands).await.map_err(|_| Failure::NotSent)?;
    let replies = dialled.ask(&[access.names.words("CLIENT", &["UNPAUSE"])]).await;
    ok(replies.map_err(|_| Failure::Unknown)?.first())
}

async fn in_time(task: impl Future<Output = Result<Done, Failure>>) -> Result<Done, Failure> {
    timeout(TASK, task).await.unwrap_or(Err(Failure::Unknown))
}

fn ok(reply: Option<&Value>) -> Result<Done, Failure> {
    match reply {
        Some(v) if v.as_error().is_none() => Ok(Done::Ok),
        _ => Err(Failure::Refused),
    }
}
