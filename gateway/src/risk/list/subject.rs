//! Whom an entry of a list means. Pure.

use crate::ingress::Cidr;
use std::{fmt, net::IpAddr};

/// The longest account, device or key that an entry names, in bytes.
pub(crate) const LONGEST: usize = 256;

/// Whom an entry means: addresses, or one name of a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Subject {
    /// An address is the range of itself alone.
    Net(Cidr),
    Account(String),
    Device(String),
    Key(String),
}

impl Subject {
    /// The kinds, as files and pages call them.
    pub(crate) const KINDS: [&'static str; 5] = ["ip", "cidr", "account", "device", "key"];

    /// Understands a kind and a value.
    ///
    /// # Errors
    /// Why that is nobody.
    pub(crate) fn parse(kind: &str, value: &str) -> Result<Self, String> {
        let name = || match value.len() {
            0 => Err("it is empty".to_owned()),
            length if length > LONGEST => Err(format!("it has {length} bytes, at most {LONGEST} are taken")),
            _ => Ok(value.to_owned()),
        };
        match kind {
            "ip" => match value.parse::<IpAddr>() {
                Ok(address) => Ok(Self::Net(Cidr::around(address, 128))),
                Err(_) => Err(format!("`{value}` is no address")),
            },
            "cidr" => value.parse::<Cidr>().map(|range| Self::Net(range.normal())),
            "account" => name().map(Self::Account),
            "device" => name().map(Self::Device),
            "key" => name().map(Self::Key),
            _ => Err(format!("`{kind}` is none of {}", Self::KINDS.join(", "))),
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Net(range) if range.single().is_some() => "ip",
            Self::Net(_) => "cidr",
            Self::Account(_) => "account",
            Self::Device(_) => "device",
            Self::Key(_) => "key",
        }
    }

    pub(crate) fn value(&self) -> String {
        match self {
            Self::Net(range) => range.single().map_or_else(|| range.to_string(), |address| address.to_string()),
            Self::Account(name) | Self::Device(name) | Self::Key(name) => name.clone(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind(), self.value())
    }
}

/// What is known of who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) account: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) key: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_one_form() {
        for (kind, value, form) in [
            ("ip", "10.0.0.1", Some("ip/10.0.0.1")),
            ("ip", "::ffff:10.0.0.1", Some("ip/10.0.0.1")),
            ("cidr", "10.0.0.1", Some("ip/10.0.0.1")),
            ("cidr", "10.1.2.3/8", Some("cidr/10.0.0.0/8")),
            ("cidr", "::ffff:10.1.2.3/104", Some("cidr/10.0.0.0/8")),
            ("cidr", "2001:db8::1/32", Some("cidr/2001:db8::/32")),
            ("cidr", "0.0.0.0/0", Some("cidr/0.0.0.0/0")),
            ("account", "joe", Some("account/joe")),
            ("device", "", None),
            ("ip", "10.0.0.0/8", None),
            ("user", "joe", None),
        ] {
            let subject = Subject::parse(kind, value).ok().map(|subject| subject.to_string());
            assert_eq!(subject.as_deref(), form, "{kind} {value}");
        }
        assert!(Subject::parse("key", &"x".repeat(LONGEST + 1)).is_err());
    }
}
