//! Dubbo's application level: what is written there, and who is found by it.

use std::{collections::BTreeMap, sync::Arc};

use mainstay_registry::{
    Discover, Registry, RegistryUrl, ZookeeperRegistry,
    dubbo::{Links, MetadataInfo, ServiceInfo, ServiceInstance},
};
use zookeeper_client::{Client, Error};

use crate::{
    asked::Asked,
    bed::{KEY, LONG, hub, lookup, shared},
    raw,
    support::{DEADLINE, eventually, follow_until, next, stock},
};

async fn text(client: &Client, path: &str) -> Option<String> {
    match client.get_data(path).await {
        Ok((data, _)) => Some(String::from_utf8(data).unwrap()),
        Err(Error::NoNode) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn an_instance_leads_to_its_documents_and_goes_with_its_lease() {
    let server = shared();
    let (chroot, client) = (raw::chroot(), raw::client(&server.address().to_string()).await);
    raw::keep(&client, &format!("{chroot}/dubbo/mapping/a.B"), "price").await;
    let hub = hub(server.address(), &chroot, LONG);
    let registration = stock("one", &[KEY]).with_methods(KEY.parse().unwrap(), ["Level", "level"]);
    let place = registration.instance.address();
    let mut lease = hub.register(registration);
    lease.registered(DEADLINE).await.unwrap();

    assert_eq!(text(&client, &format!("{chroot}/dubbo/mapping/a.B")).await.unwrap(), "price,stock");
    let path = format!("{chroot}/services/stock/{place}");
    let instance = ServiceInstance::from_json(text(&client, &path).await.unwrap().as_bytes()).unwrap();
    let revision = instance.revision().unwrap().to_owned();
    for folder in ["metadata/stock", "stock"] {
        let document = text(&client, &format!("{chroot}/dubbo/{folder}/{revision}")).await.unwrap();
        let info = MetadataInfo::from_json(document.as_bytes()).unwrap();
        assert_eq!(info.services["a.B:1:tri"].params["methods"], "Level,level", "{folder}");
    }

    client.delete(&path, None).await.unwrap();
    eventually("it is written again", async || text(&client, &path).await.is_some()).await;
    lease.set_weight(7);
    eventually("the new weight has a new revision", async || {
        let now = text(&client, &path).await.map(|text| ServiceInstance::from_json(text.as_bytes()).unwrap());
        now.is_some_and(|now| now.revision() != Some(revision.as_str()))
    })
    .await;
    lease.withdraw(DEADLINE).await.unwrap();
    assert_eq!(text(&client, &path).await, None);
    assert!(raw::providers(&client, &chroot, "a.B").await.is_empty());
    assert_eq!(text(&client, &format!("{chroot}/dubbo/mapping/a.B")).await.unwrap(), "price,stock", "it stays");
}

/// Of two at one address the later one has the node; when it goes, the other one has it again. They do not fight.
#[tokio::test]
async fn two_at_one_address_do_not_fight() {
    let server = shared();
    let (chroot, client) = (raw::chroot(), raw::client(&server.address().to_string()).await);
    let (mut old, mut new) = (stock("old", &[KEY]), stock("new", &[KEY]));
    (old.instance.port, old.instance.started_at) = (new.instance.port, new.instance.started_at - 1000);
    let path = format!("{chroot}/services/stock/{}", new.instance.address());
    let owner = async |id: &str| text(&client, &path).await.is_some_and(|text| text.contains(&format!("\"{id}\"")));
    let mut leases = [
        hub(server.address(), &chroot, LONG).register(new.clone()),
        hub(server.address(), &chroot, LONG).register(old),
    ];
    for lease in &mut leases {
        lease.registered(DEADLINE).await.unwrap();
    }
    assert!(owner("new").await);
    new.instance.weight = 7;
    leases[0].set_weight(7);
    eventually("it is still his", async || text(&client, &path).await.is_some()).await;
    assert_eq!(leases.each_ref().map(|lease| lease.repairs()), [0, 0]);
    let [new, old] = leases;
    new.withdraw(DEADLINE).await.unwrap();
    eventually("the other one has it", async || owner("old").await).await;
    drop(old);
}

/// A peer of the application level, as dubbo-go writes it: weight 0, and its metadata served in a protocol of its own.
pub(crate) fn dubbo_go(port: u16) -> ServiceInstance {
    let metadata = [
        ("dubbo.endpoints", format!("[{{\"port\":{port},\"protocol\":\"tri\"}}]")),
        ("dubbo.metadata-service.url-params", r#"{"port":"42413","protocol":"dubbo","version":"1.0.0"}"#.to_owned()),
        ("dubbo.metadata.revision", format!("go-{port}")),
        ("dubbo.metadata.storage-type", "local".to_owned()),
        ("meta-v", "1.0.0".to_owned()),
    ];
    let metadata = metadata.map(|(name, value)| (name.to_owned(), value)).into();
    ServiceInstance::new("go", "127.0.0.1", port, metadata)
}

#[tokio::test]
async fn a_stock_dubbo_go_is_found_and_gets_its_share() {
    let server = shared();
    let (chroot, client) = (raw::chroot(), raw::client(&server.address().to_string()).await);
    let hub = hub(server.address(), &chroot, LONG);
    let (mut changes, mut known) = (hub.subscribe(lookup()), vec![]);
    follow_until(&mut changes, &mut known, "nobody", <[_]>::is_empty).await;

    // Nothing is known but that it offers the interface.
    raw::keep(&client, &format!("{chroot}/dubbo/mapping/a.B"), "go").await;
    raw::live(&client, &format!("{chroot}/services/go/127.0.0.1:1"), &dubbo_go(1).to_json(0)).await;
    follow_until(&mut changes, &mut known, "it is taken at its word", |known| known.len() == 1).await;
    assert_eq!((known[0].port, known[0].weight, known[0].application.as_str()), (1, 100, "go"));

    // One whose document is where dubbo-go puts it, with a weight of 0.
    let mut service = ServiceInfo::new(&KEY.parse().unwrap(), "tri", 2);
    for (name, value) in [("release", "dubbo-golang-3.3.2"), ("weight", "0"), ("methods", "Level")] {
        service.params.insert(name.to_owned(), value.to_owned());
    }
    let info = MetadataInfo::new("go", "go-2", BTreeMap::from([(service.key(), service)]));
    raw::keep(&client, &format!("{chroot}/dubbo/go/go-2"), &info.to_json()).await;
    raw::live(&client, &format!("{chroot}/services/go/127.0.0.1:2"), &dubbo_go(2).to_json(0)).await;
    follow_until(&mut changes, &mut known, "both", |known| known.len() == 2).await;
    assert!(known.iter().all(|instance| instance.weight == 100), "{known:?}");

    // One of ours beside them: by its application too, so all three are taken, and none twice.
    let lease = hub.register(stock("one", &[KEY]));
    follow_until(&mut changes, &mut known, "all three", |known| known.len() == 3).await;
    assert!(known.iter().any(|instance| instance.id.as_str() == "one"));

    // A broken one is skipped and told.
    raw::live(&client, &format!("{chroot}/services/go/127.0.0.1:3"), "{\"name\":").await;
    let told = |(who, why): &(String, &str)| who == "127.0.0.1:3 of go" && *why == "not-json";
    eventually("it is told", async || hub.survey("a.B").skipped.iter().any(told)).await;
    client.delete(&format!("{chroot}/services/go/127.0.0.1:1"), None).await.unwrap();
    follow_until(&mut changes, &mut known, "it is gone", |known| known.len() == 2).await;
    drop(lease);
}

#[tokio::test]
async fn a_provider_without_documents_is_asked() {
    let server = shared();
    let (chroot, client) = (raw::chroot(), raw::client(&server.address().to_string()).await);
    raw::keep(&client, &format!("{chroot}/dubbo/mapping/a.B"), "java").await;
    for port in [7, 8] {
        let mut instance = dubbo_go(port);
        let said = format!(r#"{{"port":"{port}","protocol":"tri","version":"2.0.0"}}"#);
        instance.metadata.insert("dubbo.metadata-service.url-params".to_owned(), said);
        instance.metadata.insert("meta-v".to_owned(), "2.0.0".to_owned());
        instance.metadata.insert("dubbo.metadata.revision".to_owned(), "java-1".to_owned());
        instance.application = "java".to_owned();
        raw::live(&client, &format!("{chroot}/services/java/127.0.0.1:{port}"), &instance.to_json(0)).await;
    }
    let url = RegistryUrl::parse(&format!("zookeeper://{}{chroot}?{LONG}", server.address())).unwrap();
    let links = Links::default().with_metadata(Arc::new(Asked(KEY)));
    let registry = ZookeeperRegistry::linked(&url, &links).unwrap();
    let mut changes = registry.subscribe(lookup());
    let mainstay_registry::Change::Snapshot(all) = next(&mut changes).await else { panic!("no snapshot") };
    assert_eq!(all.len(), 2, "one says it for both: the revision is the same");
    assert!(all.iter().all(|instance| instance.weight == 50), "{all:?}");
}
