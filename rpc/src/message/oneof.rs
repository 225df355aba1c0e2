//! Enums with data: a message with one `oneof`, read into a slot because there may be nothing in it.

use prost::bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message};

/// An enum with data, as the inside of its message.
pub trait OneOf: Sized + Send + Sync {
    /// Writes the variant.
    fn encode_variant(&self, buf: &mut impl BufMut);

    /// Bytes that [`encode_variant`](OneOf::encode_variant) writes.
    fn variant_encoded_len(&self) -> usize;

    /// Reads one field; a variant that this build does not know empties the slot, for the last one wins.
    fn merge_variant(
        slot: &mut Option<Self>,
        tag: u32,
        wire: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError>;
}

/// Writes `value` as a field.
#[inline]
pub fn oneof_encode<E: OneOf>(value: &E, tag: u32, buf: &mut impl BufMut) {
    super::embed::nested_encode_head(tag, value.variant_encoded_len(), buf);
    value.encode_variant(buf);
}

/// Bytes that [`oneof_encode`] writes.
#[inline]
pub fn oneof_encoded_len<E: OneOf>(value: &E, tag: u32) -> usize {
    super::embed::nested_encoded_len(tag, value.variant_encoded_len())
}

/// Reads one occurrence of the message into `slot`.
#[inline]
pub fn oneof_merge_slot<E: OneOf>(
    slot: &mut Option<E>,
    wire: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<(), DecodeError> {
    encoding::message::merge(wire, &mut Slot(slot), buf, ctx)
}

/// Reads the inside of a struct or unit variant.
#[inline]
pub fn merge_embedded_variant<M: Message + Default>(
    mut inner: M,
    wire: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<M, DecodeError> {
    encoding::message::merge(wire, &mut inner, buf, ctx)?;
    Ok(inner)
}

/// Lets prost's own loop, with its recursion limit, read into a slot.
struct Slot<'a, E>(&'a mut Option<E>);

impl<E: OneOf> Message for Slot<'_, E> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        if let Some(value) = &*self.0 {
            value.encode_variant(buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        E::merge_variant(self.0, tag, wire, buf, ctx)
    }

    fn encoded_len(&self) -> usize {
        self.0.as_ref().map_or(0, OneOf::variant_encoded_len)
    }

    fn clear(&mut self) {
        *self.0 = None;
    }
}
