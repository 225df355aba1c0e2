//! One connection to a Nacos server, from its first word to its end. Whatever is registered over it is gone with it.
//!
//! It says who it is, answers what the server asks, tells of services that changed, and finds out by itself when nobody is
//! there any more: the server is asked for a sign of life every 5 s, as its own clients do.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::stream;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::{
    Request, Status,
    client::Grpc,
    codegen::http::{Uri, uri::PathAndQuery},
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use super::{
    dial::Connector,
    http::Auth,
    text::TextName,
    url::Server,
    wire::{self, Ask, HealthCheck, Listing, Payload, Refused, ServerCheck, Service, Setup, Subscribe, Told},
};
use crate::error::RegistryError;

/// How long a request may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// How often the server is asked whether it is there.
const BEAT: Duration = Duration::from_secs(5);
/// How often in a row it may not say so.
const MISSES: u32 = 2;
/// How soon after it did not it is asked again: a connection that is dead is to be known within 12 s.
const AGAIN: Duration = Duration::from_millis(200);
/// How long until the server knows a connection that said who it is, at the most.
const SETUP: Duration = Duration::from_secs(3);
/// How often that is looked at.
const SETUP_LOOK: Duration = Duration::from_millis(20);
/// The server has this many questions in the air at the most.
const MAX_ANSWERS: usize = 64;
/// What the server is told of who connects. It looks for the word before the colon.
const VERSION: &str = concat!("Nacos-Rust-Client:mainstay-", env!("CARGO_PKG_VERSION"));

/// An open connection. It is closed when the last handle is gone.
#[derive(Debug)]
pub(super) struct Session {
    /// Which one it is, among those of this process.
    pub(super) number: u64,
    server: Server,
    grpc: Grpc<Channel>,
    auth: Arc<Auth>,
    topics: Arc<Topics>,
    end: watch::Receiver<Option<End>>,
    task: JoinHandle<()>,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    /// The server said so.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It said nothing that can be read.
    #[error("{0}")]
    Silent(String),
}

/// Why a connection is not to be used any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The server wants its client to go elsewhere; it serves on until then.
    GoAway,
    /// It is gone.
    Gone(String),
}

/// What is followed: of a service its newest listing, of a text that it changed.
#[derive(Debug, Default)]
struct Topics {
    services: Mutex<BTreeMap<String, watch::Sender<Option<Arc<Listing>>>>>,
    texts: Mutex<BTreeMap<TextName, watch::Sender<()>>>,
}

impl Topics {
    fn services(&self) -> MutexGuard<'_, BTreeMap<String, watch::Sender<Option<Arc<Listing>>>>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn texts(&self) -> MutexGuard<'_, BTreeMap<TextName, watch::Sender<()>>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, listing: Listing) {
        if let Some(topic) = self.services().get(&topic_of(&listing.group_name, &listing.name)) {
            topic.send_replace(Some(Arc::new(listing)));
        }
    }

    fn tell_text(&self, name: &TextName) {
        if let Some(topic) = self.texts().get(name) {
            topic.send_replace(());
        }
    }
}

/// How a push names its service. Older servers put the group into the name as well.
fn topic_of(group: &str, name: &str) -> String {
    let name = name.split_once("@@").map_or(name, |(_, name)| name);
    format!("{group}@@{name}")
}

impl Session {
    /// Connects, logs in and says who it is.
    ///
    /// # Errors
    /// What was attempted, where, and the answer.
    pub(super) async fn open(
        number: u64,
        server: Server,
        namespace: &str,
        auth: Arc<Auth>,
    ) -> Result<Arc<Self>, RegistryError> {
        let (attempted, place) = ("connecting to", server.grpc_authority());
        let failed = |why: String| RegistryError::Unavailable { attempted: format!("{attempted} {place}"), why };
        auth.renew(&server).await?;
        let channel = channel(&server).await.map_err(failed)?;
        let grpc = Grpc::new(channel).max_decoding_message_size(wire::MAX_ANSWER);
        let (told, end) = watch::channel(None);
        let (answers, outgoing) = mpsc::channel(MAX_ANSWERS);
        let topics = Arc::new(Topics::default());
        let checked = ask(&grpc, &auth, &ServerCheck {}).await.map_err(|why| failed(why.to_string()))?;
        let setup = Setup {
            client_version: VERSION,
            tenant: namespace,
            labels: [("source", "sdk"), ("module", "naming")].into(),
        };
        let setup = wire::asked(&setup, auth.token().as_deref()).map_err(|why| failed(why.to_string()))?;
        // There is room, and nobody else has this end yet.
        let _ = answers.try_send(setup);
        let life =
            Life { grpc: grpc.clone(), auth: auth.clone(), server: server.clone(), topics: topics.clone(), answers };
        let task = tokio::spawn(life.run(outgoing, told));
        let session = Self { number, server, grpc, auth, topics, end, task };
        session.known(&checked.connection_id.unwrap_or_default()).await.map_err(failed)?;
        Ok(Arc::new(session))
    }

    /// Waits until the server knows this connection.
    async fn known(&self, id: &str) -> Result<(), String> {
        let known = async {
            loop {
                match self.ask(&HealthCheck {}).await {
                    Ok(_) => return Ok(()),
                    Err(why) => match &*self.end.borrow() {
                        Some(End::Gone(gone)) => return Err(gone.clone()),
                        _ => tracing::trace!(id, %why, "not known yet"),
                    },
                }
                sleep(SETUP_LOOK).await;
            }
        };
        timeout(SETUP, known)
            .await
            .unwrap_or_else(|_| Err(format!("the server does not take the connection within {SETUP:?}")))
    }

    /// Asks and waits for the answer, for a bounded time.
    ///
    /// # Errors
    /// The server's own code and text, or why there is none.
    pub(super) async fn ask<A: Ask>(&self, request: &A) -> Result<A::Answer, RegistryError> {
        self.answer(request).await.map_err(|why| RegistryError::Unavailable {
            attempted: format!("asking {} for {}", self.server.grpc_authority(), A::KIND),
            why: why.to_string(),
        })
    }

    /// The same, for those who act on a refusal.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub(super) async fn answer<A: Ask>(&self, request: &A) -> Result<A::Answer, NoAnswer> {
        ask(&self.grpc, &self.auth, request).await
    }

    /// The server that it is a connection to.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// The newest listing of a service, as the server pushes it; nothing is subscribed to here.
    pub(super) fn topic(&self, service: &Service) -> watch::Receiver<Option<Arc<Listing>>> {
        let mut topics = self.topics.services();
        topics.entry(topic_of(&service.group_name, &service.service_name)).or_default().subscribe()
    }

    /// Follows a service no more, unless somebody still does.
    pub(super) async fn leave(&self, service: &Service) {
        let topic = topic_of(&service.group_name, &service.service_name);
        {
            let mut topics = self.topics.services();
            if topics.get(&topic).is_none_or(|topic| topic.receiver_count() > 0) {
                return;
            }
            topics.remove(&topic);
        }
        // If it does not hear of it, it pushes what nobody listens to.
        let _ = self.ask(&Subscribe { service, subscribe: false, clusters: "" }).await;
    }

    /// Ready whenever the server tells that a text changed; nothing is asked for here.
    pub(super) fn told_of(&self, text: &TextName) -> watch::Receiver<()> {
        self.topics.texts().entry(text.clone()).or_default().subscribe()
    }

    /// Whether nobody waits for news of a text any more. It is forgotten then.
    pub(super) fn forget(&self, text: &TextName) -> bool {
        let mut topics = self.topics.texts();
        let nobody = topics.get(text).is_some_and(|topic| topic.receiver_count() == 0);
        nobody && topics.remove(text).is_some()
    }

    /// Waits until it is not to be used any more. Cancel-safe.
    pub(super) async fn ended(&self) -> End {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await.map(|end| end.clone()) {
            Ok(Some(end)) => end,
            _ => End::Gone("its task is gone".to_owned()),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What goes on in a connection while it lives.
#[derive(Debug)]
struct Life {
    grpc: Grpc<Channel>,
    auth: Arc<Auth>,
    server: Server,
    topics: Arc<Topics>,
    answers: mpsc::Sender<Payload>,
}

impl Life {
    async fn run(self, outgoing: mpsc::Receiver<Payload>, end: watch::Sender<Option<End>>) {
        let why = tokio::select! {
            why = self.listen(outgoing, &end) => why,
            why = self.beat() => why,
        };
        end.send_replace(Some(End::Gone(why)));
    }

    /// Hears what the server says, until it says no more. Answers why.
    async fn listen(&self, outgoing: mpsc::Receiver<Payload>, end: &watch::Sender<Option<End>>) -> String {
        let outgoing =
            stream::unfold(outgoing, |mut outgoing| async { outgoing.recv().await.map(|one| (one, outgoing)) });
        let mut grpc = self.grpc.clone();
        let opened = async {
            grpc.ready().await.map_err(|why| Status::unavailable(root(&why)))?;
            let codec = ProstCodec::<Payload, Payload>::default();
            grpc.streaming(Request::new(outgoing), PathAndQuery::from_static(wire::STREAM), codec).await
        };
        let mut incoming = match opened.await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return words(&status),
        };
        loop {
            let payload = match incoming.message().await {
                Ok(Some(payload)) => payload,
                Ok(None) => return "the server closed the connection".to_owned(),
                Err(status) => return words(&status),
            };
            let (told, answer) = wire::told(payload);
            match told {
                Told::Service(listing) => self.topics.tell(listing),
                Told::Text(name) => self.topics.tell_text(&name),
                Told::GoAway => drop(end.send_replace(Some(End::GoAway))),
                Told::Other => {}
            }
            if let Some(answer) = answer
                && self.answers.send(answer).await.is_err()
            {
                return "the connection takes no more answers".to_owned();
            }
        }
    }

    /// Asks for a sign of life again and again, until there is none. Answers why.
    async fn beat(&self) -> String {
        let mut misses = 0;
        loop {
            sleep(if misses == 0 { BEAT } else { AGAIN }).await;
            if let Err(why) = self.auth.renew(&self.server).await {
                tracing::warn!(%why, "the token of the registry cannot be renewed");
            }
            match ask(&self.grpc, &self.auth, &HealthCheck {}).await {
                Ok(_) => misses = 0,
                Err(why) if misses + 1 == MISSES => return format!("no sign of life: {why}"),
                Err(_) => misses += 1,
            }
        }
    }
}

/// The channel to a server, connected.
async fn channel(server: &Server) -> Result<Channel, String> {
    let place = server.grpc_authority();
    let mut endpoint = Endpoint::from_shared(format!("http://{place}")).map_err(|why| why.to_string())?;
    if server.dial.is_encrypted() {
        endpoint = endpoint.origin(format!("https://{place}").parse::<Uri>().map_err(|why| why.to_string())?);
    }
    let connector = Connector { dial: server.dial.clone(), host: server.host.clone(), port: server.grpc };
    let endpoint = endpoint.connect_timeout(PATIENCE);
    endpoint.connect_with_connector(connector).await.map_err(|why| root(&why))
}

async fn ask<A: Ask>(grpc: &Grpc<Channel>, auth: &Auth, request: &A) -> Result<A::Answer, NoAnswer> {
    let payload = wire::asked(request, auth.token().as_deref()).map_err(|why| NoAnswer::Silent(why.to_string()))?;
    let mut grpc = grpc.clone();
    let asked = async {
        grpc.ready().await.map_err(|why| NoAnswer::Silent(root(&why)))?;
        let codec = ProstCodec::<Payload, Payload>::default();
        let answer = grpc.unary(Request::new(payload), PathAndQuery::from_static(wire::UNARY), codec).await;
        answer.map(tonic::Response::into_inner).map_err(|status| NoAnswer::Silent(words(&status)))
    };
    let late = || NoAnswer::Silent(format!("no answer within {PATIENCE:?}"));
    let answer = timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()))?;
    wire::answered::<A>(answer).map_err(|refused| {
        if refused.code == 403 {
            auth.forget();
        }
        refused.into()
    })
}

/// A failure of gRPC, with what is behind it.
fn words(status: &Status) -> String {
    match status.source() {
        Some(source) => format!("{:?}: {}", status.code(), root(source)),
        None => format!("{:?}: {}", status.code(), status.message()),
    }
}

/// The last of the causes, which says most.
fn root(error: &(dyn Error + 'static)) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_finds_its_topic_also_when_its_name_holds_the_group() {
        assert_eq!(topic_of("G", "providers:a.B::"), topic_of("G", "G@@providers:a.B::"));
        assert_ne!(topic_of("G", "a"), topic_of("H", "a"));
    }
}
