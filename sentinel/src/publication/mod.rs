//! What the sentinel shows, published into a registry: each primary and its replicas, with role and epoch.
//!
//! Off unless the file says `sentinel registry <url>`. It reads the picture that the port shows and holds one lease per
//! server; the registry's controller keeps it written. So nothing here can hold up the loop, and a registry that is away
//! delays no failover. Each sentinel publishes what it holds for true, and says in which epoch: consumers go by the
//! greatest one (`mainstay::backend`).
//!
//! | file | what it is |
//! |---|---|
//! | `plan` | which servers are published, and as what; pure |

mod plan;

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_registry::{Hub, Lease, LeaseState, Registration, Registry, Role};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

use crate::request::Published;
use crate::view::{View, Views};
use plan::{Key, Plan};

/// How soon a change is seen that no notice tells of, such as a replica's link that stands again.
const LOOK: Duration = Duration::from_millis(500);
/// The label that says which sentinel published an instance.
const SENTINEL: &str = "sentinel";

/// The leases of one sentinel.
#[derive(Debug)]
pub struct Publication {
    hub: Hub,
    plan: Plan,
    leases: BTreeMap<Key, Lease>,
    unwell: bool,
}

impl Publication {
    /// Nothing published yet.
    pub fn new(hub: Hub) -> Self {
        Self { hub, plan: Plan::default(), leases: BTreeMap::new(), unwell: false }
    }

    /// Follows the picture for ever. Dropped, it takes everything back as far as that goes without waiting.
    pub async fn follow(mut self, views: Views, mut notices: broadcast::Receiver<Published>) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                notice = notices.recv() => if matches!(notice, Err(RecvError::Closed)) { return },
                _ = look.tick() => self.look_after(),
            }
            // The picture is stored before a notice is published: what those that wait tell of is in it already.
            notices = notices.resubscribe();
            self.publish(&views.load());
        }
    }

    /// Makes the leases follow the picture.
    fn publish(&mut self, view: &View) {
        let plan = plan::next(view, &self.plan);
        if plan == self.plan {
            return;
        }
        // Replicas of a new epoch first, then its primary; what is no more goes last. So a consumer that hears half of it
        // hears of no primary that has nobody yet.
        let mut news: Vec<_> = plan.iter().filter(|(key, entry)| self.plan.get(*key) != Some(entry)).collect();
        news.sort_by_key(|(_, entry)| entry.role == Role::Primary);
        for (key, entry) in news {
            match self.leases.get(key) {
                Some(lease) => lease.update(|instance| *instance = instance.clone().in_role(entry.role, entry.epoch)),
                None => {
                    let (host, port) = (&key.address.host, key.address.port);
                    let mut server = Registration::of_backend(key.master.as_str(), host, port, entry.role, entry.epoch);
                    server.instance = server.instance.with_label(SENTINEL, view.me.as_str());
                    self.leases.insert(key.clone(), self.hub.register(server));
                }
            }
        }
        self.leases.retain(|key, _| plan.contains_key(key));
        self.plan = plan;
    }

    /// Says when the registry stops or begins to take what is published.
    fn look_after(&mut self) {
        let lost = self.leases.values().find(|lease| matches!(lease.state(), LeaseState::Lost { .. }));
        match (lost, self.unwell) {
            (Some(lease), false) => {
                let why = lease.trouble().unwrap_or_else(|| lease.state().to_string());
                tracing::warn!("{} does not take what is published: {why}", Registry::describe(&self.hub));
                self.unwell = true;
            }
            (None, true) => {
                tracing::warn!("{} takes what is published again", Registry::describe(&self.hub));
                self.unwell = false;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mainstay_registry::{Changes, Discover, Instance, Lookup, MemoryRegistry, ServiceKey};
    use tokio::time::timeout;

    use super::*;
    use crate::core::config::Settings;
    use crate::core::ids::{Address, Epoch, MasterName, RunId};
    use crate::view::MasterView;

    const SOON: Duration = Duration::from_secs(10);

    fn view(port: u16, epoch: u64) -> View {
        let mut view = View::new(RunId::from_number(7));
        let mut master = MasterView::new("m".into(), Address::new("h", port), Settings::new(2));
        master.config_epoch = Epoch(epoch);
        view.masters.insert(MasterName::from("m"), Arc::new(master));
        view
    }

    /// Follows the changes until this instance is all there is.
    async fn becomes(changes: &mut Changes, known: &mut BTreeMap<String, Arc<Instance>>, port: u16, epoch: u64) {
        let found = async {
            while known.len() != 1 || known.values().any(|i| (i.port, i.epoch) != (port, Some(epoch))) {
                match changes.next().await.expect("the registry lives") {
                    mainstay_registry::Change::Up(i) => drop(known.insert(i.id.to_string(), i)),
                    mainstay_registry::Change::Down(id, _) => drop(known.remove(id.as_str())),
                    _ => {}
                }
            }
        };
        timeout(SOON, found).await.expect("published in time");
    }

    #[tokio::test(start_paused = true)]
    async fn the_picture_is_published_and_followed() {
        let memory = MemoryRegistry::new();
        let mut changes = memory.subscribe(Lookup::new(ServiceKey::backend("m")));
        let views = view(1, 0).shared();
        let (notices, receiver) = broadcast::channel(8);
        let following = tokio::spawn(Publication::new(Hub::new(memory)).follow(views.clone(), receiver));
        let mut known = BTreeMap::new();
        becomes(&mut changes, &mut known, 1, 0).await;
        assert_eq!(known.values().next().unwrap().labels[SENTINEL], RunId::from_number(7).as_str());

        views.store(Arc::new(view(2, 1)));
        notices.send(Published { channel: "+switch-master", payload: "m h 1 h 2".into() }).unwrap();
        becomes(&mut changes, &mut known, 2, 1).await;
        // Without a notice too.
        views.store(Arc::new(view(2, 2)));
        becomes(&mut changes, &mut known, 2, 2).await;
        drop(notices);
        timeout(SOON, following).await.expect("it ends with the loop").unwrap();
    }
}
