//! The task behind a watch: reads the key, when told to and every now and then, and tells what is new.
//!
//! The adapter says how to read and when it is worth while; that a hint may be lost, a call may hang and a centre may be
//! away is dealt with here, once.

use std::{future::Future, time::Duration};

use tokio::{
    runtime::Handle,
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};

use super::{
    belief::Belief,
    error::ConfigError,
    key::ConfigKey,
    port::{Config, ConfigSight, ConfigVersion},
    watch::{ConfigWatch, Told},
};
use crate::{backoff::Backoff, cache::Cache, instance::fresh, protect::Protection};

/// How long one reading may take.
const OPERATION: Duration = Duration::from_secs(5);

/// What is kept under one key, as its adapter reads it.
pub(crate) trait ConfigSource: Send + 'static {
    /// Reads the key with the centre's eyes. Whatever changes after it must show in [`disturbed`](Self::disturbed) or at
    /// the next reading: watch first, then read.
    fn read(&mut self) -> impl Future<Output = Result<Option<Config>, ConfigError>> + Send;

    /// Ready when it is worth while to read now. Cancel-safe.
    fn disturbed(&mut self) -> impl Future<Output = ()> + Send;

    /// How often to read besides.
    fn interval(&self) -> Duration;
}

/// Follows `source` on the current tokio runtime. `what` is the centre and the key in words, for logs.
///
/// Without a runtime, the watch says so and tells no more.
pub(crate) fn follow<S: ConfigSource>(
    source: S,
    key: &ConfigKey,
    what: String,
    protection: Protection,
    cache: Option<Cache>,
) -> ConfigWatch {
    let (tell, told) = watch::channel(Told::default());
    let Ok(runtime) = Handle::try_current() else {
        let why = "watch() was called outside of a tokio runtime".to_owned();
        tell.send_replace(Told::sight(ConfigSight::Unknown { why }));
        return ConfigWatch::new(told);
    };
    let follower = Follower { what, key: key.clone(), belief: Belief::new(protection), stale: protection.stale, cache };
    let task = runtime.spawn(follower.run(source, tell));
    ConfigWatch::new(told).ending(task)
}

struct Follower {
    what: String,
    key: ConfigKey,
    belief: Belief,
    /// How old what comes from disk may be.
    stale: Duration,
    cache: Option<Cache>,
}

impl Follower {
    async fn run<S: ConfigSource>(mut self, mut source: S, tell: watch::Sender<Told>) {
        let (start, backoff, mut failures) = (Instant::now(), Backoff::default(), 0);
        loop {
            let answer = timeout(OPERATION, source.read()).await;
            let (news, trouble) = match answer.unwrap_or_else(|_| Err(self.too_long())) {
                Ok(found) => {
                    if failures > 0 {
                        tracing::info!(config = self.what, "it can be read again");
                    }
                    failures = 0;
                    (self.belief.answered(start.elapsed(), found), None)
                }
                Err(error) => {
                    failures += 1;
                    let why = error.to_string();
                    (self.silent(&why, failures == 1).await, Some(why))
                }
            };
            tell.send_if_modified(|told| {
                let modified = news.is_some() || told.trouble != trouble;
                told.trouble = trouble;
                told.sight = news.clone().or(told.sight.take());
                modified
            });
            if let Some(sight) = news {
                self.keep(sight).await;
            }
            let mut pause = if failures > 0 { backoff.delay(failures, fresh()) } else { source.interval() };
            if let Some(due) = self.belief.due() {
                pause = pause.min(due.saturating_sub(start.elapsed()));
            }
            tokio::select! {
                () = source.disturbed() => {}
                () = sleep(pause.max(Duration::from_millis(1))) => {}
            }
        }
    }

    async fn silent(&mut self, why: &str, first: bool) -> Option<ConfigSight> {
        if first {
            tracing::warn!(config = self.what, why, "it cannot be read: what is known stays");
        }
        let recalled = if self.belief.has_told() { None } else { self.recall().await };
        self.belief.silent(why, recalled)
    }

    async fn recall(&self) -> Option<Config> {
        let cache = self.cache.clone()?;
        let (kept, age) = spawn_blocking(move || cache.load_as::<Kept>()).await.ok()??;
        let (content, version) = kept?;
        tracing::info!(config = self.what, age_s = age.as_secs(), "the last good one found on disk");
        (age <= self.stale).then(|| Config::new(content, version))
    }

    /// Puts what the centre said on disk, an absence too.
    async fn keep(&mut self, sight: ConfigSight) {
        let kept: Kept = match sight {
            ConfigSight::Present(config) => Some((config.content, config.version)),
            ConfigSight::Absent => None,
            ConfigSight::LastGood { .. } | ConfigSight::Unknown { .. } => return,
        };
        let Some(cache) = self.cache.clone() else { return };
        if let Ok(Err(error)) = spawn_blocking(move || cache.save_as(&kept)).await {
            tracing::warn!(config = self.what, %error, "the last good one cannot be saved: kept in memory only");
            self.cache = None;
        }
    }

    fn too_long(&self) -> ConfigError {
        let why = format!("no answer within {OPERATION:?}");
        ConfigError::Unavailable { attempted: format!("reading {}", self.key), why }
    }
}

/// What is on disk: the text and its version, or that there was none.
type Kept = Option<(String, ConfigVersion)>;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use super::*;

    /// A centre in the test's hand: `None` is a failure.
    #[derive(Clone, Debug, Default)]
    struct Server(Arc<Mutex<Option<Option<&'static str>>>>);

    impl Server {
        fn lock(&self) -> MutexGuard<'_, Option<Option<&'static str>>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn says(&self, answer: Option<Option<&'static str>>) {
            *self.lock() = answer;
        }
    }

    impl ConfigSource for Server {
        async fn read(&mut self) -> Result<Option<Config>, ConfigError> {
            let refused = || ConfigError::Unavailable { attempted: "reading".to_owned(), why: "refused".to_owned() };
            let answer = (*self.lock()).ok_or_else(refused)?;
            Ok(answer.map(|text| Config::new(text, ConfigVersion::new(text))))
        }

        async fn disturbed(&mut self) {
            std::future::pending().await
        }

        fn interval(&self) -> Duration {
            Duration::from_secs(1)
        }
    }

    fn watch(server: &Server, cache: Option<Cache>) -> ConfigWatch {
        let key = ConfigKey::new("x").unwrap();
        follow(server.clone(), &key, "test".to_owned(), Protection::default(), cache)
    }

    async fn text(watch: &mut ConfigWatch) -> String {
        match timeout(Duration::from_secs(60), watch.next()).await.expect("a sight in time").expect("an open watch") {
            ConfigSight::Present(config) => config.content,
            ConfigSight::Absent => "absent".to_owned(),
            ConfigSight::LastGood { config, why } => format!("last good {} ({why})", config.content),
            ConfigSight::Unknown { why } => format!("unknown ({why})"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_lives_through_an_outage() {
        let server = Server::default();
        server.says(Some(None));
        let mut watch = watch(&server, None);
        assert_eq!(text(&mut watch).await, "absent");
        server.says(Some(Some("a")));
        assert_eq!(text(&mut watch).await, "a");
        server.says(None);
        assert!(timeout(Duration::from_secs(3600), watch.next()).await.is_err(), "nothing is taken back");
        server.says(Some(Some("b")));
        assert_eq!(text(&mut watch).await, "b");
        server.says(None);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let back = Instant::now();
        server.says(Some(None));
        assert_eq!(text(&mut watch).await, "absent");
        assert!(back.elapsed() >= Duration::from_secs(25), "believed once it has settled: {:?}", back.elapsed());
    }

    #[tokio::test]
    async fn a_centre_that_is_away_at_start_is_bridged_from_disk() {
        let dir = std::env::temp_dir().join(format!("mainstay-test-{:016x}", fresh()));
        let cache = || Cache::in_directory(&dir, "test");
        let server = Server::default();
        server.says(Some(Some("a")));
        assert_eq!(text(&mut watch(&server, cache())).await, "a");
        while std::fs::read_dir(&dir).unwrap().all(|entry| entry.unwrap().path().extension() != Some("json".as_ref())) {
            tokio::task::yield_now().await;
        }
        server.says(None);
        assert_eq!(text(&mut watch(&server, cache())).await, "last good a (reading: refused)");
        assert_eq!(text(&mut watch(&server, None)).await, "unknown (reading: refused)");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn without_a_runtime_it_says_so() {
        let watch = watch(&Server::default(), None);
        assert!(matches!(watch.current(), Some(ConfigSight::Unknown { why }) if why.contains("outside of a tokio")));
    }
}
