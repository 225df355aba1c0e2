//! What a consumer pays for ten thousand instances of an application that offers a hundred services, all of which it uses:
//! nobody is connected. Alone in its process, whose allocations it counts.
//!
//! What is between the bytes of a registry and the clients is what the adapters of ZooKeeper and Nacos have between them at
//! Dubbo's application level; the registry is played here.

use mainstay::{
    call::ServiceDef,
    client::connect,
    prelude::*,
    registry::{
        Changes, Discover, Feed, Instance, InstanceId, Lookup, Registration, ServiceKey, Survey,
        dubbo::{Listed, MetadataInfo, ServiceInstance, choose},
    },
    transport::memory,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::{
    alloc::System,
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const INSTANCES: usize = 10_000;
const SERVICES: usize = 100;
const POINTER: usize = size_of::<usize>();

#[mainstay::service(package = "test.memory.v1")]
trait Desk {
    async fn who(&self) -> Result<String>;
}

/// A hundred services, which differ in their names.
fn services() -> Vec<&'static ServiceDef> {
    let named = |service: usize| -> &'static ServiceDef {
        let full_name = Box::leak(format!("test.memory.v1.Desk{service}").into_boxed_str());
        Box::leak(Box::new(ServiceDef { full_name, ..*DeskClient::definition() }))
    };
    (0..SERVICES).map(named).collect()
}

/// One of them, which offers all services.
fn registration(index: usize, zone: &str, services: &[&'static ServiceDef]) -> Registration {
    let (host, id) = (format!("10.1.{}.{}", index / 250, index % 250), InstanceId::new(format!("desk-{index:05}")));
    let mut instance = Instance::new("desk", host, 20880).with_id(id).with_label("env", "v1");
    (instance.zone, instance.started_at) = (Some(zone.to_owned()), 1_764_400_000_000);
    Registration::new(instance, services.iter().map(|service| ServiceKey::new(service.full_name)))
}

/// A registry with that application in it.
#[derive(Debug)]
struct Played {
    content: Arc<MetadataInfo>,
    listed: Mutex<Vec<Listed>>,
    feeds: Mutex<BTreeMap<Lookup, Feed>>,
}

impl Played {
    fn new(services: &[&'static ServiceDef]) -> Self {
        let content = Arc::new(MetadataInfo::of(&registration(0, "a", services)));
        let listed = (0..INSTANCES).map(|index| Self::read(&content, index, "a")).collect();
        Self { listed: Mutex::new(listed), content, feeds: Mutex::default() }
    }

    /// What is read of what one writes into the registry.
    fn read(content: &Arc<MetadataInfo>, index: usize, zone: &str) -> Listed {
        let written = ServiceInstance::of(&registration(index, zone, &[]), content).to_json(0);
        Listed::new(
            Arc::new(ServiceInstance::from_json(written.as_bytes()).expect("its own words")),
            Some(content.clone()),
        )
    }

    fn tell(&self, lookup: &Lookup, feed: &Feed) {
        let taken = choose(&lookup.key, &[], &self.listed.lock().expect("a lock")).taken;
        let meant = taken.into_iter().filter(|(key, instance)| lookup.takes(key, instance));
        feed.publish(meant.map(|(_, instance)| instance).collect(), &BTreeMap::new());
    }

    /// One says something else of itself.
    fn change(&self, index: usize, zone: &str) {
        self.listed.lock().expect("a lock")[index] = Self::read(&self.content, index, zone);
        self.feeds.lock().expect("a lock").iter().for_each(|(lookup, feed)| self.tell(lookup, feed));
    }
}

impl Discover for Played {
    fn subscribe(&self, lookup: Lookup) -> Changes {
        let mut feeds = self.feeds.lock().expect("a lock");
        let feed = feeds.entry(lookup.clone()).or_default();
        self.tell(&lookup, feed);
        feed.subscribe()
    }

    fn survey(&self, _: &str) -> Survey {
        Survey::default()
    }

    fn describe(&self) -> String {
        "played".to_owned()
    }
}

/// Bytes that are allocated now, and that were allocated in all so far.
fn allocated() -> (usize, usize) {
    let stats = ALLOCATOR.stats();
    (stats.bytes_allocated - stats.bytes_deallocated, stats.bytes_allocated)
}

/// Lets all tasks do what there is to do.
async fn settle() {
    loop {
        let before = allocated();
        for _ in 0..SERVICES {
            tokio::task::yield_now().await;
        }
        if allocated() == before {
            return;
        }
    }
}

#[tokio::test]
async fn ten_thousand_of_a_hundred_services_fit_into_200_mb_and_a_change_costs_a_pointer_each() {
    let services = services();
    let (nothing, _) = allocated();
    let played = Arc::new(Played::new(&services));
    // Nobody answers: what is known of them is all there is.
    let (nobody, _) = memory();
    let mut clients = Vec::new();
    for service in services {
        let builder = connect::<DeskClient>(service, "desk").registry(played.clone() as Arc<dyn Discover>);
        let client = builder.connector(nobody.clone()).patience(Duration::from_millis(1)).build().unwrap();
        client.who().await.unwrap_err();
        clients.push(client);
    }
    settle().await;
    let (before, _) = allocated();
    let megabytes = (before - nothing) / 1_000_000;
    println!("{INSTANCES} instances of {SERVICES} services: {megabytes} MB");
    assert!(megabytes < 200, "{megabytes} MB");

    played.change(INSTANCES / 2, "b");
    let (_, heard) = allocated();
    settle().await;
    let (after, all) = allocated();
    let each = |bytes: usize| bytes as f64 / (SERVICES * INSTANCES) as f64;
    let (kept, passed) = (each(after.saturating_sub(before)), each(all - heard));
    println!("one change, for each instance of each service: {kept:.2} bytes more, {passed:.2} allocated by clients");
    assert!(kept < 0.1, "{kept} bytes");
    // The list of the endpoints, made anew.
    assert!((POINTER as f64..POINTER as f64 * 1.1).contains(&passed), "{passed} bytes");
    for client in &clients {
        let states = client.connectivity();
        assert_eq!((states.len(), states[INSTANCES / 2].zone.as_deref()), (INSTANCES, Some("b")));
    }
}
