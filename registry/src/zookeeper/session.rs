//! One session with an ensemble, rebuilt for ever: what is wanted of ZooKeeper outlives it.
//!
//! A session that has ended never comes back, and its client is dead with it. So everybody who needs one follows
//! [`Session::link`]: up with a client, or down for a reason.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use zookeeper_client::{Acls, Client, Error, SessionState};

use super::{
    nodes::{self, Nodes},
    url::Place,
};
use crate::{backoff::Backoff, error::RegistryError, instance::fresh};

/// How long one operation may take before its connection is not believed any more.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);
/// How long an operation waits for a session.
const ARRIVAL: Duration = Duration::from_secs(3);
/// How long one server may take to accept, and how long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(2);
/// Waits between tries. A server that came back is to be found within seconds, also by ten thousand clients.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(2) };

/// One operation of a client. The client waits for ever where a server does not answer.
pub(super) async fn bounded<T>(operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(PATIENCE, operation).await.unwrap_or(Err(Error::Timeout))
}

/// How it stands with the ensemble.
#[derive(Clone, Debug)]
pub(crate) enum Link {
    /// Nothing is known yet.
    Begun,
    /// No connection, for this reason; the session may live on, and with it everything that was known.
    Away(Arc<str>),
    /// No session, for this reason.
    Down(Arc<str>),
    /// Connected. Told again when the connection came back.
    Up(Client),
}

/// The session. Dropping it closes the session at the server.
#[derive(Debug)]
pub(crate) struct Session {
    place: Place,
    link: Arc<watch::Sender<Link>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Session {
    /// A session that is not begun yet.
    pub(crate) fn new(place: Place) -> Self {
        Self { place, link: Arc::new(watch::Sender::new(Link::Begun)), task: Mutex::default() }
    }

    /// Sees to it that it is being held, on the current runtime.
    pub(crate) fn begin(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        match Handle::try_current() {
            Ok(runtime) => *task = Some(runtime.spawn(hold(self.place.clone(), self.link.clone()))),
            Err(_) => down(&self.link, "it was used outside of a tokio runtime".to_owned()),
        }
    }

    /// How it stands, to be followed.
    pub(crate) fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    /// The session that lives now.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn live(&self) -> Result<Client, RegistryError> {
        match &*self.link.borrow() {
            Link::Up(client) => Ok(client.clone()),
            Link::Away(why) | Link::Down(why) => Err(self.unavailable(why)),
            Link::Begun => Err(self.unavailable("no answer yet")),
        }
    }

    /// The same, waited for: one try that failed on the way says little. Begins the session.
    ///
    /// # Errors
    /// As [`live`](Self::live).
    pub(crate) async fn live_soon(&self) -> Result<Client, RegistryError> {
        self.begin();
        let mut link = self.link();
        // Whatever it is when the time is over, `live` says.
        let _ = timeout(ARRIVAL, link.wait_for(|link| matches!(link, Link::Up(_)))).await;
        self.live()
    }

    fn unavailable(&self, why: &str) -> RegistryError {
        RegistryError::Unavailable { attempted: self.place.describe(), why: why.to_owned() }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Who may do what with a node that is made here: as in Dubbo, its creator if there is a user, else everybody.
    pub(crate) fn acls(&self) -> Acls<'static> {
        if self.place.login.is_some() { Acls::creator_all() } else { Acls::anyone_all() }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        // Whoever still follows lets go of the client, and with the last one the session is closed.
        down(&self.link, "the registry was dropped".to_owned());
    }
}

fn down(link: &watch::Sender<Link>, why: String) {
    tracing::warn!(why, "no session with ZooKeeper");
    link.send_replace(Link::Down(why.into()));
}

/// Connects, follows the session to its end, and begins again, for ever.
async fn hold(place: Place, link: Arc<watch::Sender<Link>>) {
    let (mut failures, mut warned) = (0, false);
    loop {
        match connect(&place).await {
            Ok(client) => {
                failures = 0;
                if !warned {
                    warned = true;
                    warn_if_alone(&client, &place).await;
                }
                follow(client, &link).await;
            }
            Err(why) => {
                failures += 1;
                down(&link, why);
            }
        }
        sleep(BACKOFF.delay(failures, fresh())).await;
    }
}

/// Tells how the session stands, until it has ended.
async fn follow(client: Client, link: &watch::Sender<Link>) {
    let mut states = client.state_watcher();
    let mut state = states.peek_state();
    loop {
        match state {
            SessionState::SyncConnected | SessionState::ConnectedReadOnly => {
                tracing::info!(session = %client.session_id(), "connected to ZooKeeper");
                link.send_replace(Link::Up(client.clone()));
            }
            SessionState::Disconnected => {
                tracing::info!(session = %client.session_id(), "the connection to ZooKeeper is lost");
                link.send_replace(Link::Away("ConnectionLoss (-4): connection to server has lost".into()));
            }
            ended => {
                let why = match ended {
                    SessionState::Expired => "SessionExpired (-112): session expired",
                    SessionState::AuthFailed => "AuthFailed (-115): authentication failed",
                    _ => "the session was closed",
                };
                return down(link, why.to_owned());
            }
        }
        state = states.changed().await;
    }
}

async fn connect(place: &Place) -> Result<Client, String> {
    // Silence is bounded by a share of the session too, or a short one would end before it is noticed.
    let silence = SILENCE.min(place.session * 2 / 5);
    let connector =
        Client::connector().with_session_timeout(place.session).with_connection_timeout(silence).with_fail_eagerly();
    let connector = match &place.login {
        Some(login) => {
            let auth = format!("{}:{}", login.user.expose(), login.password.expose());
            connector.with_auth("digest", auth.as_bytes())
        }
        None => connector,
    };
    let servers = place.servers();
    let most = silence * u32::try_from(place.servers.len()).unwrap_or(u32::MAX);
    let why = match timeout(most.max(PATIENCE), connector.connect(&servers)).await {
        Ok(Ok(client)) => return Ok(client),
        Ok(Err(error)) => nodes::said(&error),
        Err(_) => format!("no session within {:?}", most.max(PATIENCE)),
    };
    Err(format!("connecting to {servers}: {}", reason(place, why).await))
}

/// The client does not say why a connection failed. The kernel does.
async fn reason(place: &Place, why: String) -> String {
    let mut answers = Vec::new();
    for (host, port) in place.servers.iter().take(3) {
        let address = crate::instance::address(host, *port);
        match timeout(Duration::from_millis(500), TcpStream::connect((host.as_str(), *port))).await {
            Ok(Ok(_)) => answers.push(format!("{address} accepts connections")),
            Ok(Err(error)) => answers.push(format!("{address}: {error}")),
            Err(_) => answers.push(format!("{address} does not answer")),
        }
    }
    format!("{why} ({})", answers.join("; "))
}

/// Servers accept any chroot. One in which nobody else is was mistyped, or is new.
async fn warn_if_alone(client: &Client, place: &Place) {
    let nodes = Nodes::of(place);
    if let Ok(Ok(None)) = timeout(PATIENCE, client.check_stat(nodes.root())).await {
        tracing::warn!(
            registry = place.describe(),
            path = nodes.root(),
            "nobody has registered anything there yet: if others should be there, look at the path and the group"
        );
    }
}
