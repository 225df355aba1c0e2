//! What calls are told apart by: who calls, what is called, a header, a field of the request. Pure.
//!
//! A key is a number, so that nothing a peer sends is kept; two that fall together share a limit, or an instance.

use crate::{
    call::{Invocation, Payload, field},
    cluster::hash,
};
use std::{fmt, net::IpAddr, sync::Arc};

/// What calls are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Key {
    /// Nothing: all are one.
    All,
    /// The method.
    Method,
    /// Who calls: by its name where that is known for sure, else by its certificate in mutual TLS, else by its IP address.
    /// Nobody where nobody is known.
    Caller,
    /// The value of this metadata.
    Metadata(Arc<str>),
    /// The field of the request message with this number: of a method of several arguments, the first one is 1.
    Field(u32),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("nothing"),
            Self::Method => f.write_str("the method"),
            Self::Caller => f.write_str("the caller"),
            Self::Metadata(name) => write!(f, "metadata {name}"),
            Self::Field(number) => write!(f, "field {number}"),
        }
    }
}

impl Key {
    /// The value of metadata with this name.
    pub fn metadata(name: impl Into<Arc<str>>) -> Self {
        Self::Metadata(name.into())
    }

    /// The key of a call; `None` where it has none: the metadata, the field or the caller is not there.
    pub(crate) fn of(&self, call: &Invocation) -> Option<u64> {
        match self {
            Self::All => Some(0),
            Self::Method => Some(hash(call.method.path().as_str().as_bytes())),
            Self::Caller => {
                let proved = call.caller.as_ref().filter(|caller| caller.is_proved() && !caller.name().is_empty());
                if let Some(caller) = proved {
                    return Some(hash(caller.name().as_bytes()));
                }
                let peer = call.peer.as_ref()?;
                match peer.certificates().first() {
                    Some(certificate) => Some(hash(certificate)),
                    None => Some(match peer.address()?.ip() {
                        IpAddr::V4(ip) => hash(&ip.octets()),
                        IpAddr::V6(ip) => hash(&ip.octets()),
                    }),
                }
            }
            Self::Metadata(name) => Some(hash(call.metadata.get(&**name)?.as_encoded_bytes())),
            Self::Field(number) => match &call.payload {
                Payload::One(frame) => field(frame.message(), *number).map(|(_, value)| hash(&value)),
                Payload::Stream(_) => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        call::{Frame, Kind, Peer},
        layer::testing::{Request, call},
    };

    fn request(sku: &str, quantity: u32) -> Invocation {
        let mut one = call(Kind::Unary, false);
        one.payload = Payload::One(Frame::encode(&Request { sku: sku.into(), quantity, price: 1.5 }));
        one
    }

    #[test]
    fn calls_are_told_apart_by_what_is_asked_for() {
        let (mut one, mut other) = (request("a", 7), request("b", 7));
        assert_ne!(Key::Field(1).of(&one), Key::Field(1).of(&other));
        assert_eq!(Key::Field(2).of(&one), Key::Field(2).of(&other));
        assert_eq!(
            (Key::Field(4).of(&one), Key::Caller.of(&one), Key::metadata("tenant").of(&one)),
            (None, None, None)
        );
        assert_eq!((Key::Method.of(&one), Key::All.of(&one)), (Key::Method.of(&other), Some(0)));
        one.metadata.insert("tenant", "red".parse().unwrap());
        other.metadata.insert("tenant", "blue".parse().unwrap());
        assert_ne!(Key::metadata("tenant").of(&one), Key::metadata("tenant").of(&other));
        one.peer = Some(Peer::new(Some("10.0.0.1:4000".parse().unwrap()), Vec::new()));
        other.peer = Some(Peer::new(Some("10.0.0.1:5000".parse().unwrap()), Vec::new()));
        assert_eq!(Key::Caller.of(&one), Key::Caller.of(&other), "another port is the same caller");
        other.peer = Some(Peer::new(None, vec![vec![1]]));
        assert!(Key::Caller.of(&other).is_some_and(|key| Some(key) != Key::Caller.of(&one)));
    }
}
