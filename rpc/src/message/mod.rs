//! What a message is made of, and how each part goes onto the wire.
//!
//! Traits rather than a table of type names: a derive sees tokens, not types, so it cannot know whether `Bytes` is the
//! one of the `bytes` crate or whether `Option` is the user's own. The compiler knows. Everything is static dispatch
//! down to `prost::encoding`, so the generated code is what prost's own derive would have written.
//!
//! Two levels: an [`Element`] is one value (what a `Vec`, an `Option` or a map holds), a [`Field`] is what a struct may
//! have (an element that has a zero, or one of the containers).

mod derived;
mod embed;
mod enumeration;
mod field;
mod foreign;
mod map;
mod oneof;
mod probe;
mod scalar;
mod value;

#[cfg(test)]
mod wire_tests;

use prost::DecodeError;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType};

pub use self::enumeration::Enumeration;
pub use self::foreign::{ForeignField, ManyForeign, MaybeForeign, OneForeign};
pub use self::map::MapKey;
pub use self::oneof::OneOf;
pub use self::probe::{Probe, ProbeOpaque};
pub use self::scalar::Boxed;
pub use self::value::Value;
use crate::schema::{FieldType, TypeRef, Types};

/// The functions that generated code calls.
pub mod codec {
    pub use super::embed::{nested_encode_head, nested_encoded_len};
    pub use super::enumeration::{
        enum_encode, enum_encode_all, enum_encoded_len, enum_encoded_len_all, enum_merge, enum_merge_all,
        enum_merge_slot,
    };
    pub use super::oneof::{merge_embedded_variant, oneof_encode, oneof_encoded_len, oneof_merge_slot};
}

/// One value on the wire: a scalar, a string, bytes, an enum, a message.
///
/// Implemented by `#[derive(Message)]`; there is no reason to write it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be carried in a message",
    label = "not a scalar, a derived message or a well-known type",
    note = "a type of your own: add `#[derive(mainstay::Message)]` to it",
    note = "an existing `prost::Message`: mark the field with `#[field(message)]`",
    note = "the scalars are bool, i32, i64, u32, u64, f32, f64, String, Bytes and Vec<u8>; for u8, u16, i8, i16 use u32 or i32, for usize use u64"
)]
pub trait Element: Sized {
    /// Who knows this type's zero: the type itself, or [`NoZero`] for an enum that has none.
    type Zero;

    /// Writes key and value, whatever the value is.
    fn encode(&self, tag: u32, buf: &mut impl BufMut);

    /// Bytes that [`encode`](Element::encode) writes.
    fn encoded_len(&self, tag: u32) -> usize;

    /// Whether a map entry may leave this value out.
    fn is_zero(&self) -> bool;

    /// What a map entry without a value stands for; `None` where the type has no zero.
    fn absent() -> Option<Self>;

    /// Reads one occurrence into `slot`. A message merges into what is there; an enum number or a variant that this
    /// build does not know leaves `None`, so that nothing is ever taken for something else.
    fn merge_slot(
        slot: &mut Option<Self>,
        wire: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError>;

    /// Writes a repeated field: packed where proto3 packs.
    fn encode_all(items: &[Self], tag: u32, buf: &mut impl BufMut) {
        for item in items {
            item.encode(tag, buf);
        }
    }

    /// Bytes that [`encode_all`](Element::encode_all) writes.
    fn encoded_len_all(items: &[Self], tag: u32) -> usize {
        items.iter().map(|item| item.encoded_len(tag)).sum()
    }

    /// Reads one occurrence of a repeated field, packed or not.
    fn merge_all(
        items: &mut Vec<Self>,
        wire: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        let mut slot = None;
        Self::merge_slot(&mut slot, wire, buf, ctx)?;
        items.extend(slot);
        Ok(())
    }

    /// The type's name in a `.proto`; collects what it needs on the way.
    fn type_ref(types: &mut Types) -> TypeRef;
}

/// The zero of `T`: what a field holds that was not on the wire.
///
/// A trait beside [`Element`], over the type that knows, so that the one thing missing is what the compiler reports.
#[diagnostic::on_unimplemented(
    message = "enum `{T}` has no zero value, so it cannot stand alone in a message",
    label = "hold it as `Option<{T}>` or `Vec<{T}>`",
    note = "a peer that does not send the field, or sends a variant that this build does not know, would be misread",
    note = "hold it as `Option<{T}>` or `Vec<{T}>`, or mark one unit variant with `#[default]`"
)]
pub trait Zero<T> {
    /// Whether the field is written even when it holds its zero, as messages are and scalars are not.
    const ALWAYS_WRITTEN: bool;

    /// The zero.
    fn zero() -> T;

    /// Reads one occurrence of a field of this type.
    fn merge(value: &mut T, wire: WireType, buf: &mut impl Buf, ctx: DecodeContext) -> Result<(), DecodeError>;
}

/// The [`Element::Zero`] of an enum without `#[default]`: implements nothing.
#[derive(Debug)]
pub enum NoZero {}

/// What a field of a message may be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a message",
    label = "not a field type",
    note = "a type of your own: add `#[derive(mainstay::Message)]` to it; an existing `prost::Message`: mark the field with `#[field(message)]`",
    note = "the scalars are bool, i32, i64, u32, u64, f32, f64, String, Bytes and Vec<u8>; for u8, u16, i8, i16 use u32 or i32, for usize use u64",
    note = "`Option`, `Vec`, `HashMap` and `BTreeMap` hold one of these and do not nest: wrap the inner one in a message; the keys of a map are String, bool, i32, i64, u32 or u64"
)]
pub trait Field: Sized {
    /// What the field holds when it was not on the wire.
    fn zero() -> Self;

    /// Writes the field if it says something.
    fn encode(&self, tag: u32, buf: &mut impl BufMut);

    /// Bytes that [`encode`](Field::encode) writes.
    fn encoded_len(&self, tag: u32) -> usize;

    /// Reads one occurrence of the field.
    fn merge(&mut self, wire: WireType, buf: &mut impl Buf, ctx: DecodeContext) -> Result<(), DecodeError>;

    /// Label and type in a `.proto`.
    fn field_type(types: &mut Types) -> FieldType;
}
