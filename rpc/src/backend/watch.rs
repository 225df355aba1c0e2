//! The streams: what a registry tells goes into the book, and what holds anew comes out.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use mainstay_registry::{Changes, Discover, Lookup, ServiceKey};

use super::book::Book;
use super::{Primary, Replicas};

/// What both streams have: the changes of one backend, and what they come to.
#[derive(Debug)]
struct Follower {
    changes: Changes,
    book: Book,
    ended: bool,
}

impl Follower {
    fn new(discover: &dyn Discover, backend: &str) -> Self {
        let changes = discover.subscribe(Lookup::new(ServiceKey::backend(backend)));
        Self { changes, book: Book::default(), ended: false }
    }

    /// Takes in all that was told: a burst is looked at once, when it is over. Ready when there is nothing more to come.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = loop {
            match self.changes.poll_change(cx) {
                Poll::Ready(Some(change)) => self.book.take(change),
                Poll::Ready(None) => break Poll::Ready(()),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.book.settle();
        polled
    }

    /// The next value of `look` that differs from the one told last.
    fn next<T: Clone + PartialEq>(
        &mut self,
        cx: &mut Context<'_>,
        told: &mut Option<T>,
        look: impl Fn(&Book) -> Option<&T>,
    ) -> Poll<Option<T>> {
        let polled = if self.ended { Poll::Ready(()) } else { self.poll(cx) };
        self.ended = polled.is_ready();
        match look(&self.book) {
            Some(value) if told.as_ref() != Some(value) => {
                *told = Some(value.clone());
                Poll::Ready(told.clone())
            }
            _ => polled.map(|()| None),
        }
    }
}

/// Follows the primary of a backend: yields it when it is known, and again each time that it is another or of a greater
/// epoch. Never goes back to an older epoch.
///
/// What lay between two looks is not told, only the newest. Cancel-safe: what was not delivered is still there.
#[derive(Debug)]
#[must_use = "a primary is only told to who asks for the next one"]
pub struct PrimaryWatch {
    follower: Follower,
    told: Option<Primary>,
}

impl PrimaryWatch {
    /// Follows the primary of `backend`, the name that the master has in the sentinels' files.
    pub fn new(discover: &dyn Discover, backend: &str) -> Self {
        Self { follower: Follower::new(discover, backend), told: None }
    }

    /// The next primary; `None` when the registry behind it is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Primary> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The primary as told last.
    pub fn current(&self) -> Option<&Primary> {
        self.told.as_ref()
    }
}

impl Stream for PrimaryWatch {
    type Item = Primary;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Primary>> {
        let Self { follower, told } = &mut *self;
        follower.next(cx, told, Book::primary)
    }
}

/// Follows the replicas of a backend: yields all of them each time that they are others or follow a newer primary.
///
/// Those of the primary's epoch are meant. A server that is about to follow the new primary counts already. Cancel-safe,
/// as [`PrimaryWatch`].
#[derive(Debug)]
#[must_use = "replicas are only told to who asks for the next ones"]
pub struct ReplicaWatch {
    follower: Follower,
    told: Option<Replicas>,
}

impl ReplicaWatch {
    /// Follows the replicas of `backend`, the name that the master has in the sentinels' files.
    pub fn new(discover: &dyn Discover, backend: &str) -> Self {
        Self { follower: Follower::new(discover, backend), told: None }
    }

    /// The next set; `None` when the registry behind it is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Replicas> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The replicas as told last.
    pub fn current(&self) -> Option<&Replicas> {
        self.told.as_ref()
    }
}

impl Stream for ReplicaWatch {
    type Item = Replicas;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Replicas>> {
        let Self { follower, told } = &mut *self;
        follower.next(cx, told, Book::replicas)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mainstay_registry::{Lease, MemoryRegistry, Registration, Registry, Role};
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    async fn told(hub: &MemoryRegistry, host: &str, role: Role, epoch: u64) -> Lease {
        let mut lease = hub.register(Registration::of_backend("m", host, 1, role, epoch));
        lease.registered(SOON).await.unwrap();
        lease
    }

    async fn primary(watch: &mut PrimaryWatch) -> (String, u64) {
        let primary = timeout(SOON, watch.next()).await.unwrap().unwrap();
        (primary.address.to_string(), primary.epoch)
    }

    #[tokio::test(start_paused = true)]
    async fn a_switch_is_told_once_and_a_straggler_never() {
        let hub = MemoryRegistry::new();
        let (mut primaries, mut replicas) = (PrimaryWatch::new(&hub, "m"), ReplicaWatch::new(&hub, "m"));
        let _a = told(&hub, "a", Role::Primary, 1).await;
        let b = told(&hub, "b", Role::Replica, 1).await;
        let _c = told(&hub, "c", Role::Replica, 1).await;
        assert_eq!(primary(&mut primaries).await, ("a:1".to_owned(), 1));
        let both = timeout(SOON, replicas.next()).await.unwrap().unwrap();
        assert_eq!((both.addresses.len(), both.epoch), (2, 1));

        b.update(|i| *i = i.clone().in_role(Role::Primary, 2));
        assert_eq!(primary(&mut primaries).await, ("b:1".to_owned(), 2));
        let rest = timeout(SOON, replicas.next()).await.unwrap().unwrap();
        assert_eq!((rest.addresses[0].host.as_str(), rest.addresses.len(), rest.epoch), ("c", 1, 2));

        let _late = told(&hub, "a", Role::Primary, 1).await;
        let _same = told(&hub, "b", Role::Primary, 2).await;
        drop(b);
        assert!(timeout(SOON, primaries.next()).await.is_err(), "something was told");
        assert_eq!(primaries.current().unwrap().address.host, "b");
        assert!(timeout(SOON, replicas.next()).await.is_err(), "something was told");
    }

    #[tokio::test(start_paused = true)]
    async fn another_backend_is_nobody_of_ours() {
        let hub = MemoryRegistry::new();
        let mut watch = PrimaryWatch::new(&hub, "other");
        let _a = told(&hub, "a", Role::Primary, 1).await;
        assert!(timeout(SOON, watch.next()).await.is_err());
        assert_eq!(watch.current(), None);
    }

    #[tokio::test]
    async fn the_end_of_the_registry_is_the_end() {
        let feed = mainstay_registry::Feed::new();
        let mut follower = Follower { changes: feed.subscribe(), book: Book::default(), ended: false };
        let instance = mainstay_registry::Instance::new("m", "a", 1).in_role(Role::Primary, 1);
        feed.publish([instance].into_iter().collect(), &Default::default());
        drop(feed);
        let mut watch = PrimaryWatch { follower, told: None };
        assert_eq!(primary(&mut watch).await, ("a:1".to_owned(), 1));
        assert_eq!(watch.next().await, None);
        assert_eq!(watch.next().await, None);
        follower = watch.follower;
        assert!(follower.ended);
    }
}
