//! The tag rule of Dubbo: calls that ask for a tag go to those that have it, and no others go there. Pure.
//!
//! A provider has a tag because it says so itself (its label `dubbo.tag`), or because the rule lists its address, or what
//! it says of itself, under one. Without a rule the tags that providers give themselves count all the same.

use super::{
    RuleError,
    pattern::{Place, TextMatch},
    set::Set,
    subject::{Asked, Consumer, Seen},
};
use crate::yaml::{self, Node};
use std::collections::BTreeMap;

/// A tag rule.
#[derive(Clone, Debug)]
pub(super) struct TagRule {
    force: bool,
    tags: Vec<Tag>,
}

#[derive(Clone, Debug)]
struct Tag {
    name: String,
    places: Vec<Place>,
    /// All of them must fit, where there are any.
    labels: Vec<(String, TextMatch)>,
}

const KNOWN: [&str; 8] = ["configVersion", "scope", "key", "force", "runtime", "enabled", "priority", "tags"];

impl TagRule {
    /// Reads a rule; `None` when it is switched off.
    pub(super) fn read(text: &str) -> Result<Option<Self>, RuleError> {
        let node = yaml::read(text)?;
        let fields = node.fields(&KNOWN)?;
        super::check_version(&fields)?;
        super::check_head(&fields)?;
        let force = fields.boolean("force", false)?;
        let tags = fields.list("tags")?.iter().map(Tag::read).collect::<Result<Vec<_>, _>>()?;
        Ok(fields.boolean("enabled", true)?.then_some(Self { force, tags }))
    }
}

impl Tag {
    fn read(node: &Node) -> Result<Self, RuleError> {
        let fields = node.fields(&["name", "addresses", "match"])?;
        let name = fields.must("name")?.text()?.to_owned();
        let places = fields.texts("addresses")?.into_iter();
        let places = places.map(|(text, line)| Place::read(text).map_err(|why| RuleError::at(line, why)));
        let labels = fields.list("match")?.iter().map(label).collect::<Result<_, _>>()?;
        Ok(Self { name, places: places.collect::<Result<_, _>>()?, labels })
    }

    fn lists(&self, instance: &Seen<'_>, consumer: &Consumer) -> bool {
        let Seen { instance: one, .. } = instance;
        self.places.iter().any(|place| place.fits(&one.host, one.port))
            || (!self.labels.is_empty() && fit(&self.labels, instance, consumer))
    }
}

/// Reads `{key: region, value: {exact: hz}}`.
pub(super) fn label(node: &Node) -> Result<(String, TextMatch), RuleError> {
    let fields = node.fields(&["key", "value"])?;
    Ok((fields.must("key")?.text()?.to_owned(), TextMatch::read(fields.must("value")?)?))
}

/// All labels fit what an instance says.
pub(super) fn fit(labels: &[(String, TextMatch)], instance: &Seen<'_>, consumer: &Consumer) -> bool {
    labels.iter().all(|(key, value)| value.fits(instance.get(key, consumer).as_deref()))
}

/// A tag rule, or none, for these instances.
#[derive(Clone, Debug)]
pub(super) struct Tags {
    force: bool,
    /// Those that the rule lists under each of its tags.
    listed: BTreeMap<String, Set>,
    /// Those that give themselves each tag.
    own: BTreeMap<String, Set>,
    /// Those that no tag is said of.
    plain: Set,
}

impl Tags {
    /// `None` when nobody has a tag, and no rule speaks of any.
    pub(super) fn of(rule: Option<&TagRule>, all: &[Seen<'_>], consumer: &Consumer) -> Option<Self> {
        let mut own: BTreeMap<String, Set> = BTreeMap::new();
        for (place, tag) in all.iter().enumerate().filter_map(|(place, one)| Some((place, one.tag()?))) {
            let single = Set::of(all.len(), |other| other == place);
            let set = own.entry(tag.to_owned()).or_insert_with(|| Set::none(all.len()));
            *set = set.or(&single);
        }
        let mut listed: BTreeMap<String, Set> = BTreeMap::new();
        for tag in rule.iter().flat_map(|rule| &rule.tags) {
            let those = Set::of(all.len(), |place| tag.lists(&all[place], consumer));
            let set = listed.entry(tag.name.clone()).or_insert_with(|| Set::none(all.len()));
            *set = set.or(&those);
        }
        if own.is_empty() && listed.is_empty() {
            return None;
        }
        let tagged = own.values().chain(listed.values()).fold(Set::none(all.len()), |all, set| all.or(set));
        let plain = Set::of(all.len(), |_| true).without(&tagged);
        Some(Self { force: rule.is_some_and(|rule| rule.force), listed, own, plain })
    }

    /// What is left of `from` for a call. With `relaxed`, who has the tag is passed over where others would do.
    pub(super) fn narrow(&self, call: Asked<'_>, consumer: &Consumer, from: &Set, relaxed: bool) -> Set {
        let Some(tag) = call.tag(consumer) else { return from.and(&self.plain) };
        let forced = call.forces_tag(consumer);
        let (found, forced_here) = match self.listed(tag, self.force || forced) {
            Some(listed) => (from.and(listed), self.force || forced),
            None => (self.own.get(tag).map_or_else(|| Set::none(0), |own| from.and(own)), forced),
        };
        if forced_here || (!found.is_empty() && !relaxed) {
            return if found.is_empty() { from.without(from) } else { found };
        }
        from.and(&self.plain)
    }

    /// A call for `a|b|c` may also go to `a|b`, and to `a`, unless it insists.
    fn listed(&self, tag: &str, exactly: bool) -> Option<&Set> {
        let mut tag = tag;
        loop {
            match (self.listed.get(tag), tag.rsplit_once('|')) {
                (Some(set), _) => return Some(set),
                (None, Some((less, _))) if !exactly => tag = less,
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{call::Kind, layer::testing::call};
    use mainstay_registry::{Instance, ServiceKey};

    /// 0: plain, 1: gives itself `gray`, 2 and 3: at addresses that rules list, 4: in region hz.
    fn instances() -> Vec<Instance> {
        let one = |n: u8| Instance::new("stock", format!("10.0.0.{n}"), 80);
        vec![one(0), one(1).with_label("dubbo.tag", "gray"), one(2), one(3), one(4).with_label("region", "hz")]
    }

    fn places(rule: &str, tag: Option<&str>, insist: bool, relaxed: bool) -> Vec<usize> {
        let rule = (!rule.is_empty()).then(|| TagRule::read(rule).unwrap()).flatten();
        let (instances, consumer) = (instances(), Consumer::of(ServiceKey::new("a.B")));
        let seen: Vec<_> = instances.iter().map(Seen::new).collect();
        let tags = Tags::of(rule.as_ref(), &seen, &consumer).unwrap();
        let mut asked = call(Kind::Unary, false);
        for (name, value) in
            tag.map(|tag| ("dubbo.tag", tag)).into_iter().chain(insist.then_some(("dubbo.force.tag", "true")))
        {
            asked.metadata.insert(name, value.parse().unwrap());
        }
        let all = Set::of(5, |_| true);
        tags.narrow(Asked::of(&asked), &consumer, &all, relaxed).places().collect()
    }

    const RULE: &str = "configVersion: v3.0\nforce: false\nenabled: true\nkey: stock\ntags:\n  - name: blue\n    addresses: \
                        [\"10.0.0.2:80\", \"10.0.0.3\"]\n  - name: hz\n    match:\n      - key: region\n        value: {exact: \
                        hz}\n  - name: away\n    addresses: [\"10.9.9.9:80\"]\n";

    #[test]
    fn the_flow_is_dubbo_s() {
        let forcing = RULE.replace("force: false", "force: true");
        let off = RULE.replace("enabled: true", "enabled: false");
        for (what, rule, tag, insist, expected) in [
            ("1: no rule, tagged", "", Some("gray"), false, vec![1]),
            ("1: no rule, nobody has it", "", Some("red"), false, vec![0, 2, 3, 4]),
            ("1: no rule, nobody has it, insists", "", Some("red"), true, vec![]),
            ("1: no rule, untagged", "", None, false, vec![0, 2, 3, 4]),
            ("1: a rule that is off", &off, Some("blue"), false, vec![0, 2, 3, 4]),
            ("2: in the rule", RULE, Some("blue"), false, vec![2, 3]),
            ("2: by label", RULE, Some("hz"), false, vec![4]),
            ("2: in the rule, nobody there, force", &forcing, Some("away"), false, vec![]),
            ("3: not in the rule", RULE, Some("gray"), false, vec![1]),
            ("4: in the rule, nobody there", RULE, Some("away"), false, vec![0]),
            ("4: insists", RULE, Some("away"), true, vec![]),
            ("4: not in the rule, nobody has it", RULE, Some("red"), false, vec![0]),
            ("5: untagged", RULE, None, false, vec![0]),
            ("levels", RULE, Some("blue|x|y"), false, vec![2, 3]),
            ("levels, insists", RULE, Some("blue|x"), true, vec![]),
        ] {
            assert_eq!(places(rule, tag, insist, false), expected, "{what}");
        }
    }

    #[test]
    fn who_cannot_be_reached_is_passed_over_unless_the_call_or_the_rule_insists() {
        assert_eq!(places(RULE, Some("blue"), false, true), [0]);
        assert_eq!(places(RULE, Some("blue"), true, true), [2, 3]);
        assert_eq!(places(&RULE.replace("force: false", "force: true"), Some("blue"), false, true), [2, 3]);
        assert_eq!(places(RULE, None, false, true), [0], "no untagged call goes to who has a tag");
    }

    #[test]
    fn nothing_to_say_is_no_step_and_mistakes_have_lines() {
        let plain = instances().remove(0);
        assert!(Tags::of(None, &[Seen::new(&plain)], &Consumer::of(ServiceKey::new("a.B"))).is_none());
        for (text, line, why) in [
            ("tags:\n  - addresses: [a]\n", 2, "`name` is missing"),
            ("tags:\n  - name: a\n    addresses: [\"h:x\"]\n", 3, "the port is no number"),
            ("tags:\n  - name: a\n    match: [{key: k, value: {}}]\n", 3, "one of"),
            ("configVersion: v9\n", 1, "`v9` is not known"),
            ("enabeld: true\n", 1, "did you mean `enabled`?"),
        ] {
            let error = TagRule::read(text).unwrap_err();
            assert!(error.line == line && error.why.contains(why), "{text}: {error}");
        }
        assert!(TagRule::read("").is_err(), "an empty text is no rule");
    }
}
