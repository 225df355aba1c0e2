//! What calls are told apart by: who calls, what is called, a header, a field of the request. Pure.
//!
//! A key is a number, so that nothing a peer sends is kept; two that fall together share a limit, or an instance.

use crate::{
    call::{Invocation, Payload},
    cluster::hash,
};
use bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use std::{net::IpAddr, sync::Arc};

/// What calls are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Key {
    /// Nothing: all are one.
    All,
    /// The method.
    Method,
    /// Who calls: by its certificate in mutual TLS, else by its IP address. Nobody where nobody is known.
    Caller,
    /// The value of this metadata.
    Metadata(Arc<str>),
    /// The field of the request message with this number: of a method of several arguments, the first one is 1.
    Field(u32),
}

/// Fields that are looked through at most: a peer may send any number.
const FIELDS: usize = 256;

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
                Payload::One(frame) => field(frame.message(), *number).map(|value| hash(&value)),
                Payload::Stream(_) => None,
            },
        }
    }
}

/// The bytes of the first field with this number; `None` when it is not there, or the message cannot be read so far.
fn field(mut message: Bytes, number: u32) -> Option<Bytes> {
    for _ in 0..FIELDS {
        if !message.has_remaining() {
            return None;
        }
        let (tag, wire) = decode_key(&mut message).ok()?;
        let mut value = message.clone();
        skip_field(wire, tag, &mut message, DecodeContext::default()).ok()?;
        if tag == number {
            value.truncate(value.len() - message.len());
            if wire == WireType::LengthDelimited {
                decode_varint(&mut value).ok()?;
            }
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        call::{Frame, Kind, Peer},
        layer::testing::call,
    };
    use proptest::prelude::*;

    #[derive(Clone, PartialEq, prost::Message)]
    struct Request {
        #[prost(string, tag = "1")]
        sku: String,
        #[prost(uint32, tag = "2")]
        quantity: u32,
        #[prost(double, tag = "3")]
        price: f64,
    }

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

    #[test]
    fn a_field_is_its_value_alone() {
        let message = prost::Message::encode_to_vec(&Request { sku: "abc".into(), quantity: 300, price: 0.0 });
        assert_eq!(field(message.clone().into(), 1).unwrap(), "abc");
        assert_eq!(field(message.clone().into(), 2).unwrap(), &[0xac, 0x02][..]);
        assert_eq!(field(message.into(), 3), None, "a default value is not sent");
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_through(bytes in prop::collection::vec(any::<u8>(), 0..200), number in 0u32..9) {
            if let Some(value) = field(Bytes::from(bytes.clone()), number) {
                prop_assert!(value.len() <= bytes.len());
            }
        }
    }
}
