//! How servers of the model follow each other: asking, copying a log or a piece of it, streaming, telling how far.

use super::MS;
use super::Sim;
use super::client::ToClient;
use super::server::{DataCopy, Follower, Part, ToServer};

impl Sim {
    pub(super) fn server_follows(&mut self, s: usize, of: Option<usize>) {
        if matches!(self.servers[s].part, Part::Replica { of: present, .. } if present == of) || of == Some(s) {
            return;
        }
        let now = self.now;
        let server = &mut self.servers[s];
        server.part = Part::Replica { of, synced: false, lost_since: now };
        server.generation += 1;
        server.unconfirmed.clear();
        self.server_drops_followers(s);
        self.server_asks(s);
    }

    pub(super) fn server_drops_followers(&mut self, s: usize) {
        self.servers[s].good = 0;
        for (replica, follower) in std::mem::take(&mut self.servers[s].followers) {
            self.server_sends(s, replica, ToServer::Lost { generation: follower.generation }, 0);
        }
    }

    /// Asks to follow, again if need be.
    pub(super) fn server_asks(&mut self, s: usize) {
        let now = self.now;
        let server = &mut self.servers[s];
        let Part::Replica { of, synced, lost_since } = &mut server.part else { return };
        if std::mem::replace(synced, false) {
            *lost_since = now;
        }
        let Some(of) = *of else { return };
        server.generation += 1;
        let (generation, history, offset) = (server.generation, server.history, server.log.len());
        self.server_sends(s, of, ToServer::Follow { generation, history, offset }, 0);
    }

    pub(super) fn server_followed(&mut self, s: usize, replica: usize, generation: u32, history: u64, offset: usize) {
        let (heard, extra) = (self.now, 20 * MS + self.rng.below(200 * MS));
        let server = &mut self.servers[s];
        let same = history == server.history && offset <= server.log.len();
        let before = server.former.is_some_and(|(former, end)| history == former && offset <= end);
        let whole = !same && !before;
        let start = if whole { 0 } else { offset };
        let log = server.log[start..].to_vec();
        let (history, former) = (server.history, server.former);
        server.followers.insert(replica, Follower { generation, offset: start, heard });
        server.count_good(heard);
        let copy = DataCopy { history, former, start, log, whole };
        let sync = ToServer::Sync { generation, copy };
        self.server_sends(s, replica, sync, if whole { extra } else { 0 });
    }

    pub(super) fn server_synced(&mut self, s: usize, master: usize, generation: u32, copy: DataCopy) {
        let DataCopy { history, former, start, log, whole } = copy;
        let server = &mut self.servers[s];
        let Part::Replica { of, synced, .. } = &mut server.part else { return };
        if *of != Some(master) || server.generation != generation || (!whole && server.log.len() != start) {
            return;
        }
        *synced = true;
        server.log.truncate(start);
        server.log.extend(log);
        (server.history, server.former) = (history, former);
        let offset = server.log.len();
        self.server_drops_followers(s);
        self.server_sends(s, master, ToServer::Ack { generation, offset }, 0);
    }

    pub(super) fn server_streamed(&mut self, s: usize, master: usize, generation: u32, start: usize, log: Vec<u32>) {
        let server = &mut self.servers[s];
        let fits = matches!(server.part, Part::Replica { of: Some(of), synced: true, .. } if of == master);
        if !fits || server.generation != generation {
            return;
        }
        if start > server.log.len() {
            // Something on the way was lost: the connection is broken.
            return self.server_asks(s);
        }
        let have = server.log.len() - start;
        server.log.extend(log.into_iter().skip(have));
        let offset = server.log.len();
        let followers: Vec<_> = server.followers.iter().map(|(i, f)| (*i, f.generation, f.offset)).collect();
        for (follower, generation, from) in followers {
            let log = self.servers[s].log[from.min(offset)..].to_vec();
            self.server_sends(s, follower, ToServer::Stream { generation, start: from, log }, 0);
        }
        if self.setup.confirm.is_some() {
            self.server_sends(s, master, ToServer::Ack { generation, offset }, 0);
        }
    }

    pub(super) fn server_acked(&mut self, s: usize, replica: usize, generation: u32, offset: usize) {
        let now = self.now;
        let server = &mut self.servers[s];
        let Some(follower) = server.followers.get_mut(&replica).filter(|f| f.generation == generation) else { return };
        (follower.offset, follower.heard) = (follower.offset.max(offset), now);
        let Some(needed) = self.setup.confirm.filter(|_| self.servers[s].is_master()) else { return };
        let server = &mut self.servers[s];
        let reached = |end: usize| server.followers.values().filter(|f| f.offset >= end).count() >= needed;
        let (done, open): (Vec<_>, Vec<_>) = server.unconfirmed.iter().partition(|(_, end)| reached(*end));
        server.unconfirmed = open;
        for (id, _) in done {
            self.answer_client(s, ToClient::Confirmed { id });
        }
    }
}
