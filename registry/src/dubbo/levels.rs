//! Which of Dubbo's two levels a consumer takes: the application level as soon as it has anybody, else the interface
//! level, and never the sum, in which every provider that writes both would count twice. Pure.
//!
//! Of an instance at the application level whose content cannot be learned, its own node at the interface level says
//! what it offers; without one it is taken at its word that it offers what it is listed for. A stock dubbo-go is like that.

use std::{collections::BTreeMap, sync::Arc};

use super::{instance::ServiceInstance, metadata::MetadataInfo, provider::Skipped};
use crate::{instance::Instance, key::ServiceKey};

/// An instance at the application level.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listed {
    /// Who it is.
    pub instance: Arc<ServiceInstance>,
    /// What it offers, if that could be learned.
    pub content: Option<Arc<MetadataInfo>>,
}

impl Listed {
    /// An instance, and its content if that is known.
    pub fn new(instance: Arc<ServiceInstance>, content: Option<Arc<MetadataInfo>>) -> Self {
        Self { instance, content }
    }
}

/// Who offers what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offers {
    /// The instances, each with the key that it offers.
    pub taken: Vec<(ServiceKey, Arc<Instance>)>,
    /// Who is not taken, and why.
    pub skipped: Vec<(String, Skipped)>,
    /// Whether they are of the application level.
    pub by_application: bool,
}

/// A node of the interface level: what it offers, and who it is.
type Node = (ServiceKey, Arc<Instance>);

/// What a consumer of `wanted` takes of both levels: `nodes` of the interface level, `listed` of the application level.
pub fn choose(wanted: &ServiceKey, nodes: &[(ServiceKey, Arc<Instance>)], listed: &[Listed]) -> Offers {
    let mut by_place: BTreeMap<(&str, u16), Vec<&Node>> = BTreeMap::new();
    for node in nodes {
        by_place.entry((node.1.host.as_str(), node.1.port)).or_default().push(node);
    }
    let mut offers = Offers { by_application: true, ..Offers::default() };
    for Listed { instance, content } in listed {
        let place = (instance.host.as_str(), instance.endpoint("tri").unwrap_or(instance.port));
        let said = match content {
            Some(content) => content.offered(instance, &wanted.interface),
            None => match by_place.get(&place) {
                Some(nodes) => {
                    offers.taken.extend(nodes.iter().copied().cloned());
                    continue;
                }
                None => vec![instance.assumed(wanted).offered(&wanted.interface)],
            },
        };
        for offer in said {
            match offer {
                Ok((key, instance)) => offers.taken.push((key, Arc::new(instance))),
                Err(why) => offers.skipped.push((format!("{} of {}", instance.id(), instance.application), why)),
            }
        }
    }
    if offers.taken.is_empty() {
        offers.taken = nodes.to_vec();
        offers.by_application = false;
    }
    offers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InstanceId, Registration, dubbo::ProviderUrl};

    const JAVA: &str = include_str!("../../tests/dubbo/zk-java-all.txt");
    const GO: &str = include_str!("../../tests/dubbo/zk-go-all.txt");
    const STOCK: &str = "acme.shop.v1.StockApi";

    fn key() -> ServiceKey {
        ServiceKey::new(STOCK)
    }

    fn node(dump: &str) -> (ServiceKey, Arc<Instance>) {
        let folder = format!("/dubbo/{STOCK}/providers/");
        let name = dump.lines().find_map(|line| line.strip_prefix(&folder)).unwrap();
        let (key, instance) = ProviderUrl::from_node(name).unwrap().offered(STOCK).unwrap();
        (key, Arc::new(instance))
    }

    fn listed(dump: &str) -> Listed {
        let line = dump.lines().find(|line| line.contains("data={\"name\"")).unwrap();
        let instance = ServiceInstance::from_json(line.split_once("data=").unwrap().1.as_bytes()).unwrap();
        Listed::new(Arc::new(instance), None)
    }

    /// One of ours, at both levels.
    fn ours(port: u16) -> ((ServiceKey, Arc<Instance>), Listed) {
        let mut instance = Instance::told(InstanceId::new(format!("id-{port}")), "stock", "10.0.0.1", port);
        instance.zone = Some("a".to_owned());
        let registration = Registration::new(instance.clone(), [key()]);
        let info = MetadataInfo::of(&registration);
        let listed = Listed::new(Arc::new(ServiceInstance::of(&registration, &info)), Some(Arc::new(info)));
        ((key(), Arc::new(instance)), listed)
    }

    fn ids(offers: &Offers) -> Vec<&str> {
        offers.taken.iter().map(|(_, instance)| instance.id.as_str()).collect()
    }

    #[test]
    fn one_of_ours_is_the_same_at_both_levels_and_counts_once() {
        let (node, listed) = ours(1);
        let both = choose(&key(), std::slice::from_ref(&node), std::slice::from_ref(&listed));
        assert!(both.by_application);
        assert_eq!(both.taken, std::slice::from_ref(&node), "equal in all that it says");
        let low = choose(&key(), std::slice::from_ref(&node), &[]);
        assert_eq!((low.by_application, low.taken), (false, vec![node]));
        let high = choose(&key(), &[], &[listed]);
        assert_eq!((high.by_application, high.taken.len()), (true, 1));
    }

    #[test]
    fn the_application_level_is_taken_alone_when_it_has_anybody() {
        let (low, _) = ours(1);
        let (_, high) = ours(2);
        assert_eq!(ids(&choose(&key(), std::slice::from_ref(&low), &[high])), ["id-2"]);
        let (_, mut other) = ours(3);
        other.content = Some(Arc::default());
        assert_eq!(ids(&choose(&key(), &[low], &[other])), ["id-1"], "nobody offers it there");
    }

    #[test]
    fn who_cannot_be_asked_is_known_by_its_node_or_taken_at_its_word() {
        let go = node(GO);
        let by_node = choose(&key(), std::slice::from_ref(&go), &[listed(GO)]);
        assert_eq!((by_node.by_application, by_node.taken), (true, vec![go.clone()]));
        let alone = choose(&key().with_version("1"), &[], &[listed(GO)]);
        let [(key, instance)] = &alone.taken[..] else { panic!("{alone:?}") };
        assert_eq!((key.to_string(), instance.port, instance.weight), (format!("{STOCK}:1"), 20811, 100));
        let mixed = choose(&self::key(), &[go, node(JAVA)], &[listed(GO), listed(JAVA)]);
        assert_eq!(mixed.taken.len(), 2);
    }

    #[test]
    fn who_has_no_port_for_grpc_is_skipped() {
        let silent = Listed::new(Arc::new(ServiceInstance::new("a", "h", 1, BTreeMap::new())), None);
        let offers = choose(&key(), &[], &[silent]);
        assert_eq!(offers.skipped, [("h:1 of a".to_owned(), Skipped::NoPort)]);
        assert!(!offers.by_application && offers.taken.is_empty());
    }
}
