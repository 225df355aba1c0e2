//! Under which words a text is kept: group and name. Pure.
//!
//! The same key becomes a file name, a node or a data id, so both parts are kept to what all of them can hold.

use std::fmt;

use super::error::ConfigError;

/// The group of Dubbo's governance rules, and the one that is meant when none is said.
pub const DEFAULT_GROUP: &str = "dubbo";
/// Longest group and longest name, in bytes: a file name with room for a suffix.
pub const MAX_NAME_LEN: usize = 200;

/// What a text is kept under, such as `dubbo` and `shop.condition-router`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigKey {
    group: String,
    name: String,
}

impl ConfigKey {
    /// The key `name` in Dubbo's group.
    ///
    /// # Errors
    /// [`ConfigError::BadKey`]: each part has 1 to 200 bytes, no slash, no space, no control character, and does not begin
    /// with a dot.
    pub fn new(name: impl Into<String>) -> Result<Self, ConfigError> {
        Self::in_group(DEFAULT_GROUP, name)
    }

    /// The key `name` in `group`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn in_group(group: impl Into<String>, name: impl Into<String>) -> Result<Self, ConfigError> {
        let (group, name) = (group.into(), name.into());
        for (part, text) in [("group", &group), ("name", &name)] {
            if let Some(why) = objection(text) {
                let text = text.chars().take(MAX_NAME_LEN).collect();
                return Err(ConfigError::BadKey { part, text, why });
            }
        }
        Ok(Self { group, name })
    }

    /// The group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Why a part cannot be used.
fn objection(text: &str) -> Option<&'static str> {
    match text {
        "" => Some("it is empty"),
        text if text.len() > MAX_NAME_LEN => Some("it is longer than 200 bytes"),
        text if text.starts_with('.') => Some("it begins with a dot"),
        text if text.contains(['/', '\\']) => Some("it has a slash"),
        text if text.contains(|c: char| c.is_control() || c.is_whitespace()) => {
            Some("it has a space or a control character")
        }
        _ => None,
    }
}

impl fmt::Display for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_keys_of_dubbo_are_keys() {
        for name in ["org.acme.Greeter:1.0:g.condition-router", "org.acme.Greeter::.configurators", "shop.MESHAPPRULE"]
        {
            let key = ConfigKey::new(name).unwrap();
            assert_eq!((key.group(), key.name()), ("dubbo", name));
        }
    }

    #[test]
    fn what_cannot_be_a_file_name_is_refused_with_a_reason() {
        for (name, why) in [
            ("", "empty"),
            ("..", "dot"),
            (".x.tmp", "dot"),
            ("a/b", "slash"),
            ("a\\b", "slash"),
            ("a b", "space"),
            ("a\nb", "control"),
            (&"x".repeat(201), "longer"),
        ] {
            let error = ConfigKey::new(name).unwrap_err().to_string();
            assert!(error.contains(why), "{name}: {error}");
            assert!(ConfigKey::in_group(name, "x").unwrap_err().to_string().contains("group"));
        }
    }

    proptest! {
        #[test]
        fn a_key_is_one_path_component_each(name in ".{0,30}") {
            if let Ok(key) = ConfigKey::new(name) {
                let path = std::path::Path::new(key.name());
                prop_assert_eq!(path.components().count(), 1);
                prop_assert_eq!(path.file_name().and_then(|n| n.to_str()), Some(key.name()));
            }
        }
    }
}
