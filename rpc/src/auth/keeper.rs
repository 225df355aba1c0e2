//! The layer that shows a client's credential, and the one task that fetches the next one.
//!
//! While what is there is fresh a call costs a look at it. Fetching is one task's for all calls, and goes on when the call
//! that began it is dropped. Who has nothing to show waits for that task, within its deadline.

use super::{Credentials, freshness::Freshness};
use crate::{
    call::{BoxFuture, Invocation, Reason, Reply, Status},
    cluster::Dice,
    layer::Named,
};
use arc_swap::ArcSwapOption;
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tonic::{
    Code,
    metadata::{Ascii, MetadataValue},
};
use tower_layer::Layer;
use tower_service::Service;

/// The header that a credential stands in.
const AUTHORIZATION: &str = "authorization";
/// How long one fetch may take.
const FETCH: Duration = Duration::from_secs(10);

/// Makes [`Shows`].
#[derive(Clone)]
pub struct ShowsLayer(Option<Arc<Keeper>>);

/// Shows a credential with each call that does not show one of its own.
#[derive(Clone)]
pub struct Shows<S> {
    inner: S,
    keeper: Option<Arc<Keeper>>,
}

struct Keeper {
    source: Box<dyn Credentials>,
    birth: Instant,
    dice: Dice,
    held: ArcSwapOption<Held>,
    freshness: Mutex<Freshness>,
    /// Why the last fetch failed; it changes with every fetch.
    ended: watch::Sender<Option<Arc<str>>>,
}

/// What can be shown.
struct Held {
    value: MetadataValue<Ascii>,
    fresh_until: Option<Duration>,
}

impl ShowsLayer {
    /// A layer that shows what these fetch.
    pub fn new(credentials: impl Credentials) -> Self {
        Self::maybe(Some(Box::new(credentials)))
    }

    /// A layer that shows nothing where there is nothing to show.
    pub(crate) fn maybe(source: Option<Box<dyn Credentials>>) -> Self {
        Self(source.map(|source| Arc::new(Keeper::new(source))))
    }
}

impl Keeper {
    fn new(source: Box<dyn Credentials>) -> Self {
        let (birth, dice, ended) = (Instant::now(), Dice::default(), watch::Sender::new(None));
        Self { source, birth, dice, held: ArcSwapOption::empty(), freshness: Mutex::default(), ended }
    }

    fn freshness(&self) -> MutexGuard<'_, Freshness> {
        self.freshness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be shown at once, and whether anything is on its way.
    fn look(self: &Arc<Self>) -> Result<MetadataValue<Ascii>, Wait> {
        let (held, now) = (self.held.load(), self.birth.elapsed());
        if let Some(held) = held.as_deref()
            && held.fresh_until.is_none_or(|until| now < until)
        {
            return Ok(held.value.clone());
        }
        // Heard from here on: a fetch that ends after the question is not missed.
        let ended = self.ended.subscribe();
        let step = self.freshness().asked(now);
        if step.fetch {
            tokio::spawn(self.clone().fetch());
        }
        match held.as_deref() {
            Some(held) if step.usable => Ok(held.value.clone()),
            _ => Err(Wait { ended, in_flight: step.in_flight }),
        }
    }

    async fn fetch(self: Arc<Self>) {
        let fetched = match timeout(FETCH, self.source.fetch()).await {
            Ok(fetched) => fetched.map_err(|error| error.to_string()),
            Err(_) => Err(format!("it took longer than {FETCH:?}")),
        };
        let now = self.birth.elapsed();
        let why = match fetched {
            Ok(credential) => {
                let mut freshness = self.freshness();
                freshness.fetched(now, credential.lasts);
                let fresh_until = freshness.fresh_until();
                self.held.store(Some(Arc::new(Held { value: credential.value, fresh_until })));
                None
            }
            Err(why) => {
                tracing::warn!(why, "no credential could be fetched");
                self.freshness().failed(now, self.dice.throw());
                Some(Arc::from(why))
            }
        };
        self.ended.send_replace(why);
    }

    /// Waits for something to show.
    async fn wait(self: Arc<Self>, mut wait: Wait) -> Result<MetadataValue<Ascii>, Status> {
        if wait.in_flight {
            // The sender is held by this very keeper.
            let _ = wait.ended.changed().await;
        }
        let why = wait.ended.borrow().clone();
        match (self.look(), why) {
            (Ok(value), _) => Ok(value),
            (Err(_), why) => Err(nothing(why.as_deref().unwrap_or("none is there"))),
        }
    }
}

struct Wait {
    ended: watch::Receiver<Option<Arc<str>>>,
    in_flight: bool,
}

fn nothing(why: &str) -> Status {
    let text = format!("there is no credential to show: {why}");
    Status::because(Reason::NothingToShow, Code::Unauthenticated, text).not_reached()
}

impl<S> Layer<S> for ShowsLayer {
    type Service = Shows<S>;

    fn layer(&self, inner: S) -> Shows<S> {
        Shows { inner, keeper: self.0.clone() }
    }
}

impl<S: Named> Named for Shows<S> {
    fn names(&self, names: &mut Vec<&'static str>) {
        names.extend(self.keeper.as_ref().map(|_| "credentials"));
        self.inner.names(names);
    }
}

impl<S> Service<Invocation> for Shows<S>
where
    S: Service<Invocation, Response = Reply, Error = Status> + Clone,
{
    type Response = Reply;
    type Error = Status;
    type Future = Showing<S, S::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut call: Invocation) -> Self::Future {
        let keeper = self.keeper.as_ref().filter(|_| !call.metadata.contains_key(AUTHORIZATION));
        let state = match keeper.map(|keeper| (keeper, keeper.look())) {
            None => State::Calling { call: self.inner.call(call) },
            Some((_, Ok(value))) => {
                call.metadata.insert(AUTHORIZATION, value);
                State::Calling { call: self.inner.call(call) }
            }
            Some((keeper, Err(wait))) => {
                let value = Box::pin(keeper.clone().wait(wait));
                State::Waiting { value, rest: Some((self.inner.clone(), call)) }
            }
        };
        Showing { state }
    }
}

pin_project! {
    /// A call that shows a credential, or waits for one.
    pub struct Showing<S, F> {
        #[pin]
        state: State<S, F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F> {
        Calling { #[pin] call: F },
        // Boxed: few calls ever wait.
        Waiting {
            value: BoxFuture<'static, Result<MetadataValue<Ascii>, Status>>,
            rest: Option<(S, Invocation)>,
        },
    }
}

impl<S, F> Future for Showing<S, F>
where
    S: Service<Invocation, Response = Reply, Error = Status, Future = F>,
    F: Future<Output = Result<Reply, Status>>,
{
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Calling { call } => return call.poll(cx),
                StateProjection::Waiting { value, rest } => {
                    let value = ready!(value.as_mut().poll(cx))?;
                    // Polled after its end.
                    let Some((mut inner, mut call)) = rest.take() else { return Poll::Pending };
                    call.metadata.insert(AUTHORIZATION, value);
                    State::Calling { call: inner.call(call) }
                }
            };
            state.set(next);
        }
    }
}

impl fmt::Debug for ShowsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShowsLayer")
    }
}

impl<S> fmt::Debug for Shows<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shows")
    }
}

impl<S, F> fmt::Debug for Showing<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Showing")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Credential, *};
    use crate::{
        call::{Frame, Kind, Payload},
        layer::testing::{answering, call},
    };
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use tokio::time::{advance, sleep};

    const S: Duration = Duration::from_secs(1);

    /// What the server is shown.
    type Shown = Arc<Mutex<Vec<String>>>;

    fn stack(
        credentials: impl Credentials,
    ) -> (impl Service<Invocation, Response = Reply, Error = Status, Future: Send + 'static> + Clone + Send, Shown)
    {
        let shown = Shown::default();
        let seen = shown.clone();
        let server = answering(move |call: Invocation| {
            let value = call.metadata.get(AUTHORIZATION).map_or("", |value| value.to_str().unwrap());
            seen.lock().unwrap().push(value.to_owned());
            Ok(Reply::new(Payload::One(Frame::encode(&()))))
        });
        (ShowsLayer::new(credentials).layer(server), shown)
    }

    fn unary() -> Invocation {
        call(Kind::Unary, false)
    }

    #[tokio::test(start_paused = true)]
    async fn one_fetch_serves_all_and_the_next_one_comes_ahead_of_time() {
        let fetches = Arc::new(AtomicUsize::new(0));
        let count = fetches.clone();
        let (service, shown) = stack(move || {
            let number = count.fetch_add(1, SeqCst);
            async move {
                sleep(S).await;
                Ok(Credential::bearer(&format!("t{number}"))?.lasting(S * 100))
            }
        });
        let calls = (0..20).map(|_| service.clone().call(unary()));
        let calls: Vec<_> = calls.map(tokio::spawn).collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!((fetches.load(SeqCst), shown.lock().unwrap().split_off(0)), (1, vec!["Bearer t0".to_owned(); 20]));
        advance(S * 81).await;
        service.clone().call(unary()).await.unwrap();
        service.clone().call(unary()).await.unwrap();
        assert_eq!(shown.lock().unwrap().split_off(0), ["Bearer t0"; 2], "nobody waits for what is good yet");
        sleep(S * 2).await;
        service.clone().call(unary()).await.unwrap();
        assert_eq!((fetches.load(SeqCst), shown.lock().unwrap().split_off(0)), (2, vec!["Bearer t1".to_owned()]));
        let mut own = unary();
        own.metadata.insert(AUTHORIZATION, "Bearer own".parse().unwrap());
        service.clone().call(own).await.unwrap();
        assert_eq!(shown.lock().unwrap().split_off(0), ["Bearer own"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_goes_on_when_its_call_is_dropped_and_a_failure_is_told() {
        let fetches = Arc::new(AtomicUsize::new(0));
        let count = fetches.clone();
        let (service, shown) = stack(move || {
            let number = count.fetch_add(1, SeqCst);
            async move {
                sleep(S).await;
                if number == 0 { Err("the server of tokens is away".into()) } else { Ok(Credential::bearer("t")?) }
            }
        });
        let mut dropped = Box::pin(service.clone().call(unary()));
        assert!(futures_util::poll!(&mut dropped).is_pending());
        drop(dropped);
        let status = service.clone().call(unary()).await.unwrap_err();
        assert_eq!((status.reason(), status.reached_server()), (Reason::NothingToShow, false));
        assert!(status.message().ends_with("the server of tokens is away"), "{status}");
        let status = service.clone().call(unary()).await.unwrap_err();
        assert!(status.message().contains("away") && fetches.load(SeqCst) == 1, "it backs off: {status}");
        sleep(S * 10).await;
        service.clone().call(unary()).await.unwrap();
        assert_eq!((fetches.load(SeqCst), shown.lock().unwrap().split_off(0)), (2, vec!["Bearer t".to_owned()]));
    }

    #[test]
    fn a_token_is_visible_ascii_and_is_not_shown() {
        for bad in ["", "a b", "ü", "a\nb"] {
            assert!(Credential::bearer(bad).is_err(), "{bad}");
        }
        let shown = format!("{:?}", Credential::bearer("sesame").unwrap());
        assert!(!shown.contains("sesame"));
    }
}
