//! Three members, each a process, and who calls them: on this machine, behind proxies, or on hosts of their own.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use mainstay_examples::MemberApiClient;
use testbed::{Hosts, Place, Process, Proxy, Scratch, ports, tree};
use tokio::{runtime, time::interval};

use super::frail::FrailClient;

/// How long a process may take to start, and a call to come through at first.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// The hosts: of who calls, and of the members.
pub(crate) const CALLER: &str = "caller";
const NAMES: [&str; 3] = ["m1", "m2", "m3"];
/// Zones, each with two members.
pub(crate) const ZONES: [&str; 2] = ["a", "b"];

/// A member.
pub(crate) struct Member {
    pub(crate) host: &'static str,
    pub(crate) process: Process,
    proxy: Option<Proxy>,
    /// Where it listens.
    address: String,
}

/// Three of them, or two in each of two zones.
pub(crate) struct Members {
    pub(crate) hosts: Option<Arc<Hosts>>,
    pub(crate) all: Vec<Member>,
    url: String,
    _registry: Scratch,
}

impl Members {
    /// All on this machine.
    pub(crate) fn here() -> Self {
        Self::start(None, false)
    }

    /// All on this machine, each behind a proxy.
    pub(crate) fn wired() -> Self {
        Self::start(None, true)
    }

    /// Each on a host of its own, as who calls is.
    pub(crate) fn apart() -> Self {
        let hosts = Hosts::new(&[&[CALLER], &NAMES[..]].concat()).unwrap();
        Self::start(Some(Arc::new(hosts)), false)
    }

    fn start(hosts: Option<Arc<Hosts>>, wired: bool) -> Self {
        let mut members = Self::none(hosts);
        members.start_three(wired);
        members
    }

    fn start_three(&mut self, wired: bool) {
        self.all = NAMES.map(|host| self.launch(host, wired, &[])).into();
        self.all.iter_mut().for_each(Member::is_ready);
    }

    fn none(hosts: Option<Arc<Hosts>>) -> Self {
        let registry = Scratch::new("members").unwrap();
        let url = format!("file://{}", registry.path().display());
        Self { hosts, all: Vec::new(), url, _registry: registry }
    }

    /// Two in each zone, the first zone first, on this machine.
    pub(crate) fn zoned() -> Self {
        let mut members = Self::none(None);
        members.all = ZONES
            .iter()
            .flat_map(|zone| [zone; 2])
            .map(|zone| members.launch(NAMES[0], false, &["--zone", zone]))
            .collect();
        members.all.iter_mut().for_each(Member::is_ready);
        members
    }

    /// All on this machine, and they find each other by this.
    pub(crate) fn found_by(url: String) -> Self {
        let mut members = Self { url, ..Self::none(None) };
        members.start_three(false);
        members
    }

    /// Starts another one on this machine, and waits until it is listed.
    pub(crate) async fn another(&self) -> Member {
        let member = self.newcomer();
        let mut pause = interval(Duration::from_millis(5));
        while !member.is_listed() {
            pause.tick().await;
        }
        member
    }

    /// Starts another one on this machine.
    pub(crate) fn newcomer(&self) -> Member {
        self.launch(NAMES[0], false, &[])
    }

    fn launch(&self, host: &'static str, wired: bool, more: &[&str]) -> Member {
        let place = self.place(host);
        let ip = place.ip();
        let proxy = wired.then(|| Proxy::start((Ipv4Addr::LOCALHOST, ports::free().unwrap()).into()).unwrap());
        let (listen, advertise) = match &proxy {
            Some(proxy) => (proxy.server().to_string(), proxy.addr().to_string()),
            None => (format!("{ip}:0"), ip.to_string()),
        };
        let mut command = place.command(tree::built("frail-member"));
        command.args(["--registry", &self.url, "--listen", &listen, "--advertise", &advertise]).args(more);
        Member { host, process: Process::spawn(host, command).unwrap(), proxy, address: String::new() }
    }

    /// Where they find each other.
    pub(crate) fn registry(&self) -> String {
        self.url.clone()
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
        self.connected(MemberApiClient::connect("member").registry(self.registry()).build().unwrap(), self.all.len())
            .await
    }

    /// The same in a zone, which is connected to all of it.
    pub(crate) async fn client_in(&self, zone: &str) -> MemberApiClient {
        let client = MemberApiClient::connect("member").registry(self.registry()).zone(zone).build().unwrap();
        self.connected(client, self.all.len() / ZONES.len()).await
    }

    async fn connected(&self, client: MemberApiClient, count: usize) -> MemberApiClient {
        let connected = || client.connectivity().iter().filter(|state| state.connections > 0).count();
        let mut pause = interval(Duration::from_millis(5));
        let all = async {
            while connected() < count {
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
    fn is_ready(&mut self) {
        let listening = self.process.line(SOON, "  listening");
        self.address = listening.split_whitespace().next().unwrap().to_owned();
        self.process.line(SOON, "  registered");
    }

    /// What its answers say who gave them.
    pub(crate) fn name(&self) -> String {
        self.process.id().to_string()
    }

    /// It has said that it is listed.
    pub(crate) fn is_listed(&self) -> bool {
        self.process.stdout().contains("  registered")
    }

    /// How many files and connections it has open; `None` when it has ended.
    pub(crate) fn open_files(&self) -> Option<usize> {
        Some(std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).ok()?.count())
    }

    /// What stands in front of it.
    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("it is wired")
    }

    /// Ends what can be ended: of the wire, and that it is stopped.
    pub(crate) fn is_well(&self) {
        // One that was killed stays so.
        let _ = self.process.cont();
        self.proxy.iter().for_each(Proxy::heal);
    }

    /// Tells it how to do.
    pub(crate) fn frail(&self) -> FrailClient {
        FrailClient::connect("member").address(self.address.clone()).build().unwrap()
    }
}
