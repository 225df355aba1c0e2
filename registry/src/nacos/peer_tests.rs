//! What Dubbo's peers wrote into a real Nacos: read, and beside what we write of the same.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    names,
    offers::Reading,
    plan::{Mark, Plan},
    roster::{Kind, Roster},
    text::TextName,
    url::Place,
    wire::Host,
};
use crate::{
    Lookup, Registration,
    dubbo::{MetadataInfo, MetadataSource, ServiceInstance},
    url::RegistryUrl,
};

const JAVA: &str = include_str!("../../tests/dubbo/nacos-java-all.txt");
const REMOTE: &str = include_str!("../../tests/dubbo/nacos-java-all-remote-group-version.txt");
const GO: &str = include_str!("../../tests/dubbo/nacos-go-all.txt");
const STOCK: &str = "acme.shop.v1.StockApi";
const OF_JAVA: &str = "acme-java-provider";
const OF_GO: &str = "acme-go-provider";

/// What somebody wrote: the instance under each service, and the texts by data id and group.
#[derive(Debug, Default)]
struct Dump {
    services: BTreeMap<String, Value>,
    texts: BTreeMap<(String, String), String>,
}

impl Dump {
    fn read(dump: &str) -> Self {
        let word = |line: &str, name: &str| {
            let rest = line.split_once(&format!("{name}=")).unwrap().1;
            rest.split(' ').next().unwrap().to_owned()
        };
        let (mut all, mut service, mut text) = (Self::default(), String::new(), None);
        for line in dump.lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with("SERVICE") {
                service = word(line, "name");
            } else if line.starts_with("CONFIG") {
                text = Some((word(line, "dataId"), word(line, "group")));
            } else if let Some(instance) = line.strip_prefix("  INSTANCE") {
                let port: u16 = word(instance, "port").parse().unwrap();
                let host = json!({"ip": word(instance, "ip"), "port": port, "ephemeral": true, "metadata": {}});
                all.services.insert(service.clone(), host);
            } else if let (Some(name), Some(content)) = (text.take(), line.strip_prefix("  ")) {
                all.texts.insert(name, content.to_owned());
            } else if let Some((name, value)) = line.trim().split_once(" = ") {
                all.services.get_mut(&service).unwrap()["metadata"][name] = value.into();
            }
        }
        all
    }

    fn text(&self, name: &TextName) -> Option<&str> {
        let (group, data_id) = name.to_string().split_once('/').map(|(g, d)| (g.to_owned(), d.to_owned())).unwrap();
        self.texts.get(&(data_id, group)).map(String::as_str)
    }

    fn instance(&self, application: &str) -> ServiceInstance {
        names::instance(&self.services[application], application).unwrap()
    }

    fn info(&self, application: &str) -> Option<MetadataInfo> {
        let revision = self.instance(application).revision()?.to_owned();
        let text = self.text(&names::document("public", application, &revision)?)?;
        Some(MetadataInfo::of_revision(text.as_bytes(), &revision).unwrap())
    }
}

fn roster(host: &Value, kind: Kind) -> Roster {
    let listing = serde_json::from_value(json!({"name": "x", "hosts": [host]})).unwrap();
    Roster::read(&listing, &kind, &Roster::default())
}

/// What a consumer of the service takes of one level or both.
fn taken(dump: &Dump, application: &str, key: &str, levels: [bool; 2]) -> Vec<(String, u16, u32)> {
    let lookup = Lookup::new(key.parse::<crate::ServiceKey>().unwrap());
    let mut reading = Reading::default();
    if let Some(host) = dump.services.get(&names::service_name(&lookup.key)).filter(|_| levels[0]) {
        reading.take(&roster(host, Kind::Interface(STOCK.to_owned())));
    }
    if levels[1] {
        reading.take(&roster(&dump.services[application], Kind::Application(application.to_owned())));
    }
    for process in reading.processes() {
        dump.info(application).into_iter().for_each(|content| process.learn(Arc::new(content)));
    }
    let found = reading.found(&lookup);
    assert_eq!(found.skipped, []);
    found.set.iter().map(|one| (one.application.clone(), one.port, one.weight)).collect()
}

#[test]
fn what_peers_wrote_is_taken_at_either_level_and_once_at_both() {
    for (dump, application, key, one) in [
        (JAVA, OF_JAVA, STOCK, (OF_JAVA, 20801, 100)),
        (REMOTE, OF_JAVA, "g1/acme.shop.v1.StockApi:1.2.0", (OF_JAVA, 20801, 100)),
    ] {
        let dump = Dump::read(dump);
        for levels in [[true, false], [false, true], [true, true]] {
            let one = (one.0.to_owned(), one.1, one.2);
            assert_eq!(taken(&dump, application, key, levels), [one], "{application} {levels:?}");
        }
        assert!(taken(&dump, application, "acme.shop.v1.StockApi:9", [true, false]).is_empty());
    }
    // It writes the application level alone, and cannot be asked what it offers.
    let go = Dump::read(GO);
    assert_eq!(taken(&go, OF_GO, STOCK, [true, true]), [(OF_GO.to_owned(), 20811, 100)]);
}

#[test]
fn how_to_learn_what_peers_offer() {
    let (java, remote, go) = (Dump::read(JAVA), Dump::read(REMOTE), Dump::read(GO));
    assert_eq!(java.instance(OF_JAVA).source(), MetadataSource::Ask(20801));
    assert_eq!(remote.instance(OF_JAVA).source(), MetadataSource::Stored);
    assert_eq!(go.instance(OF_GO).source(), MetadataSource::Foreign);
    assert_eq!((java.info(OF_JAVA), remote.info(OF_JAVA).map(|info| info.services.len())), (None, Some(2)));
    let mapping = names::mapping("public", STOCK).unwrap();
    assert_eq!([java.text(&mapping), go.text(&mapping)], [Some(OF_JAVA), Some(OF_GO)]);
}

/// Our plan of the service that the Java peer announced, beside what it wrote.
fn ours(dump: &Dump, key: &str) -> (Plan, crate::ServiceKey) {
    let key: crate::ServiceKey = key.parse().unwrap();
    let theirs = &dump.services[&names::service_name(&key)];
    let (_, mut instance) = names::offered(theirs, STOCK).unwrap();
    instance.labels.retain(|name, _| name == "dubbo.tag");
    let methods = ["level", "watch", "load", "chat", "levelAsync"];
    let registration = Registration::new(instance, [key.clone()]).with_methods(key.clone(), methods);
    let place = Place::of(&RegistryUrl::parse("nacos://h").unwrap()).unwrap();
    (Plan::of(&registration, &place).unwrap(), key)
}

/// Compares what we write of an instance with theirs, but for what Java `alone` says, and what is `other` with us.
fn compare(ours: &Host, theirs: &Value, alone: &[&str], other: &[&str]) {
    let mut theirs: Host = serde_json::from_value(theirs.clone()).unwrap();
    for name in alone {
        assert!(theirs.metadata.remove(*name).is_some(), "{name}");
    }
    for name in other {
        theirs.metadata.insert((*name).to_owned(), ours.metadata[*name].clone());
    }
    theirs.cluster_name.clone_from(&ours.cluster_name);
    assert_eq!(*ours, theirs);
}

#[test]
fn ours_is_what_the_java_peer_writes() {
    let dump = Dump::read(REMOTE);
    let (plan, key) = ours(&dump, "g1/acme.shop.v1.StockApi:1.2.0");
    let (service, provider) = plan.providers.first_key_value().unwrap();
    let alone = ["prefer.serialization", "proxy", "metadata-type", "revision"];
    compare(provider, &dump.services[&service.service_name], &alone, &["release", "mainstay.id"]);

    let plan = plan.application.unwrap();
    assert_eq!(plan.service.service_name, OF_JAVA);
    // Ours says both: who reads no documents asks.
    let other = ["dubbo.metadata.revision", "dubbo.metadata.storage-type", "dubbo.metadata-service.url-params"];
    compare(&plan.host, &dump.services[OF_JAVA], &[], &[&other[..], &["mainstay.id", "timestamp"]].concat());

    // The mapping of the interface, and the document under the application, in the group of its revision.
    assert_eq!(plan.mappings.iter().map(|name| dump.text(name)).collect::<Vec<_>>(), [Some(plan.name.as_str())]);
    let revision = plan.host.metadata["dubbo.metadata.revision"].clone().unwrap();
    assert_eq!(plan.document.to_string(), format!("{revision}/{OF_JAVA}"));
    let mut theirs: Value = serde_json::to_value(dump.info(OF_JAVA).unwrap()).unwrap();
    theirs["revision"] = revision.into();
    let services = theirs["services"].as_object_mut().unwrap();
    services.retain(|name, _| name.contains(STOCK));
    let service = services.values_mut().next().unwrap();
    // The port is the instance's to say.
    service["port"] = 0.into();
    let params = service["params"].as_object_mut().unwrap();
    for name in ["prefer.serialization", "proxy", "metadata-type", "revision", "REGISTRY_CLUSTER"] {
        assert!(params.remove(name).is_some(), "{name} of {key}");
    }
    params.insert("release".to_owned(), concat!("mainstay-", env!("CARGO_PKG_VERSION")).into());
    assert_eq!(serde_json::from_str::<Value>(&plan.content).unwrap(), theirs);
}

/// Java's provider in its default mode tells how it is asked; so does ours, in the same words.
#[test]
fn ours_is_asked_as_the_java_peer_is() {
    let dump = Dump::read(JAVA);
    let plan = ours(&dump, STOCK).0.application.unwrap();
    let theirs = &dump.services[OF_JAVA];
    let said = "dubbo.metadata-service.url-params";
    compare(&plan.host, theirs, &[], &["dubbo.metadata.revision", said, "mainstay.id", "timestamp"]);
    let read = |text: &str| {
        let mut said: BTreeMap<String, String> = serde_json::from_str(text).unwrap();
        said.remove("prefer.serialization");
        said.remove("release").unwrap();
        said
    };
    let ours = plan.host.metadata[said].clone().unwrap();
    assert_eq!(read(&ours), read(theirs["metadata"][said].as_str().unwrap()));
}

#[test]
fn every_mark_of_ours_is_where_the_java_peer_has_its_own() {
    let dump = Dump::read(REMOTE);
    for mark in ours(&dump, "g1/acme.shop.v1.StockApi:1.2.0").0.marks() {
        let there = match mark {
            Mark::Instance(service, _) => dump.services.contains_key(&service.service_name),
            Mark::Mapped(name, application) => dump.text(name) == Some(application),
            Mark::Stored(name, content) => {
                let theirs = dump.info(OF_JAVA).unwrap().revision;
                let revision = MetadataInfo::from_json(content.as_bytes()).unwrap().revision;
                name.to_string().replace(&revision, &theirs) == format!("{theirs}/{OF_JAVA}")
            }
        };
        assert!(there, "{mark:?}");
    }
}

proptest! {
    /// Damage anywhere in what a peer says of an instance does no harm.
    #[test]
    fn an_instance_with_damage_does_no_harm(at in any::<prop::sample::Index>(), byte: u8, of_go: bool) {
        let (dump, application) = if of_go { (GO, OF_GO) } else { (JAVA, OF_JAVA) };
        let host = Dump::read(dump).services[application].clone();
        let mut bytes = host.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(host) = serde_json::from_slice::<Value>(&bytes) {
            let mut reading = Reading::default();
            reading.take(&roster(&host, Kind::Application(application.to_owned())));
            let _ = reading.found(&Lookup::new(crate::ServiceKey::new(STOCK)));
        }
    }
}
