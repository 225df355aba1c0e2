//! The ports: what a registry is to the rest of the system.
//!
//! Both traits are synchronous on purpose. [`Registry::register`] states what is wanted and returns at once; a
//! controller behind the [`Lease`] makes it so and keeps it so. [`Discover::subscribe`] answers with a stream that
//! starts with a full picture. Neither can block or fail a start-up because a registry is away.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    capability::Capabilities,
    feed::Changes,
    instance::{Instance, InstanceId, Registration},
    key::ServiceKey,
    lease::Lease,
    protect::Hold,
};

/// Where providers announce themselves.
pub trait Registry: Send + Sync + fmt::Debug {
    /// Announces an instance and its services, and keeps them announced until the lease is withdrawn or dropped.
    ///
    /// Hands the wish to a controller on the current tokio runtime and returns at once, also when the registry is
    /// away: [`Lease::state`] says how far it got. Without a runtime the lease is [`LeaseState::Lost`] from the start.
    ///
    /// [`LeaseState::Lost`]: crate::LeaseState::Lost
    fn register(&self, registration: Registration) -> Lease;

    /// What this registry can do.
    fn capabilities(&self) -> Capabilities;

    /// The registry in words for people: `file:///run/user/1000/mainstay (this machine only)`. No secrets.
    fn describe(&self) -> String;
}

/// Where consumers find providers.
pub trait Discover: Send + Sync + fmt::Debug {
    /// Follows the instances that `lookup` means. The first change is always a [`Change::Snapshot`], possibly empty.
    fn subscribe(&self, lookup: Lookup) -> Changes;

    /// What is known of all groups and versions of an interface, for error texts and tools. Best effort: only what
    /// this process has seen.
    fn survey(&self, interface: &str) -> Survey;

    /// As [`Registry::describe`].
    fn describe(&self) -> String;
}

/// What a consumer asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lookup {
    /// The service. Group and version may be `*`.
    pub key: ServiceKey,
    /// Only instances of this application, when given. It narrows and never widens.
    pub application: Option<String>,
}

impl Lookup {
    /// All instances that offer `key`.
    pub fn new(key: ServiceKey) -> Self {
        Self { key, application: None }
    }

    /// The same, narrowed to one application.
    #[must_use]
    pub fn of_application(mut self, application: impl Into<String>) -> Self {
        self.application = Some(application.into());
        self
    }

    /// Whether `instance`, which offers `offered`, is meant.
    pub fn takes(&self, offered: &ServiceKey, instance: &Instance) -> bool {
        self.key.matches(offered) && self.application.as_ref().is_none_or(|name| *name == instance.application)
    }
}

impl From<ServiceKey> for Lookup {
    fn from(key: ServiceKey) -> Self {
        Self::new(key)
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        match &self.application {
            Some(application) => write!(f, " of application {application}"),
            None => Ok(()),
        }
    }
}

/// One step from what a consumer knew to what is. Instances are shared: that of an application which offers a hundred
/// services is mostly the same one in the changes of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The whole set. It replaces everything known before.
    Snapshot(Vec<Arc<Instance>>),
    /// A new instance, or a known one (same id) that changed.
    Up(Arc<Instance>),
    /// An instance is gone.
    Down(InstanceId, DownCause),
}

/// Why an instance is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DownCause {
    /// It said goodbye.
    Withdrawn,
    /// Its process ended without goodbye, and that is proved (the kernel or a session says so).
    Died,
    /// The registry does not list it any more, and does not say why.
    Unlisted,
    /// It was held back while the registry was unwell, and that time is over.
    Expired,
}

impl DownCause {
    /// Stable word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::Died => "died",
            Self::Unlisted => "unlisted",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for DownCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of one interface; see [`Discover::survey`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    /// Each key of the interface that somebody offers, and how many instances do, ordered by key.
    pub found: Vec<(ServiceKey, usize)>,
    /// How long ago the registry last changed, as far as seen; `None` when it never did.
    pub last_change: Option<Duration>,
    /// Why the registry is not to be relied on at the moment; `None` when it is well.
    pub unwell: Option<String>,
    /// What is held back at the moment, and why; see [`Protection`](crate::Protection).
    pub hold: Option<Hold>,
    /// Records of peers that are not taken: which, and a stable word that says why. Not more than [`MAX_SKIPPED`].
    pub skipped: Vec<(String, &'static str)>,
}

/// How many records that are not taken a [`Survey`] names.
pub const MAX_SKIPPED: usize = 100;

impl Survey {
    /// A survey of these keys and nothing else known; for adapters.
    pub fn new(found: Vec<(ServiceKey, usize)>) -> Self {
        Self { found, ..Self::default() }
    }

    /// Why there is no instance for `lookup`, in one line for people:
    /// `no instance of shop.stock.v1.StockApi 1.0.0 in file:///… ; found 2 of version 0.9.0; last change 14 s ago`.
    ///
    /// `place` is [`Discover::describe`].
    pub fn explain(&self, lookup: &Lookup, place: &str) -> String {
        let mut text = format!("no instance of {} in {place}", spoken(&lookup.key, lookup.application.as_deref()));
        let others: Vec<String> = self
            .found
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(key, count)| match lookup.key.matches(key) {
                true => format!("{count} of other applications"),
                false => format!("{count} of {}", difference(key, &lookup.key)),
            })
            .collect();
        if !others.is_empty() {
            text.push_str("; found ");
            text.push_str(&others.join(", "));
        }
        match self.last_change {
            Some(ago) => text.push_str(&format!("; last change {} s ago", ago.as_secs())),
            None => text.push_str("; no change seen yet"),
        }
        if let Some(why) = &self.unwell {
            text.push_str(&format!("; the registry is unwell: {why}"));
        }
        text
    }
}

/// `interface version, group g, application a` as a person would say it.
fn spoken(key: &ServiceKey, application: Option<&str>) -> String {
    let mut text = key.interface.clone();
    if let Some(version) = &key.version {
        text.push_str(&format!(" {version}"));
    }
    if let Some(group) = &key.group {
        text.push_str(&format!(" of group {group}"));
    }
    if let Some(application) = application {
        text.push_str(&format!(" of application {application}"));
    }
    text
}

/// How `found` differs from `wanted`: `version 0.9.0`, `no version`, `group blue, version 0.9.0`.
fn difference(found: &ServiceKey, wanted: &ServiceKey) -> String {
    let mut parts = Vec::new();
    let mut part = |name: &str, found: &Option<String>, wanted: &Option<String>| {
        if found != wanted && wanted.as_deref() != Some("*") {
            parts.push(match found {
                Some(value) => format!("{name} {value}"),
                None => format!("no {name}"),
            });
        }
    };
    part("group", &found.group, &wanted.group);
    part("version", &found.version, &wanted.version);
    parts.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ServiceKey {
        text.parse().unwrap()
    }

    #[test]
    fn an_absence_is_explained_in_one_line() {
        let place = "file:///run/user/1000/mainstay (this machine only)";
        let lookup = Lookup::new(key("shop.stock.v1.StockApi:1.0.0"));
        let survey = Survey {
            found: vec![(key("shop.stock.v1.StockApi:0.9.0"), 2)],
            last_change: Some(Duration::from_millis(14_200)),
            ..Survey::default()
        };
        assert_eq!(
            survey.explain(&lookup, place),
            "no instance of shop.stock.v1.StockApi 1.0.0 in file:///run/user/1000/mainstay (this machine only); \
             found 2 of version 0.9.0; last change 14 s ago"
        );
    }

    #[test]
    fn groups_applications_and_trouble_are_named() {
        let lookup = Lookup::new(key("a.B")).of_application("stock");
        let survey = Survey {
            found: vec![(key("a.B"), 1), (key("blue/a.B:2"), 3), (key("a.B:3"), 0)],
            unwell: Some("connection refused".to_owned()),
            ..Survey::default()
        };
        assert_eq!(
            survey.explain(&lookup, "x://"),
            "no instance of a.B of application stock in x://; found 1 of other applications, 3 of group blue and \
             version 2; no change seen yet; the registry is unwell: connection refused"
        );
    }

    #[test]
    fn the_application_narrows_and_never_widens() {
        let stock = Instance::new("stock", "h", 1);
        for (lookup, offered, expected) in [
            (Lookup::new(key("a.B")), "a.B", true),
            (Lookup::new(key("a.B")).of_application("stock"), "a.B", true),
            (Lookup::new(key("a.B")).of_application("shop"), "a.B", false),
            (Lookup::new(key("a.B")).of_application("stock"), "a.C", false),
        ] {
            assert_eq!(lookup.takes(&key(offered), &stock), expected, "{lookup} {offered}");
        }
    }
}
