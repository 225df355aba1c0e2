//! Which of Dubbo's two levels a provider writes, and which a consumer takes: the application level as soon as it has
//! anybody, else the interface level, and never the sum, in which every provider that writes both would count twice. Pure.
//!
//! Each version in its group is a service of its own: one that nobody offers at the application level is looked for at the
//! interface level, whoever offers another one.
//!
//! Of an instance at the application level whose content cannot be learned, its own node at the interface level says
//! what it offers; without one it is taken at its word that it offers what it is listed for. A stock dubbo-go is like that.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use super::{
    instance::ServiceInstance,
    metadata::{MetadataInfo, ServiceInfo, Words},
    provider::{RENAMING, Skipped},
};
#[cfg(any(feature = "zookeeper", feature = "nacos"))]
use crate::{error::RegistryError, url::RegistryUrl};
use crate::{instance::Instance, key::ServiceKey};

/// Which of Dubbo's levels a provider writes, in Dubbo's words.
#[cfg(any(feature = "zookeeper", feature = "nacos"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegisterMode {
    All,
    Interface,
    Instance,
}

#[cfg(any(feature = "zookeeper", feature = "nacos"))]
impl RegisterMode {
    /// What a URL says in its parameter `register-mode`; both levels, where it has none.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`].
    pub(crate) fn of(url: &RegistryUrl) -> Result<Self, RegistryError> {
        match url.parameter_as::<String>("register-mode")?.as_deref() {
            None | Some("all") => Ok(Self::All),
            Some("interface") => Ok(Self::Interface),
            Some("instance") => Ok(Self::Instance),
            Some(_) => Err(url.bad("`register-mode` should be all, interface or instance")),
        }
    }

    /// Whether the interface level is written.
    pub(crate) fn interface(self) -> bool {
        self != Self::Instance
    }

    /// Whether the application level is written.
    pub(crate) fn instance(self) -> bool {
        self != Self::Interface
    }
}

/// An instance at the application level. Clones share what was read of it: services that say the same of who offers them
/// have one and the same [`Instance`], and of a thousand the one that changed is read.
#[derive(Clone, Debug)]
pub struct Listed(Arc<Member>);

#[derive(Debug)]
struct Member {
    instance: Arc<ServiceInstance>,
    content: OnceLock<Arc<MetadataInfo>>,
    told: Mutex<Vec<(Source, Told)>>,
}

/// Who an instance is by what is known of it, or why no call should go there.
type Told = Result<Arc<Instance>, Skipped>;

/// Whose words they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Content(Words),
    /// Its own: nothing else is known.
    Itself,
}

impl Listed {
    /// An instance, and its content if that is known.
    pub fn new(instance: Arc<ServiceInstance>, content: Option<Arc<MetadataInfo>>) -> Self {
        let content = content.map_or_else(OnceLock::new, OnceLock::from);
        Self(Arc::new(Member { instance, content, told: Mutex::default() }))
    }

    /// Who it is.
    pub fn instance(&self) -> &Arc<ServiceInstance> {
        &self.0.instance
    }

    /// What it offers, if that could be learned.
    pub fn content(&self) -> Option<&Arc<MetadataInfo>> {
        self.0.content.get()
    }

    /// Its content was learned. The first that is learned stays: a revision names it for ever.
    pub fn learn(&self, content: Arc<MetadataInfo>) {
        // Whoever learned it at the same time learned the same.
        let _ = self.0.content.set(content);
    }

    /// Who it is by these words, which are read once.
    fn told(&self, source: Source, read: impl FnOnce() -> Result<Instance, Skipped>) -> Told {
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, told)) = told.iter().find(|(known, _)| *known == source) {
            return told.clone();
        }
        let new = read().map(Arc::new);
        // Nearly all have one.
        told.reserve_exact(1);
        told.push((source, new.clone()));
        new
    }

    /// What it says alone has a say in which service it offers.
    fn renames(&self) -> bool {
        RENAMING.iter().any(|name| self.0.instance.metadata.get(*name).is_some_and(|value| !value.is_empty()))
    }
}

/// Reads what instances offer to consumers of one key: what is the same for all of a revision, once.
struct Reader<'a> {
    wanted: &'a ServiceKey,
    /// The key of those that are taken at their word.
    assumed: OnceCell<Result<Arc<ServiceKey>, Skipped>>,
    /// By the place of the document.
    contents: BTreeMap<*const MetadataInfo, Vec<Meant<'a>>>,
}

/// A service of a document that is meant.
#[derive(Clone)]
struct Meant<'a> {
    service: &'a ServiceInfo,
    words: Words,
    key: Result<Arc<ServiceKey>, Skipped>,
}

impl<'a> Reader<'a> {
    /// What `one` offers; at its word, where nothing else is known.
    fn read(&mut self, one: &'a Listed, mut take: impl FnMut(Said)) {
        let interface = &self.wanted.interface;
        let Some(content) = one.content() else {
            let key = |instance: &ServiceInstance| instance.assumed(self.wanted).named(interface).map(Arc::new);
            let told = one.told(Source::Itself, || one.instance().assumed(self.wanted).told(interface));
            let key = || match one.renames() {
                true => key(one.instance()),
                false => self.assumed.get_or_init(|| key(&ServiceInstance::default())).clone(),
            };
            return take(told.and_then(|told| Ok((key()?, told))));
        };
        let application = &content.application;
        let meant = self.contents.entry(Arc::as_ptr(content)).or_insert_with(|| {
            let key = |service: &ServiceInfo| service.named(application, interface).map(Arc::new);
            content.meant(interface).map(|(service, words)| Meant { service, words, key: key(service) }).collect()
        });
        for Meant { service, words, key } in meant.iter() {
            let url = || service.url(application, one.instance());
            let told = one.told(Source::Content(*words), || url().told(interface));
            let key = || if one.renames() { url().named(interface).map(Arc::new) } else { key.clone() };
            take(told.and_then(|told| Ok((key()?, told))));
        }
    }
}

/// One offer of an instance, or why it is none.
type Said = Result<Node, Skipped>;

/// What is offered, and by whom: a node of the interface level, or what came of one of the application level.
pub type Node = (Arc<ServiceKey>, Arc<Instance>);

/// Who offers what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offers {
    /// The instances, each with the key that it offers.
    pub taken: Vec<Node>,
    /// Who is not taken, and why.
    pub skipped: Vec<(String, Skipped)>,
    /// Whether those that were asked for are of the application level.
    pub by_application: bool,
}

/// What a consumer of `wanted` takes of both levels: `nodes` of the interface level, `listed` of the application level.
pub fn choose(wanted: &ServiceKey, nodes: &[Node], listed: &[Listed]) -> Offers {
    let mut by_place: BTreeMap<(&str, u16), Vec<&Node>> = BTreeMap::new();
    if listed.iter().any(|one| one.content().is_none()) {
        for node in nodes {
            by_place.entry((node.1.host.as_str(), node.1.port)).or_default().push(node);
        }
    }
    let mut offers = Offers::default();
    let mut reader = Reader { wanted, assumed: OnceCell::new(), contents: BTreeMap::new() };
    for one in listed {
        let instance = one.instance();
        let place = || (instance.host.as_str(), instance.endpoint("tri").unwrap_or(instance.port));
        if one.content().is_none()
            && let Some(nodes) = by_place.get(&place())
        {
            offers.taken.extend(nodes.iter().copied().cloned());
            continue;
        }
        reader.read(one, |said| match said {
            Ok(offer) => offers.taken.push(offer),
            Err(why) => offers.skipped.push((format!("{} of {}", instance.id(), instance.application), why)),
        });
    }
    // Those of one document come one after the other, and share their key.
    let mut above: BTreeSet<Arc<ServiceKey>> = BTreeSet::new();
    for alike in offers.taken.chunk_by(|(one, _), (other, _)| Arc::ptr_eq(one, other)) {
        above.extend(alike.first().map(|(key, _)| key.clone()));
    }
    offers.by_application = above.iter().any(|key| wanted.matches(key));
    offers.taken.extend(nodes.iter().filter(|(key, _)| !above.contains(key)).cloned());
    offers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{InstanceId, Registration, dubbo::ProviderUrl};

    const JAVA: &str = include_str!("../../tests/dubbo/zk-java-all.txt");
    const GO: &str = include_str!("../../tests/dubbo/zk-go-all.txt");
    const STOCK: &str = "acme.shop.v1.StockApi";

    fn key() -> ServiceKey {
        ServiceKey::new(STOCK)
    }

    fn node(dump: &str) -> Node {
        let folder = format!("/dubbo/{STOCK}/providers/");
        let name = dump.lines().find_map(|line| line.strip_prefix(&folder)).unwrap();
        let (key, instance) = ProviderUrl::from_node(name).unwrap().offered(STOCK).unwrap();
        (Arc::new(key), Arc::new(instance))
    }

    fn listed(dump: &str) -> Listed {
        let line = dump.lines().find(|line| line.contains("data={\"name\"")).unwrap();
        let instance = ServiceInstance::from_json(line.split_once("data=").unwrap().1.as_bytes()).unwrap();
        Listed::new(Arc::new(instance), None)
    }

    /// One of ours, at both levels.
    fn ours(port: u16) -> (Node, Listed) {
        let mut instance = Instance::told(InstanceId::new(format!("id-{port}")), "stock", "10.0.0.1", port);
        instance.zone = Some("a".to_owned());
        let registration = Registration::new(instance.clone(), [key()]);
        let info = MetadataInfo::of(&registration);
        let listed = Listed::new(Arc::new(ServiceInstance::of(&registration, &info)), Some(Arc::new(info)));
        ((Arc::new(key()), Arc::new(instance)), listed)
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
        let other = Listed::new(ours(3).1.instance().clone(), Some(Arc::default()));
        assert_eq!(ids(&choose(&key(), &[low], &[other])), ["id-1"], "nobody offers it there");
    }

    #[test]
    fn a_version_that_has_nobody_there_is_looked_for_at_the_other_level() {
        let ((_, instance), high) = ours(2);
        let old = key().with_version("1");
        let nodes = [(Arc::new(old.clone()), ours(1).0.1), (Arc::new(key()), instance)];
        for (wanted, by_application) in [(old, false), (key(), true)] {
            let offers = choose(&wanted, &nodes, std::slice::from_ref(&high));
            let meant: Vec<_> = offers.taken.iter().filter(|(key, _)| wanted.matches(key)).collect();
            assert_eq!((meant.len(), offers.by_application), (1, by_application), "{wanted}: {offers:?}");
        }
        let any = choose(&key().with_version("*"), &nodes, &[high]);
        assert_eq!(ids(&any), ["id-2", "id-1"], "each once");
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
    fn of_a_thousand_the_one_that_changed_is_read() {
        let (nodes, mut listed): (Vec<_>, Vec<_>) = (1..=1000).map(ours).unzip();
        let mut before = choose(&key(), &nodes, &listed).taken;
        for port in [1, 500, 1000] {
            listed[usize::from(port) - 1] = ours(port).1;
            // As the registries do it: the others are clones of what is kept.
            let after = choose(&key(), &nodes, &listed.clone()).taken;
            let read = before.iter().zip(&after).filter(|((_, one), (_, other))| !Arc::ptr_eq(one, other)).count();
            assert_eq!((before.len(), after.len(), read), (1000, 1000, 1), "port {port}");
            before = after;
        }
    }

    #[test]
    fn what_is_learned_first_stays() {
        let one = Listed::new(Arc::new(ServiceInstance::new("a", "h", 1, BTreeMap::new())), None);
        let contents = ["r", "s"].map(|revision| Arc::new(MetadataInfo::new("a", revision, BTreeMap::new())));
        contents.iter().for_each(|content| one.learn(content.clone()));
        assert!(one.clone().content().is_some_and(|content| Arc::ptr_eq(content, &contents[0])));
    }

    #[test]
    fn who_has_no_port_for_grpc_is_skipped() {
        let silent = Listed::new(Arc::new(ServiceInstance::new("a", "h", 1, BTreeMap::new())), None);
        let offers = choose(&key(), &[], &[silent]);
        assert_eq!(offers.skipped, [("h:1 of a".to_owned(), Skipped::NoPort)]);
        assert!(!offers.by_application && offers.taken.is_empty());
    }

    type Said<'a> = (&'a str, &'a str);

    /// An instance of an application that offers these: name, path and parameters.
    fn offering(metadata: &[Said<'_>], services: &[(&str, &str, &[Said<'_>])]) -> Listed {
        let owned = |pairs: &[Said<'_>]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let service = |(name, path, params): &(&str, &str, &[Said<'_>])| {
            let mut service = ServiceInfo::new(&ServiceKey::new(*name), "tri", 0);
            (service.path, service.params) = ((*path).to_owned(), owned(params));
            (service.key(), service)
        };
        let content = MetadataInfo::new("stock", "7", services.iter().map(service).collect());
        Listed::new(Arc::new(ServiceInstance::new("stock", "h", 1, owned(metadata))), Some(Arc::new(content)))
    }

    fn taken(one: &Listed, interface: &str) -> Node {
        let mut offers = choose(&ServiceKey::new(interface), &[], std::slice::from_ref(one));
        assert_eq!(offers.taken.len(), 1, "{interface}: {offers:?}");
        offers.taken.remove(0)
    }

    #[test]
    fn services_that_say_the_same_of_an_instance_share_it() {
        let one = offering(
            &[("zone", "a")],
            &[
                ("a.A", "a.A", &[("methods", "get"), ("interface", "a.A"), ("tier", "gold")]),
                ("a.B", "a.B", &[("methods", "put"), ("interface", "a.B"), ("tier", "gold")]),
                ("a.C", "a.C", &[("methods", "put"), ("interface", "a.C"), ("tier", "iron")]),
                ("a.D", "elsewhere", &[("methods", "get"), ("interface", "a.D"), ("tier", "gold")]),
            ],
        );
        let [a, b, c, d, path] = ["a.A", "a.B", "a.C", "a.D", "elsewhere"].map(|interface| taken(&one, interface).1);
        assert!(Arc::ptr_eq(&a, &b) && Arc::ptr_eq(&a, &taken(&one, "a.A").1));
        assert!(Arc::ptr_eq(&a, &path), "found by its path, which is then the interface");
        assert_eq!(c.labels["tier"], "iron");
        assert_eq!(
            (d.labels.get("dubbo.path").map(String::as_str), a.labels.get("dubbo.path")),
            (Some("elsewhere"), None)
        );
    }

    proptest! {
        /// What is shared is what would be read of each alone.
        #[test]
        fn whatever_is_said_is_told_as_if_it_were_read_alone(
            services in prop::collection::vec((0usize..3, 0usize..3, said()), 1..5),
            metadata in prop::collection::vec(said(), 1..3),
            wanted in prop::collection::vec(0usize..3, 1..6),
        ) {
            const NAMES: [&str; 3] = ["a.A", "a.B", "a.C"];
            let services: Vec<_> =
                services.iter().map(|(name, path, said)| (NAMES[*name], NAMES[*path], said.as_slice())).collect();
            let all: Vec<_> = metadata.iter().map(|own| offering(own, &services)).collect();
            for interface in wanted.into_iter().map(|at| NAMES[at]) {
                let offers = choose(&ServiceKey::new(interface), &[], &all);
                let alone = all.iter().flat_map(|one| one.content().unwrap().offered(one.instance(), interface));
                let (good, bad): (Vec<_>, Vec<_>) = alone.partition(Result::is_ok);
                let told: Vec<_> =
                    offers.taken.iter().map(|(key, one)| (ServiceKey::clone(key), Instance::clone(one))).collect();
                prop_assert_eq!(told, good.into_iter().map(Result::unwrap).collect::<Vec<_>>());
                let why: Vec<_> = offers.skipped.into_iter().map(|(_, why)| why).collect();
                prop_assert_eq!(why, bad.into_iter().map(Result::unwrap_err).collect::<Vec<_>>());
            }
        }
    }

    /// Parameters that mean something, and one that does not.
    fn said() -> impl Strategy<Value = Vec<Said<'static>>> {
        let one = prop::sample::select(vec![
            ("group", "g"),
            ("version", "1"),
            ("version", "0.0.0"),
            ("release", "dubbo-golang-3.3"),
            ("weight", "7"),
            ("weight", "much"),
            ("zone", "b"),
            ("methods", "get"),
            ("interface", "x.Y"),
            ("service", "x.Y"),
            ("side", "consumer"),
            ("disabled", "true"),
            ("tier", "gold"),
            ("mainstay.id", "one"),
            ("dubbo.tag", "gray"),
        ]);
        prop::collection::vec(one, 0..4)
    }
}
