//! Messages inside messages: the framing, and the well-known types.

use prost::bytes::BufMut;
use prost::encoding::varint::{encode_varint, encoded_len_varint};
use prost::encoding::{self, WireType};

use crate::schema::{Describe, MessageRef, Types};

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
        crate::__private::message_element!($ty);

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
