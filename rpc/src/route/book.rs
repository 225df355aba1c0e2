//! Which rules a client, or a provider, goes by: under which keys they lie, and what is in force of them. Pure.
//!
//! What is told of a key is read at once. A text that is no rule changes nothing and is kept as the reason why; a key that
//! is gone ends its rule; of a centre that does not answer what is known stays.

use super::{
    RuleError, Side, condition::ConditionRule, overrides::OverrideRule, subject::Consumer, tag::TagRule, tune::Tunes,
};
use mainstay_registry::{
    ServiceKey,
    config::{ConfigKey, ConfigSight, ConfigVersion},
};
use std::{fmt, sync::Arc};

/// All rules in force, in the order in which they are applied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(super) tag: Option<(Arc<str>, TagRule)>,
    /// Of the service, of the application that provides it, of the one that calls.
    pub(super) conditions: Vec<(Arc<str>, ConditionRule)>,
    /// Of the application, and of the service, whose word counts more.
    pub(super) overrides: Vec<(Arc<str>, OverrideRule)>,
}

impl Rules {
    /// One condition rule of the service.
    #[cfg(feature = "bench")]
    pub(crate) fn of_condition(consumer: &Consumer, text: &str) -> Self {
        let mut book = Book::new(consumer, None);
        let config = mainstay_registry::config::Config::new(text, ConfigVersion::new("1"));
        book.hear(0, &ConfigSight::Present(config));
        book.rules()
    }

    /// How calls are to be made; `None` when nothing is said of that.
    pub(crate) fn tunes(&self, consumer: &Consumer) -> Option<Tunes> {
        let mut tunes = Tunes::default();
        self.overrides.iter().for_each(|(_, rule)| rule.tune(&mut tunes, consumer));
        (!tunes.is_empty()).then_some(tunes)
    }
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tag,
    Condition,
    Override(Side),
    /// Of a provider, for one service of so many: its instance has one weight and one place in the registry for all.
    #[cfg(feature = "server")]
    OneOf(usize),
}

/// A rule that was read.
#[derive(Clone, Debug)]
enum Read {
    Tag(TagRule),
    Condition(ConditionRule),
    Override(OverrideRule),
}

/// How it stands with the rules under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleState {
    /// Where they lie, as `dubbo/stock.tag-router`.
    pub key: String,
    /// Which text is in force; `None` when none is: there is none, or it is switched off.
    pub in_force: Option<ConfigVersion>,
    /// Why the newest text is not in force.
    pub refused: Option<RuleError>,
    /// What the rule says and cannot be done.
    pub notes: Vec<RuleError>,
    /// Why nothing newer is known, when the centre does not answer.
    pub unsure: Option<String>,
}

/// As `dubbo/stock.tag-router: in force, version 7`.
impl fmt::Display for RuleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.in_force {
            Some(version) => write!(f, "{}: in force, version {version}", self.key)?,
            None => write!(f, "{}: none", self.key)?,
        }
        let refused = self.refused.iter().map(|error| format!("REFUSED {error}"));
        let unsure = self.unsure.iter().map(|why| format!("UNSURE {why}"));
        refused
            .chain(self.notes.iter().map(RuleError::to_string))
            .chain(unsure)
            .try_for_each(|one| write!(f, "; {one}"))
    }
}

/// The keys of a client, or of a provider, and what is known of each.
#[derive(Clone, Debug)]
pub(crate) struct Book(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    key: ConfigKey,
    kind: Kind,
    read: Option<Read>,
    state: RuleState,
}

impl Book {
    /// The rules for calls of `consumer` to `provider`, an application. What is no key of a config centre has no rules.
    pub(crate) fn new(consumer: &Consumer, provider: Option<&str>) -> Self {
        let service = spoken(&consumer.key);
        let caller = consumer.application.as_deref();
        let of = |name: Option<&str>, suffix: &str, kind: Kind| Entry::under(name?, suffix, kind);
        let overrides = Kind::Override(Side::Consumer);
        let entries = [
            of(provider, "tag-router", Kind::Tag),
            of(Some(&service), "condition-router", Kind::Condition),
            of(provider, "condition-router", Kind::Condition),
            of(caller.filter(|caller| Some(*caller) != provider), "condition-router", Kind::Condition),
            of(caller, "configurators", overrides),
            of(Some(&service), "configurators", overrides),
        ];
        Self(entries.into_iter().flatten().collect())
    }

    /// The rules about what an application says of itself, which offers these services.
    #[cfg(feature = "server")]
    pub(crate) fn of_provider(application: &str, services: &[ServiceKey]) -> Self {
        let kind = match services.len() {
            0 | 1 => Kind::Override(Side::Provider),
            many => Kind::OneOf(many),
        };
        let whole = Entry::under(application, "configurators", Kind::Override(Side::Provider));
        let each = services.iter().map(|key| Entry::under(&spoken(key), "configurators", kind));
        Self(std::iter::once(whole).chain(each).flatten().collect())
    }

    /// Where the rules lie, in the order in which [`hear`](Self::hear) counts them.
    pub(crate) fn keys(&self) -> impl ExactSizeIterator<Item = &ConfigKey> {
        self.0.iter().map(|entry| &entry.key)
    }

    /// What is told of a key; answers what is now known of it.
    pub(crate) fn hear(&mut self, index: usize, sight: &ConfigSight) -> &RuleState {
        let entry = &mut self.0[index];
        entry.hear(sight);
        &entry.state
    }

    /// How it stands, key by key.
    pub(crate) fn states(&self) -> Vec<RuleState> {
        self.0.iter().map(|entry| entry.state.clone()).collect()
    }

    /// What is in force.
    pub(crate) fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        for entry in &self.0 {
            let name: Arc<str> = entry.state.key.as_str().into();
            match entry.read.clone() {
                Some(Read::Tag(rule)) => rules.tag = Some((name, rule)),
                Some(Read::Condition(rule)) => rules.conditions.push((name, rule)),
                Some(Read::Override(rule)) => rules.overrides.push((name, rule)),
                None => {}
            }
        }
        rules
    }
}

/// A service as rules' keys spell it: `interface:version:group`.
fn spoken(key: &ServiceKey) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}:{}:{}", key.interface, part(&key.version), part(&key.group))
}

impl Entry {
    /// `None` when that is no key of a config centre.
    fn under(name: &str, suffix: &str, kind: Kind) -> Option<Self> {
        let key = ConfigKey::new(format!("{name}.{suffix}")).ok()?;
        let state = RuleState { key: key.to_string(), in_force: None, refused: None, notes: Vec::new(), unsure: None };
        Some(Self { key, kind, read: None, state })
    }

    fn hear(&mut self, sight: &ConfigSight) {
        self.state.unsure = match sight {
            ConfigSight::LastGood { why, .. } | ConfigSight::Unknown { why } => Some(why.clone()),
            _ => None,
        };
        match (sight, sight.config()) {
            (_, Some(config)) => {
                let mut notes = Vec::new();
                match self.kind.read(&config.content, &mut notes) {
                    Ok(read) => {
                        self.state.in_force = read.as_ref().map(|_| config.version.clone());
                        (self.read, self.state.refused, self.state.notes) = (read, None, notes);
                    }
                    Err(error) => self.state.refused = Some(error),
                }
            }
            (ConfigSight::Absent, None) => {
                (self.read, self.state.in_force, self.state.refused) = (None, None, None);
                self.state.notes.clear();
            }
            // Nobody knows: what is known stays.
            (_, None) => {}
        }
    }
}

impl Kind {
    fn read(self, text: &str, notes: &mut Vec<RuleError>) -> Result<Option<Read>, RuleError> {
        Ok(match self {
            Self::Tag => TagRule::read(text)?.map(Read::Tag),
            Self::Condition => ConditionRule::read(text)?.map(Read::Condition),
            Self::Override(side) => OverrideRule::read(text, side, notes)?.map(Read::Override),
            #[cfg(feature = "server")]
            Self::OneOf(services) => {
                if let Some(rule) = OverrideRule::read(text, Side::Provider, &mut Vec::new())? {
                    let why = format!(
                        "an instance says one thing for all of its {services} services: a rule of the application is read"
                    );
                    notes.push(RuleError::at(rule.parts().first().map_or(1, |part| part.line), why));
                }
                None
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_registry::{ServiceKey, config::Config};

    fn book() -> Book {
        let key = ServiceKey::new("org.acme.Greeter").with_version("1.0");
        Book::new(&Consumer { application: Some("web".to_owned()), ..Consumer::of(key) }, Some("greet"))
    }

    fn present(content: &str, version: &str) -> ConfigSight {
        ConfigSight::Present(Config::new(content, ConfigVersion::new(version)))
    }

    #[test]
    fn the_keys_are_dubbo_s() {
        let keys: Vec<_> = book().keys().map(ToString::to_string).collect();
        assert_eq!(
            keys,
            [
                "dubbo/greet.tag-router",
                "dubbo/org.acme.Greeter:1.0:.condition-router",
                "dubbo/greet.condition-router",
                "dubbo/web.condition-router",
                "dubbo/web.configurators",
                "dubbo/org.acme.Greeter:1.0:.configurators",
            ]
        );
        let nobody = Book::new(&Consumer::of(ServiceKey::new("a.B")), None);
        assert_eq!(nobody.keys().len(), 2, "the service's own");
    }

    #[test]
    fn a_provider_reads_what_is_said_of_it_and_of_its_only_service() {
        let (stock, desk) = (ServiceKey::new("a.Stock").with_version("1"), ServiceKey::new("a.Desk"));
        let half = "configs:\n  - {side: provider, parameters: {weight: 50}}\n";
        let mut one = Book::of_provider("shop", std::slice::from_ref(&stock));
        let keys: Vec<_> = one.keys().map(ToString::to_string).collect();
        assert_eq!(keys, ["dubbo/shop.configurators", "dubbo/a.Stock:1:.configurators"]);
        assert!(one.hear(1, &present(half, "1")).in_force.is_some());
        assert!(one.hear(0, &present("configs: [{parameters: {weight: 50}}]", "1")).in_force.is_none(), "of consumers");
        let mut two = Book::of_provider("shop", &[stock, desk]);
        let state = two.hear(1, &present(half, "1"));
        assert_eq!((state.in_force.is_some(), state.notes[0].line), (false, 2), "{state}");
        assert!(two.hear(0, &present(half, "1")).in_force.is_some());
    }

    #[test]
    fn what_is_no_rule_changes_nothing_and_what_is_gone_ends() {
        let mut book = book();
        let good = "conditions:\n  - \"=> env=x\"\n";
        assert_eq!(
            book.hear(1, &present(good, "1")).to_string(),
            "dubbo/org.acme.Greeter:1.0:.condition-router: in force, version 1"
        );
        let state = book.hear(1, &present("conditions:\n  - \"a b\"\n", "2")).clone();
        assert_eq!(state.in_force, Some(ConfigVersion::new("1")));
        assert_eq!(state.refused.as_ref().map(|error| error.line), Some(2));
        assert!(state.to_string().contains("in force, version 1; REFUSED line 2: `a b` has no `=>`"), "{state}");
        assert_eq!(book.rules().conditions.len(), 1);
        let state = book.hear(1, &ConfigSight::Unknown { why: "away".to_owned() });
        assert_eq!((state.in_force.is_some(), state.unsure.as_deref()), (true, Some("away")));
        let off = book.hear(1, &present(&format!("enabled: false\n{good}"), "3"));
        assert!(off.in_force.is_none() && off.refused.is_none() && off.unsure.is_none());
        assert!(book.rules().conditions.is_empty());
        let last = ConfigSight::LastGood { config: Config::new(good, ConfigVersion::new("1")), why: "away".to_owned() };
        assert!(book.hear(1, &last).in_force.is_some() && book.rules().conditions.len() == 1);
        assert!(book.hear(1, &ConfigSight::Absent).in_force.is_none() && book.rules().conditions.is_empty());
    }
}
