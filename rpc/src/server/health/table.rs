//! What is known of a server's health, and what each name answers. Pure.
//!
//! One interface may be served in several versions and groups. Each has a name of its own, `[group/]interface[:version]`
//! as Dubbo's consumers ask for it, and the bare interface stands for all of them: it is up while one of them is.

use mainstay_registry::ServiceKey;
use std::collections::{BTreeMap, BTreeSet};
use tonic_health::pb::health_check_response::ServingStatus;

/// The health of a server and of its services.
#[derive(Debug)]
pub(super) struct Table {
    server: bool,
    /// The server goes away: nothing of it will be up again.
    stopped: bool,
    keys: BTreeMap<String, bool>,
    /// The names that an interface stands for; it may be one of them.
    interfaces: BTreeMap<String, BTreeSet<String>>,
}

impl Default for Table {
    fn default() -> Self {
        Self { server: true, stopped: false, keys: BTreeMap::new(), interfaces: BTreeMap::new() }
    }
}

impl Table {
    /// A service is served. It is up, unless its interface was said to be down before.
    pub(super) fn declare(&mut self, key: &ServiceKey) {
        let (interface, key) = (key.interface.as_str(), key.to_string());
        let up = self.keys.get(interface).copied().unwrap_or(true);
        self.keys.entry(key.clone()).or_insert(up);
        self.interfaces.entry(interface.to_owned()).or_default().insert(key);
    }

    /// Says whether the server as a whole is up.
    pub(super) fn set_server(&mut self, up: bool) {
        self.server = up;
    }

    /// Says whether what a name stands for is up. A name that is not known becomes so.
    pub(super) fn set(&mut self, name: &str, up: bool) {
        match self.interfaces.get(name) {
            Some(keys) => keys.iter().for_each(|key| {
                self.keys.insert(key.clone(), up);
            }),
            None => {
                self.keys.insert(name.to_owned(), up);
            }
        }
    }

    /// Everything is down, for good.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// What a name answers; the empty one is the server. `None` when nothing has that name.
    pub(super) fn status(&self, name: &str) -> Option<ServingStatus> {
        let up = match self.interfaces.get(name) {
            _ if name.is_empty() => true,
            Some(keys) => keys.iter().any(|key| self.keys.get(key).copied().unwrap_or_default()),
            None => *self.keys.get(name)?,
        };
        let up = up && self.server && !self.stopped;
        Some(if up { ServingStatus::Serving } else { ServingStatus::NotServing })
    }

    /// Every name.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        let named = self.keys.keys().chain(self.interfaces.keys()).map(String::as_str);
        named.chain([""]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServingStatus::{NotServing, Serving};

    fn key(version: &str, group: &str) -> ServiceKey {
        ServiceKey::new("a.B").with_version(version).with_group(group)
    }

    fn table() -> Table {
        let mut table = Table::default();
        table.declare(&key("1.0.0", ""));
        table.declare(&key("2.0.0", "g"));
        table
    }

    #[test]
    fn each_version_has_a_name_and_the_interface_stands_for_all() {
        let mut table = table();
        assert_eq!(Vec::from_iter(table.names()), ["", "a.B", "a.B:1.0.0", "g/a.B:2.0.0"]);
        assert!(table.names().into_iter().all(|name| table.status(name) == Some(Serving)));
        for unknown in ["a.B:2.0.0", "a", "g/a.B", "B"] {
            assert_eq!(table.status(unknown), None, "{unknown}");
        }
        table.set("a.B:1.0.0", false);
        let all = |table: &Table| ["a.B:1.0.0", "g/a.B:2.0.0", "a.B", ""].map(|name| table.status(name).unwrap());
        assert_eq!(all(&table), [NotServing, Serving, Serving, Serving]);
        table.set("a.B", false);
        assert_eq!(all(&table), [NotServing, NotServing, NotServing, Serving]);
        table.set("a.B", true);
        table.set_server(false);
        assert_eq!(all(&table), [NotServing; 4]);
        table.set_server(true);
        assert_eq!(all(&table), [Serving; 4]);
    }

    #[test]
    fn what_was_said_before_the_service_was_there_holds() {
        let mut table = Table::default();
        table.set("a.B", false);
        table.set("queue", true);
        table.declare(&key("1.0.0", ""));
        assert_eq!(table.status("a.B"), Some(NotServing));
        table.declare(&key("", ""));
        assert_eq!(table.status("a.B"), Some(NotServing));
        assert_eq!(table.status("queue"), Some(Serving));
        table.set("a.B", true);
        assert_eq!(table.status("a.B:1.0.0"), Some(Serving));
    }

    #[test]
    fn a_server_that_stops_stays_down() {
        let mut table = table();
        table.stop();
        table.set_server(true);
        table.set("a.B", true);
        assert!(table.names().into_iter().all(|name| table.status(name) == Some(NotServing)));
    }
}
