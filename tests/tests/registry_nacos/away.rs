//! One server that is absent, comes, dies and comes back with its data, dies and comes back without it: who is registered,
//! who follows, and who watches a text.

use std::{sync::Arc, time::Duration};

use mainstay_registry::{
    Changes, Discover, Hub, Instance, Lease, LeaseState, Registry,
    config::{ConfigCenter, ConfigKey, ConfigSight, ConfigWatch, Expected},
};
use testbed::Nacos;
use tokio::time::Instant;

use crate::{
    bed::{KEY, center, hub, lookup, namespace, never_down, weighs},
    centers::{key, next, until},
    support::{DEADLINE, eventually, follow_until, stock},
};

/// Within this time everything is as it was, once a server is ready.
const BACK: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_with_its_data_or_empty_costs_nothing() {
    let mut nacos = Nacos::absent("nacos");
    is_found_when_it_comes(&mut nacos).await;
    let mut watched = Watched::by(&nacos).await;

    let registered = Registered::at(&nacos).await;
    nacos.process().kill().unwrap();
    registered.is_kept().await;
    watched.is_kept(&nacos).await;
    nacos.again();
    let ready = Instant::now();
    registered.comes_back(&nacos, ready).await;
    watched.hears_of_a_change(&nacos).await;

    let registered = Registered::at(&nacos).await;
    nacos.process().kill().unwrap();
    registered.is_kept().await;
    watched.knows().await;
    nacos.afresh();
    let ready = Instant::now();
    tokio::join!(registered.comes_back(&nacos, ready), watched.believes_it_gone_after_a_while());
}

async fn is_found_when_it_comes(nacos: &mut Nacos) {
    let namespace = namespace();
    let (provider, consumer) = (hub(nacos.address(), &namespace), hub(nacos.address(), &namespace));
    let since = Instant::now();
    let mut lease = provider.register(stock("one", &[KEY]));
    let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
    eventually("why is said", async || lease.trouble().is_some_and(|why| why.contains("refused"))).await;
    eventually("why is said", async || consumer.survey("a.B").unwell.is_some_and(|why| why.contains("refused"))).await;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(lease.state(), LeaseState::Pending);
    nacos.again();
    let ready = Instant::now();
    follow_until(&mut changes, &mut known, "they find each other", |known| known.len() == 1).await;
    println!("found {:?} after the server was ready", ready.elapsed());
    lease.registered(DEADLINE).await.unwrap();
    assert!(ready.elapsed() < BACK, "{:?}", ready.elapsed());
}

/// A provider that is registered, and a consumer that knows it.
struct Registered {
    namespace: String,
    consumer: Hub,
    lease: Lease,
    changes: Changes,
    known: Vec<Instance>,
}

impl Registered {
    async fn at(nacos: &Nacos) -> Self {
        let namespace = namespace();
        let (provider, consumer) = (hub(nacos.address(), &namespace), hub(nacos.address(), &namespace));
        let mut lease = provider.register(stock("one", &[KEY]));
        lease.registered(DEADLINE).await.unwrap();
        let (mut changes, mut known) = (consumer.subscribe(lookup()), vec![]);
        follow_until(&mut changes, &mut known, "it is up", |known| known.len() == 1).await;
        Self { namespace, consumer, lease, changes, known }
    }

    async fn is_kept(&self) {
        eventually("the consumer knows", async || self.consumer.survey("a.B").unwell.is_some()).await;
        eventually("the provider knows", async || self.lease.trouble().is_some()).await;
        let survey = self.consumer.survey("a.B");
        assert!(survey.hold.is_some_and(|hold| hold.count == 1), "{survey:?}");
    }

    /// It is, and nobody was lost meanwhile.
    async fn comes_back(mut self, nacos: &Nacos, ready: Instant) {
        let lease = &self.lease;
        eventually("it is registered", async || lease.state() == LeaseState::Registered && lease.trouble().is_none())
            .await;
        println!("registered {:?} after the server was ready", ready.elapsed());
        self.lease.set_weight(7);
        never_down(&follow_until(&mut self.changes, &mut self.known, "the new weight", weighs(7)).await);
        println!("  and seen after {:?}", ready.elapsed());
        assert!(ready.elapsed() < BACK, "{:?}", ready.elapsed());
        let stranger = hub(nacos.address(), &self.namespace);
        follow_until(&mut stranger.subscribe(lookup()), &mut vec![], "by others", weighs(7)).await;
        self.lease.withdraw(DEADLINE).await.unwrap();
    }
}

/// A text that is watched.
struct Watched {
    namespace: String,
    rule: ConfigKey,
    center: Arc<dyn ConfigCenter>,
    watch: ConfigWatch,
    /// By one who began when the server was away.
    late: Option<ConfigWatch>,
}

impl Watched {
    async fn by(nacos: &Nacos) -> Self {
        let (namespace, rule) = (namespace(), key("outlives"));
        let center = center(nacos.address(), &namespace);
        center.publish(&rule, "1", Expected::Any).await.unwrap();
        let mut watch = center.watch(&rule);
        until(&mut watch, Some("1")).await;
        Self { namespace, rule, center, watch, late: None }
    }

    async fn knows(&self) {
        eventually("it is noticed", async || self.watch.trouble().is_some()).await;
    }

    /// It is, also by who begins now.
    async fn is_kept(&mut self, nacos: &Nacos) {
        self.knows().await;
        let error = self.center.get(&self.rule).await.unwrap_err().to_string();
        assert!(error.contains("refused"), "{error}");
        let mut late = center(nacos.address(), &self.namespace).watch(&self.rule);
        let sight = next(&mut late).await;
        assert!(matches!(&sight, ConfigSight::LastGood { config, .. } if config.content == "1"), "{sight:?}");
        self.late = Some(late);
    }

    async fn hears_of_a_change(&mut self, nacos: &Nacos) {
        let since = Instant::now();
        center(nacos.address(), &self.namespace).publish(&self.rule, "2", Expected::Any).await.unwrap();
        until(&mut self.watch, Some("2")).await;
        until(self.late.as_mut().unwrap(), Some("2")).await;
        println!("told {:?} after it was written", since.elapsed());
    }

    async fn believes_it_gone_after_a_while(&mut self) {
        eventually("it can be read", async || self.watch.trouble().is_none()).await;
        let back = Instant::now();
        let there = self.watch.current();
        assert!(matches!(there, Some(ConfigSight::Present(config)) if config.content == "2"), "it is not believed");
        until(&mut self.watch, None).await;
        assert!(back.elapsed() > Duration::from_secs(20), "{:?}", back.elapsed());
    }
}
