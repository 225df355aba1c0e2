//! Plans: what rules make of calls, by tables and against a slow model.

use super::*;
use crate::{
    call::{Invocation, Kind},
    layer::testing::call,
    route::book::Book,
};
use mainstay_registry::{
    ServiceKey,
    config::{Config, ConfigSight, ConfigVersion},
};
use proptest::prelude::*;

const SERVICE: usize = 1;
const PROVIDER: usize = 2;
const OVERRIDE: usize = 5;

fn consumer() -> Arc<Consumer> {
    Arc::new(Consumer { application: Some("web".to_owned()), ..Consumer::of(ServiceKey::new("a.B")) })
}

/// Of version 1 or 2, by their label.
fn instances(versions: &[u8]) -> Vec<Instance> {
    let one = |(at, version): (usize, &u8)| {
        Instance::new("stock", format!("10.0.0.{at}"), 80).with_label("env", format!("v{version}"))
    };
    versions.iter().enumerate().map(one).collect()
}

fn rules(texts: &[(usize, &str)]) -> Rules {
    let mut book = Book::new(&consumer(), Some("stock"));
    for (index, text) in texts {
        let sight = ConfigSight::Present(Config::new(*text, ConfigVersion::new("1")));
        assert_eq!(book.hear(*index, &sight).refused, None);
    }
    book.rules()
}

fn plan(texts: &[(usize, &str)], versions: &[u8]) -> Option<Plan> {
    rules(texts).plan(&consumer(), instances(versions).iter())
}

fn tagged(tag: Option<&str>) -> Invocation {
    let mut asked = call(Kind::Unary, false);
    if let Some(tag) = tag {
        asked.metadata.insert("dubbo.tag", tag.parse().unwrap());
    }
    asked
}

const CANARY: &str = "configVersion: v3.1\nconditions:\n  - from: {match: \"attachments[dubbo.tag]=v2\"}\n    to: [{match: \
                      \"env=v2\"}]\n  - to:\n      - {match: \"env=v1\", weight: 95}\n      - {match: \"env=v2\", weight: 5}\n";

fn share_of_v2(plan: &Plan, tag: Option<&str>) -> usize {
    let (asked, dice) = (tagged(tag), crate::cluster::Dice::new(3));
    let goes_to_v2 = |_: &usize| plan.route(Asked::of(&asked), || dice.throw(), false).set.has(2);
    (0..10_000).filter(goes_to_v2).count()
}

#[test]
fn a_canary_takes_its_share_of_the_untagged_and_all_of_the_tagged() {
    let plan = plan(&[(SERVICE, CANARY)], &[1, 1, 2]).unwrap();
    let untagged = share_of_v2(&plan, None);
    assert!((400..=600).contains(&untagged), "{untagged}");
    assert_eq!(share_of_v2(&plan, Some("v2")), 10_000);
    assert_eq!(plan.left(2), None, "some calls go there");
}

#[test]
fn no_rules_are_no_plan() {
    assert!(plan(&[], &[1, 2]).is_none());
    assert!(plan(&[(SERVICE, "enabled: false\nconditions: [\"=> env=v1\"]\n")], &[1, 2]).is_none());
    assert!(
        plan(&[(SERVICE, "conditions: [\"application=batch => env=v1\"]\n")], &[1, 2]).is_none(),
        "of another client"
    );
}

/// Where calls of which nothing more is known go, by rules of the service and of the provider's application.
#[test]
fn conditions_apply_one_after_the_other() {
    for (service, provider, expected, by) in [
        ("[\"=> env=v1\"]", "[]", vec![0, 1], None),
        ("[\"=> env=v1\", \"=> host=10.0.0.1\"]", "[]", vec![1], None),
        ("[\"=> env=v1\"]", "[\"=> host!=10.0.0.1\"]", vec![0], None),
        ("[\"=> env=v3\"]", "[]", vec![0, 1, 2], None),
        ("[\"method=C =>\"]", "[]", vec![], Some("dubbo/a.B::.condition-router line 1")),
        ("[\"method=D =>\"]", "[]", vec![0, 1, 2], None),
        ("[\"=> env=v3\"]\nforce: true", "[]", vec![], Some("dubbo/a.B::.condition-router line 1")),
    ] {
        let texts = [(SERVICE, format!("conditions: {service}\n")), (PROVIDER, format!("conditions: {provider}\n"))];
        let texts = texts.each_ref().map(|(index, text)| (*index, text.as_str()));
        let plan = plan(&texts, &[1, 1, 2]).unwrap();
        let routed = plan.route(Asked::of(&tagged(None)), || 0, false);
        assert_eq!(routed.set.places().collect::<Vec<_>>(), expected, "{service} {provider}");
        assert_eq!(routed.by.as_deref(), by, "{service} {provider}");
    }
}

#[test]
fn overrides_switch_off_and_weigh_for_service_or_application() {
    let text = "scope: service\nconfigs:\n  - side: consumer\n    providerAddresses: [\"10.0.0.0:80\"]\n    parameters: \
                {disabled: true}\n  - match: {param: [{key: env, value: {exact: v2}}]}\n    parameters: {weight: 7, env: \
                v9}\n  - applications: [batch]\n    parameters: {weight: 1}\n  - side: provider\n    parameters: {weight: \
                3}\n  - parameters: {timeout: 1000, C.retries: 0}\n";
    let rules = rules(&[(OVERRIDE, text), (OVERRIDE - 1, "configs: [{parameters: {timeout: 9, retries: 1}}]\n")]);
    let plan = rules.plan(&consumer(), instances(&[1, 1, 2]).iter()).unwrap();
    assert_eq!(plan.weights(), Some(&[100, 100, 7][..]));
    assert_eq!(plan.left(0), Some(Left::Off("dubbo/a.B::.configurators line 3".into())));
    assert_eq!((plan.left(1), plan.left(2)), (None, None));
    let mut asked = tagged(None);
    rules.tunes(&consumer()).unwrap().apply(&mut asked);
    let timeout = asked.deadline.map(|deadline| deadline - asked.began);
    assert_eq!((timeout, asked.retries), (Some(std::time::Duration::from_secs(1)), Some(0)));
    assert!(rules.plan(&consumer(), instances(&[]).iter()).is_none(), "nobody is there");
}

#[test]
fn everybody_who_is_left_out_has_a_reason() {
    let text = "conditions: [\"=> env=v1\"]\n";
    let mut all = instances(&[1, 2, 1]);
    all[2].labels.insert("dubbo.tag".to_owned(), "gray".to_owned());
    let plan = rules(&[(SERVICE, text)]).plan(&consumer(), all.iter()).unwrap();
    assert_eq!(plan.left(0), None);
    assert_eq!(plan.left(1), Some(Left::Elsewhere("dubbo/a.B::.condition-router line 1".into())));
    assert_eq!(plan.left(2), Some(Left::Tag(None)));
}

#[test]
fn who_reaches_nobody_goes_elsewhere_unless_it_is_forced() {
    for (rule, tag, expected) in [
        (CANARY.to_owned(), Some("v2"), vec![0, 1, 2]),
        (format!("force: true\n{CANARY}"), Some("v2"), vec![2]),
        ("conditions: [\"=> env=v2\"]\n".to_owned(), None, vec![0, 1, 2]),
        ("conditions: [\"method=C =>\"]\n".to_owned(), None, vec![]),
    ] {
        let plan = plan(&[(SERVICE, &rule)], &[1, 1, 2]).unwrap();
        let routed = plan.route(Asked::of(&tagged(tag)), || 0, true);
        assert_eq!(routed.set.places().collect::<Vec<_>>(), expected, "{rule}");
    }
}

proptest! {
    /// Against a model that asks each instance anew: conditions of 3.0 on one label, forced or not.
    #[test]
    fn sets_are_what_filtering_one_by_one_leaves(
        versions in prop::collection::vec(1u8..5, 0..70),
        steps in prop::collection::vec((prop::collection::vec(1u8..6, 1..3), any::<bool>(), any::<bool>()), 1..5),
        force: bool,
    ) {
        let side = |(values, not, _): &(Vec<u8>, bool, bool)| {
            let values: Vec<_> = values.iter().map(|value| format!("v{value}")).collect();
            format!("env{}={}", if *not { "!" } else { "" }, values.join(","))
        };
        let lines: Vec<_> = steps.iter().map(|step| {
            format!("\"method={} => {}\"", if step.2 { "C" } else { "D" }, side(step))
        }).collect();
        let text = format!("force: {force}\nconditions: [{}]\n", lines.join(", "));
        let mut model: Vec<usize> = (0..versions.len()).collect();
        for (values, not, _) in steps.iter().filter(|step| step.2) {
            let left: Vec<_> = model.iter().copied().filter(|at| values.contains(&versions[*at]) != *not).collect();
            if !left.is_empty() || force {
                model = left;
            }
        }
        if let Some(plan) = plan(&[(SERVICE, &text)], &versions) {
            let routed = plan.route(Asked::of(&tagged(None)), || 0, false);
            prop_assert_eq!(routed.set.places().collect::<Vec<_>>(), model);
        }
    }
}
