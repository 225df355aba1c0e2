//! A single value as a whole message: what a method that returns `u64` or streams `String`s puts on the wire.

use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType, skip_field};
use prost::{DecodeError, Message};

use super::Field;
use crate::schema::{Describe, MessageRef, Types};

/// A message with one field, `value = 1`.
///
/// Of a scalar it is described as the well-known wrapper (`google.protobuf.UInt64Value`…), which has the same bytes; of
/// anything else as a message named after it (`StockList`, `OptionalStock`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<T>(pub T);

impl<T: Field> Default for Value<T> {
    fn default() -> Self {
        Value(T::zero())
    }
}

impl<T: Field + Send + Sync> Message for Value<T> {
    #[inline]
    fn encode_raw(&self, buf: &mut impl BufMut) {
        self.0.encode(1, buf);
    }

    #[inline]
    fn merge_field(
        &mut self,
        tag: u32,
        wire: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            1 => self.0.merge(wire, buf, ctx).map_err(|mut error| {
                error.push("Value", "value");
                error
            }),
            _ => skip_field(wire, tag, buf, ctx),
        }
    }

    #[inline]
    fn encoded_len(&self) -> usize {
        self.0.encoded_len(1)
    }

    fn clear(&mut self) {
        self.0 = T::zero();
    }
}

impl<T: Field + 'static> Describe for Value<T> {
    fn describe(types: &mut Types) -> MessageRef {
        let field = T::field_type(types);
        match field.wrapper() {
            Ok(well_known) => MessageRef::well_known(well_known),
            Err(name) => types.message::<Self>(None, &name, "", |message| message.typed("value", 1, "", field)),
        }
    }
}
