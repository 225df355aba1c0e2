//! The conformance suite of all adapters.

use std::{sync::Mutex, time::Duration};

use mainstay_registry::{Capabilities, Hub};
use rustix::process::Signal;
use testbed::{Nacos, Proxy};

use crate::{
    ENTRY, bed,
    child::Provider,
    rows::{Subject, conform},
};

/// A server, and the wire to it.
struct Server {
    nacos: Mutex<Nacos>,
    wire: Proxy,
    namespace: String,
}

impl Server {
    fn url(&self) -> String {
        let http = self.nacos.lock().unwrap().address();
        format!("{http}/{}?grpc-port={}", self.namespace, self.wire.addr().port())
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
        let mut nacos = self.nacos.lock().unwrap();
        nacos.process().kill().unwrap();
        nacos.afresh();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nacos_conforms() {
    let nacos = Nacos::start("nacos");
    let wire = Proxy::start(nacos.grpc_address()).unwrap();
    conform(Server { nacos: Mutex::new(nacos), wire, namespace: bed::namespace() }).await;
}
