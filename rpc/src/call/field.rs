//! A field of a message whose type is not known here. Pure: what a peer sent is looked through, and believed in nothing.

use bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// Fields that are looked through at most: a peer may send any number.
const FIELDS: usize = 256;

/// The form and the bytes of the first field with this number; `None` when it is not there, or the message cannot be read
/// so far.
pub(crate) fn field(mut message: Bytes, number: u32) -> Option<(WireType, Bytes)> {
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
            return Some((wire, value));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::testing::Request;
    use proptest::prelude::*;

    fn value(message: &[u8], number: u32) -> Option<Bytes> {
        field(Bytes::copy_from_slice(message), number).map(|(_, value)| value)
    }

    #[test]
    fn a_field_is_its_value_alone() {
        let message = prost::Message::encode_to_vec(&Request { sku: "abc".into(), quantity: 300, price: 0.0 });
        assert_eq!(value(&message, 1).unwrap(), "abc");
        assert_eq!(value(&message, 2).unwrap(), &[0xac, 0x02][..]);
        assert_eq!(value(&message, 3), None, "a default value is not sent");
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_through(bytes in prop::collection::vec(any::<u8>(), 0..200), number in 0u32..9) {
            if let Some(value) = value(&bytes, number) {
                prop_assert!(value.len() <= bytes.len());
            }
        }
    }
}
