//! The condition rule, by tables.

use super::*;
use crate::{call::Kind, layer::testing::call};
use mainstay_registry::{Instance, ServiceKey};
use proptest::prelude::*;

fn read(text: &str) -> Result<Option<ConditionRule>, RuleError> {
    ConditionRule::read(text)
}

fn consumer() -> Consumer {
    let labels = [("zone", "hz"), ("host", "10.0.1.9")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let key = ServiceKey::new("org.acme.Greeter").with_version("1.0");
    Consumer { application: Some("web".to_owned()), key, labels: labels.into(), tag: None }
}

#[test]
fn a_left_side_is_about_calls_and_their_client() {
    let mut asked = call(Kind::Unary, false);
    asked.metadata.insert("tenant", "red".parse().unwrap());
    for (side, holds) in [
        ("", true),
        ("method=C", true),
        ("method=D,C", true),
        ("methods=D", false),
        ("method!=D", true),
        ("method=C & application=web", true),
        ("application=batch & method=C", false),
        ("host=10.0.1.*", true),
        ("host=10.0.1.* & host!=10.0.1.9", false),
        ("attachments[tenant]=red", true),
        ("attachments[Tenant]=red", true),
        ("attachments[tenant]!=red", false),
        ("attachments[user]=*", false),
        ("attachments[user]!=x", false),
        ("arguments[0]=7", true),
        ("arguments[0]=1~6", false),
        ("arguments[1]=7", false),
        ("rack=1", false),
        ("rack!=1", false),
        ("version=1.0", true),
    ] {
        let clause = Clause::read(side).unwrap();
        let rest = clause.of_calls(&consumer());
        let both = rest.is_some_and(|rest| rest.holds_of_call(Asked::of(&asked), &consumer()));
        assert_eq!(both, holds, "{side}");
        assert_eq!(clause.holds_of_call(Asked::of(&asked), &consumer()), holds, "{side}");
    }
}

#[test]
fn a_right_side_is_about_instances() {
    let mut instance = Instance::new("greet", "10.0.9.1", 50051).with_label("env", "gray").with_label("size", "12");
    instance.zone = Some("hz".to_owned());
    for (side, holds) in [
        ("zone=$zone", true),
        ("zone=$rack", false),
        ("host!=10.0.9.*", false),
        ("env=gray,blue & size=10~20", true),
        ("size=1~9", false),
        ("env=* & env!=gray", false),
        ("address=10.0.9.1:50051", true),
        ("port=50051", true),
        ("region!=x", false),
    ] {
        let clause = Clause::read(side).unwrap().about_instances(1).unwrap();
        assert_eq!(clause.holds_of(&Seen::new(&instance), &consumer()), holds, "{side}");
    }
}

#[test]
fn rules_are_read_as_dubbo_writes_them() {
    let rule = read(
        "configVersion: v3.0\nscope: service\nkey: org.acme.Greeter\nforce: true\nruntime: true\nenabled: true\n\
         priority: 1\nconditions:\n  - \"method=SayHello & host=10.0.1.* => zone=hz & host!=10.0.9.*\"\n  - \
         \"application=batch =>\"\n  - \"true => env=x\"\n",
    );
    let rule = rule.unwrap().unwrap();
    assert!(rule.force);
    let shape: Vec<_> = rule.conditions.iter().map(|one| (one.line, one.to.len(), one.from.is_empty())).collect();
    assert_eq!(shape, [(9, 1, false), (10, 0, false), (11, 1, true)]);
    let rule = read(
        "configVersion: v3.1\nconditions:\n  - from: {match: \"env=gray\"}\n    to:\n      - {match: \"env=gray\", \
         weight: 900}\n      - {match: \"env!=gray\"}\n  - from: {match: \"tag=banned\"}\n",
    );
    let rule = rule.unwrap().unwrap();
    let weights: Vec<Vec<u32>> =
        rule.conditions.iter().map(|one| one.to.iter().map(|(_, weight)| *weight).collect()).collect();
    assert_eq!((weights, rule.force), (vec![vec![900, 100], vec![]], false));
    assert_eq!(read("enabled: false\nconditions: []\n").unwrap(), None);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let three = |line: &str| format!("conditions:\n  - \"{line}\"\n");
    let one = |more: &str| format!("configVersion: v3.1\nconditions:\n  - from: {{match: \"a=1\"}}\n    {more}\n");
    for (text, line, why) in [
        ("configVersion: v4.0\nconditions: []\n".to_owned(), 1, "`v4.0` is not known"),
        ("force: true\n".to_owned(), 1, "`conditions` is missing"),
        ("scope: planet\nconditions: []\n".to_owned(), 1, "`planet`"),
        (three("method=a"), 2, "has no `=>`"),
        (three("method => a=1"), 2, "`method` in `method` is compared with nothing"),
        (three("a=1 & => b=1"), 2, "compared with nothing"),
        (three("a=1 b=2 => c=1"), 2, "is an `&` missing"),
        (three("a= => b=1"), 2, "a value is missing"),
        (three("=1 => b=1"), 2, "a name is missing"),
        (three("arguments[x]=1 => b=1"), 2, "`x` in `arguments[x]` is no number"),
        (three("attachments[]=1 => b=1"), 2, "names no attachment"),
        (three("a[1]=1 => b=1"), 2, "is no name"),
        (three("a=1 => method=x"), 2, "belongs to the left side"),
        (three("a=*x* => b=1"), 2, "more than one `*`"),
        (one("to: [{match: \"b=1\", weight: -1}]"), 4, "a number that is not negative"),
        (one("to: [{match: \"b=1\", weight: 0}]"), 3, "the weight 0"),
        (one("too: []"), 4, "did you mean `to`?"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.line == line && error.why.contains(why), "{text}: {error}");
    }
}

proptest! {
    /// What was read is written nowhere, but its sides say the same in any order.
    #[test]
    fn the_order_inside_a_side_is_free(values in prop::collection::vec((0usize..3, any::<bool>(), 0u8..3), 1..6), seed: u64) {
        let text = |all: &[(usize, bool, u8)]| {
            let terms = all.iter().map(|(key, not, value)| {
                format!("{}{}={value}", ["a", "b", "c"][*key], if *not { "!" } else { "" })
            });
            terms.collect::<Vec<_>>().join(" & ")
        };
        let mut other = values.clone();
        other.rotate_left(seed as usize % values.len());
        let (one, other) = (Clause::read(&text(&values)).unwrap(), Clause::read(&text(&other)).unwrap());
        for n in 0u8..27 {
            let labels = [("a", n % 3), ("b", n / 3 % 3), ("c", n / 9)];
            let labels = labels.map(|(name, value)| (name.to_owned(), value.to_string()));
            let consumer = Consumer { labels: labels.into(), ..Consumer::of(ServiceKey::new("a.B")) };
            let holds = |clause: &Clause| clause.of_calls(&consumer).is_some();
            prop_assert_eq!(holds(&one), holds(&other));
        }
    }
}
