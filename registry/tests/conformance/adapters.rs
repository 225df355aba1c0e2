//! The adapters as subjects of the suite.

use mainstay_registry::{Capabilities, FixedRegistry, Hub, Instance, MemoryConfig, MemoryRegistry};

use crate::rows::{Subject, conform};

#[derive(Default)]
struct Memory(MemoryRegistry);

impl Subject for Memory {
    const DECLARED: Capabilities = Capabilities::MEMORY;
    const SCHEME: &str = "memory://";

    fn client(&self) -> Hub {
        Hub::new(self.0.clone()).with_config(MemoryConfig::new()).with_inspect(self.0.clone())
    }

    async fn tamper(&self) {
        self.0.lose_all();
    }
}

#[tokio::test(start_paused = true)]
async fn memory_conforms() {
    conform(Memory::default()).await;
}

struct Static;

impl Subject for Static {
    const DECLARED: Capabilities = Capabilities::STATIC;
    const SCHEME: &str = "static://";

    fn client(&self) -> Hub {
        Hub::new(FixedRegistry::new([Instance::new("stock", "h", 1), Instance::new("stock", "h", 2)]))
    }

    fn filled(&self) -> usize {
        2
    }
}

#[tokio::test(start_paused = true)]
async fn static_conforms() {
    conform(Static).await;
}

#[cfg(all(feature = "file", unix))]
mod file {
    use mainstay_registry::connect;

    use super::*;
    use crate::{child::Provider, file::ENTRY, scratch::Scratch};

    struct File(Scratch);

    impl Subject for File {
        const DECLARED: Capabilities = Capabilities::FILE;
        const SCHEME: &str = "file:///";

        fn client(&self) -> Hub {
            connect(&format!("file://{}", self.0.path().join("registry").display())).unwrap()
        }

        async fn tamper(&self) {
            for entry in std::fs::read_dir(self.0.path().join("registry")).unwrap() {
                std::fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }

        fn killable(&self, id: &str, key: &str) -> impl FnOnce() {
            let provider =
                Provider::start(ENTRY, &format!("file://{}", self.0.path().join("registry").display()), id, key);
            move || drop(provider)
        }

        async fn restart(&self) {
            std::fs::remove_dir_all(self.0.path().join("registry")).unwrap();
        }
    }

    #[tokio::test]
    async fn file_conforms() {
        conform(File(Scratch::new())).await;
    }
}

#[cfg(feature = "dns")]
mod dns {
    use std::{
        io,
        net::IpAddr,
        pin::Pin,
        sync::{
            Arc, Mutex,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    use mainstay_registry::{
        Cache, Change, Discover, DnsRegistry, DownCause, InstanceId, Lookup, ServiceKey, dns::Resolve,
    };

    use super::*;
    use crate::{
        scratch::Scratch,
        support::{eventually, next},
    };

    /// A name server in the test's hand: `None` is a failure.
    #[derive(Clone, Debug, Default)]
    struct Server {
        answer: Arc<Mutex<Option<Vec<IpAddr>>>>,
        asked: Arc<AtomicU64>,
    }

    impl Server {
        fn says(addresses: &[&str]) -> Self {
            let server = Self::default();
            server.say(Some(addresses));
            server
        }

        fn say(&self, addresses: Option<&[&str]>) {
            *self.answer.lock().unwrap() = addresses.map(|all| all.iter().map(|one| one.parse().unwrap()).collect());
        }
    }

    impl Resolve for Server {
        fn resolve<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let answer = self.answer.lock().unwrap().clone().ok_or_else(|| io::Error::other("name server failure"));
            Box::pin(std::future::ready(answer))
        }
    }

    struct Dns {
        server: Server,
        cache: Scratch,
    }

    impl Dns {
        fn registry(&self) -> DnsRegistry {
            let cache = Cache::in_directory(self.cache.path(), "dns://stock:80");
            DnsRegistry::with_resolver("stock", 80, Arc::new(self.server.clone()), cache)
        }
    }

    impl Subject for Dns {
        const DECLARED: Capabilities = Capabilities::DNS;
        const SCHEME: &str = "dns://stock:80";

        fn client(&self) -> Hub {
            Hub::new(self.registry())
        }

        fn filled(&self) -> usize {
            2
        }

        /// The name server fails for a while, then knows the name but no address, then is as before.
        async fn restart(&self) {
            for answer in [None, Some(&[][..]), Some(&["10.0.0.1", "::1"][..])] {
                self.server.say(answer);
                let before = self.server.asked.load(Ordering::Relaxed);
                eventually("it was asked", async || self.server.asked.load(Ordering::Relaxed) > before).await;
            }
        }
    }

    fn dns() -> Dns {
        Dns { server: Server::says(&["10.0.0.1", "::1"]), cache: Scratch::new() }
    }

    fn lookup() -> Lookup {
        Lookup::new(ServiceKey::new("a.B"))
    }

    #[tokio::test(start_paused = true)]
    async fn dns_conforms() {
        conform(dns()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_followed_and_a_failure_empties_nothing() {
        let subject = dns();
        let registry = subject.registry();
        let mut changes = registry.subscribe(lookup());
        assert!(matches!(next(&mut changes).await, Change::Snapshot(all) if all.len() == 2));
        subject.server.say(Some(&["10.0.0.1", "10.0.0.2"]));
        assert!(matches!(next(&mut changes).await, Change::Up(up) if up.host == "10.0.0.2" && up.port == 80));
        assert_eq!(next(&mut changes).await, Change::Down(InstanceId::new("dns:::1:80"), DownCause::Unlisted));
        for answer in [None, Some(&[][..])] {
            subject.server.say(answer);
            let heard = tokio::time::timeout(Duration::from_secs(3600), changes.next()).await;
            assert!(heard.is_err(), "{heard:?}");
            assert!(registry.survey("a.B").unwell.is_some());
        }
        // A day is the bound, also for that.
        let change = tokio::time::timeout(Duration::from_secs(25 * 3600), changes.next()).await;
        assert!(matches!(change, Ok(Some(Change::Down(_, DownCause::Expired)))), "{change:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_server_that_is_away_at_start_is_bridged_from_disk() {
        let subject = dns();
        let first = subject.registry();
        let mut changes = first.subscribe(lookup());
        assert!(matches!(next(&mut changes).await, Change::Snapshot(all) if all.len() == 2));
        eventually("the set is on disk", async || std::fs::read_dir(subject.cache.path()).unwrap().count() == 1).await;
        subject.server.say(None);
        let second = subject.registry();
        let mut changes = second.subscribe(lookup());
        assert!(matches!(next(&mut changes).await, Change::Snapshot(all) if all.len() == 2));
        let stranger = DnsRegistry::with_resolver("stock", 80, Arc::new(subject.server.clone()), None);
        assert_eq!(next(&mut stranger.subscribe(lookup())).await, Change::Snapshot(vec![]));
    }
}
