//! A registry's server of either kind, with a place in it that no other test uses.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use mainstay_registry::Instance;
use testbed::{Nacos, Shared, zookeeper};

/// A server at work.
pub(crate) struct Server {
    kind: Kind,
    /// Nothing of an earlier run is in the caches of consumers.
    place: String,
}

enum Kind {
    Zookeeper(zookeeper::Server),
    Nacos(Arc<Nacos>),
}

impl Server {
    pub(crate) fn zookeeper() -> Self {
        Self::new(Kind::Zookeeper(zookeeper::Server::start("zookeeper")))
    }

    pub(crate) fn nacos() -> Self {
        Self::new(Kind::Nacos(Arc::new(Nacos::start("nacos"))))
    }

    /// One that others use too: nobody may end it.
    pub(crate) fn shared_nacos() -> Self {
        static SHARED: Shared<Nacos> = Shared::new();
        Self::new(Kind::Nacos(SHARED.get(|| Nacos::start("nacos"))))
    }

    fn new(kind: Kind) -> Self {
        let id = Instance::new("test", "", 0).id.to_string();
        Self { kind, place: format!("test-{}", id.rsplit('#').next().unwrap()) }
    }

    /// Sessions of ZooKeeper last two seconds, so that they end in every outage.
    pub(crate) fn url(&self) -> String {
        match self.kind {
            Kind::Zookeeper(_) => format!("zookeeper://{}/{}?session=2000", self.address(), self.place),
            Kind::Nacos(_) => format!("nacos://{}/{}", self.address(), self.place),
        }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.kind {
            Kind::Zookeeper(server) => server.address(),
            Kind::Nacos(server) => server.address(),
        }
    }

    /// How long it may take until everybody is listed, once the server is ready again.
    pub(crate) fn back_within(&self) -> Duration {
        Duration::from_secs(match self.kind {
            Kind::Zookeeper(_) => 10,
            Kind::Nacos(_) => 20,
        })
    }

    pub(crate) fn kill(&mut self) {
        match &mut self.kind {
            Kind::Zookeeper(server) => server.process().kill().unwrap(),
            Kind::Nacos(server) => own(server).process().kill().unwrap(),
        };
    }

    /// Starts it again, without its data.
    pub(crate) fn afresh(&mut self) {
        match &mut self.kind {
            Kind::Zookeeper(server) => {
                server.empty();
                server.again();
            }
            Kind::Nacos(server) => own(server).afresh(),
        }
    }
}

fn own(server: &mut Arc<Nacos>) -> &mut Nacos {
    Arc::get_mut(server).expect("nobody else uses it")
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Zookeeper(_) => "ZooKeeper",
            Kind::Nacos(_) => "Nacos",
        })
    }
}
