//! The conformance suite of all adapters.

use std::{sync::Mutex, time::Duration};

use mainstay_registry::{Capabilities, Hub, connect};
use rustix::process::Signal;
use testbed::{
    eventually,
    zookeeper::{Ensemble, Server},
};

use crate::{
    ENTRY,
    bed::SHORT,
    child::Provider,
    raw,
    rows::{Subject, conform},
};

/// What is under test, and how its servers are ended and started.
trait Servers: Send {
    fn addresses(&self) -> String;
    /// Ends all, and starts them without their data.
    fn restart(&mut self);
    /// Ends the leader, if there are others; it is back at the next `mend`.
    fn lose(&mut self) -> bool;
    fn mend(&mut self);
}

impl Servers for Server {
    fn addresses(&self) -> String {
        self.address().to_string()
    }

    fn restart(&mut self) {
        self.process().kill().unwrap();
        self.empty();
        self.again();
    }

    fn lose(&mut self) -> bool {
        false
    }

    fn mend(&mut self) {}
}

/// An ensemble, and who of it was ended.
struct Three(Ensemble, Option<usize>);

impl Servers for Three {
    fn addresses(&self) -> String {
        self.0.addresses()
    }

    fn restart(&mut self) {
        for at in 0..3 {
            self.0.server(at).process().kill().unwrap();
            self.0.server(at).empty();
        }
        self.0.again();
    }

    fn lose(&mut self) -> bool {
        let leader = self.0.leader().expect("somebody leads");
        self.0.server(leader).process().kill().unwrap();
        self.1 = Some(leader);
        true
    }

    fn mend(&mut self) {
        if let Some(at) = self.1.take() {
            self.0.server(at).again();
        }
    }
}

struct Zookeeper<S> {
    servers: Mutex<S>,
    chroot: String,
    /// Which of Dubbo's levels providers write.
    mode: &'static str,
}

impl<S: Servers> Zookeeper<S> {
    fn new(servers: S, mode: &'static str) -> Self {
        Self { servers: Mutex::new(servers), chroot: raw::chroot(), mode }
    }

    fn url(&self) -> String {
        let (servers, chroot, mode) = (self.servers.lock().unwrap().addresses(), &self.chroot, self.mode);
        format!("zookeeper://{servers}{chroot}?{SHORT}&register-mode={mode}")
    }
}

impl<S: Servers> Subject for Zookeeper<S> {
    const DECLARED: Capabilities = Capabilities::ZOOKEEPER;
    const SCHEME: &str = "zookeeper://127.0.0.1:";
    const CAUSES: bool = false;
    // The session, rounded to ticks, and a busy machine.
    const NOTICES: Duration = Duration::from_secs(6);

    fn client(&self) -> Hub {
        connect(&self.url()).unwrap()
    }

    async fn tamper(&self) {
        let servers = self.servers.lock().unwrap().addresses();
        raw::delete_providers(&raw::client(&servers).await, &self.chroot).await;
    }

    fn killable(&self, id: &str, key: &str) -> impl FnOnce() {
        let provider = Provider::start(ENTRY, &self.url(), id, key);
        move || drop(provider)
    }

    fn stoppable(&self, id: &str, key: &str) -> impl FnMut(bool) {
        let provider = Provider::start(ENTRY, &self.url(), id, key);
        move |stop| provider.signal(if stop { Signal::STOP } else { Signal::CONT })
    }

    async fn lose_a_server(&self) -> bool {
        self.servers.lock().unwrap().lose()
    }

    async fn restart(&self) {
        let mut servers = self.servers.lock().unwrap();
        servers.mend();
        servers.restart();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_conforms() {
    conform(Zookeeper::new(Server::start("zookeeper"), "all")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_interface_level_alone_conforms() {
    conform(Zookeeper::new(Server::start("zookeeper"), "interface")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_level_alone_conforms() {
    conform(Zookeeper::new(Server::start("zookeeper"), "instance")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ensemble_conforms() {
    let ensemble = Ensemble::start("ensemble");
    eventually(Duration::from_secs(60), "three serve", || ensemble.serving() == 3);
    conform(Zookeeper::new(Three(ensemble, None), "all")).await;
}
