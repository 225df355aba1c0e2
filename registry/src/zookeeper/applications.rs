//! The application level of one interface: which applications offer it, and their instances.
//!
//! An application that was once in the mapping is followed on, as nobody is ever taken out of it.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::select_all;
use tokio::sync::watch;
use zookeeper_client::{Client, Error, OneshotWatcher};

use super::{
    members::{Crowd, Members, Roster, Sight},
    nodes::{Nodes, is_name},
    session::{Link, bounded},
};
use crate::dubbo::{Listed, MAX_APPLICATIONS, applications};

/// An application that is followed, and what was seen of it.
#[derive(Debug)]
struct Followed {
    sight: watch::Receiver<Sight>,
    roster: Arc<Roster>,
    _members: Arc<Members>,
}

/// The instances of all applications that offer one interface.
#[derive(Debug)]
pub(super) struct Applications {
    crowd: Arc<Crowd>,
    link: watch::Receiver<Link>,
    followed: BTreeMap<String, Followed>,
}

impl Applications {
    /// Nobody yet; who is followed is in `crowd`, over this link.
    pub(super) fn new(crowd: Arc<Crowd>, link: watch::Receiver<Link>) -> Self {
        Self { crowd, link, followed: BTreeMap::new() }
    }

    /// Reads the mapping, and follows applications that were not in it before; answers what tells of its next change.
    pub(super) async fn mapped(
        &mut self,
        client: &Client,
        nodes: &Nodes,
        interface: &str,
    ) -> Result<OneshotWatcher, Error> {
        let (list, watcher) = mapping(client, &nodes.mapping(interface)).await?;
        for application in applications(&list).filter(|name| is_name(name)).take(MAX_APPLICATIONS) {
            if self.followed.contains_key(application) {
                continue;
            }
            if let Some(members) = self.crowd.of(&self.link, &nodes.instances(application)) {
                let followed = Followed { sight: members.sight(), roster: Arc::default(), _members: members };
                self.followed.insert(application.to_owned(), followed);
            }
        }
        Ok(watcher)
    }

    /// Looks at what is known of each by now. Answers whether something is of all.
    ///
    /// # Errors
    /// Why one cannot be read.
    pub(super) fn refresh(&mut self) -> Result<bool, Arc<str>> {
        let mut all = true;
        for followed in self.followed.values_mut() {
            match &*followed.sight.borrow_and_update() {
                Sight::Unseen => all = false,
                Sight::Silent(why) => return Err(why.clone()),
                Sight::Said(roster) => followed.roster = roster.clone(),
            }
        }
        Ok(all)
    }

    /// Ready when [`refresh`](Self::refresh) has something to do; never, where nobody is followed. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        let news: Vec<_> = self.followed.values_mut().map(|followed| Box::pin(followed.sight.changed())).collect();
        if news.is_empty() {
            std::future::pending::<()>().await;
        }
        drop(select_all(news).await);
    }

    /// The instances that are there, can be read, and say which content they have.
    pub(super) fn listed(&self) -> impl Iterator<Item = &Listed> {
        let all =
            self.followed.values().flat_map(|followed| followed.roster.values().filter_map(|read| read.as_ref().ok()));
        all.filter(|one| one.instance().revision().is_some())
    }

    /// Who is not taken, and why.
    pub(super) fn skipped(&self) -> impl Iterator<Item = (String, &'static str)> {
        self.followed.iter().flat_map(|(application, followed)| {
            let read = followed.roster.iter();
            let skipped = read.filter_map(|(name, read)| Some((name, read.as_ref().err()?.as_str())));
            skipped.map(move |(name, why)| (format!("{name} of {application}"), why))
        })
    }
}

/// The text of a mapping, and what tells of the next change. One that is not there is empty.
async fn mapping(client: &Client, path: &str) -> Result<(String, OneshotWatcher), Error> {
    loop {
        match bounded(client.get_and_watch_data(path)).await {
            Ok((data, _, watcher)) => return Ok((String::from_utf8_lossy(&data).into_owned(), watcher)),
            Err(Error::NoNode) => {}
            Err(error) => return Err(error),
        }
        let (stat, watcher) = bounded(client.check_and_watch_stat(path)).await?;
        if stat.is_none() {
            return Ok((String::new(), watcher));
        }
    }
}
