//! Another sentinel, ours or Redis' own: one link for all masters.

use super::commands::ping_reply;
use super::dial::Access;
use super::link::Link;
use super::{hello, server};
use crate::backend::{LinkId, Sink};
use crate::core::action::HelloBody;
use crate::core::durable::PeerKind;
use crate::core::event::{Answer, Event, Question};
use crate::core::ids::{Address, Epoch, MasterName, Millis, RunId, Target};
use crate::resp::Value;

/// The link to one peer. Dropping it gives it up.
#[derive(Debug)]
pub struct Peer {
    id: RunId,
    me: RunId,
    link: Link,
}

impl Peer {
    /// Makes the link and keeps it.
    pub fn connect(link: LinkId, id: RunId, access: Access, sink: Sink) -> Peer {
        let me = access.me;
        Peer { id, me, link: Link::keep(link, Target::Peer(id), access, sink) }
    }

    /// Asks whether it is there; told as [`Event::Pong`].
    pub fn probe(&self) {
        let target = Target::Peer(self.id);
        self.link.orders().send(&[words(&["PING"])], move |replies| {
            Some((Event::Pong(target, ping_reply(replies.ok()?.first()?)), None))
        });
    }

    /// Asks which program it is; told as [`Event::PeerKind`].
    pub fn identify(&self) {
        let id = self.id;
        self.link.orders().send(&[words(&["SENTINEL", "MYVERSION"])], move |replies| {
            Some((Event::PeerKind(id, kind(replies.ok()?.first()?)), None))
        });
    }

    /// Asks about a master, and perhaps for a vote; told as [`Event::Answer`] with this moment.
    pub fn ask(&self, master: MasterName, asked: Millis, question: &Question) {
        let peer = self.id;
        self.link.orders().send(&[ask(question)], move |replies| {
            let answer = answer(replies.ok()?.first()?)?;
            Some((Event::Answer { peer, master, asked, answer }, None))
        });
    }

    /// Sends a hello directly. `own` as in [`Backend::publish`](crate::backend::Backend::publish).
    pub fn publish(&self, own: &Address, body: &HelloBody) {
        let orders = self.link.orders();
        let Some(own) = server::own_address(own, orders) else { return };
        orders.send(&[words(&["PUBLISH", hello::CHANNEL, &hello::format(self.me, &own, body)])], |_| None);
    }

    /// Drops the connection and makes it anew.
    pub fn reconnect(&self) {
        self.link.reconnect();
    }

    /// Questions without an answer yet.
    pub fn pending(&self) -> u32 {
        self.link.orders().pending()
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// A redis-sentinel does not know the subcommand; one of ours that forbids it cannot be told, so it counts as unknown.
fn kind(reply: &Value) -> PeerKind {
    match reply.as_error() {
        None => PeerKind::Ours,
        Some(e) if e.starts_with("ERR") => PeerKind::Redis,
        Some(_) => PeerKind::Unknown,
    }
}

fn ask(q: &Question) -> Vec<String> {
    let (port, epoch) = (q.address.port.to_string(), q.epoch.to_string());
    let candidate = q.candidate.as_ref().map_or("*", RunId::as_str);
    let mut ask = words(&["SENTINEL", "is-master-down-by-addr", &q.address.host, &port, &epoch, candidate]);
    if q.planned {
        ask.push("planned".into());
    }
    ask
}

fn answer(reply: &Value) -> Option<Answer> {
    let [down, leader, epoch] = reply.as_list()? else { return None };
    let leader = leader.as_str()?;
    Some(Answer {
        down: down.as_integer()? == 1,
        leader: if leader == "*" { None } else { Some(leader.parse().ok()?) },
        leader_epoch: Epoch(epoch.as_integer()?.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_malformed_ones_dropped() {
        let of = |down, leader: &str, epoch| {
            answer(&Value::Array(vec![Value::Integer(down), Value::bulk(leader), Value::Integer(epoch)]))
        };
        let id = RunId::from_number(7);
        assert_eq!(of(1, "*", 0), Some(Answer { down: true, leader: None, leader_epoch: Epoch(0) }));
        assert_eq!(of(0, id.as_str(), 4).unwrap().leader, Some(id));
        assert_eq!((of(1, "short", 1), of(1, "*", -1), answer(&Value::Null)), (None, None, None));
        assert_eq!(answer(&Value::error("ERR x")), None);
    }

    #[test]
    fn questions_in_both_forms() {
        let mut q = Question { address: Address::new("h", 7), epoch: Epoch(3), candidate: None, planned: false };
        assert_eq!(ask(&q).join(" "), "SENTINEL is-master-down-by-addr h 7 3 *");
        (q.candidate, q.planned) = (Some(RunId::from_number(1)), true);
        assert!(ask(&q).join(" ").ends_with("1 planned"));
    }

    #[test]
    fn peers_are_told_apart() {
        assert_eq!(kind(&Value::bulk("0.1.0")), PeerKind::Ours);
        assert_eq!(kind(&Value::error("ERR Unknown subcommand 'MYVERSION'")), PeerKind::Redis);
        assert_eq!(kind(&Value::error("NOAUTH")), PeerKind::Unknown);
    }
}
