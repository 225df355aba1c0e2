//! Three members, each a process, on this machine or on hosts of their own, and who calls them.

use std::{sync::Arc, time::Duration};

use mainstay_examples::MemberApiClient;
use testbed::{Hosts, Place, Process, Scratch, tree};
use tokio::{runtime, time::interval};

use crate::service::FrailClient;

/// How long a process may take to start, and a call to come through at first.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// The hosts: of who calls, and of the members.
const CALLER: &str = "caller";
const NAMES: [&str; 3] = ["m1", "m2", "m3"];

/// A member.
pub(crate) struct Member {
    pub(crate) host: &'static str,
    pub(crate) process: Process,
    address: String,
}

/// Three of them.
pub(crate) struct Members {
    pub(crate) hosts: Option<Arc<Hosts>>,
    pub(crate) all: Vec<Member>,
    registry: Scratch,
}

impl Members {
    /// All on this machine.
    pub(crate) fn here() -> Self {
        Self::start(None)
    }

    /// Each on a host of its own, as who calls is.
    pub(crate) fn apart() -> Self {
        let hosts = Hosts::new(&[&[CALLER], &NAMES[..]].concat()).unwrap();
        Self::start(Some(Arc::new(hosts)))
    }

    fn start(hosts: Option<Arc<Hosts>>) -> Self {
        let registry = Scratch::new("members").unwrap();
        let mut members = Self { hosts, all: Vec::new(), registry };
        for host in NAMES {
            let place = members.place(host);
            let mut command = place.command(tree::built("frail-member"));
            let (url, listen) = (members.registry(), format!("{}:0", place.ip()));
            command.args(["--registry", &url, "--listen", &listen, "--advertise", &place.ip().to_string()]);
            let process = Process::spawn(host, command).unwrap();
            members.all.push(Member { host, process, address: String::new() });
        }
        for member in &mut members.all {
            let advertised = member.process.line(SOON, "  advertised");
            member.address = advertised.split_whitespace().next().unwrap().to_owned();
            member.process.line(SOON, "  registered");
        }
        members
    }

    /// Where they find each other.
    pub(crate) fn registry(&self) -> String {
        format!("file://{}", self.registry.path().display())
    }

    pub(crate) fn place(&self, host: &str) -> Place {
        match &self.hosts {
            Some(hosts) => Place::On(hosts.clone(), host.to_owned()),
            None => Place::Here,
        }
    }

    /// Runs this where the caller is.
    pub(crate) fn called<T: Send>(&self, calls: impl AsyncFnOnce() -> T + Send) -> T {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        self.place(CALLER).within(|| runtime.block_on(calls())).unwrap()
    }

    /// A client with everything at its defaults, which is connected to all.
    pub(crate) async fn client(&self) -> MemberApiClient {
        let client = MemberApiClient::connect("member").registry(self.registry()).build().unwrap();
        let connected = || client.connectivity().iter().filter(|state| state.connections > 0).count();
        let mut pause = interval(Duration::from_millis(5));
        let all = async {
            while connected() < self.all.len() {
                // The first may come before the network carries anything.
                let _ = client.member("warm".to_owned()).await;
                pause.tick().await;
            }
        };
        tokio::time::timeout(SOON, all).await.expect("all are connected");
        client
    }
}

impl Member {
    /// What its answers say who gave them.
    pub(crate) fn name(&self) -> String {
        self.process.id().to_string()
    }

    /// Tells it how to do.
    pub(crate) fn frail(&self) -> FrailClient {
        FrailClient::connect("member").address(self.address.clone()).build().unwrap()
    }
}
