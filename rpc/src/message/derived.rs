//! What every derived type has in common, as macros: the derive writes only what differs.
//!
//! Macros and not blanket impls, because `Box<T>` is an element too, and a blanket impl over derived types would collide
//! with it.

/// [`Element`](super::Element) and [`Zero`](super::Zero) of a message with a default.
#[doc(hidden)]
#[macro_export]
macro_rules! __message_element {
    ($ty:ty) => {
        #[automatically_derived]
        impl $crate::__private::Zero<$ty> for $ty {
            const ALWAYS_WRITTEN: ::core::primitive::bool = true;

            fn zero() -> $ty {
                ::core::default::Default::default()
            }

            #[inline]
            fn merge(
                value: &mut $ty,
                wire: $crate::__private::WireType,
                buf: &mut impl $crate::__private::Buf,
                ctx: $crate::__private::DecodeContext,
            ) -> ::core::result::Result<(), $crate::__private::prost::DecodeError> {
                $crate::__private::prost::encoding::message::merge(wire, value, buf, ctx)
            }
        }

        #[automatically_derived]
        impl $crate::__private::Element for $ty {
            type Zero = $ty;

            #[inline]
            fn encode(&self, tag: ::core::primitive::u32, buf: &mut impl $crate::__private::BufMut) {
                $crate::__private::prost::encoding::message::encode(tag, self, buf);
            }

            #[inline]
            fn encoded_len(&self, tag: ::core::primitive::u32) -> ::core::primitive::usize {
                $crate::__private::prost::encoding::message::encoded_len(tag, self)
            }

            fn is_zero(&self) -> ::core::primitive::bool {
                $crate::__private::prost::Message::encoded_len(self) == 0
            }

            fn absent() -> ::core::option::Option<$ty> {
                ::core::option::Option::Some(::core::default::Default::default())
            }

            #[inline]
            fn merge_slot(
                slot: &mut ::core::option::Option<$ty>,
                wire: $crate::__private::WireType,
                buf: &mut impl $crate::__private::Buf,
                ctx: $crate::__private::DecodeContext,
            ) -> ::core::result::Result<(), $crate::__private::prost::DecodeError> {
                $crate::__private::prost::encoding::message::merge(
                    wire,
                    ::core::option::Option::get_or_insert_default(slot),
                    buf,
                    ctx,
                )
            }

            fn type_ref(types: &mut $crate::__private::Types) -> $crate::__private::TypeRef {
                $crate::__private::TypeRef::Message(<$ty as $crate::__private::Describe>::describe(types))
            }
        }
    };
}

/// [`Element`](super::Element) of an enum without data, and [`Zero`](super::Zero) if it has a default.
#[doc(hidden)]
#[macro_export]
macro_rules! __enum_element {
    ($ty:ty, $default:expr) => {
        #[automatically_derived]
        impl $crate::__private::Zero<$ty> for $ty {
            const ALWAYS_WRITTEN: ::core::primitive::bool = false;

            #[inline]
            fn zero() -> $ty {
                $default
            }

            #[inline]
            fn merge(
                value: &mut $ty,
                wire: $crate::__private::WireType,
                buf: &mut impl $crate::__private::Buf,
                ctx: $crate::__private::DecodeContext,
            ) -> ::core::result::Result<(), $crate::__private::prost::DecodeError> {
                $crate::__private::codec::enum_merge(value, wire, buf, ctx)
            }
        }

        $crate::__private::enum_element!(@element $ty, $ty, ::core::option::Option::Some($default));
    };
    ($ty:ty) => {
        $crate::__private::enum_element!(@element $ty, $crate::__private::NoZero, ::core::option::Option::None);
    };
    (@element $ty:ty, $zero:ty, $absent:expr) => {
        #[automatically_derived]
        impl $crate::__private::Element for $ty {
            type Zero = $zero;

            #[inline]
            fn encode(&self, tag: ::core::primitive::u32, buf: &mut impl $crate::__private::BufMut) {
                $crate::__private::codec::enum_encode(self, tag, buf);
            }

            #[inline]
            fn encoded_len(&self, tag: ::core::primitive::u32) -> ::core::primitive::usize {
                $crate::__private::codec::enum_encoded_len(self, tag)
            }

            #[inline]
            fn is_zero(&self) -> ::core::primitive::bool {
                $crate::__private::Enumeration::number(self) == 0
            }

            fn absent() -> ::core::option::Option<$ty> {
                $absent
            }

            #[inline]
            fn merge_slot(
                slot: &mut ::core::option::Option<$ty>,
                wire: $crate::__private::WireType,
                buf: &mut impl $crate::__private::Buf,
                ctx: $crate::__private::DecodeContext,
            ) -> ::core::result::Result<(), $crate::__private::prost::DecodeError> {
                $crate::__private::codec::enum_merge_slot(slot, wire, buf, ctx)
            }

            fn encode_all(items: &[$ty], tag: ::core::primitive::u32, buf: &mut impl $crate::__private::BufMut) {
                $crate::__private::codec::enum_encode_all(items, tag, buf);
            }

            fn encoded_len_all(items: &[$ty], tag: ::core::primitive::u32) -> ::core::primitive::usize {
                $crate::__private::codec::enum_encoded_len_all(items, tag)
            }

            fn merge_all(
                items: &mut ::std::vec::Vec<$ty>,
                wire: $crate::__private::WireType,
                buf: &mut impl $crate::__private::Buf,
                ctx: $crate::__private::DecodeContext,
            ) -> ::core::result::Result<(), $crate::__private::prost::DecodeError> {
                $crate::__private::codec::enum_merge_all(items, wire, buf, ctx)
            }

            fn type_ref(types: &mut $crate::__private::Types) -> $crate::__private::TypeRef {
                <$ty as $crate::__private::Enumeration>::describe(types)
            }
        }
    };
}

/// [`Element`](super::Element) of an enum with data; with a default also [`Zero`](super::Zero) and `prost::Message`.
#[doc(hidden)]
#[macro_export]
macro_rules! __oneof_element {
    ($ty:ty, $default:expr) => {
        #[automatically_derived]
        impl $crate::__private::Zero<$ty> for $ty {
            const ALWAYS_WRITTEN: ::core::primitive::bool = true;

            fn zero() -> $ty {
                $default
            }

            fn merge(
                value: &mut $ty,
                wire: $crate::__private::WireType,
                buf: &mut impl $crate::__private::Buf,
                ctx: $crate::__private::DecodeContext,
            ) -> ::core::result::Result<(), $crate::__private::prost::DecodeError> {
                $crate::__private::prost::encoding::message::merge(wire, value, buf, ctx)
            }
        }

        #[automatically_derived]
        impl $crate::__private::prost::Message for $ty {
            fn encode_raw(&self, buf: &mut impl $crate::__private::BufMut) {
                $crate::__private::OneOf::encode_variant(self, buf);
            }

            fn merge_field(
                &mut self,
                tag: ::core::primitive::u32,
                wire: $crate::__private::WireType,
                buf: &mut impl $crate::__private::Buf,
                ctx: $crate::__private::DecodeContext,
            ) -> ::core::result::Result<(), $crate::__private::prost::DecodeError> {
                let mut slot = ::core::option::Option::Some(::core::mem::replace(self, $default));
                $crate::__private::OneOf::merge_variant(&mut slot, tag, wire, buf, ctx)?;
                if let ::core::option::Option::Some(value) = slot {
                    *self = value;
                }
                ::core::result::Result::Ok(())
            }

            fn encoded_len(&self) -> ::core::primitive::usize {
                $crate::__private::OneOf::variant_encoded_len(self)
            }

            fn clear(&mut self) {
                *self = $default;
            }
        }

        $crate::__private::oneof_element!(@element $ty, $ty, ::core::option::Option::Some($default));
    };
    ($ty:ty) => {
        $crate::__private::oneof_element!(@element $ty, $crate::__private::NoZero, ::core::option::Option::None);
    };
    (@element $ty:ty, $zero:ty, $absent:expr) => {
        #[automatically_derived]
        impl $crate::__private::Element for $ty {
            type Zero = $zero;

            fn encode(&self, tag: ::core::primitive::u32, buf: &mut impl $crate::__private::BufMut) {
                $crate::__private::codec::oneof_encode(self, tag, buf);
            }

            fn encoded_len(&self, tag: ::core::primitive::u32) -> ::core::primitive::usize {
                $crate::__private::codec::oneof_encoded_len(self, tag)
            }

            fn is_zero(&self) -> ::core::primitive::bool {
                false
            }

            fn absent() -> ::core::option::Option<$ty> {
                $absent
            }

            fn merge_slot(
                slot: &mut ::core::option::Option<$ty>,
                wire: $crate::__private::WireType,
                buf: &mut impl $crate::__private::Buf,
                ctx: $crate::__private::DecodeContext,
            ) -> ::core::result::Result<(), $crate::__private::prost::DecodeError> {
                $crate::__private::codec::oneof_merge_slot(slot, wire, buf, ctx)
            }

            fn type_ref(types: &mut $crate::__private::Types) -> $crate::__private::TypeRef {
                $crate::__private::TypeRef::Message(<$ty as $crate::__private::Describe>::describe(types))
            }
        }
    };
}
