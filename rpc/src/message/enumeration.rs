//! Enums without data: a number on the wire.

use prost::DecodeError;
use prost::bytes::{Buf, BufMut};
use prost::encoding::varint::{encode_varint, encoded_len_varint};
use prost::encoding::{self, DecodeContext, WireType};

use super::{Element, Zero};
use crate::schema::{TypeRef, Types};

/// An enum whose variants are numbers.
pub trait Enumeration: Sized {
    /// The variant's number.
    fn number(&self) -> i32;

    /// The variant of that number, if this build knows it.
    fn from_number(number: i32) -> Option<Self>;

    /// Collects the description of this enum.
    fn describe(types: &mut Types) -> TypeRef;
}

/// Writes key and number.
#[inline]
pub fn enum_encode<E: Enumeration>(value: &E, tag: u32, buf: &mut impl BufMut) {
    encoding::int32::encode(tag, &value.number(), buf);
}

/// Bytes that [`enum_encode`] writes.
#[inline]
pub fn enum_encoded_len<E: Enumeration>(value: &E, tag: u32) -> usize {
    encoding::int32::encoded_len(tag, &value.number())
}

/// Reads one number; one that is not known leaves `None`, for the last one on the wire wins.
#[inline]
pub fn enum_merge_slot<E: Enumeration>(
    slot: &mut Option<E>,
    wire: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<(), DecodeError> {
    let mut number = 0;
    encoding::int32::merge(wire, &mut number, buf, ctx)?;
    *slot = E::from_number(number);
    Ok(())
}

/// Reads one number; one that is not known is the default.
#[inline]
pub fn enum_merge<E: Enumeration + Zero<E>>(
    value: &mut E,
    wire: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<(), DecodeError> {
    let mut number = 0;
    encoding::int32::merge(wire, &mut number, buf, ctx)?;
    *value = E::from_number(number).unwrap_or_else(E::zero);
    Ok(())
}

/// Writes all of them, packed.
pub fn enum_encode_all<E: Enumeration>(items: &[E], tag: u32, buf: &mut impl BufMut) {
    if items.is_empty() {
        return;
    }
    encoding::encode_key(tag, WireType::LengthDelimited, buf);
    encode_varint(packed_len(items) as u64, buf);
    for item in items {
        encode_varint(item.number() as u64, buf);
    }
}

/// Bytes that [`enum_encode_all`] writes.
pub fn enum_encoded_len_all<E: Enumeration>(items: &[E], tag: u32) -> usize {
    if items.is_empty() {
        return 0;
    }
    let len = packed_len(items);
    encoding::key_len(tag) + encoded_len_varint(len as u64) + len
}

/// Reads one occurrence, packed or not; numbers that are not known are skipped.
pub fn enum_merge_all<E: Enumeration + Element>(
    items: &mut Vec<E>,
    wire: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<(), DecodeError> {
    if wire != WireType::LengthDelimited {
        return merge_one(items, wire, buf, ctx);
    }
    encoding::merge_loop(items, buf, ctx, |items, buf, ctx| merge_one(items, WireType::Varint, buf, ctx))
}

fn merge_one<E: Enumeration>(
    items: &mut Vec<E>,
    wire: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<(), DecodeError> {
    let mut slot = None;
    enum_merge_slot(&mut slot, wire, buf, ctx)?;
    items.extend(slot);
    Ok(())
}

fn packed_len<E: Enumeration>(items: &[E]) -> usize {
    items.iter().map(|item| encoded_len_varint(item.number() as u64)).sum()
}
