//! What the services of one lookup say, at both of Dubbo's levels. Pure.
//!
//! Whom an operator switched off under a service is not listed there. At which level that counts is as with all else: at the
//! one that is taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::roster::{Entry, Roster, Said};
use crate::{
    dubbo::{Listed, Node, Offers, choose},
    instance::InstanceId,
    key::ServiceKey,
    port::{Lookup, MAX_SKIPPED},
    set::InstanceSet,
};

/// What was read of all services.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The interface level.
    nodes: Vec<Node>,
    /// The application level.
    processes: Vec<Arc<Entry>>,
    skipped: Vec<(String, &'static str)>,
}

/// What a lookup means of it.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) set: InstanceSet,
    /// How many offer each key of the interface, and who they are.
    pub(super) found: BTreeMap<ServiceKey, usize>,
    pub(super) known: Vec<Node>,
    pub(super) skipped: Vec<(String, &'static str)>,
}

impl Reading {
    /// Takes everybody whom a service lists.
    pub(super) fn take(&mut self, roster: &Roster) {
        for entry in roster.entries() {
            match entry.said() {
                Said::Provider(node) => self.nodes.push(node.clone()),
                Said::Process(_) => self.processes.push(entry.clone()),
                Said::Skipped(which, why) if self.skipped.len() < MAX_SKIPPED => {
                    self.skipped.push((which.clone(), why));
                }
                Said::Skipped(..) | Said::Nothing => {}
            }
        }
    }

    /// Those of the application level, of whom it is to be learned what they offer.
    pub(super) fn processes(&self) -> impl Iterator<Item = &Listed> {
        self.processes.iter().filter_map(|entry| entry.process())
    }

    /// What `lookup` means of it, as far as it is known what processes offer.
    pub(super) fn found(self, lookup: &Lookup) -> Found {
        let listed: Vec<Listed> = self.processes().cloned().collect();
        Found::of(lookup, choose(&lookup.key, &self.nodes, &listed), self.skipped)
    }
}

impl Found {
    fn of(lookup: &Lookup, offers: Offers, skipped: Vec<(String, &'static str)>) -> Self {
        let mut found = Self { skipped, known: offers.taken, ..Self::default() };
        let mut meant = Vec::with_capacity(found.known.len());
        for (key, instance) in &found.known {
            match found.found.get_mut(&**key) {
                Some(count) => *count += 1,
                None => drop(found.found.insert(ServiceKey::clone(key), 1)),
            }
            if lookup.takes(key, instance) {
                meant.push(instance.clone());
            }
        }
        found.set = meant.into_iter().collect();
        let more = offers.skipped.into_iter().map(|(who, why)| (who, why.as_str()));
        found.skipped.extend(more);
        found.skipped.truncate(MAX_SKIPPED);
        found
    }

    /// Whether the same ones were known before, whatever they say of themselves and in whatever order.
    pub(super) fn is_of(&self, before: &[Node]) -> bool {
        fn who((key, instance): &Node) -> (&ServiceKey, &InstanceId) {
            (key, &instance.id)
        }
        let (known, before) = (self.known.iter().map(who), before.iter().map(who));
        known.clone().eq(before.clone()) || known.collect::<BTreeSet<_>>() == before.collect()
    }

    /// Whether somebody offers what is looked for.
    pub(super) fn is_meant(found: &BTreeMap<ServiceKey, usize>, lookup: &Lookup) -> bool {
        found.keys().any(|key| lookup.key.matches(key))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        Instance, Registration,
        dubbo::{MetadataInfo, ServiceInstance},
        nacos::{plan::Plan, roster::Kind, url::Place},
        url::RegistryUrl,
    };

    const KEY: &str = "a.B:1";

    fn lookup() -> Lookup {
        Lookup::new(KEY.parse::<ServiceKey>().unwrap())
    }

    fn roster(name: &str, kind: Kind, hosts: Vec<Value>) -> Roster {
        let listing = serde_json::from_value(json!({ "name": name, "groupName": "G", "hosts": hosts })).unwrap();
        Roster::read(&listing, &kind, &Roster::default())
    }

    /// Both levels, where `content` tells what an instance of the application level offers.
    fn reading(
        low: Vec<Value>,
        high: Vec<Value>,
        content: impl Fn(&ServiceInstance) -> Option<Arc<MetadataInfo>>,
    ) -> Reading {
        let mut reading = Reading::default();
        reading.take(&roster("providers:a.B:1:", Kind::Interface("a.B".to_owned()), low));
        reading.take(&roster("stock", Kind::Application("stock".to_owned()), high));
        for process in reading.processes() {
            content(process.instance()).into_iter().for_each(|content| process.learn(content));
        }
        reading
    }

    /// What a process writes: its host under the interface, under the application, and its document.
    fn written(id: &str, port: u16) -> (Value, Value, MetadataInfo) {
        let mut instance = Instance::told(InstanceId::new(id), "stock", "10.0.0.1", port).with_label("note", "x");
        instance.zone = Some("a".to_owned());
        let registration = Registration::new(instance, [KEY.parse::<ServiceKey>().unwrap()]);
        let place = Place::of(&RegistryUrl::parse("nacos://h").unwrap()).unwrap();
        let plan = Plan::of(&registration, &place).unwrap();
        let [low, high] = plan
            .instances()
            .map(|(_, host)| serde_json::to_value(host).unwrap())
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        (low, high, MetadataInfo::of(&registration))
    }

    fn ids(low: &[&Value], high: &[&Value], infos: &[&MetadataInfo]) -> (Vec<String>, Vec<&'static str>) {
        let all = |hosts: &[&Value]| hosts.iter().map(|host| (*host).clone()).collect();
        let content = |instance: &ServiceInstance| {
            let info = infos.iter().find(|info| Some(info.revision.as_str()) == instance.revision())?;
            Some(Arc::new((*info).clone()))
        };
        let found = reading(all(low), all(high), content).found(&lookup());
        let reasons = found.skipped.iter().map(|(_, why)| *why).collect();
        (found.set.iter().map(|one| one.id.to_string()).collect(), reasons)
    }

    #[test]
    fn one_of_ours_is_the_same_at_both_levels() {
        let (low, high, info) = written("one", 1);
        let read = |low: Vec<Value>, high: Vec<Value>| {
            reading(low, high, |_| Some(Arc::new(info.clone()))).found(&lookup()).set
        };
        let (by_interface, by_application) = (read(vec![low.clone()], vec![]), read(vec![], vec![high.clone()]));
        assert_eq!(by_interface, by_application, "equal in all that it says");
        assert_eq!(by_interface.len(), 1);
        assert_eq!(read(vec![low], vec![high]), by_interface, "and counts once");
    }

    #[test]
    fn the_application_level_is_taken_alone_when_it_has_anybody() {
        let (low, _, _) = written("one", 1);
        let (_, high, info) = written("two", 2);
        assert_eq!(ids(&[&low], &[&high], &[&info]).0, ["two"]);
        assert_eq!(ids(&[&low], &[], &[]).0, ["one"]);
        let mut not_yet = high;
        not_yet["metadata"]["dubbo.metadata.revision"] = "0".into();
        assert_eq!(ids(&[&low], &[&not_yet], &[]).0, ["one"], "it offers nothing yet");
        let alien = json!({"ip": "h", "port": 1, "metadata": {"preserved.register.source": "SPRING_CLOUD"}});
        assert_eq!(ids(&[&low], &[&alien], &[]), (vec!["one".to_owned()], vec![]), "no peer of Dubbo's");
    }

    #[test]
    fn garbage_is_skipped_for_a_reason_and_hides_nobody() {
        let (_, high, info) = written("one", 1);
        for (field, value, why) in [
            ("port", json!("x"), "not-a-url"),
            ("port", json!(70_000), "no-port"),
            ("port", json!(0), "no-port"),
            ("ip", json!(""), "no-port"),
            ("metadata", json!([]), "not-a-url"),
            ("healthy", json!(false), "disabled"),
        ] {
            let mut bad = high.clone();
            bad[field] = value;
            assert_eq!(ids(&[], &[&bad, &high], &[&info]), (vec!["one".to_owned()], vec![why]), "{bad}");
        }
        let mut odd = written("two", 2).1;
        odd["metadata"]["dubbo.endpoints"] = "[{".into();
        odd["metadata"]["dubbo.metadata.revision"] = "unheard-of".into();
        assert_eq!(ids(&[], &[&odd, &high], &[&info]).0, ["one"], "what it offers is not known, and no port for it");
    }

    proptest! {
        #[test]
        fn no_listing_panics(
            text in r#"[{}\[\]":,a-z0-9 ]{0,60}"#,
            metadata in prop::collection::btree_map("(dubbo.endpoints|dubbo.metadata.revision|.{0,9})", ".{0,9}", 0..6)
        ) {
            let garbage = serde_json::from_str::<Value>(&text).unwrap_or_default();
            let hosts = vec![garbage, json!({"ip": "h", "port": 1, "metadata": metadata})];
            let _ = reading(hosts.clone(), hosts, |_| None).found(&lookup());
        }
    }
}
