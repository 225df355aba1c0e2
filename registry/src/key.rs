//! The name under which a service is looked up: interface, group, version.
//!
//! It is Dubbo's service key, written `[group/]interface[:version]`, so that the same words mean the same thing in
//! every registry we share with Dubbo peers. No group and an empty group are the same thing, as there; so are no
//! version and an empty version.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::RegistryError;

/// Longest text of a key that is taken, in bytes. Keys come from peers and become file and node names.
pub const MAX_KEY_LEN: usize = 1024;

/// A service as consumers ask for it: `[group/]interface[:version]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceKey {
    /// Full name of the interface, such as `shop.stock.v1.StockApi`.
    pub interface: String,
    /// Group, when the service has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Version, when the service has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl ServiceKey {
    /// The key of `interface` without group and version.
    pub fn new(interface: impl Into<String>) -> Self {
        Self { interface: interface.into(), group: None, version: None }
    }

    /// The same key in `group`; an empty one means none.
    #[must_use]
    pub fn with_group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into()).filter(|group| !group.is_empty());
        self
    }

    /// The same key with `version`; an empty one means none.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into()).filter(|version| !version.is_empty());
        self
    }

    /// Whether a provider that announces `offered` is meant by this key as a consumer writes it: the interface is
    /// equal, and group and version are equal or `*`, which takes any; a group may also be a list, as `blue,green`, which
    /// takes each of them. Dubbo's rules.
    pub fn matches(&self, offered: &ServiceKey) -> bool {
        fn part(wanted: &Option<String>, offered: &Option<String>) -> bool {
            wanted.as_deref() == Some("*") || wanted == offered
        }
        fn listed(wanted: &Option<String>, offered: &Option<String>) -> bool {
            let (Some(wanted), Some(offered)) = (wanted, offered) else { return false };
            wanted.contains(',') && wanted.split(',').any(|one| one.trim() == offered)
        }
        self.interface == offered.interface
            && (part(&self.group, &offered.group) || listed(&self.group, &offered.group))
            && part(&self.version, &offered.version)
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(group) = &self.group {
            write!(f, "{group}/")?;
        }
        f.write_str(&self.interface)?;
        if let Some(version) = &self.version {
            write!(f, ":{version}")?;
        }
        Ok(())
    }
}

impl FromStr for ServiceKey {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let bad = |why: &str| RegistryError::BadKey { text: text.chars().take(200).collect(), why: why.to_owned() };
        if text.len() > MAX_KEY_LEN {
            return Err(bad(&format!("it is {} bytes long, at most {MAX_KEY_LEN} are taken", text.len())));
        }
        let (group, rest) = match text.split_once('/') {
            Some(("", _)) => return Err(bad("the group before `/` is empty")),
            Some((group, rest)) => (Some(group), rest),
            None => (None, text),
        };
        let (interface, version) = match rest.split_once(':') {
            Some((_, "")) => return Err(bad("the version after `:` is empty")),
            Some((interface, version)) => (interface, Some(version)),
            None => (rest, None),
        };
        if interface.is_empty() {
            return Err(bad("the interface is missing"));
        }
        if interface.contains('/') {
            return Err(bad("it has more than one `/`"));
        }
        Ok(Self {
            interface: interface.to_owned(),
            group: group.map(str::to_owned),
            version: version.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_read_back_as_they_were_written() {
        for (text, interface, group, version) in [
            ("a.B", "a.B", None, None),
            ("a.B:1.0.0", "a.B", None, Some("1.0.0")),
            ("blue/a.B", "a.B", Some("blue"), None),
            ("blue/a.B:1.0.0", "a.B", Some("blue"), Some("1.0.0")),
        ] {
            let key: ServiceKey = text.parse().unwrap();
            assert_eq!(
                (key.interface.as_str(), key.group.as_deref(), key.version.as_deref()),
                (interface, group, version)
            );
            assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn bad_keys_say_what_is_wrong() {
        for (text, why) in [
            ("", "interface is missing"),
            ("blue/", "interface is missing"),
            ("/a.B", "group before"),
            ("a.B:", "version after"),
            ("a/b/C", "more than one `/`"),
        ] {
            let error = text.parse::<ServiceKey>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!("x".repeat(MAX_KEY_LEN + 1).parse::<ServiceKey>().is_err());
    }

    #[test]
    fn a_star_takes_any_group_or_version_and_nothing_else_does() {
        let offered: ServiceKey = "blue/a.B:1.0.0".parse().unwrap();
        for (wanted, expected) in [
            ("blue/a.B:1.0.0", true),
            ("*/a.B:*", true),
            ("blue/a.B:*", true),
            ("a.B:1.0.0", false),
            ("blue/a.B", false),
            ("blue/a.B:2.0.0", false),
            ("*/a.C:*", false),
            ("green,blue/a.B:1.0.0", true),
            ("green, blue/a.B:*", true),
            ("green,red/a.B:1.0.0", false),
            ("blue/a.B:1.0.0,2.0.0", false),
        ] {
            assert_eq!(wanted.parse::<ServiceKey>().unwrap().matches(&offered), expected, "{wanted}");
        }
    }

    proptest! {
        #[test]
        fn any_key_survives_text(interface in "[a-zA-Z.]{1,20}", group in "[a-z]{0,5}", version in "[0-9.a-z]{0,6}") {
            let key = ServiceKey::new(interface).with_group(group).with_version(version);
            prop_assert_eq!(key.to_string().parse::<ServiceKey>().unwrap(), key);
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            if let Ok(key) = text.parse::<ServiceKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}
