//! Dubbo's configurators: what operators say over what programs and providers say of themselves. Pure.
//!
//! Of the side `consumer`, they change what a client takes of an instance (its weight, whether it takes part, its labels) and
//! how calls are made (time, retries), for a service or for all that an application calls. Taking the rule away restores
//! what was there: nothing is changed but the reading. Of the side `provider` they change what a provider says of itself
//! (`offer.rs`). Whoever reads a rule reads the parts of its own side.

use super::{
    RuleError, Side,
    pattern::{Place, TextMatch},
    subject::{Consumer, Seen},
    tag::{fit, label},
    tune::Tunes,
};
use crate::yaml::{self, Fields, Node};

/// A rule of overrides.
#[derive(Clone, Debug, Default)]
pub(super) struct OverrideRule(Vec<Override>);

/// Whom one part of it is about, and what it says.
#[derive(Clone, Debug)]
pub(super) struct Override {
    pub(super) line: usize,
    /// `addresses`: where the side is that it is about.
    pub(super) places: Vec<Place>,
    pub(super) providers: Vec<Place>,
    applications: Vec<String>,
    services: Vec<String>,
    pub(super) matches: Matches,
    /// Names, values and their lines.
    pub(super) parameters: Vec<(String, String, usize)>,
}

/// What version 3.0 adds.
#[derive(Clone, Debug, Default)]
pub(super) struct Matches {
    /// `address`, as `places`.
    pub(super) place: Option<Place>,
    pub(super) provider: Option<Place>,
    applications: Vec<TextMatch>,
    services: Vec<TextMatch>,
    pub(super) labels: Vec<(String, TextMatch)>,
}

const KNOWN: [&str; 7] = ["configVersion", "scope", "key", "enabled", "priority", "runtime", "configs"];
const OF_ONE: [&str; 9] =
    ["side", "addresses", "providerAddresses", "applications", "services", "parameters", "match", "enabled", "type"];
/// What Dubbo's clients can change while they run, and ours cannot.
const FIXED: [&str; 6] = ["loadbalance", "cluster", "connections", "actives", "mock", "sticky"];

/// What a provider cannot change while it runs, or consumers take from a rule of their own side.
pub(super) const FIXED_OF_PROVIDERS: [&str; 12] = [
    "accepts",
    "accesslog",
    "actives",
    "cluster",
    "connections",
    "executes",
    "loadbalance",
    "mock",
    "retries",
    "threads",
    "timeout",
    "token",
];

impl OverrideRule {
    /// Reads what a rule says to one side; `None` when that is nothing, or switched off. What it says and cannot be done goes
    /// into `notes`.
    pub(super) fn read(text: &str, side: Side, notes: &mut Vec<RuleError>) -> Result<Option<Self>, RuleError> {
        let node = yaml::read(text)?;
        let fields = node.fields(&KNOWN)?;
        super::check_version(&fields)?;
        super::check_head(&fields)?;
        let enabled = fields.boolean("enabled", true)?;
        let mut all = Vec::new();
        for one in fields.must("configs")?.list()? {
            let read = Override::read(one, enabled, side)?;
            all.extend(read.inspect(|read| read.note(side, notes)));
        }
        Ok((!all.is_empty()).then_some(Self(all)))
    }

    /// Its parts, in their order.
    #[cfg(feature = "server")]
    pub(super) fn parts(&self) -> &[Override] {
        &self.0
    }

    /// Changes how the instances of a client are seen.
    pub(super) fn change(&self, all: &mut [Seen<'_>], consumer: &Consumer) {
        for one in self.0.iter().filter(|one| one.is_of(consumer)) {
            for instance in all.iter_mut().filter(|instance| one.is_about(instance, consumer)) {
                let said = one.parameters.iter().filter(|(name, ..)| !Tunes::takes(name));
                instance.over.extend(said.map(|(name, value, _)| (name.clone(), value.clone())));
            }
        }
    }

    /// Adds what it says of the calls of a client.
    pub(super) fn tune(&self, tunes: &mut Tunes, consumer: &Consumer) {
        for one in self.0.iter().filter(|one| one.is_of(consumer) && one.is_of_all()) {
            for (name, value, _) in &one.parameters {
                // What cannot be read was refused with the rule.
                let _ = tunes.set(name, value);
            }
        }
    }
}

impl Override {
    /// `None` when it is switched off, or is about the other side.
    fn read(node: &Node, outer: bool, reader: Side) -> Result<Option<Self>, RuleError> {
        let fields = node.fields(&OF_ONE)?;
        let texts =
            |name| Ok::<_, RuleError>(fields.texts(name)?.into_iter().map(|(text, _)| text.to_owned()).collect());
        let side = match fields.get("side").map(|side| Ok((side.text()?, side.line))).transpose()? {
            None | Some(("consumer", _)) => Side::Consumer,
            Some(("provider", _)) => Side::Provider,
            Some((other, line)) => {
                return Err(RuleError::at(line, format!("the side `{other}` is neither consumer nor provider")));
            }
        };
        let general = fields.get("type").map(Node::text).transpose()?.is_none_or(|kind| kind == "general");
        let enabled = if general { outer } else { fields.boolean("enabled", true)? };
        let one = Self {
            line: node.line,
            places: places(&fields, "addresses")?,
            providers: places(&fields, "providerAddresses")?,
            applications: texts("applications")?,
            services: texts("services")?,
            matches: fields.get("match").map_or(Ok(Matches::default()), Matches::read)?,
            parameters: parameters(fields.must("parameters")?)?,
        };
        Ok((enabled && side == reader).then_some(one))
    }

    /// Says what of it cannot be done.
    fn note(&self, side: Side, notes: &mut Vec<RuleError>) {
        for (name, _, line) in &self.parameters {
            let bare = name.rsplit('.').next().unwrap_or(name);
            if side == Side::Provider {
                let fixed = FIXED_OF_PROVIDERS.contains(&bare);
                let why = || {
                    format!(
                        "`{name}` of a provider does not change while it runs; consumers take it from the side `consumer`"
                    )
                };
                notes.extend(fixed.then(|| RuleError::at(*line, why())));
            } else if FIXED.contains(&bare) {
                notes.push(RuleError::at(*line, format!("`{name}` cannot be changed while a client runs")));
            } else if Tunes::takes(name) && !self.is_of_all() {
                let why = format!(
                    "`{name}` is of calls, which have it before they have an instance: it counts for all or for none"
                );
                notes.push(RuleError::at(*line, why));
            }
        }
    }

    /// It is about every instance.
    fn is_of_all(&self) -> bool {
        self.providers.is_empty() && self.matches.provider.is_none() && self.matches.labels.is_empty()
    }

    /// It is about the calls of this client.
    fn is_of(&self, consumer: &Consumer) -> bool {
        let host = consumer.get("host").unwrap_or_default();
        (self.places.is_empty() || self.places.iter().any(|place| place.fits_host(host)))
            && self.matches.place.as_ref().is_none_or(|place| place.fits_host(host))
            && self.names(consumer.application.as_deref(), &consumer.key.to_string())
    }

    /// It is about this application and this service, or names none.
    pub(super) fn names(&self, application: Option<&str>, service: &str) -> bool {
        let listed = |names: &[String], own: Option<&str>| {
            names.is_empty() || names.iter().any(|name| name == "*" || Some(name.as_str()) == own)
        };
        let one_of = |all: &[TextMatch], own: Option<&str>| all.is_empty() || all.iter().any(|one| one.fits(own));
        listed(&self.applications, application)
            && listed(&self.services, Some(service))
            && one_of(&self.matches.applications, application)
            && one_of(&self.matches.services, Some(service))
    }

    fn is_about(&self, seen: &Seen<'_>, consumer: &Consumer) -> bool {
        let (host, port) = (&seen.instance.host, seen.instance.port);
        (self.providers.is_empty() || self.providers.iter().any(|place| place.fits(host, port)))
            && self.matches.provider.as_ref().is_none_or(|place| place.fits(host, port))
            && fit(&self.matches.labels, seen, consumer)
    }
}

impl Matches {
    fn read(node: &Node) -> Result<Self, RuleError> {
        let fields = node.fields(&["address", "providerAddress", "app", "service", "param"])?;
        let texts = |name| fields.get(name).map_or(Ok(Vec::new()), TextMatch::one_of);
        Ok(Self {
            place: fields.get("address").map(place).transpose()?,
            provider: fields.get("providerAddress").map(place).transpose()?,
            applications: texts("app")?,
            services: texts("service")?,
            labels: fields.list("param")?.iter().map(label).collect::<Result<_, _>>()?,
        })
    }
}

/// An address as `{wildcard: …}`, `{exact: …}` or, as Dubbo spells it, `{cird: …}`.
fn place(node: &Node) -> Result<Place, RuleError> {
    let kinds = ["wildcard", "exact", "cird", "cidr"];
    let fields = node.fields(&kinds)?;
    let found = kinds.iter().find_map(|kind| fields.get(kind));
    let value = found.ok_or_else(|| RuleError::at(node.line, format!("one of {} is wanted", kinds.join(", "))))?;
    Place::read(value.text()?).map_err(|why| RuleError::at(value.line, why))
}

fn places(fields: &Fields<'_>, name: &str) -> Result<Vec<Place>, RuleError> {
    let read = |(text, line)| Place::read(text).map_err(|why| RuleError::at(line, why));
    fields.texts(name)?.into_iter().map(read).collect()
}

/// Names and values, of which those that are ours can be read.
fn parameters(node: &Node) -> Result<Vec<(String, String, usize)>, RuleError> {
    let mut all = Vec::new();
    for (name, line, value) in node.pairs()? {
        let value = value.text()?;
        let bad = |why: String| RuleError::at(line, why);
        if Tunes::takes(name) {
            Tunes::default().set(name, value).map_err(bad)?;
        }
        match name {
            "weight" => drop(value.parse::<u32>().map_err(|_| bad(format!("the weight `{value}` is no number")))?),
            "disabled" | "enabled" if !matches!(value, "true" | "false") => {
                return Err(bad(format!("`{value}` stands where `true` or `false` should")));
            }
            _ => {}
        }
        all.push((name.to_owned(), value.to_owned(), line));
    }
    match all.is_empty() {
        true => Err(RuleError::at(node.line, "no parameter is said")),
        false => Ok(all),
    }
}

impl OverrideRule {
    /// The line of the part that switches an instance off.
    pub(super) fn line_of(&self, seen: &Seen<'_>, consumer: &Consumer, name: &str) -> Option<usize> {
        let says = |one: &&Override| one.parameters.iter().any(|(said, ..)| said == name);
        let about = |one: &&Override| one.is_of(consumer) && one.is_about(seen, consumer);
        self.0.iter().rev().filter(says).find(about).map(|one| one.line)
    }
}
