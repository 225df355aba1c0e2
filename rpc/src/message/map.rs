//! Maps: repeated entries of key 1 and value 2.
//!
//! Not prost's own map functions, because those need a default for the value: an enum has none, and an entry whose
//! value this build does not know is left out rather than misread.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use prost::bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType, skip_field};
use prost::{DecodeError, Message};

use super::embed::{nested_encode_head, nested_encoded_len};
use super::{Element, Field, Zero};
use crate::schema::{FieldType, Label, Scalar, TypeRef, Types};

/// What may be the key of a map.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a map in a message",
    note = "keys are String, bool, i32, i64, u32 and u64"
)]
pub trait MapKey: Element<Zero = Self> + Zero<Self> + Ord + Hash + Send + Sync {
    /// The key's type.
    const SCALAR: Scalar;
}

macro_rules! map_key {
    ($($ty:ty => $scalar:ident),+) => {$(
        impl MapKey for $ty {
            const SCALAR: Scalar = Scalar::$scalar;
        }
    )+};
}

map_key!(String => String, bool => Bool, i32 => Int32, i64 => Int64, u32 => UInt32, u64 => UInt64);

macro_rules! map_field {
    ([$($extra:tt)*] $map:ty) => {
        impl<K: MapKey, V: Element + Send + Sync $($extra)*> Field for $map {
            #[inline]
            fn zero() -> Self {
                Self::default()
            }

            fn encode(&self, tag: u32, buf: &mut impl BufMut) {
                for (key, value) in self {
                    nested_encode_head(tag, entry_len(key, value), buf);
                    entry_encode(key, value, buf);
                }
            }

            fn encoded_len(&self, tag: u32) -> usize {
                self.iter().map(|(key, value)| nested_encoded_len(tag, entry_len(key, value))).sum()
            }

            fn merge(&mut self, wire: WireType, buf: &mut impl Buf, ctx: DecodeContext) -> Result<(), DecodeError> {
                let mut entry = Entry { key: <K as Zero<K>>::zero(), value: V::absent() };
                encoding::message::merge(wire, &mut entry, buf, ctx)?;
                if let Some(value) = entry.value {
                    self.insert(entry.key, value);
                }
                Ok(())
            }

            fn field_type(types: &mut Types) -> FieldType {
                map_type(K::SCALAR, V::type_ref(types))
            }
        }
    };
}

map_field!([, S: BuildHasher + Default] HashMap<K, V, S>);
map_field!([] BTreeMap<K, V>);

fn map_type(key: Scalar, ty: TypeRef) -> FieldType {
    FieldType { label: Label::Map(key), ty }
}

#[inline]
fn entry_len<K: Element, V: Element>(key: &K, value: &V) -> usize {
    let key_len = if key.is_zero() { 0 } else { key.encoded_len(1) };
    let value_len = if value.is_zero() { 0 } else { value.encoded_len(2) };
    key_len + value_len
}

#[inline]
fn entry_encode<K: Element, V: Element>(key: &K, value: &V, buf: &mut impl BufMut) {
    if !key.is_zero() {
        key.encode(1, buf);
    }
    if !value.is_zero() {
        value.encode(2, buf);
    }
}

/// One entry on its way in.
struct Entry<K, V> {
    key: K,
    value: Option<V>,
}

impl<K: MapKey, V: Element + Send + Sync> Message for Entry<K, V> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        if let Some(value) = &self.value {
            entry_encode(&self.key, value, buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            1 => <K as Zero<K>>::merge(&mut self.key, wire, buf, ctx),
            2 => V::merge_slot(&mut self.value, wire, buf, ctx),
            _ => skip_field(wire, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        self.value.as_ref().map_or(0, |value| entry_len(&self.key, value))
    }

    fn clear(&mut self) {
        self.key = <K as Zero<K>>::zero();
        self.value = V::absent();
    }
}
