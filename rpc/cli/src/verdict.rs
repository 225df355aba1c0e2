//! Why each instance is or is not taken by a consumer. Pure.

use std::collections::BTreeMap;

use mainstay::client::Avoided;
use mainstay_registry::{Instance, InstanceId, Level, Lookup, Offer, ServiceKey, Survey};

/// What was found, all at about one time.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) lookup: Lookup,
    /// What a consumer is told.
    pub(crate) taken: BTreeMap<InstanceId, Instance>,
    /// What each registry lists of the interface, with the registry in words.
    pub(crate) listed: Vec<(String, Vec<Offer>)>,
    pub(crate) survey: Survey,
}

/// One instance, and why it is taken or not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) key: ServiceKey,
    pub(crate) instance: Instance,
    /// The registry that lists it; `None` for one that is kept although none does.
    pub(crate) registry: Option<String>,
    pub(crate) levels: Vec<Level>,
    pub(crate) taken: bool,
    pub(crate) code: Code,
    /// For people.
    pub(crate) why: String,
}

/// Why, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Taken,
    NoWeight,
    Held,
    Gone,
    Key,
    Application,
    Level,
    Registry,
    Unread,
    /// Rules keep calls away.
    Ruled(Avoided),
}

impl Code {
    /// A stable word; the program's page has them all.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::NoWeight => "no-weight",
            Self::Held => "held",
            Self::Gone => "gone",
            Self::Key => "key",
            Self::Application => "application",
            Self::Level => "level",
            Self::Registry => "registry",
            Self::Unread => "unread",
            Self::Ruled(avoided) => avoided.as_str(),
        }
    }
}

/// A verdict on each instance that is taken or listed: those that are taken first.
pub(crate) fn verdicts(evidence: &Evidence) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let mut listed = Vec::new();
    for (registry, offers) in &evidence.listed {
        for (key, instance, levels) in joined(offers) {
            // One record may be listed under another key that was not asked for: it is that key which is judged.
            let takes = takes(&evidence.lookup, &key, &instance);
            let taken = takes.then(|| evidence.taken.get(&instance.id)).flatten();
            let (code, why) = match taken {
                Some(told) => share(evidence, told),
                None => objection(evidence, registry, &key, &instance, &levels),
            };
            listed.extend(taken.map(|told| told.id.clone()));
            let (instance, taken) = (taken.cloned().unwrap_or(instance), taken.is_some());
            let registry = Some(registry.clone());
            verdicts.push(Verdict { key, instance, registry, levels, taken, code, why });
        }
    }
    for (id, instance) in evidence.taken.iter().filter(|(id, _)| !listed.contains(id)) {
        let why = match &evidence.survey.hold {
            Some(hold) => format!("kept, since the registry is unwell ({}): it does not list it", hold.reason.as_str()),
            None => "taken, and listed no more when it was looked for: it has just gone".to_owned(),
        };
        let code = if evidence.survey.hold.is_some() { Code::Held } else { Code::Gone };
        let (key, instance) = (evidence.lookup.key.clone(), instance.clone());
        debug_assert_eq!(*id, instance.id);
        verdicts.push(Verdict { key, instance, registry: None, levels: Vec::new(), taken: true, code, why });
    }
    verdicts.sort_by(|a, b| (!a.taken, &a.key, &a.instance.id).cmp(&(!b.taken, &b.key, &b.instance.id)));
    verdicts
}

/// Whether anybody could be called.
pub(crate) fn anybody(evidence: &Evidence) -> bool {
    !evidence.taken.is_empty()
}

/// One row per key and instance, with the levels at which it was found.
fn joined(offers: &[Offer]) -> Vec<(ServiceKey, Instance, Vec<Level>)> {
    let mut all: BTreeMap<(ServiceKey, InstanceId), (Instance, Vec<Level>)> = BTreeMap::new();
    for offer in offers {
        let at = (offer.key.clone(), offer.instance.id.clone());
        let (_, levels) = all.entry(at).or_insert_with(|| (offer.instance.clone(), Vec::new()));
        levels.extend(offer.level);
        levels.dedup();
    }
    all.into_iter().map(|((key, _), (instance, levels))| (key, instance, levels)).collect()
}

/// A list that is not of services gives whoever is asked for an application to those of no application too.
fn takes(lookup: &Lookup, key: &ServiceKey, instance: &Instance) -> bool {
    let named = Lookup { application: None, ..lookup.clone() };
    lookup.takes(key, instance) || (instance.application.is_empty() && named.takes(&lookup.key, instance))
}

/// Says of each instance that is taken why it gets no calls all the same, where rules say so: a code and the rule.
pub(crate) fn govern(verdicts: &mut [Verdict], told: &BTreeMap<InstanceId, (Avoided, Option<String>)>) {
    for one in verdicts.iter_mut().filter(|one| one.taken) {
        if let Some((avoided, rule)) = told.get(&one.instance.id) {
            let (code, by) = (avoided.as_str(), rule.as_deref().unwrap_or("its own tag"));
            one.why = format!("taken, but it gets no calls such as these, by {by}: {code}");
            one.code = Code::Ruled(*avoided);
        }
    }
}

fn share(evidence: &Evidence, told: &Instance) -> (Code, String) {
    let all: u64 = evidence.taken.values().map(|one| u64::from(one.weight)).sum();
    match (all, told.weight) {
        (0, _) => (Code::Taken, "taken; nobody has any weight, so all get the same".to_owned()),
        (_, 0) => (Code::NoWeight, "taken, but its weight is 0: it gets no call while others have weight".to_owned()),
        (all, weight) => {
            let tenths = u64::from(weight) * 1000 / all;
            (Code::Taken, format!("taken, with {}.{} % of the weight", tenths / 10, tenths % 10))
        }
    }
}

fn objection(
    evidence: &Evidence,
    registry: &str,
    key: &ServiceKey,
    instance: &Instance,
    levels: &[Level],
) -> (Code, String) {
    let lookup = &evidence.lookup;
    if !lookup.key.matches(key) {
        let part = |name: &str, offered: &Option<String>, asked: &Option<String>| {
            let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
            let differs = offered != asked && asked.as_deref() != Some("*");
            differs.then(|| format!("its {name} is {}, asked for is {}", said(offered), said(asked)))
        };
        let differences =
            [part("group", &key.group, &lookup.key.group), part("version", &key.version, &lookup.key.version)];
        return (Code::Key, differences.into_iter().flatten().collect::<Vec<_>>().join("; "));
    }
    if let Some(application) = lookup.application.as_ref().filter(|name| **name != instance.application) {
        return (
            Code::Application,
            format!("it is of application {}, asked for is {application}", instance.application),
        );
    }
    let level_is_read = |level| {
        let at_level = |offer: &&Offer| offer.level == Some(level) && lookup.key.matches(&offer.key);
        let of_registry = evidence.listed.iter().filter(|(name, _)| name == registry).flat_map(|(_, offers)| offers);
        of_registry.filter(at_level).any(|offer| evidence.taken.contains_key(&offer.instance.id))
    };
    if levels == [Level::Interface] && level_is_read(Level::Application) {
        let why = "it is at the interface level only, and this service is read at the application level";
        return (Code::Level, why.to_owned());
    }
    if evidence.listed.len() > 1 && !evidence.taken.is_empty() {
        return (Code::Registry, "another registry is preferred, or of the consumer's zone".to_owned());
    }
    (Code::Unread, "it is listed, and the consumer was not told of it (yet)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(id: &str, weight: u32) -> Instance {
        Instance::new("stock", "h", 1).with_id(InstanceId::new(id)).with_weight(weight)
    }

    fn offer(key: &str, id: &str) -> Offer {
        Offer::new(key.parse().unwrap(), instance(id, 100))
    }

    /// The codes, when a consumer of `asked` is told of `taken` and the registries list these.
    fn codes(
        asked: &str,
        application: Option<&str>,
        taken: &[(&str, u32)],
        listed: &[&[Offer]],
    ) -> Vec<(String, &'static str)> {
        let mut lookup = Lookup::new(asked.parse().unwrap());
        lookup.application = application.map(str::to_owned);
        let taken = taken.iter().map(|(id, weight)| (InstanceId::new(*id), instance(id, *weight))).collect();
        let listed = listed.iter().enumerate().map(|(at, offers)| (format!("r{at}"), offers.to_vec())).collect();
        let evidence = Evidence { lookup, taken, listed, survey: Survey::default() };
        verdicts(&evidence).iter().map(|one| (one.instance.id.to_string(), one.code.as_str())).collect()
    }

    #[test]
    fn each_instance_has_its_reason() {
        let pair = |id: &str, code| (id.to_owned(), code);
        let two = [offer("a.B:1", "1"), offer("a.B:2", "2")];
        assert_eq!(codes("a.B:1", None, &[("1", 100)], &[&two]), [pair("1", "taken"), pair("2", "key")]);
        assert_eq!(codes("a.B:*", None, &[("1", 0), ("2", 5)], &[&two]), [pair("1", "no-weight"), pair("2", "taken")]);
        assert_eq!(codes("a.B:1", Some("shop"), &[], &[&two[..1]]), [pair("1", "application")]);
        assert_eq!(codes("a.B:1", None, &[], &[&two[..1]]), [pair("1", "unread")]);
        assert_eq!(codes("a.B:1", None, &[("9", 1)], &[&[]]), [pair("9", "gone")]);
        assert_eq!(
            codes("a.B:1", None, &[("1", 1)], &[&[offer("a.B:1", "1")], &[offer("a.B:1", "3")]]),
            [pair("1", "taken"), pair("3", "registry")]
        );
        let levels = [offer("a.B", "1").at(Level::Application), offer("a.B", "2").at(Level::Interface)];
        assert_eq!(codes("a.B", None, &[("1", 1)], &[&levels]), [pair("1", "taken"), pair("2", "level")]);
    }

    #[test]
    fn shares_and_differences_are_said() {
        let lookup = Lookup::new("blue/a.B:1".parse().unwrap());
        let taken: BTreeMap<_, _> =
            [("1", 100), ("2", 200)].map(|(id, w)| (InstanceId::new(id), instance(id, w))).into();
        let listed =
            vec![("r".to_owned(), vec![offer("blue/a.B:1", "1"), offer("blue/a.B:1", "2"), offer("a.B:2", "3")])];
        let evidence = Evidence { lookup, taken, listed, survey: Survey::default() };
        let verdicts = verdicts(&evidence);
        assert_eq!(verdicts[0].why, "taken, with 33.3 % of the weight");
        assert_eq!(verdicts[2].why, "its group is none, asked for is blue; its version is 2, asked for is 1");
        assert!(anybody(&evidence));
    }
}
