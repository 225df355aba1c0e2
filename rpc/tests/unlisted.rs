//! A registry that lists nobody any more, and is well: whoever answers is called on, until it says that it does not want to be.

use mainstay::{
    app::RunningApp,
    call::Streaming,
    prelude::*,
    registry::{
        Changes, Discover, Feed, Hub, Instance, InstanceId, InstanceSet, LeaseState, Lookup, MemoryRegistry, Survey,
    },
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::timeout;

#[mainstay::service(package = "test.unlisted.v1")]
trait Desk {
    #[rpc(idempotent)]
    async fn who(&self) -> Result<String>;
    /// Says it once, and stays.
    async fn stay(&self) -> Result<Streaming<String>>;
}

struct Clerk(&'static str);

impl Desk for Clerk {
    async fn who(&self) -> Result<String> {
        Ok(self.0.to_owned())
    }

    async fn stay(&self) -> Result<Streaming<String>> {
        let (sender, names) = Streaming::channel(1);
        let name = self.0.to_owned();
        tokio::spawn(async move {
            if sender.send(name).await.is_ok() {
                sender.closed().await;
            }
        });
        Ok(names)
    }
}

const LONG: Duration = Duration::from_secs(30);

/// A registry that lists whom the test says.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Feed>);

impl Told {
    fn lists<'a>(&self, apps: impl IntoIterator<Item = &'a RunningApp>) {
        let instance = |app: &RunningApp| {
            let at = app.address();
            Arc::new(Instance::new("desk", at.ip().to_string(), at.port()).with_id(InstanceId::new(at.to_string())))
        };
        self.0.publish(apps.into_iter().map(instance).collect::<InstanceSet>(), &BTreeMap::new());
    }
}

impl Discover for Told {
    fn subscribe(&self, _: Lookup) -> Changes {
        self.0.subscribe()
    }

    fn survey(&self, _: &str) -> Survey {
        Survey::default()
    }

    fn describe(&self) -> String {
        "a test".to_owned()
    }
}

async fn app(hub: &Hub, name: &'static str) -> RunningApp {
    let app = App::new("desk").with_hub(hub.clone()).serve(DeskServer::new(Clerk(name)));
    app.drain(Duration::ZERO, LONG).start().await.expect("it starts")
}

fn names(client: &DeskClient) -> usize {
    client.connectivity().len()
}

/// Calls until so many are known.
async fn known(client: &DeskClient, count: usize) {
    let known = async {
        while names(client) != count {
            let _ = client.who().await;
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, known).await.unwrap_or_else(|_| panic!("{count} are not known: {:?}", client.connectivity()));
}

#[tokio::test]
async fn whoever_answers_is_called_on_until_it_says_goodbye() {
    let (hub, told) = (Hub::new(MemoryRegistry::new()), Told::default());
    let apps = [app(&hub, "one").await, app(&hub, "two").await];
    told.lists(&apps);
    let client = DeskClient::connect("desk").registry(Arc::new(told.clone()) as Arc<dyn Discover>).build().unwrap();
    let connected = || client.connectivity().iter().filter(|one| one.connections > 0).count();
    while connected() < 2 {
        client.who().await.unwrap();
    }
    told.lists([&apps[1]]);
    known(&client, 1).await;
    told.lists([]);
    known(&client, 2).await;
    for _ in 0..50 {
        client.who().await.unwrap();
    }

    // An operator takes one out: it goes on serving, and sends its callers away, also one that has a stream there.
    let [one, two] = apps;
    let mut streams = Vec::new();
    let mut by = String::new();
    while by != "one" {
        let mut stream = client.stay().await.unwrap();
        by = stream.next().await.unwrap().unwrap();
        streams.push(stream);
    }
    one.readiness().set_offline(true);
    known(&client, 1).await;
    assert_eq!((client.who().await.unwrap(), one.readiness().registration()), ("two".to_owned(), LeaseState::Offline));
    drop(streams);
    two.drain().await;
    known(&client, 0).await;
    let status = client.who().await.unwrap_err().into_status();
    assert_eq!(status.reason(), mainstay::call::Reason::NoInstance, "{status}");
    // It is listed again, and called again.
    one.readiness().set_offline(false);
    told.lists([&one]);
    known(&client, 1).await;
    assert_eq!(client.who().await.unwrap(), "one");
    one.drain().await;
}

#[tokio::test]
async fn who_is_taken_out_sends_its_callers_away_each_time() {
    let hub = Hub::new(MemoryRegistry::new());
    let app = app(&hub, "one").await;
    let direct = DeskClient::connect("desk").address(app.address().to_string()).build().unwrap();
    for _ in 0..2 {
        assert_eq!(direct.who().await.unwrap(), "one", "who finds it all the same is served");
        assert_eq!(app.server().connections(), 1);
        app.readiness().set_offline(true);
        let gone = async {
            while app.server().connections() > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, gone).await.expect("the connection ends");
        app.readiness().set_offline(false);
        let back = async {
            while app.readiness().registration() != LeaseState::Registered {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, back).await.expect("it is registered again");
    }
    app.drain().await;
}
