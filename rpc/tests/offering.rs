//! What an application registers itself as, when operators say otherwise than the program.

use mainstay::{
    app::RunningApp,
    prelude::*,
    registry::{
        Change, Discover, Hub, Instance, LeaseState, Lookup, MemoryConfig, MemoryRegistry, ServiceKey,
        config::{ConfigCenter, ConfigKey, Expected},
    },
};
use std::time::Duration;
use tokio::time::timeout;

#[mainstay::service(package = "test.offering.v1")]
trait Desk {
    async fn who(&self) -> Result<String>;
}

struct Clerk;

impl Desk for Clerk {
    async fn who(&self) -> Result<String> {
        Ok("clerk".to_owned())
    }
}

const LONG: Duration = Duration::from_secs(30);

/// The registry as a consumer sees it, and where rules are kept.
struct Place {
    hub: Hub,
    config: MemoryConfig,
    key: ConfigKey,
    changes: mainstay::registry::Changes,
}

impl Place {
    fn new() -> Self {
        let (registry, config) = (MemoryRegistry::new(), MemoryConfig::new());
        let hub = Hub::new(registry).with_config(config.clone());
        let changes = hub.subscribe(Lookup::new(ServiceKey::new("test.offering.v1.Desk")));
        Self { hub, config, key: ConfigKey::new("desk.configurators").expect("a key"), changes }
    }

    async fn say(&self, parameters: &str) {
        let rule = format!("configs:\n  - side: provider\n    parameters: {{{parameters}}}\n");
        self.config.publish(&self.key, &rule, Expected::Any).await.expect("it is kept in memory");
    }

    async fn app(&self) -> RunningApp {
        let app = App::new("desk").with_hub(self.hub.clone()).weight(80).label("env", "blue");
        app.serve(DeskServer::new(Clerk)).drain(Duration::ZERO, Duration::ZERO).start().await.expect("it starts")
    }

    /// The weight and the colour of the next instance that comes up, or `None` when one goes.
    async fn next(&mut self) -> Option<(u32, String)> {
        let next = async {
            loop {
                match self.changes.next().await.expect("it is followed") {
                    Change::Up(instance) => return Some(seen(&instance)),
                    Change::Down { .. } => return None,
                    Change::Snapshot(all) if all.is_empty() => {}
                    Change::Snapshot(all) => return all.first().map(|one| seen(one)),
                    other => panic!("{other:?}"),
                }
            }
        };
        timeout(LONG, next).await.expect("something changes")
    }
}

fn seen(instance: &Instance) -> (u32, String) {
    (instance.weight, instance.labels.get("env").cloned().unwrap_or_default())
}

fn looks(weight: u32, colour: &str) -> Option<(u32, String)> {
    Some((weight, colour.to_owned()))
}

#[tokio::test]
async fn a_provider_is_registered_as_operators_say() {
    let mut place = Place::new();
    place.say("weight: 7").await;
    let app = place.app().await;
    assert_eq!(place.next().await, looks(7, "blue"), "a rule that is there before counts at once");

    place.say("weight: 0, env: green").await;
    assert_eq!(place.next().await, looks(0, "green"));
    let rules = app.rules();
    assert!(rules.iter().any(|rule| rule.key == "dubbo/desk.configurators" && rule.in_force.is_some()), "{rules:?}");

    place.say("disabled: true").await;
    assert!(place.next().await.is_none_or(|(weight, _)| weight == 80), "its own word first, then it is gone");
    let gone = async {
        while app.readiness().registration() != LeaseState::Offline {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, gone).await.expect("it is taken back");
    assert!(app.readiness().check().unwrap_err().contains("offline"));

    place.config.delete(&place.key, Expected::Any).await.unwrap();
    let back = loop {
        if let Some(instance) = place.next().await {
            break instance;
        }
    };
    assert_eq!(Some(back), looks(80, "blue"), "what the program says");
    app.drain().await;
}

#[tokio::test]
async fn a_rule_that_is_none_changes_nothing_and_is_told() {
    let mut place = Place::new();
    place.say("weight: 7").await;
    let app = place.app().await;
    assert_eq!(place.next().await, looks(7, "blue"));
    place.say("weight: heavy").await;
    let refused = async {
        while app.rules().iter().all(|rule| rule.refused.is_none()) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, refused).await.expect("it is told");
    let rule = app.rules().into_iter().find(|rule| rule.refused.is_some()).unwrap();
    assert!(rule.in_force.is_some() && rule.refused.is_some_and(|error| error.line == 3));
    place.say("weight: 8").await;
    assert_eq!(place.next().await, looks(8, "blue"));
    app.drain().await;
}
