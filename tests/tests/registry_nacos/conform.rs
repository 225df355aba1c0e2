//! The conformance suite of all adapters.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use mainstay_registry::{Capabilities, Hub};
use rustix::process::Signal;
use testbed::{Nacos, Proxy};
use tokio::sync::Barrier;

use crate::{
    ENTRY, bed,
    child::Provider,
    rows::{Subject, conform},
};

/// The server of all that conform at the same time: it is restarted for all of them at once.
struct Common {
    nacos: Mutex<Nacos>,
    restart: Barrier,
}

/// A wire to it, and a place of its own in it.
struct Server {
    common: Arc<Common>,
    wire: Proxy,
    namespace: String,
    /// Which of Dubbo's levels providers write.
    mode: &'static str,
}

impl Server {
    fn at(common: &Arc<Common>, mode: &'static str) -> Self {
        let wire = Proxy::start(common.nacos.lock().unwrap().grpc_address()).unwrap();
        Self { common: common.clone(), wire, namespace: bed::namespace(), mode }
    }

    fn url(&self) -> String {
        let http = self.common.nacos.lock().unwrap().address();
        format!("{http}/{}?grpc-port={}&register-mode={}", self.namespace, self.wire.addr().port(), self.mode)
    }
}

impl Subject for Server {
    const DECLARED: Capabilities = Capabilities::NACOS;
    const SCHEME: &str = "nacos://127.0.0.1:";
    const CAUSES: bool = false;
    // The server looks for clients that say nothing for 20 s.
    const NOTICES: Duration = Duration::from_secs(40);

    fn client(&self) -> Hub {
        mainstay_registry::connect(&format!("nacos://{}", self.url())).unwrap()
    }

    /// Nobody can take back what a connection offers, but its end does.
    async fn tamper(&self) {
        assert!(self.wire.reset() > 0, "there was no connection to reset");
    }

    fn killable(&self, id: &str, key: &str) -> impl FnOnce() {
        let provider = Provider::start(ENTRY, &format!("nacos://{}", self.url()), id, key);
        move || drop(provider)
    }

    fn stoppable(&self, id: &str, key: &str) -> impl FnMut(bool) {
        let provider = Provider::start(ENTRY, &format!("nacos://{}", self.url()), id, key);
        move |stop| provider.signal(if stop { Signal::STOP } else { Signal::CONT })
    }

    async fn restart(&self) {
        if self.common.restart.wait().await.is_leader() {
            let mut nacos = self.common.nacos.lock().unwrap();
            nacos.process().kill().unwrap();
            nacos.afresh();
        }
        self.common.restart.wait().await;
    }
}

/// At both levels, and at that of applications alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nacos_conforms() {
    // Nobody's who conforms: it stays for the tests that come after.
    let _shared = bed::shared();
    let common = Arc::new(Common { nacos: Mutex::new(Nacos::start("nacos")), restart: Barrier::new(2) });
    tokio::join!(conform(Server::at(&common, "all")), conform(Server::at(&common, "instance")));
}
