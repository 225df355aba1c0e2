//! Existing `prost::Message` types as fields, by `#[field(message)]`.
//!
//! The second parameter only tells the impls apart: prost might one day implement `Message` for `Option`, so the
//! compiler will not take our word that it does not. It is inferred, and never written.

use prost::bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message};

use crate::schema::{FieldType, Label, TypeRef, Types};

/// A field that holds messages which know nothing of this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is marked `#[field(message)]`, but it does not hold a `prost::Message`",
    note = "the marker is for existing prost types: T, Option<T> or Vec<T>"
)]
pub trait ForeignField<Shape>: Sized {
    /// What the field holds when it was not on the wire.
    fn zero() -> Self;

    /// Writes the field.
    fn encode(&self, tag: u32, buf: &mut impl BufMut);

    /// Bytes that [`encode`](ForeignField::encode) writes.
    fn encoded_len(&self, tag: u32) -> usize;

    /// Reads one occurrence.
    fn merge(&mut self, wire: WireType, buf: &mut impl Buf, ctx: DecodeContext) -> Result<(), DecodeError>;

    /// Label, and a type of which only the name is known.
    fn field_type(types: &mut Types) -> FieldType;
}

/// A bare message.
#[derive(Debug)]
pub enum OneForeign {}
/// An optional message.
#[derive(Debug)]
pub enum MaybeForeign {}
/// Repeated messages.
#[derive(Debug)]
pub enum ManyForeign {}

impl<M: Message + Default + 'static> ForeignField<OneForeign> for M {
    fn zero() -> M {
        M::default()
    }

    fn encode(&self, tag: u32, buf: &mut impl BufMut) {
        encoding::message::encode(tag, self, buf);
    }

    fn encoded_len(&self, tag: u32) -> usize {
        encoding::message::encoded_len(tag, self)
    }

    fn merge(&mut self, wire: WireType, buf: &mut impl Buf, ctx: DecodeContext) -> Result<(), DecodeError> {
        encoding::message::merge(wire, self, buf, ctx)
    }

    fn field_type(types: &mut Types) -> FieldType {
        opaque::<M>(types, Label::Single)
    }
}

impl<M: Message + Default + 'static> ForeignField<MaybeForeign> for Option<M> {
    fn zero() -> Option<M> {
        None
    }

    fn encode(&self, tag: u32, buf: &mut impl BufMut) {
        if let Some(message) = self {
            encoding::message::encode(tag, message, buf);
        }
    }

    fn encoded_len(&self, tag: u32) -> usize {
        self.as_ref().map_or(0, |message| encoding::message::encoded_len(tag, message))
    }

    fn merge(&mut self, wire: WireType, buf: &mut impl Buf, ctx: DecodeContext) -> Result<(), DecodeError> {
        encoding::message::merge(wire, self.get_or_insert_default(), buf, ctx)
    }

    fn field_type(types: &mut Types) -> FieldType {
        opaque::<M>(types, Label::Optional)
    }
}

impl<M: Message + Default + 'static> ForeignField<ManyForeign> for Vec<M> {
    fn zero() -> Vec<M> {
        Vec::new()
    }

    fn encode(&self, tag: u32, buf: &mut impl BufMut) {
        encoding::message::encode_repeated(tag, self, buf);
    }

    fn encoded_len(&self, tag: u32) -> usize {
        encoding::message::encoded_len_repeated(tag, self)
    }

    fn merge(&mut self, wire: WireType, buf: &mut impl Buf, ctx: DecodeContext) -> Result<(), DecodeError> {
        encoding::message::merge_repeated(wire, self, buf, ctx)
    }

    fn field_type(types: &mut Types) -> FieldType {
        opaque::<M>(types, Label::Repeated)
    }
}

fn opaque<M: 'static>(types: &mut Types, label: Label) -> FieldType {
    FieldType { label, ty: TypeRef::Message(types.opaque::<M>()) }
}
