//! Names of things: who a sentinel or server is, where it listens, when something happened.
//!
//! Plain values with an order, so that they live in ordered collections and a state built from them can be hashed and
//! compared. An address is text as configured or reported; which texts mean the same machine is a question for
//! `topology`, which hears of name resolution as an event.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// A text that is not an id of 40 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not an id: 40 printable characters without a comma are needed")]
#[non_exhaustive]
pub struct NotAnId(pub String);

macro_rules! id40 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 40]);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                std::str::from_utf8(&self.0).unwrap_or("?")
            }

            /// The id whose 40 hexadecimal digits are `n`, padded with zeroes: for tests and simulations.
            pub const fn from_number(n: u64) -> Self {
                let mut text = [b'0'; 40];
                let (mut rest, mut place) = (n, 40);
                while rest > 0 {
                    place -= 1;
                    text[place] = b"0123456789abcdef"[(rest % 16) as usize];
                    rest /= 16;
                }
                Self(text)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let bytes: [u8; 40] = text.as_bytes().try_into().map_err(|_| NotAnId(text.into()))?;
                let fit = bytes.iter().all(|b| b.is_ascii_graphic() && *b != b',');
                if fit { Ok(Self(bytes)) } else { Err(NotAnId(text.into())) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str().trim_start_matches('0'))
            }
        }
    };
}

id40! {
    /// Identity of one life of a server (its `run_id`), or of a sentinel for ever (its `myid`).
    RunId
}
id40! {
    /// Identity of one history of data (`master_replid`): offsets compare only within one.
    ReplicationId
}

/// Name of a monitored master, as in `sentinel monitor <name> …`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MasterName(Arc<str>);

impl MasterName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for MasterName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for MasterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MasterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a server or sentinel listens: host (a name or an IP literal, as text without brackets) and port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Host name or IP literal.
    pub host: Arc<str>,
    /// TCP port; 0 means that the address is not usable.
    pub port: u16,
}

impl Address {
    /// An address from its two halves.
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Host and port in words, `<host> <port>`, as events and commands carry them.
    pub fn words(&self) -> impl fmt::Display + '_ {
        Words(self)
    }
}

struct Words<'a>(&'a Address);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.host, self.0.port)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Logical time of elections and configurations: grows, never goes back.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}", self.0)
    }
}

/// A moment on the driver's monotonic clock, in milliseconds since any fixed origin.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// A moment that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment `ms` milliseconds later.
    pub fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; 0 if `earlier` lies in the future.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Debug for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// A data server under one master's name: the master itself or a replica. Which of both is state, not identity, so a
/// link survives a switch of roles.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerRef {
    /// The name it is monitored under.
    pub master: MasterName,
    /// Where it listens.
    pub address: Address,
}

/// The other end of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A data server: a command link, and a subscription to the hello channel.
    Server(ServerRef),
    /// Another sentinel, one link for all masters: a command link only.
    Peer(RunId),
}

/// Pairs an action with the [`Event::Done`](super::event::Event::Done) that tells its outcome. Unique within one life of
/// a sentinel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Where an answer goes: chosen by the driver, handed back in the answer, of no meaning to the core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyTo(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_forty_printable_characters() {
        let text = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(text.parse::<RunId>().unwrap().to_string(), text);
        assert_eq!(RunId::from_number(0xab).as_str(), format!("{}ab", "0".repeat(38)));
        for bad in ["", "*", &text[1..], &format!("{text}0"), &text.replace('0', ","), &text.replace('0', " ")] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_as_text() {
        assert_eq!(Address::new("10.0.0.1", 6379).to_string(), "10.0.0.1:6379");
        assert_eq!(Address::new("::1", 6379).to_string(), "[::1]:6379");
        assert_eq!(Address::new("::1", 6379).words().to_string(), "::1 6379");
    }

    #[test]
    fn time_saturates() {
        assert_eq!(Millis(5).since(Millis(7)), 0);
        assert_eq!(Millis::NEVER.after(1), Millis::NEVER);
    }
}
