//! The scalars, strings, bytes and boxes as elements: each a thin name for prost's own functions.

use prost::DecodeError;
use prost::bytes::{Buf, BufMut, Bytes};
use prost::encoding::{self, DecodeContext, WireType};

use super::{Element, Zero};
use crate::schema::{Scalar, TypeRef, Types};

macro_rules! zero_of_scalar {
    ($ty:ty, $codec:ident) => {
        impl Zero<$ty> for $ty {
            const ALWAYS_WRITTEN: bool = false;

            #[inline]
            fn zero() -> $ty {
                <$ty>::default()
            }

            #[inline]
            fn merge(
                value: &mut $ty,
                wire: WireType,
                buf: &mut impl Buf,
                ctx: DecodeContext,
            ) -> Result<(), DecodeError> {
                encoding::$codec::merge(wire, value, buf, ctx)
            }
        }
    };
}

macro_rules! element_of_scalar {
    ($ty:ty, $codec:ident, $scalar:ident, |$value:ident| $is_zero:expr $(, $packed:ident)?) => {
        zero_of_scalar!($ty, $codec);

        impl Element for $ty {
            type Zero = $ty;

            #[inline]
            fn encode(&self, tag: u32, buf: &mut impl BufMut) {
                encoding::$codec::encode(tag, self, buf);
            }

            #[inline]
            fn encoded_len(&self, tag: u32) -> usize {
                encoding::$codec::encoded_len(tag, self)
            }

            #[inline]
            fn is_zero(&self) -> bool {
                let $value = self;
                $is_zero
            }

            #[inline]
            fn absent() -> Option<$ty> {
                Some(<$ty>::default())
            }

            #[inline]
            fn merge_slot(
                slot: &mut Option<$ty>,
                wire: WireType,
                buf: &mut impl Buf,
                ctx: DecodeContext,
            ) -> Result<(), DecodeError> {
                encoding::$codec::merge(wire, slot.get_or_insert_default(), buf, ctx)
            }

            $(element_of_scalar!(@$packed $ty, $codec);)?

            fn type_ref(_types: &mut Types) -> TypeRef {
                TypeRef::Scalar(Scalar::$scalar)
            }
        }
    };
    (@packed $ty:ty, $codec:ident) => {
        #[inline]
        fn encode_all(items: &[$ty], tag: u32, buf: &mut impl BufMut) {
            encoding::$codec::encode_packed(tag, items, buf);
        }

        #[inline]
        fn encoded_len_all(items: &[$ty], tag: u32) -> usize {
            encoding::$codec::encoded_len_packed(tag, items)
        }

        #[inline]
        fn merge_all(
            items: &mut Vec<$ty>,
            wire: WireType,
            buf: &mut impl Buf,
            ctx: DecodeContext,
        ) -> Result<(), DecodeError> {
            encoding::$codec::merge_repeated(wire, items, buf, ctx)
        }
    };
}

element_of_scalar!(bool, bool, Bool, |v| !*v, packed);
element_of_scalar!(i32, int32, Int32, |v| *v == 0, packed);
element_of_scalar!(i64, int64, Int64, |v| *v == 0, packed);
element_of_scalar!(u32, uint32, UInt32, |v| *v == 0, packed);
element_of_scalar!(u64, uint64, UInt64, |v| *v == 0, packed);
// By bits: the specification keeps -0.0, which compares equal to 0.0.
element_of_scalar!(f32, float, Float, |v| v.to_bits() == 0, packed);
element_of_scalar!(f64, double, Double, |v| v.to_bits() == 0, packed);
element_of_scalar!(String, string, String, |v| v.is_empty());
element_of_scalar!(Vec<u8>, bytes, Bytes, |v| v.is_empty());
element_of_scalar!(Bytes, bytes, Bytes, |v| v.is_empty());

/// The [`Element::Zero`] of a box: that of what is inside, boxed.
#[derive(Debug)]
pub struct Boxed<Z>(std::marker::PhantomData<Z>);

impl<T, Z: Zero<T>> Zero<Box<T>> for Boxed<Z> {
    const ALWAYS_WRITTEN: bool = Z::ALWAYS_WRITTEN;

    fn zero() -> Box<T> {
        Box::new(Z::zero())
    }

    fn merge(value: &mut Box<T>, wire: WireType, buf: &mut impl Buf, ctx: DecodeContext) -> Result<(), DecodeError> {
        Z::merge(value, wire, buf, ctx)
    }
}

impl<T: Element> Element for Box<T> {
    type Zero = Boxed<T::Zero>;

    fn encode(&self, tag: u32, buf: &mut impl BufMut) {
        (**self).encode(tag, buf);
    }

    fn encoded_len(&self, tag: u32) -> usize {
        (**self).encoded_len(tag)
    }

    fn is_zero(&self) -> bool {
        (**self).is_zero()
    }

    fn absent() -> Option<Box<T>> {
        T::absent().map(Box::new)
    }

    fn merge_slot(
        slot: &mut Option<Box<T>>,
        wire: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        let mut inner = slot.take().map(|boxed| *boxed);
        T::merge_slot(&mut inner, wire, buf, ctx)?;
        *slot = inner.map(Box::new);
        Ok(())
    }

    fn type_ref(types: &mut Types) -> TypeRef {
        T::type_ref(types)
    }
}
