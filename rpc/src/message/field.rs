//! Fields: a bare element, `Option`, `Vec`. (Maps are beside.)

use prost::DecodeError;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType};

use super::{Element, Field, Zero};
use crate::schema::{FieldType, Label, Types};

impl<T: Element> Field for T
where
    T::Zero: Zero<T>,
{
    #[inline]
    fn zero() -> T {
        T::Zero::zero()
    }

    #[inline]
    fn encode(&self, tag: u32, buf: &mut impl BufMut) {
        if T::Zero::ALWAYS_WRITTEN || !self.is_zero() {
            Element::encode(self, tag, buf);
        }
    }

    #[inline]
    fn encoded_len(&self, tag: u32) -> usize {
        if T::Zero::ALWAYS_WRITTEN || !self.is_zero() { Element::encoded_len(self, tag) } else { 0 }
    }

    #[inline]
    fn merge(&mut self, wire: WireType, buf: &mut impl Buf, ctx: DecodeContext) -> Result<(), DecodeError> {
        T::Zero::merge(self, wire, buf, ctx)
    }

    fn field_type(types: &mut Types) -> FieldType {
        FieldType { label: Label::Single, ty: T::type_ref(types) }
    }
}

impl<T: Element> Field for Option<T> {
    #[inline]
    fn zero() -> Option<T> {
        None
    }

    #[inline]
    fn encode(&self, tag: u32, buf: &mut impl BufMut) {
        if let Some(value) = self {
            value.encode(tag, buf);
        }
    }

    #[inline]
    fn encoded_len(&self, tag: u32) -> usize {
        self.as_ref().map_or(0, |value| value.encoded_len(tag))
    }

    #[inline]
    fn merge(&mut self, wire: WireType, buf: &mut impl Buf, ctx: DecodeContext) -> Result<(), DecodeError> {
        T::merge_slot(self, wire, buf, ctx)
    }

    fn field_type(types: &mut Types) -> FieldType {
        FieldType { label: Label::Optional, ty: T::type_ref(types) }
    }
}

impl<T: Element> Field for Vec<T> {
    #[inline]
    fn zero() -> Vec<T> {
        Vec::new()
    }

    #[inline]
    fn encode(&self, tag: u32, buf: &mut impl BufMut) {
        T::encode_all(self, tag, buf);
    }

    #[inline]
    fn encoded_len(&self, tag: u32) -> usize {
        T::encoded_len_all(self, tag)
    }

    #[inline]
    fn merge(&mut self, wire: WireType, buf: &mut impl Buf, ctx: DecodeContext) -> Result<(), DecodeError> {
        T::merge_all(self, wire, buf, ctx)
    }

    fn field_type(types: &mut Types) -> FieldType {
        FieldType { label: Label::Repeated, ty: T::type_ref(types) }
    }
}
