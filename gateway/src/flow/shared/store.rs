//! The Redis that limits are kept in: found, asked, and followed where it goes.
//!
//! One connection carries all requests. A task looks each second where the master is, by the sentinels if there are any, and at
//! once when the connection breaks or its other end is none any more. Who asks meanwhile is told so, and does not wait.

use super::script::script;
use crate::config::{Login, StoreConfig};
use arc_swap::ArcSwapOption;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisError, RedisResult, Script,
    aio::MultiplexedConnection,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, time::timeout};

/// How often it is looked where the master is.
const LOOK: Duration = Duration::from_secs(1);
/// After a try that failed.
const AGAIN: Duration = Duration::from_millis(100);
/// Bounds a connection and each question to a sentinel.
const CONNECT: Duration = Duration::from_secs(1);

/// Where limits are kept. A clone is the same.
#[derive(Clone)]
pub(super) struct Store(Arc<Inner>);

struct Inner {
    config: StoreConfig,
    login: Account,
    sentinel_login: Account,
    script: Script,
    link: ArcSwapOption<Link>,
    lost: Notify,
}

/// Who the gateway is at a server.
#[derive(Default)]
struct Account {
    username: Option<String>,
    password: Option<String>,
}

impl Account {
    fn read(login: &Login) -> Result<Self, String> {
        let read = |path: &std::path::PathBuf| {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok::<_, String>(text.trim_end().to_owned())
        };
        let password = login.password_file.as_ref().map(read).transpose()?;
        Ok(Self { username: login.username.clone(), password })
    }
}

/// The master, and the way there.
struct Link {
    address: String,
    connection: MultiplexedConnection,
}

/// Why a question is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Away {
    /// Nobody is known to be the master.
    Nobody,
    Timeout,
    /// The connection broke, or who answered is no master.
    Failed,
    /// It did not answer of late: it is not asked for a moment.
    Circuit,
}

impl Away {
    /// A stable word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Nobody => "NO_MASTER",
            Self::Timeout => "TIMEOUT",
            Self::Failed => "FAILED",
            Self::Circuit => "CIRCUIT",
        }
    }
}

impl Store {
    pub(super) fn new(config: StoreConfig) -> Result<Self, String> {
        let (login, sentinel_login) = (Account::read(&config.login)?, Account::read(&config.sentinel_login)?);
        let (script, link, lost) = (script(), ArcSwapOption::empty(), Notify::new());
        Ok(Self(Arc::new(Inner { config, login, sentinel_login, script, link, lost })))
    }

    /// The address of the master, while there is one.
    pub(super) fn master(&self) -> Option<String> {
        self.0.link.load().as_ref().map(|link| link.address.clone())
    }

    /// Calls the script.
    ///
    /// # Errors
    /// Why there is no answer in time.
    pub(super) async fn ask(&self, keys: &[&str], arguments: &[u64]) -> Result<Vec<i64>, Away> {
        let link = self.0.link.load_full().ok_or(Away::Nobody)?;
        let mut invocation = self.0.script.prepare_invoke();
        for key in keys {
            invocation.key(*key);
        }
        for argument in arguments {
            invocation.arg(*argument);
        }
        let mut connection = link.connection.clone();
        match timeout(self.0.config.timeout, invocation.invoke_async(&mut connection)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::warn!(master = link.address, %error, "the store of limits failed");
                self.forget(&link);
                Err(Away::Failed)
            }
            Err(_) => Err(Away::Timeout),
        }
    }

    /// The link is no use any more, unless another has taken its place.
    fn forget(&self, link: &Arc<Link>) {
        let was = self.0.link.compare_and_swap(link, None);
        if was.as_ref().is_some_and(|was| Arc::ptr_eq(was, link)) {
            self.0.lost.notify_one();
        }
    }

    /// Keeps a link to the master for as long as the future is polled.
    pub(super) async fn keep(self) {
        let mut told = false;
        loop {
            match self.renew().await {
                Ok(()) => told = false,
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(%error, "the store of limits is away");
                }
                Err(_) => {}
            }
            let pause = if self.0.link.load().is_some() { LOOK } else { AGAIN };
            // Whichever comes first.
            let _ = timeout(pause, self.0.lost.notified()).await;
        }
    }

    async fn renew(&self) -> RedisResult<()> {
        let address = self.find().await?;
        if let Some(link) = self.0.link.load_full().filter(|link| link.address == address) {
            let mut connection = link.connection.clone();
            // One that broke is found out without a request that it costs. One that is slow is the business of who asks.
            let asked = timeout(CONNECT, redis::cmd("PING").query_async::<redis::Value>(&mut connection)).await;
            return match asked {
                Ok(Err(error)) => {
                    self.forget(&link);
                    Err(error)
                }
                _ => Ok(()),
            };
        }
        let connection = within(self.master_at(&address)).await?;
        tracing::info!(master = address, "the store of limits is found");
        self.0.link.store(Some(Arc::new(Link { address, connection })));
        Ok(())
    }

    /// A connection to a master, which knows the script.
    async fn master_at(&self, address: &str) -> RedisResult<MultiplexedConnection> {
        let mut connection = self.connect(address, &self.0.login).await?;
        let role: Vec<redis::Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
        let role: String = role.first().map(redis::from_redis_value_ref).transpose()?.unwrap_or_default();
        if role != "master" {
            self.0.link.store(None);
            return Err(io_error(format!("{address} is a {role}")));
        }
        self.0.script.load_async(&mut connection).await?;
        Ok(connection)
    }

    /// The master's address: what the first sentinel that answers says, or what the file says.
    async fn find(&self) -> RedisResult<String> {
        let config = &self.0.config;
        let mut last = io_error("nobody is known to be the master".to_owned());
        for sentinel in &config.sentinels {
            match within(self.asked(sentinel)).await {
                Ok(Some((host, port))) => {
                    return Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") });
                }
                Ok(None) => last = io_error(format!("{sentinel} knows no `{}`", config.master)),
                Err(error) => last = error,
            }
        }
        config.address.clone().ok_or(last)
    }

    async fn asked(&self, sentinel: &str) -> RedisResult<Option<(String, u16)>> {
        let mut connection = self.connect(sentinel, &self.0.sentinel_login).await?;
        redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.0.config.master)
            .query_async(&mut connection)
            .await
    }

    async fn connect(&self, address: &str, login: &Account) -> RedisResult<MultiplexedConnection> {
        let (host, port) = address.rsplit_once(':').ok_or_else(|| io_error(format!("{address} has no port")))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = port.parse().map_err(|_| io_error(format!("{address} has no port")))?;
        let info = ConnectionAddr::Tcp(host, port).into_connection_info()?;
        let mut settings = info.redis_settings().clone();
        if let Some(username) = &login.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &login.password {
            settings = settings.set_password(password);
        }
        let client = Client::open(info.set_redis_settings(settings))?;
        // Times are bounded by who asks.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        client.get_multiplexed_async_connection_with_config(&config).await
    }
}

async fn within<T>(work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(CONNECT, work).await.unwrap_or_else(|_| Err(io_error("no answer in time".to_owned())))
}

fn io_error(why: String) -> RedisError {
    std::io::Error::other(why).into()
}
