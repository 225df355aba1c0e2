//! Messages inside messages: what a derived struct and the well-known types share.

use prost::bytes::{Buf, BufMut};
use prost::encoding::varint::{encode_varint, encoded_len_varint};
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message};

use super::{Element, Zero};
use crate::schema::{Describe, MessageRef, TypeRef, Types};

/// Writes `message` as a field.
#[inline]
pub fn embed_encode<M: Message>(message: &M, tag: u32, buf: &mut impl BufMut) {
    encoding::message::encode(tag, message, buf);
}

/// Bytes that [`embed_encode`] writes.
#[inline]
pub fn embed_encoded_len<M: Message>(message: &M, tag: u32) -> usize {
    encoding::message::encoded_len(tag, message)
}

/// Merges one occurrence into `slot`.
#[inline]
pub fn embed_merge_slot<M: Message + Default>(
    slot: &mut Option<M>,
    wire: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<(), DecodeError> {
    encoding::message::merge(wire, slot.get_or_insert_default(), buf, ctx)
}

/// Writes key and length of an inner message whose `len` bytes follow.
#[inline]
pub fn nested_encode_head(tag: u32, len: usize, buf: &mut impl BufMut) {
    encoding::encode_key(tag, WireType::LengthDelimited, buf);
    encode_varint(len as u64, buf);
}

/// Bytes of an inner message of `len` bytes, with its key and length.
#[inline]
pub fn nested_encoded_len(tag: u32, len: usize) -> usize {
    encoding::key_len(tag) + encoded_len_varint(len as u64) + len
}

macro_rules! well_known {
    ($($ty:ty => $name:literal),+ $(,)?) => {$(
        impl Zero<$ty> for $ty {
            const ALWAYS_WRITTEN: bool = true;

            fn zero() -> $ty {
                <$ty>::default()
            }

            fn merge(
                value: &mut $ty,
                wire: WireType,
                buf: &mut impl Buf,
                ctx: DecodeContext,
            ) -> Result<(), DecodeError> {
                encoding::message::merge(wire, value, buf, ctx)
            }
        }

        impl Element for $ty {
            type Zero = $ty;

            fn encode(&self, tag: u32, buf: &mut impl BufMut) {
                embed_encode(self, tag, buf);
            }

            fn encoded_len(&self, tag: u32) -> usize {
                embed_encoded_len(self, tag)
            }

            fn is_zero(&self) -> bool {
                Message::encoded_len(self) == 0
            }

            fn absent() -> Option<$ty> {
                Some(<$ty>::default())
            }

            fn merge_slot(
                slot: &mut Option<$ty>,
                wire: WireType,
                buf: &mut impl Buf,
                ctx: DecodeContext,
            ) -> Result<(), DecodeError> {
                embed_merge_slot(slot, wire, buf, ctx)
            }

            fn type_ref(types: &mut Types) -> TypeRef {
                TypeRef::Message(<$ty as Describe>::describe(types))
            }
        }

        impl Describe for $ty {
            fn describe(_types: &mut Types) -> MessageRef {
                MessageRef::well_known($name)
            }
        }
    )+};
}

well_known! {
    () => "google.protobuf.Empty",
    prost_types::Any => "google.protobuf.Any",
    prost_types::Duration => "google.protobuf.Duration",
    prost_types::FieldMask => "google.protobuf.FieldMask",
    prost_types::ListValue => "google.protobuf.ListValue",
    prost_types::Struct => "google.protobuf.Struct",
    prost_types::Timestamp => "google.protobuf.Timestamp",
    prost_types::Value => "google.protobuf.Value",
}
