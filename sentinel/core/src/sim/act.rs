//! What a sentinel's actions do in the world: to servers over connections, to peers by datagrams, to itself by its clock.

use super::net::Host;
use super::server::{Command, ToServer};
use super::{MS, Micros, Sim, What, master_name, node_address, node_id, node_of, server_at};
use crate::action::{Action, HelloBody, Task};
use crate::durable::PeerKind;
use crate::event::{Done, Event, Failure, Hello, Request};
use crate::ids::{Epoch, Millis, ReplyTo, RunId, Target, Ticket};

/// How long a driver waits for the outcome of a command.
const COMMAND_TIMEOUT: Micros = 1_000 * MS;

impl Sim {
    pub(super) fn perform_one(&mut self, node: usize, life: u32, action: Action) {
        self.check_action(node, &action);
        let me = node_id(node);
        match action {
            Action::Connect(Target::Server(server), _) => {
                let server = server_at(&server.address);
                if self.nodes[node].wanted.insert(server) {
                    self.at(self.now, What::Connect { node, life, server });
                }
            }
            Action::Connect(Target::Peer(id), _) | Action::Reconnect(Target::Peer(id)) => {
                self.at(self.now, What::Meet { node, life, peer: node_of(id) });
            }
            Action::Disconnect(Target::Server(server)) => {
                let server = server_at(&server.address);
                self.nodes[node].wanted.remove(&server);
                self.nodes[node].connections.remove(&server);
            }
            Action::Reconnect(Target::Server(server)) => {
                let server = server_at(&server.address);
                self.nodes[node].connections.remove(&server);
                self.at(self.now, What::Connect { node, life, server });
            }
            Action::Ping(Target::Server(server)) => self.command(node, server_at(&server.address), Command::Ping),
            Action::Ping(Target::Peer(id)) => self.ping_peer(node, id),
            Action::Inspect { server, asked } => {
                self.command(node, server_at(&server.address), Command::Inspect(asked));
            }
            Action::Ask { peer, asked, question, .. } => {
                let reply_to = reply_to(node, asked);
                self.datagram(node, node_of(peer), Event::Asked { reply_to, question });
            }
            Action::Answer(to, answer) => {
                let (to, asked) = asker(to);
                self.datagram(node, to, Event::Answer { peer: me, master: master_name(), asked, answer });
            }
            Action::PublishHello(to, body) => self.publish(node, to, body),
            Action::Do(ticket, task) => self.task(node, life, ticket, task),
            Action::WakeAt(at) => {
                let n = &mut self.nodes[node];
                n.wake += 1;
                let (number, at) = (n.wake, n.shows(at));
                self.at(at, What::Wake { node, life, number });
            }
            _ => {}
        }
    }

    fn ping_peer(&mut self, node: usize, id: RunId) {
        let peer = node_of(id);
        let there = self.net.reaches(Host::Node(node), Host::Node(peer)) && self.nodes[peer].core.is_some();
        if there && self.nodes[peer].busy_until < self.now + 100 * MS {
            let pong = crate::event::PingReply::Pong;
            self.datagram(peer, node, Event::Pong(Target::Peer(id), pong));
        }
    }

    fn publish(&mut self, node: usize, to: Target, body: HelloBody) {
        let hello = Hello {
            address: node_address(node),
            peer: node_id(node),
            current_epoch: body.current_epoch,
            master: body.master,
            master_address: body.address,
            config_epoch: body.config_epoch,
        };
        match to {
            Target::Server(server) => self.command(node, server_at(&server.address), Command::Publish(hello)),
            Target::Peer(id) => self.datagram(node, node_of(id), Event::Hello(hello)),
        }
    }

    fn command(&mut self, node: usize, server: usize, command: Command) {
        let n = &self.nodes[node];
        let Some(connection) = n.connection(server) else { return };
        let message = ToServer::Command { life: n.life, connection, command };
        let (from, to) = (Host::Node(node), Host::Server(server));
        match self.net.stream(&mut self.rng, self.now, from, to, 0) {
            Some(at) => self.at(at, What::Server { server, from, message }),
            // In a cut some of it waits in a buffer for the end of the cut.
            None if self.rng.below(3) == 0 => {
                let at = self.now + self.rng.below(8_000 * MS);
                self.at(at, What::Server { server, from, message });
            }
            None => {}
        }
    }

    fn task(&mut self, node: usize, life: u32, ticket: Ticket, task: Task) {
        let server = match &task {
            Task::Fence { old, .. } => {
                // The fence is one that works: it kills.
                self.kill_server(server_at(old));
                let event = Event::Done(ticket, Ok(Done::Ok));
                return self.at(self.now + 50 * MS, What::Node { node, life, event });
            }
            Task::Promote(s) | Task::Detach(s) | Task::ResumeWrites(s) => s,
            Task::Follow { server, .. } | Task::StepDown { server, .. } | Task::FollowOnReturn { server, .. } => server,
            Task::PauseWrites { server, .. } | Task::SetGate { server, .. } => server,
        };
        let server = server_at(&server.address);
        let (failure, after) = match self.nodes[node].connection(server) {
            Some(_) => (Failure::Unknown, COMMAND_TIMEOUT),
            None => (Failure::NotSent, 0),
        };
        let event = Event::Done(ticket, Err(failure));
        self.at(self.now + after, What::Node { node, life, event });
        let (epoch, promotes) = self.promotion_in(node, &task);
        self.command(node, server, Command::Do { ticket, task, epoch, promotes });
    }

    /// The epoch a promotion is made in, and whether it is one: turning the old master back is none.
    fn promotion_in(&self, node: usize, task: &Task) -> (Epoch, bool) {
        let master = self.nodes[node].core.as_ref().and_then(|c| c.masters().values().next());
        let Some(master) = master else { return (Epoch::default(), false) };
        let epoch = master.failover.as_ref().map_or(Epoch::default(), |f| f.epoch);
        let promotes = matches!(task, Task::Promote(s) if s.address != master.address);
        (epoch, promotes)
    }

    /// An operator asks this sentinel for something.
    pub(crate) fn operator(&mut self, node: usize, request: Request) {
        let life = self.nodes[node].life;
        self.at(self.now, What::Node { node, life, event: Event::Request(ReplyTo(0), request) });
    }

    /// This sentinel believes that a peer is of that kind.
    pub(crate) fn believe(&mut self, node: usize, peer: usize, kind: PeerKind) {
        let life = self.nodes[node].life;
        self.at(self.now, What::Node { node, life, event: Event::PeerKind(node_id(peer), kind) });
    }

    fn check_action(&mut self, node: usize, action: &Action) {
        let n = &self.nodes[node];
        let Some(core) = &n.core else { return };
        self.check.action(self.now, n.index, action, core);
    }
}

/// Where an answer goes, and when it was asked for, in the one number that a question carries.
fn reply_to(node: usize, asked: Millis) -> ReplyTo {
    ReplyTo(asked.0 << 8 | node as u64)
}

fn asker(ReplyTo(to): ReplyTo) -> (usize, Millis) {
    ((to & 0xff) as usize, Millis(to >> 8))
}
