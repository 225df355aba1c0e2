//! The connections: counted, listed and closed by others.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::core::ids::Millis;
use crate::resp::Version;

/// All connections that are open.
#[derive(Debug, Default)]
pub(super) struct Clients {
    open: Mutex<BTreeMap<u64, Arc<Client>>>,
    last_id: AtomicU64,
    pub(super) counters: Counters,
}

/// What happened since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) accepted: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) commands: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
}

/// One connection, as others see it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    /// The other end and this end, as text.
    pub(super) peer: String,
    pub(super) local: String,
    pub(super) since: Millis,
    /// Told when the connection is to be closed.
    pub(super) kill: Notify,
    facts: Mutex<Facts>,
}

/// What changes about a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) user: String,
    pub(super) library: String,
    pub(super) library_version: String,
    pub(super) version: Version,
    pub(super) command: String,
    pub(super) active: Millis,
    pub(super) subscriptions: (usize, usize),
}

/// Which connections are meant; what is not given fits all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) ids: Option<Vec<u64>>,
    pub(super) peer: Option<String>,
    pub(super) local: Option<String>,
    pub(super) user: Option<String>,
    pub(super) subscriber: Option<bool>,
    pub(super) but: Option<u64>,
}

impl Clients {
    /// A new connection; `None` if there are `most` already.
    pub(super) fn open(&self, peer: String, local: String, now: Millis, most: usize) -> Option<Arc<Client>> {
        let mut open = self.lock();
        if open.len() >= most {
            self.counters.rejected.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.counters.accepted.fetch_add(1, Ordering::Relaxed);
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let facts = Facts { user: "default".to_owned(), active: now, ..Facts::default() };
        let client = Client { id, peer, local, since: now, kill: Notify::new(), facts: Mutex::new(facts) };
        let client = Arc::new(client);
        open.insert(id, client.clone());
        Some(client)
    }

    pub(super) fn close(&self, id: u64) {
        self.lock().remove(&id);
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// The connections that fit.
    pub(super) fn select(&self, filter: &Filter) -> Vec<Arc<Client>> {
        self.lock().values().filter(|client| filter.fits(client)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Client>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection in one line, as `CLIENT LIST` shows it. What a sentinel does not count is 0.
    pub(super) fn line(&self, now: Millis) -> String {
        let facts = self.facts();
        let (age, idle) = (now.since(self.since) / 1000, now.since(facts.active) / 1000);
        let (sub, psub) = facts.subscriptions;
        let flags = if sub + psub > 0 { 'P' } else { 'N' };
        let mut line = format!("id={} addr={} laddr={} fd=-1 name={}", self.id, self.peer, self.local, facts.name);
        let _ = write!(line, " age={age} idle={idle} flags={flags} db=0 sub={sub} psub={psub} ssub=0 multi=-1");
        line.push_str(" qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r");
        let _ = write!(line, " cmd={} user={} redir=-1 resp={}", facts.command, facts.user, facts.version.number());
        let _ = write!(line, " lib-name={} lib-ver={}", facts.library, facts.library_version);
        line
    }
}

impl Filter {
    fn fits(&self, client: &Client) -> bool {
        let facts = client.facts();
        let (sub, psub) = facts.subscriptions;
        self.ids.as_ref().is_none_or(|ids| ids.contains(&client.id))
            && self.peer.as_ref().is_none_or(|peer| *peer == client.peer)
            && self.local.as_ref().is_none_or(|local| *local == client.local)
            && self.user.as_ref().is_none_or(|user| *user == facts.user)
            && self.subscriber.is_none_or(|wanted| wanted == (sub + psub > 0))
            && self.but != Some(client.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_found_and_forgotten() {
        let clients = Clients::default();
        let open = |peer: &str| clients.open(peer.to_owned(), "l:1".to_owned(), Millis(1000), 2);
        let (a, b) = (open("a:1").unwrap(), open("b:1").unwrap());
        assert!(open("c:1").is_none());
        b.facts().subscriptions = (1, 0);
        let ids = |filter: &Filter| clients.select(filter).iter().map(|c| c.id).collect::<Vec<_>>();
        assert_eq!(ids(&Filter::default()), [a.id, b.id]);
        assert_eq!(ids(&Filter { subscriber: Some(true), ..Filter::default() }), [b.id]);
        assert_eq!(ids(&Filter { peer: Some("a:1".into()), ..Filter::default() }), [a.id]);
        assert_eq!(ids(&Filter { but: Some(a.id), ..Filter::default() }), [b.id]);
        assert_eq!(ids(&Filter { user: Some("x".into()), ..Filter::default() }), [0u64; 0]);
        clients.close(a.id);
        assert_eq!(clients.count(), 1);
        assert_eq!(clients.counters.rejected.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_line_has_the_fields_of_redis() {
        let clients = Clients::default();
        let client = clients.open("1.2.3.4:5".into(), "6.7.8.9:1".into(), Millis(0), 1).unwrap();
        client.facts().command = "client|list".into();
        let line = client.line(Millis(2500));
        assert!(
            line.starts_with("id=1 addr=1.2.3.4:5 laddr=6.7.8.9:1 fd=-1 name= age=2 idle=2 flags=N db=0"),
            "{line}"
        );
        assert!(line.ends_with("cmd=client|list user=default redir=-1 resp=2 lib-name= lib-ver="), "{line}");
    }
}
