//! Rules of operators, live: who gets which calls, how long those may take, and what is said of it.

use super::*;
use crate::client::Avoided;
use mainstay_registry::{
    MemoryConfig,
    config::{ConfigCenter, ConfigKey, Expected},
};

const NOW: Way = Way::After(Duration::ZERO);

/// A world in which ports from `new` on are of version 2, with a client whose rules are kept in a centre.
struct Ruled {
    world: World,
    center: MemoryConfig,
    client: Client,
}

impl Ruled {
    fn new(ports: u16, new: u16, set_up: impl FnOnce(Builder) -> Builder) -> Self {
        let mut world = World::default();
        for port in 1..=ports {
            world
                .serve(port, NOW)
                .list_as(port, |instance| instance.with_label("env", if port >= new { "v2" } else { "v1" }));
        }
        let center = MemoryConfig::new();
        let rules: Arc<dyn ConfigCenter> = Arc::new(center.clone());
        let client = connect::<Client>(&DEFINITION, "stock").registry(world.registry.clone());
        let client = set_up(client.connector(world.net.clone()).rules(rules).seed(7)).build().unwrap();
        Self { world, center, client }
    }

    /// Puts a rule there and waits until it is in force, or refused.
    async fn rule(&self, name: &str, text: &str) {
        let key = ConfigKey::new(name).unwrap();
        let version = self.center.publish(&key, text, Expected::Any).await.unwrap();
        let is_read = |state: &crate::route::RuleState| {
            state.key == key.to_string() && (state.in_force.as_ref() == Some(&version) || state.refused.is_some())
        };
        until("the rule is read", || self.client.rules().iter().any(is_read)).await;
    }

    async fn spread(&self, client: &Client, calls: usize) -> BTreeMap<u32, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..calls {
            *counts.entry(unary(client, READ).await.unwrap()).or_default() += 1;
        }
        counts
    }

    /// Which servers answer calls.
    async fn answering(&self, client: &Client) -> Vec<u32> {
        self.spread(client, 60).await.into_keys().collect()
    }

    fn tagged(&self, tag: &str) -> Client {
        self.client.with(CallOptions::new().attachment("dubbo.tag", tag).unwrap())
    }

    fn avoided(&self, port: u16) -> (Option<Avoided>, Option<String>) {
        let states = self.client.connectivity();
        let state = states.into_iter().find(|state| state.instance.as_str() == port.to_string()).unwrap();
        (state.avoided, state.rule)
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_counts_as_soon_as_it_is_there_and_ends_when_it_is_gone() {
    let ruled = Ruled::new(3, 3, |builder| builder);
    assert_eq!(ruled.answering(&ruled.client).await, [1, 2, 3]);
    assert_eq!(ruled.client.layers()[2], "rules");
    ruled.rule("stock.condition-router", "conditions:\n  - \"=> env=v1\"\n").await;
    assert_eq!(ruled.answering(&ruled.client).await, [1, 2]);
    let key = "dubbo/stock.condition-router line 2".to_owned();
    assert_eq!(ruled.avoided(3), (Some(Avoided::RoutedAway), Some(key)));
    assert_eq!(ruled.avoided(1), (None, None));
    // What is no rule changes nothing, and is told with its line.
    ruled.rule("stock.condition-router", "conditions:\n  - \"=> env\"\n").await;
    assert_eq!(ruled.answering(&ruled.client).await, [1, 2]);
    let told = ruled.client.rules().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(told.iter().any(|one| one.contains("version 1; REFUSED line 2: `env` in `env` is compared")), "{told:?}");
    ruled.center.delete(&ConfigKey::new("stock.condition-router").unwrap(), Expected::Any).await.unwrap();
    until("the rule is gone", || ruled.avoided(3).0.is_none()).await;
    assert_eq!(ruled.answering(&ruled.client).await, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_there_before_counts_for_the_first_call() {
    let ruled = Ruled::new(2, 2, |builder| builder);
    let key = ConfigKey::new("shop.Stock:1.0.0:.condition-router").unwrap();
    ruled.center.publish(&key, "force: true\nconditions: [\"=> env=v2\"]\n", Expected::Any).await.unwrap();
    assert_eq!(ruled.spread(&ruled.client, 40).await, BTreeMap::from([(2, 40)]));
    assert_eq!(ruled.world.dials(1), 0, "nobody asks who gets no calls");
}

#[tokio::test(start_paused = true)]
async fn five_per_cent_of_the_untagged_and_all_of_the_tagged_go_to_the_new_version() {
    let ruled = Ruled::new(4, 3, |builder| builder);
    let canary = |share: u32| {
        let from = "  - from: {match: \"attachments[dubbo.tag]=v2\"}\n    to: [{match: \"env=v2\"}]\n";
        let rest = 100 - share;
        format!(
            "configVersion: v3.1\nconditions:\n{from}  - to:\n      - {{match: \"env=v1\", weight: {rest}}}\n      - \
             {{match: \"env=v2\", weight: {share}}}\n"
        )
    };
    // All are connected before it begins.
    ruled.spread(&ruled.client, 40).await;
    for (share, expected) in [(5, 30..=70), (20, 160..=240)] {
        ruled.rule("shop.Stock:1.0.0:.condition-router", &canary(share)).await;
        let counts = ruled.spread(&ruled.client, 1000).await;
        let new = [3, 4].iter().filter_map(|port| counts.get(port)).sum::<usize>();
        assert!(expected.contains(&new), "{share} %: {counts:?}");
        let tagged = ruled.spread(&ruled.tagged("v2"), 200).await;
        assert_eq!(tagged.into_keys().collect::<Vec<_>>(), [3, 4]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_gives_itself_a_tag_gets_only_calls_that_ask_for_it() {
    let mut ruled = Ruled::new(2, 9, |builder| builder);
    ruled.world.serve(3, NOW).list_as(3, |instance| instance.with_label("dubbo.tag", "gray"));
    assert_eq!(ruled.answering(&ruled.client).await, [1, 2]);
    assert_eq!(ruled.answering(&ruled.tagged("gray")).await, [3]);
    assert_eq!(ruled.answering(&ruled.tagged("red")).await, [1, 2], "nobody has it, and nobody insists");
    let insists = CallOptions::new().attachment("dubbo.force.tag", "true").unwrap();
    let error = unary(&ruled.tagged("red").with(insists), READ).await.unwrap_err();
    assert_eq!((error.reason(), error.reached_server()), (Reason::NoRoute, false));
    assert_eq!(ruled.avoided(3), (Some(Avoided::OtherTag), None));
    let gray = ruled.world.client_with(|builder| builder.tag("gray"));
    assert_eq!(ruled.answering(&gray).await, [3]);
}

#[tokio::test(start_paused = true)]
async fn who_reaches_nobody_of_its_tag_goes_elsewhere_unless_the_rule_insists() {
    let ruled = Ruled::new(3, 3, |builder| builder.retries(0));
    let rule = |force: bool| format!("force: {force}\ntags:\n  - {{name: v2, addresses: [\"h:3\"]}}\n");
    ruled.answering(&ruled.client).await;
    ruled.rule("stock.tag-router", &rule(false)).await;
    assert_eq!(ruled.answering(&ruled.tagged("v2")).await, [3]);
    ruled.world.kill(3).await;
    until("it is lost", || ruled.avoided(3).0 == Some(Avoided::OtherTag)).await;
    // The first one finds out, the others know.
    let _ = unary(&ruled.tagged("v2"), READ).await;
    assert_eq!(ruled.answering(&ruled.tagged("v2")).await, [1, 2]);
    ruled.rule("stock.tag-router", &rule(true)).await;
    let error = unary(&ruled.tagged("v2"), READ).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ConnectFailed);
    assert!(error.message().contains("none of 1 instances that rules leave for this call"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn nobody_left_is_told_at_once_with_the_rule() {
    let ruled = Ruled::new(2, 2, |builder| builder.consumer("batch"));
    unary(&ruled.client, READ).await.unwrap();
    ruled.rule("stock.condition-router", "conditions: [\"application=batch & method=Write =>\"]\n").await;
    unary(&ruled.client, READ).await.unwrap();
    let began = Instant::now();
    let error = unary(&ruled.client, WRITE).await.unwrap_err();
    let text = "Unavailable: rules leave no instance for this call: dubbo/stock.condition-router line 1 [NO_ROUTE]";
    assert_eq!((error.to_string().as_str(), began.elapsed()), (text, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn an_operator_says_time_and_retries_and_who_takes_part() {
    let ruled = Ruled::new(3, 3, |builder| builder.consumer("web"));
    ruled.answering(&ruled.client).await;
    let text = "configs:\n  - parameters: {Read.timeout: 50, retries: 0}\n  - providerAddresses: [\"h:3\"]\n    parameters: \
                {disabled: true}\n  - providerAddresses: [\"h:2\"]\n    parameters: {weight: 0}\n";
    ruled.rule("shop.Stock:1.0.0:.configurators", text).await;
    assert_eq!(ruled.answering(&ruled.client).await, [1]);
    assert_eq!(ruled.avoided(3).0, Some(Avoided::Disabled));
    ruled.world.turn(1, Way::Never);
    let began = Instant::now();
    let error = unary(&ruled.client, READ).await.unwrap_err();
    assert_eq!((error.reason(), began.elapsed()), (Reason::DeadlineExceeded, 50 * MS));
    let said = unary(&ruled.client.with(timeout(20 * MS)), READ).await.unwrap_err();
    assert_eq!((said.reason(), began.elapsed()), (Reason::DeadlineExceeded, 70 * MS), "the caller's word counts more");
    ruled.world.turn(1, Way::Unavailable);
    let before = ruled.world.seen(1).len();
    unary(&ruled.client, READ).await.unwrap_err();
    assert_eq!(ruled.world.seen(1).len(), before + 1, "it is not sent again");
    ruled.center.delete(&ConfigKey::new("shop.Stock:1.0.0:.configurators").unwrap(), Expected::Any).await.unwrap();
    until("all take part again", || ruled.avoided(3).0.is_none()).await;
    ruled.world.turn(1, NOW);
    // The one that failed is still avoided a little.
    assert!(ruled.answering(&ruled.client).await.ends_with(&[2, 3]));
}
