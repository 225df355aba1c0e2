//! Dubbo's application level: what is written there, and who is found by it.

use std::{collections::BTreeMap, sync::Arc};

use mainstay_registry::{
    Change, Discover, Hub, Level, NacosRegistry, Registry, RegistryUrl,
    dubbo::{Links, MetadataInfo, ServiceInfo},
};
use serde_json::json;
use testbed::Nacos;

use crate::{
    asked::Asked,
    bed::{KEY, hub, lookup, namespace, shared},
    raw,
    support::{DEADLINE, eventually, follow_until, next, stock},
};

/// The interface of [`KEY`], and the service that its providers stand under.
const INTERFACE: &str = "a.B";
const PROVIDERS: &str = "providers:a.B:1:";
/// The list of the applications that offer it.
const MAPPING: (&str, &str) = ("mapping", INTERFACE);

/// The revision that the one instance of an application says.
fn revision(nacos: &Nacos, namespace: &str, application: &str) -> Option<String> {
    let hosts = raw::hosts(nacos, namespace, application);
    assert!(hosts.len() < 2, "{hosts:?}");
    hosts.first()?["metadata"]["dubbo.metadata.revision"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_leads_to_its_document_and_goes_with_its_lease() {
    let (nacos, namespace) = (shared(), namespace());
    let text = |name: (&str, &str)| raw::text(&nacos, &namespace, name);
    raw::write(&nacos, &namespace, MAPPING, "price");
    eventually("it is there", async || text(MAPPING).is_some()).await;
    let hub = hub(nacos.address(), &namespace);
    let registration = stock("one", &[KEY]).with_methods(KEY.parse().unwrap(), ["Level", "level"]);
    let mut lease = hub.register(registration);
    lease.registered(DEADLINE).await.unwrap();

    assert_eq!(text(MAPPING).unwrap(), "price,stock");
    let first = revision(&nacos, &namespace, "stock").unwrap();
    let document = async |revision: &str| {
        eventually("its document is there", async || text((revision, "stock")).is_some()).await;
        MetadataInfo::of_revision(text((revision, "stock")).unwrap().as_bytes(), revision).unwrap()
    };
    assert_eq!(document(&first).await.services["a.B:1:tri"].params["methods"], "Level,level");

    // Whoever takes away what leads to it, or what it refers to, sees it written again.
    raw::delete(&nacos, &namespace, MAPPING);
    eventually("it is in the mapping again", async || text(MAPPING).as_deref() == Some("stock")).await;
    raw::delete(&nacos, &namespace, (&first, "stock"));
    eventually("that it is gone is seen", async || lease.repairs() == 2).await;
    assert_eq!(document(&first).await.services.len(), 1);

    lease.set_weight(7);
    let other = async || revision(&nacos, &namespace, "stock").is_some_and(|now| now != first);
    eventually("the new weight has a new revision", other).await;
    assert_eq!(
        document(&revision(&nacos, &namespace, "stock").unwrap()).await.services["a.B:1:tri"].params["weight"],
        "7"
    );
    lease.withdraw(DEADLINE).await.unwrap();
    for service in ["stock", PROVIDERS] {
        eventually("nobody stands there", async || raw::hosts(&nacos, &namespace, service).is_empty()).await;
    }
    assert_eq!(text(MAPPING).unwrap(), "stock", "it stays");
}

/// A mapping is written by all who offer the interface, at once, and nobody is lost in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_that_many_write_at_once_names_them_all() {
    const COUNT: usize = 8;
    let (nacos, namespace) = (shared(), namespace());
    let one = |n: usize| {
        let mut registration = stock(&format!("{n}"), &[KEY]);
        registration.instance.application = format!("stock-{n}");
        hub(nacos.address(), &namespace).register(registration)
    };
    let mut leases: Vec<_> = (0..COUNT).map(one).collect();
    for lease in &mut leases {
        lease.registered(DEADLINE).await.unwrap();
    }
    let list = raw::text(&nacos, &namespace, MAPPING).unwrap();
    let mut names: Vec<_> = list.split(',').collect();
    names.sort_unstable();
    assert_eq!(names, (0..COUNT).map(|n| format!("stock-{n}")).collect::<Vec<_>>());
    let consumer = hub(nacos.address(), &namespace);
    follow_until(&mut consumer.subscribe(lookup()), &mut vec![], "all", |known| known.len() == COUNT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_level_is_taken_alone_when_it_has_anybody() {
    let (nacos, namespace) = (shared(), namespace());
    let of = |mode: &str| hub(nacos.address(), format!("{namespace}?register-mode={mode}"));
    let (low, high, both) = (of("interface"), of("instance"), of("all"));
    let (mut changes, mut known) = (both.subscribe(lookup()), vec![]);
    let alone =
        |id: &'static str| move |known: &[mainstay_registry::Instance]| matches!(known, [one] if one.id.as_str() == id);
    let _low = low.register(stock("low", &[KEY]));
    follow_until(&mut changes, &mut known, "the interface level", alone("low")).await;
    assert_eq!(raw::text(&nacos, &namespace, MAPPING), None);

    let mut lease = high.register(stock("high", &[KEY]));
    follow_until(&mut changes, &mut known, "the application level alone", alone("high")).await;
    assert_eq!(raw::hosts(&nacos, &namespace, PROVIDERS).len(), 1, "it stands at no other");
    let levels = async |hub: &Hub| {
        let listing = hub.inspect().unwrap().list(Some(INTERFACE)).await.unwrap();
        let level = |offer: &mainstay_registry::Offer| (offer.instance.id.to_string(), offer.level);
        listing.offers.iter().map(level).collect::<BTreeMap<_, _>>()
    };
    let expected = [("high".to_owned(), Some(Level::Application)), ("low".to_owned(), Some(Level::Interface))];
    eventually("people see both", async || levels(&both).await == expected.clone().into()).await;

    lease.withdraw(DEADLINE).await.unwrap();
    follow_until(&mut changes, &mut known, "the interface level again", alone("low")).await;
    lease = both.register(stock("both", &[KEY]));
    follow_until(&mut changes, &mut known, "once", alone("both")).await;
    lease.withdraw(DEADLINE).await.unwrap();
    follow_until(&mut changes, &mut known, "the interface level again", alone("low")).await;
}

/// What dubbo-go says of itself: its metadata is served in a protocol of its own.
fn dubbo_go(port: u16) -> serde_json::Value {
    json!({
        "dubbo.endpoints": format!("[{{\"port\":{port},\"protocol\":\"tri\"}}]"),
        "dubbo.metadata-service.url-params": r#"{"port":"42413","protocol":"dubbo","version":"1.0.0"}"#,
        "dubbo.metadata.revision": format!("go-{port}"),
        "dubbo.metadata.storage-type": "local",
        "meta-v": "1.0.0",
        "registry.id": "nacos",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_dubbo_go_is_found_and_gets_its_share() {
    let (nacos, namespace) = (shared(), namespace());
    let hub = hub(nacos.address(), &namespace);
    let (mut changes, mut known) = (hub.subscribe(lookup()), vec![]);
    follow_until(&mut changes, &mut known, "nobody", <[_]>::is_empty).await;

    // Nothing is known but that it offers the interface.
    raw::write(&nacos, &namespace, MAPPING, "go");
    let put = |port: u16, metadata: &str| {
        raw::put(&nacos, &namespace, "go", ("127.0.0.1", &port.to_string()), metadata);
    };
    put(1, &dubbo_go(1).to_string());
    follow_until(&mut changes, &mut known, "it is taken at its word", |known| known.len() == 1).await;
    assert_eq!((known[0].port, known[0].weight, known[0].application.as_str()), (1, 100, "go"));

    // Two whose documents are where dubbo-go puts them, now and before, with a weight of 0.
    for (port, group, data_id) in [(2, "go-2", "go"), (3, "DEFAULT_GROUP", "go:go-3")] {
        let mut service = ServiceInfo::new(&KEY.parse().unwrap(), "tri", port);
        for (name, value) in [("release", "dubbo-golang-3.3.2"), ("weight", "0"), ("methods", "Level")] {
            service.params.insert(name.to_owned(), value.to_owned());
        }
        let info = MetadataInfo::new("go", format!("go-{port}"), BTreeMap::from([(service.key(), service)]));
        raw::write(&nacos, &namespace, (group, data_id), &info.to_json());
        put(port, &dubbo_go(port).to_string());
    }
    let by_document = |known: &[mainstay_registry::Instance]| {
        known.iter().filter(|one| one.labels.contains_key("release")).count() == 2 && known.len() == 3
    };
    follow_until(&mut changes, &mut known, "all three", by_document).await;
    assert!(known.iter().all(|instance| instance.weight == 100), "{known:?}");

    // One of ours beside them: by its application too, so all are taken, and none twice.
    let lease = hub.register(stock("one", &[KEY]));
    follow_until(&mut changes, &mut known, "all four", |known| known.len() == 4).await;
    assert!(known.iter().any(|instance| instance.id.as_str() == "one"));

    // One that says nothing of use is skipped and told; others' services and garbage in the mapping hide nobody.
    let mut mute = dubbo_go(5);
    mute["dubbo.endpoints"] = "[".into();
    put(5, &mute.to_string());
    raw::write(&nacos, &namespace, MAPPING, "go,stock,,two words,a@@b,providers:a.B:1:,nobody");
    let told = |(who, why): &(String, &str)| who == "127.0.0.1:5 of go" && *why == "no-port";
    eventually("it is told", async || hub.survey(INTERFACE).skipped.iter().any(told)).await;
    raw::take(&nacos, &namespace, "go", ("127.0.0.1", "1"));
    follow_until(&mut changes, &mut known, "it is gone", |known| known.len() == 3).await;
    drop(lease);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_without_a_document_is_asked() {
    let (nacos, namespace) = (shared(), namespace());
    raw::write(&nacos, &namespace, MAPPING, "java");
    eventually("it is there", async || raw::text(&nacos, &namespace, MAPPING).is_some()).await;
    for port in [7, 8] {
        let mut said = dubbo_go(port);
        said["dubbo.metadata-service.url-params"] =
            json!({"port": port.to_string(), "protocol": "tri"}).to_string().into();
        (said["meta-v"], said["dubbo.metadata.revision"]) = ("2.0.0".into(), "java-1".into());
        raw::put(&nacos, &namespace, "java", ("127.0.0.1", &port.to_string()), &said.to_string());
    }
    eventually("both are there", async || raw::hosts(&nacos, &namespace, "java").len() == 2).await;
    let url = RegistryUrl::parse(&format!("nacos://{}/{namespace}", nacos.address())).unwrap();
    let registry = NacosRegistry::linked(&url, &Links::default().with_metadata(Arc::new(Asked(KEY)))).unwrap();
    let mut changes = registry.subscribe(lookup());
    let Change::Snapshot(all) = next(&mut changes).await else { panic!("no snapshot") };
    assert_eq!(all.len(), 2, "one says it for both: the revision is the same");
    assert!(all.iter().all(|instance| instance.weight == 50), "{all:?}");
}
