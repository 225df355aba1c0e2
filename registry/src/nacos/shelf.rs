//! All that this process offers, by service: Nacos keeps one entry per connection and service, so several instances of
//! one service are written together, and the last word counts.
//!
//! Writes of one service wait for each other, and one that waited finds its work done by the one before: a thousand
//! registrations at once are a handful of requests.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    session::Session,
    wire::{AllInstances, Host, OneInstance, Service},
};
use crate::{error::RegistryError, instance::InstanceId};

/// What is offered.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<BTreeMap<Service, Entry>>);

#[derive(Debug, Default)]
struct Entry {
    offers: BTreeMap<InstanceId, Host>,
    /// Counts the changes of `offers`.
    version: u64,
    /// Over which session which version was written last, and one of what it held.
    written: Option<(u64, u64)>,
    last: Option<Host>,
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// What one request is to make so.
enum Order {
    Nothing,
    Clear(Host),
    One(Host),
    All(Vec<Host>),
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Service, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `id` offers `host` from the next [`write`](Self::write) on.
    pub(super) fn put(&self, service: &Service, id: &InstanceId, host: Host) {
        let mut entries = self.lock();
        let entry = entries.entry(service.clone()).or_default();
        if entry.offers.get(id) != Some(&host) {
            entry.offers.insert(id.clone(), host);
            entry.version += 1;
        }
    }

    /// `id` offers nothing any more, from the next [`write`](Self::write) on.
    pub(super) fn take(&self, service: &Service, id: &InstanceId) {
        if let Some(entry) = self.lock().get_mut(service)
            && entry.offers.remove(id).is_some()
        {
            entry.version += 1;
        }
    }

    /// It is not there any more, whatever was written: the next [`write`](Self::write) writes.
    pub(super) fn lost(&self, service: &Service) {
        if let Some(entry) = self.lock().get_mut(service) {
            entry.written = None;
        }
    }

    /// The services under which something is offered.
    pub(super) fn services(&self) -> Vec<String> {
        let offered =
            |(service, entry): (&Service, &Entry)| (!entry.offers.is_empty()).then(|| service.service_name.clone());
        self.lock().iter().filter_map(offered).collect()
    }

    /// Writes what is offered under `service`, unless somebody has meanwhile.
    ///
    /// # Errors
    /// The server's own code and text. A write that failed may have been done.
    pub(super) async fn write(&self, session: &Session, service: &Service) -> Result<(), RegistryError> {
        let Some(gate) = self.lock().get(service).map(|entry| entry.gate.clone()) else { return Ok(()) };
        let _turn = gate.lock().await;
        let (version, order) = self.order(session.number, service);
        let last = match order {
            Order::Nothing => return Ok(()),
            Order::Clear(host) => {
                session.ask(&OneInstance { service, action: "deregisterInstance", instance: &host }).await?;
                None
            }
            Order::One(host) => {
                session.ask(&OneInstance { service, action: "registerInstance", instance: &host }).await?;
                Some(host)
            }
            Order::All(hosts) => {
                session.ask(&AllInstances { service, action: "batchRegisterInstance", instances: &hosts }).await?;
                hosts.into_iter().next()
            }
        };
        if let Some(entry) = self.lock().get_mut(service) {
            entry.written = Some((session.number, version));
            entry.last = last.or_else(|| entry.last.take());
        }
        Ok(())
    }

    fn order(&self, session: u64, service: &Service) -> (u64, Order) {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(service) else { return (0, Order::Nothing) };
        if entry.written == Some((session, entry.version)) {
            return (entry.version, Order::Nothing);
        }
        // A request that fails may have been done: until one succeeds nobody knows what is there.
        entry.written = None;
        let mut hosts: Vec<Host> = entry.offers.values().cloned().collect();
        let order = match (hosts.len(), hosts.pop(), &entry.last) {
            (0, _, Some(last)) => Order::Clear(last.clone()),
            (0, ..) => Order::Nothing,
            (1, Some(host), _) => Order::One(host),
            (_, last, _) => Order::All(hosts.into_iter().chain(last).collect()),
        };
        if let Order::One(host) = &order {
            entry.last = Some(host.clone());
        } else if let Order::All(hosts) = &order {
            entry.last = hosts.first().cloned();
        }
        (entry.version, order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nacos::names;

    fn offer(shelf: &Shelf, service: &Service, port: u16) {
        let host = names::record("h", port, BTreeMap::new(), String::new).unwrap();
        shelf.put(service, &InstanceId::new(port.to_string()), host);
    }

    fn ports(shelf: &Shelf, session: u64, service: &Service) -> (u64, String) {
        let (version, order) = shelf.order(session, service);
        let text = match order {
            Order::Nothing => "nothing".to_owned(),
            Order::Clear(host) => format!("clear {}", host.port),
            Order::One(host) => format!("one {}", host.port),
            Order::All(hosts) => format!("all {:?}", hosts.iter().map(|host| host.port).collect::<Vec<_>>()),
        };
        (version, text)
    }

    fn done(shelf: &Shelf, session: u64, service: &Service, version: u64) {
        shelf.lock().get_mut(service).unwrap().written = Some((session, version));
    }

    #[test]
    fn all_instances_of_a_service_are_one_order_and_what_is_written_is_not_written_again() {
        let (shelf, service) = (Shelf::default(), names::service("n", "g", "s".to_owned()));
        assert_eq!(ports(&shelf, 1, &service).1, "nothing");
        offer(&shelf, &service, 1);
        let (version, order) = ports(&shelf, 1, &service);
        assert_eq!(order, "one 1");
        done(&shelf, 1, &service, version);
        assert_eq!(ports(&shelf, 1, &service).1, "nothing");
        offer(&shelf, &service, 1);
        assert_eq!(ports(&shelf, 1, &service).1, "nothing", "the same again");
        assert_eq!(ports(&shelf, 2, &service).1, "one 1", "over another session");
        offer(&shelf, &service, 2);
        let (version, order) = ports(&shelf, 2, &service);
        assert_eq!(order, "all [1, 2]");
        assert_eq!(ports(&shelf, 2, &service).1, "all [1, 2]", "as long as nobody says that it is done");
        done(&shelf, 2, &service, version);
        shelf.take(&service, &InstanceId::new("1"));
        assert_eq!(ports(&shelf, 2, &service).1, "one 2");
        shelf.take(&service, &InstanceId::new("2"));
        let (version, order) = ports(&shelf, 2, &service);
        assert_eq!(order, "clear 2");
        assert!(shelf.services().is_empty());
        done(&shelf, 2, &service, version);
        assert_eq!(ports(&shelf, 2, &service).1, "nothing");
        shelf.lost(&service);
        assert_eq!(ports(&shelf, 2, &service).1, "clear 2");
    }
}
