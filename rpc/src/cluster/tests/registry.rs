//! What the registry says, does not say any more, and says wrongly.

use super::{super::unlisted::CALLED_ON, *};
use mainstay_registry::InstanceSet;

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_withdrawn_gets_no_call_and_ends_those_it_has() {
    let mut world = World::default();
    world.serve(1, Way::After(S));
    let (client, cluster) = world.client();
    let slow = tokio::spawn({
        let client = client.clone();
        async move { unary(&client, WRITE).await }
    });
    until("the call is at the server", || world.seen(1) == ["write"]).await;
    world.serve(2, Way::After(Duration::ZERO));
    world.leases.remove(&1);
    let left = || endpoints(&cluster).iter().map(|e| e.instance.port).collect::<Vec<_>>();
    until("the other one is left", || left() == [2]).await;
    for _ in 0..10 {
        assert_eq!(unary(&client, WRITE).await.unwrap(), 2);
    }
    assert_eq!(slow.await.unwrap().unwrap(), 1);
    until("its connection is closed", || world.servers[&1].1.connections() == 0).await;
}

/// A registry that tells once and then ends its stream, or calls itself unwell and tells of nobody.
#[derive(Debug)]
struct Failing {
    first: Mutex<Option<Feed>>,
    unwell: bool,
}

impl Discover for Failing {
    fn subscribe(&self, _: Lookup) -> Changes {
        let feed = Feed::new();
        let mut first = self.first.lock().unwrap();
        match first.take() {
            Some(told) => {
                let changes = told.subscribe();
                // The stream ends after what was told.
                drop(told);
                changes
            }
            None => {
                feed.publish(InstanceSet::new(), &BTreeMap::new());
                let changes = feed.subscribe();
                changes.keeping(Arc::new(feed))
            }
        }
    }

    fn survey(&self, _: &str) -> Survey {
        let mut survey = Survey::default();
        survey.unwell = self.unwell.then(|| "connection refused".to_owned());
        survey
    }

    fn describe(&self) -> String {
        "failing://".to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_known_is_kept_while_the_registry_is_unwell() {
    for unwell in [true, false] {
        let mut world = World::default();
        world.serve(1, Way::After(Duration::ZERO));
        let told = Feed::new();
        let one = Instance::new("stock", "h", 1).with_id(InstanceId::new("1"));
        told.publish([one].into_iter().collect(), &BTreeMap::new());
        let (client, cluster) = over(Arc::new(Failing { first: Mutex::new(Some(told)), unwell }), world.net.clone());
        assert_eq!(unary(&client, READ).await.unwrap(), 1);
        sleep(S).await;
        assert_eq!(endpoints(&cluster).len(), 1, "it answers");
        sleep(CALLED_ON).await;
        assert_eq!(endpoints(&cluster).len(), usize::from(unwell), "a registry that is well is believed in the end");
    }
}
