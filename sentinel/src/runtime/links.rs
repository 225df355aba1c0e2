//! The links to servers and peers, and what is sent on them.
//!
//! Which credentials, names of commands and address a link has follows from the core's settings at the moment it is
//! made; a reconnection takes the present ones.

use std::collections::{BTreeMap, BTreeSet};

use crate::backend::redis::{Access, Names, Peer, Server};
use crate::backend::{Backend, Fence, LinkId, Sink, Told};
use crate::core::action::{HelloBody, Task};
use crate::core::config::Secret;
use crate::core::event::{Done, Event, Failure, Question};
use crate::core::ids::{Address, MasterName, Millis, RunId, ServerRef, Target, Ticket};
use crate::core::state::Sentinel;
use crate::tls::Connector;

/// All links.
#[derive(Debug)]
pub(super) struct Links {
    servers: BTreeMap<ServerRef, Kept<Box<dyn Backend>>>,
    peers: BTreeMap<RunId, Kept<Peer>>,
    standing: BTreeSet<LinkId>,
    last: u64,
    sink: Sink,
    me: RunId,
    port: u16,
    requirepass: Option<Secret>,
    tls: Option<Connector>,
}

#[derive(Debug)]
struct Kept<L> {
    id: LinkId,
    access: Access,
    link: L,
}

impl Links {
    pub(super) fn new(sink: Sink, me: RunId, port: u16, requirepass: Option<Secret>) -> Links {
        let (servers, peers, standing) = Default::default();
        Links { servers, peers, standing, last: 0, sink, me, port, requirepass, tls: None }
    }

    /// Links that are encrypted, or not.
    pub(super) fn encrypted(self, tls: Option<Connector>) -> Links {
        Links { tls, ..self }
    }

    /// Whether a link of this life is kept still.
    pub(super) fn stands(&self, link: LinkId) -> bool {
        self.standing.contains(&link)
    }

    /// Makes a link, if there is none to this address.
    pub(super) fn connect(&mut self, core: &Sentinel, target: Target, address: Address) {
        let kept = match &target {
            Target::Server(server) => self.servers.get(server).map(|k| &k.access.address),
            Target::Peer(id) => self.peers.get(id).map(|k| &k.access.address),
        };
        if kept != Some(&address) {
            self.make(core, target, address);
        }
    }

    pub(super) fn disconnect(&mut self, target: &Target) {
        let id = match target {
            Target::Server(server) => self.servers.remove(server).map(|k| k.id),
            Target::Peer(id) => self.peers.remove(id).map(|k| k.id),
        };
        if let Some(id) = id {
            self.standing.remove(&id);
        }
    }

    /// Drops the connection and makes it anew, with the present settings.
    pub(super) fn reconnect(&mut self, core: &Sentinel, target: &Target) {
        let access = match target {
            Target::Server(server) => self.servers.get(server).map(|k| k.access.clone()),
            Target::Peer(id) => self.peers.get(id).map(|k| k.access.clone()),
        };
        let Some(access) = access else { return };
        if access != self.access(core, target, access.address.clone()) {
            return self.make(core, target.clone(), access.address);
        }
        match target {
            Target::Server(server) => self.server(server, |s| s.reconnect()),
            Target::Peer(id) => self.peer(id, Peer::reconnect),
        }
    }

    pub(super) fn ping(&self, target: &Target) {
        match target {
            Target::Server(server) => self.server(server, |s| s.probe()),
            Target::Peer(id) => self.peer(id, Peer::probe),
        }
    }

    pub(super) fn inspect(&self, server: &ServerRef, asked: Millis) {
        self.server(server, |s| s.position(asked));
    }

    pub(super) fn ask(&self, peer: &RunId, master: MasterName, asked: Millis, question: &Question) {
        self.peer(peer, |p| p.ask(master, asked, question));
    }

    pub(super) fn identify(&self, peer: &RunId) {
        self.peer(peer, Peer::identify);
    }

    pub(super) fn kill_script(&self, server: &ServerRef) {
        self.server(server, |s| s.kill_script());
    }

    /// Publishes a hello with this sentinel's address: as announced, else that of the link and the port listened at.
    pub(super) fn publish(&self, core: &Sentinel, target: &Target, hello: &HelloBody) {
        let announced = core.globals().announce.clone().unwrap_or_else(|| Address::new("", 0));
        let port = if announced.port == 0 { self.port } else { announced.port };
        let own = Address { host: announced.host, port };
        match target {
            Target::Server(server) => self.server(server, |s| s.publish(&own, hello)),
            Target::Peer(id) => self.peer(id, |p| p.publish(&own, hello)),
        }
    }

    /// Starts a task at a server; false when there is no link to it.
    pub(super) fn start(&self, ticket: Ticket, task: &Task) -> bool {
        let Some(server) = server_of(task).and_then(|s| self.servers.get(s)) else { return false };
        let server = &server.link;
        match task {
            Task::Promote(_) => server.promote(ticket),
            Task::Follow { master, .. } => server.follow(ticket, master),
            Task::StepDown { master, .. } => server.step_down(ticket, master),
            Task::Detach(_) => server.fence(ticket, &Fence::Detach),
            Task::FollowOnReturn { master, .. } => server.fence(ticket, &Fence::OnReturn(master.clone())),
            Task::PauseWrites { ms, .. } => server.pause_writes(ticket, *ms),
            Task::ResumeWrites(_) => server.resume_writes(ticket),
            Task::SetGate { min_replicas, max_lag_s, .. } => {
                server.fence(ticket, &Fence::Gate { min_replicas: *min_replicas, max_lag_s: *max_lag_s });
            }
            Task::Fence { .. } => return false,
        }
        true
    }

    /// Runs something that needs no link, and tells its outcome.
    pub(super) fn run(&self, ticket: Ticket, task: impl Future<Output = Result<Done, Failure>> + Send + 'static) {
        let sink = self.sink.clone();
        tokio::spawn(async move {
            let event = Event::Done(ticket, task.await);
            // The loop is gone: nobody waits any more.
            let _ = sink.send(Told { link: LinkId(0), event, text: None }).await;
        });
    }

    /// Questions without an answer yet.
    pub(super) fn pending(&self, target: &Target) -> u32 {
        match target {
            Target::Server(server) => self.servers.get(server).map_or(0, |k| k.link.pending()),
            Target::Peer(id) => self.peers.get(id).map_or(0, |k| k.link.pending()),
        }
    }

    fn make(&mut self, core: &Sentinel, target: Target, address: Address) {
        self.disconnect(&target);
        self.last += 1;
        let (id, sink) = (LinkId(self.last), self.sink.clone());
        self.standing.insert(id);
        let access = self.access(core, &target, address);
        match target {
            Target::Server(server) => {
                let link: Box<dyn Backend> = Box::new(Server::connect(id, server.clone(), access.clone(), sink));
                self.servers.insert(server, Kept { id, access, link });
            }
            Target::Peer(peer) => {
                let link = Peer::connect(id, peer, access.clone(), sink);
                self.peers.insert(peer, Kept { id, access, link });
            }
        }
    }

    fn access(&self, core: &Sentinel, target: &Target, address: Address) -> Access {
        let globals = core.globals();
        let (user, pass, names) = match target {
            Target::Server(server) => {
                let settings = core.masters().get(&server.master).map(|m| &m.settings);
                let renamed = settings.map(|s| s.rename_commands.clone()).unwrap_or_default();
                let user = settings.and_then(|s| s.auth_user.clone());
                (user, settings.and_then(|s| s.auth_pass.clone()), Names::new(renamed))
            }
            Target::Peer(_) if globals.sentinel_pass.is_some() => {
                (globals.sentinel_user.clone(), globals.sentinel_pass.clone(), Names::default())
            }
            Target::Peer(_) => (None, self.requirepass.clone(), Names::default()),
        };
        Access { address, resolve: globals.resolve_hostnames, user, pass, names, tls: self.tls.clone(), me: self.me }
    }

    fn server(&self, server: &ServerRef, f: impl FnOnce(&dyn Backend)) {
        if let Some(kept) = self.servers.get(server) {
            f(&*kept.link);
        }
    }

    fn peer(&self, id: &RunId, f: impl FnOnce(&Peer)) {
        if let Some(kept) = self.peers.get(id) {
            f(&kept.link);
        }
    }
}

fn server_of(task: &Task) -> Option<&ServerRef> {
    match task {
        Task::Promote(s) | Task::Detach(s) | Task::ResumeWrites(s) => Some(s),
        Task::Follow { server, .. } | Task::StepDown { server, .. } | Task::FollowOnReturn { server, .. } => {
            Some(server)
        }
        Task::PauseWrites { server, .. } | Task::SetGate { server, .. } => Some(server),
        Task::Fence { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::core::config::Settings;
    use crate::core::durable::{Durable, DurableMaster};

    fn core(pass: &str) -> Sentinel {
        let mut settings = Settings::new(1);
        settings.auth_pass = Some(Secret(pass.into()));
        let mut durable = Durable::new(RunId::from_number(1));
        durable.masters.insert("m".into(), DurableMaster::new(Address::new("127.0.0.1", 1), settings));
        Sentinel::new(durable, 1, Millis(0))
    }

    #[tokio::test]
    async fn a_link_is_made_once_per_address_and_anew_with_other_settings() {
        let (sink, _told) = mpsc::channel(8);
        let mut links = Links::new(sink, RunId::from_number(1), 26379, Some(Secret("own".into())));
        let address = Address::new("127.0.0.1", 1);
        let target = Target::Server(ServerRef { master: "m".into(), address: address.clone() });
        let before = core("a");
        for _ in 0..2 {
            links.connect(&before, target.clone(), address.clone());
        }
        assert!(links.stands(LinkId(1)) && !links.stands(LinkId(2)));
        links.reconnect(&before, &target);
        assert!(links.stands(LinkId(1)));
        links.reconnect(&core("b"), &target);
        assert!(!links.stands(LinkId(1)) && links.stands(LinkId(2)));
        links.disconnect(&target);
        assert!(!links.stands(LinkId(2)));
        let server = ServerRef { master: "m".into(), address };
        assert!(!links.start(Ticket(1), &Task::Promote(server)));
        let peer = links.access(&before, &Target::Peer(RunId::from_number(2)), Address::new("h", 1));
        assert_eq!(peer.pass, Some(Secret("own".into())));
    }
}
