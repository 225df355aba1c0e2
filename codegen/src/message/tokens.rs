//! The model → the impls.
//!
//! Everything is named through the door module and, beside that, by the user's own tokens. What is written here is
//! spanned at the macro, so that no local name meets one of the user's.

use super::model::{Data, Field, Message, Value, Variant};
use crate::case::screaming;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use std::path::PathBuf;
use syn::Type;

/// A struct.
pub(crate) fn structure(message: &Message, fields: &[Field]) -> TokenStream {
    let ident = &message.ident;
    let implementation = prost_message(ident, &message.name, fields);
    let describe = describe(message, &describe_fields(fields));
    let tracked = tracked(&message.tracked);
    quote! {
        const _: () = {
            #implementation
            #describe
            ::mainstay::__private::message_element!(#ident);
            #tracked
        };
    }
}

/// An enum without data.
pub(crate) fn enumeration(message: &Message, values: &[Value]) -> TokenStream {
    let ident = &message.ident;
    let (name, docs, package) = (&message.name, &message.docs, package(message));
    let numbers = values.iter().map(|value| {
        let (ident, number) = (&value.ident, value.number);
        quote!(Self::#ident => #number,)
    });
    let variants = values.iter().map(|value| {
        let (ident, number) = (&value.ident, value.number);
        quote!(#number => ::core::option::Option::Some(Self::#ident),)
    });
    let default = values.iter().find(|value| value.default).map(|value| &value.ident);
    let unspecified = format!("{}_UNSPECIFIED", screaming(name));
    let zero = default.is_none().then(|| quote!((#unspecified, 0, ""),));
    let mut sorted: Vec<&Value> = values.iter().collect();
    sorted.sort_by_key(|value| (value.number != 0, value.number));
    let described = sorted.iter().map(|value| {
        let Value { name, number, docs, .. } = value;
        quote!((#name, #number, #docs),)
    });
    let tracked = tracked(&message.tracked);
    let default = default.map(|variant| quote!(, #ident::#variant));
    quote_spanned! {Span::mixed_site()=>
        const _: () = {
            #[automatically_derived]
            impl ::mainstay::__private::Enumeration for #ident {
                fn number(&self) -> ::core::primitive::i32 {
                    match *self { #(#numbers)* }
                }

                #[allow(unreachable_patterns)]
                fn from_number(number: ::core::primitive::i32) -> ::core::option::Option<Self> {
                    match number { #(#variants)* _ => ::core::option::Option::None }
                }

                fn describe(types: &mut ::mainstay::__private::Types) -> ::mainstay::__private::TypeRef {
                    types.enumeration::<Self>(#package, #name, #docs, &[#zero #(#described)*])
                }
            }
            ::mainstay::__private::enum_element!(#ident #default);
            #tracked
        };
    }
}

/// An enum with data.
pub(crate) fn oneof(message: &Message, variants: &[Variant]) -> TokenStream {
    let ident = &message.ident;
    let inner: TokenStream = variants.iter().filter_map(|variant| inner_struct(&message.name, variant)).collect();
    let encode = variants.iter().map(encode_variant);
    let length = variants.iter().map(variant_length);
    let merge = variants.iter().map(|variant| merge_variant(&message.name, variant));
    let described: TokenStream = variants.iter().map(describe_variant).collect();
    let describe = describe(message, &described);
    let default = variants.iter().find(|variant| variant.default).map(|variant| {
        let variant = &variant.ident;
        quote!(, #ident::#variant)
    });
    let tracked = tracked(&message.tracked);
    quote_spanned! {Span::mixed_site()=>
        const _: () = {
            #inner

            #[automatically_derived]
            impl ::mainstay::__private::OneOf for #ident {
                fn encode_variant(&self, buf: &mut impl ::mainstay::__private::BufMut) {
                    match self { #(#encode)* }
                }

                fn variant_encoded_len(&self) -> ::core::primitive::usize {
                    match self { #(#length)* }
                }

                #[allow(unreachable_patterns)]
                fn merge_variant(
                    slot: &mut ::core::option::Option<Self>,
                    tag: ::core::primitive::u32,
                    wire: ::mainstay::__private::WireType,
                    buf: &mut impl ::mainstay::__private::Buf,
                    ctx: ::mainstay::__private::DecodeContext,
                ) -> ::core::result::Result<(), ::mainstay::__private::prost::DecodeError> {
                    let before = ::core::option::Option::take(slot);
                    *slot = match tag {
                        #(#merge)*
                        _ => {
                            ::mainstay::__private::skip_field(wire, tag, buf, ctx)?;
                            ::core::option::Option::None
                        }
                    };
                    ::core::result::Result::Ok(())
                }
            }
            #describe
            ::mainstay::__private::oneof_element!(#ident #default);
            #tracked
        };
    }
}

/// `prost::Message` and `Default` for a struct with these fields.
fn prost_message(ident: &Ident, name: &str, fields: &[Field]) -> TokenStream {
    let site = Span::mixed_site();
    let encode = fields.iter().map(|field| {
        let (function, at, number) = (call(field, "encode"), &field.ident, field.number);
        quote_spanned!(site=> #function(&self.#at, #number, buf);)
    });
    let length = fields.iter().map(|field| {
        let (function, at, number) = (call(field, "encoded_len"), &field.ident, field.number);
        quote_spanned!(site=> + #function(&self.#at, #number))
    });
    let merge = fields.iter().map(|field| {
        let (function, at, number, field_name) = (call(field, "merge"), &field.ident, field.number, &field.name);
        quote_spanned! {site=>
            #number => #function(&mut self.#at, wire, buf, ctx).map_err(|mut error| {
                error.push(#name, #field_name);
                error
            }),
        }
    });
    let zeros: Vec<TokenStream> = fields.iter().map(|field| call(field, "zero")).collect();
    let names: Vec<&Ident> = fields.iter().map(|field| &field.ident).collect();
    quote_spanned! {site=>
        #[automatically_derived]
        impl ::mainstay::__private::prost::Message for #ident {
            #[allow(unused_variables)]
            fn encode_raw(&self, buf: &mut impl ::mainstay::__private::BufMut) {
                #(#encode)*
            }

            #[allow(unreachable_patterns)]
            fn merge_field(
                &mut self,
                tag: ::core::primitive::u32,
                wire: ::mainstay::__private::WireType,
                buf: &mut impl ::mainstay::__private::Buf,
                ctx: ::mainstay::__private::DecodeContext,
            ) -> ::core::result::Result<(), ::mainstay::__private::prost::DecodeError> {
                match tag {
                    #(#merge)*
                    _ => ::mainstay::__private::skip_field(wire, tag, buf, ctx),
                }
            }

            fn encoded_len(&self) -> ::core::primitive::usize {
                0 #(#length)*
            }

            fn clear(&mut self) {
                #(self.#names = #zeros();)*
            }
        }

        #[automatically_derived]
        impl ::core::default::Default for #ident {
            fn default() -> Self {
                Self { #(#names: #zeros(),)* }
            }
        }
    }
}

/// A function of the field's trait. The type is the user's own tokens, so that a type which cannot be a field is reported
/// there, and only once however often it is named.
fn call(field: &Field, function: &str) -> TokenStream {
    let (ty, function) = (&field.ty, Ident::new(function, Span::mixed_site()));
    if field.foreign {
        quote_spanned!(Span::mixed_site()=> <#ty as ::mainstay::__private::ForeignField<_>>::#function)
    } else {
        quote_spanned!(Span::mixed_site()=> <#ty as ::mainstay::__private::Field>::#function)
    }
}

/// A function of `Element`.
fn element(ty: &Type, function: &str) -> TokenStream {
    let function = Ident::new(function, Span::mixed_site());
    quote_spanned!(Span::mixed_site()=> <#ty as ::mainstay::__private::Element>::#function)
}

/// The description of a message.
fn describe(message: &Message, fill: &TokenStream) -> TokenStream {
    let (ident, name, docs, package) = (&message.ident, &message.name, &message.docs, package(message));
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        impl ::mainstay::__private::Describe for #ident {
            fn describe(types: &mut ::mainstay::__private::Types) -> ::mainstay::__private::MessageRef {
                #[allow(unused_variables)]
                types.message::<Self>(#package, #name, #docs, |message| { #fill })
            }
        }
    }
}

fn describe_fields(fields: &[Field]) -> TokenStream {
    let fields = fields.iter().map(|field| {
        let Field { name, number, docs, .. } = field;
        let ty = call(field, "field_type");
        quote_spanned!(Span::mixed_site()=> message.field(#name, #number, #docs, #ty);)
    });
    fields.collect()
}

fn describe_variant(variant: &Variant) -> TokenStream {
    let Variant { ident, name, number, docs, data, .. } = variant;
    let site = Span::mixed_site();
    match data {
        Data::Unit => {
            quote_spanned!(site=> message.variant(#name, #number, #docs, <() as ::mainstay::__private::Element>::type_ref);)
        }
        Data::Newtype(ty) => {
            let ty = element(ty, "type_ref");
            quote_spanned!(site=> message.variant(#name, #number, #docs, #ty);)
        }
        Data::Struct(fields) => {
            let (inner, fields) = (plain(ident), describe_fields(fields));
            quote_spanned!(site=> message.variant_struct(#name, #number, #docs, #inner, |message| { #fields });)
        }
    }
}

/// The struct that a variant with names is read into.
fn inner_struct(message: &str, variant: &Variant) -> Option<TokenStream> {
    let Data::Struct(fields) = &variant.data else { return None };
    let ident = inner_ident(message, variant);
    let members = fields.iter().map(|field| {
        let (ident, ty) = (&field.ident, &field.ty);
        quote!(#ident: #ty,)
    });
    let implementation = prost_message(&ident, &format!("{message}.{}", plain(&variant.ident)), fields);
    Some(quote! {
        #[allow(non_camel_case_types)]
        struct #ident { #(#members)* }
        #implementation
    })
}

fn inner_ident(message: &str, variant: &Variant) -> Ident {
    format_ident!("__Mainstay_{}_{}", message, plain(&variant.ident), span = Span::mixed_site())
}

/// `Self::Variant { a: field_0, … }` with locals of our own.
fn pattern(ident: &Ident, fields: &[Field]) -> (TokenStream, Vec<Ident>) {
    let locals: Vec<Ident> =
        (0..fields.len()).map(|index| format_ident!("field_{}", index, span = Span::mixed_site())).collect();
    let names = fields.iter().map(|field| &field.ident);
    (quote!(Self::#ident { #(#names: #locals,)* }), locals)
}

fn encode_variant(variant: &Variant) -> TokenStream {
    let (ident, number) = (&variant.ident, variant.number);
    let site = Span::mixed_site();
    match &variant.data {
        Data::Unit => quote_spanned!(site=> Self::#ident => ::mainstay::__private::Element::encode(&(), #number, buf),),
        Data::Newtype(ty) => {
            let encode = element(ty, "encode");
            quote_spanned!(site=> Self::#ident(value) => #encode(value, #number, buf),)
        }
        Data::Struct(fields) => {
            let (pattern, locals) = pattern(ident, fields);
            let length = fields_length(fields, &locals);
            let encode = fields.iter().zip(&locals).map(|(field, local)| {
                let (encode, number) = (call(field, "encode"), field.number);
                quote_spanned!(site=> #encode(#local, #number, buf);)
            });
            quote_spanned! {site=>
                #pattern => {
                    ::mainstay::__private::codec::nested_encode_head(#number, #length, buf);
                    #(#encode)*
                }
            }
        }
    }
}

fn variant_length(variant: &Variant) -> TokenStream {
    let (ident, number) = (&variant.ident, variant.number);
    let site = Span::mixed_site();
    match &variant.data {
        Data::Unit => quote_spanned!(site=> Self::#ident => ::mainstay::__private::Element::encoded_len(&(), #number),),
        Data::Newtype(ty) => {
            let length = element(ty, "encoded_len");
            quote_spanned!(site=> Self::#ident(value) => #length(value, #number),)
        }
        Data::Struct(fields) => {
            let (pattern, locals) = pattern(ident, fields);
            let length = fields_length(fields, &locals);
            quote_spanned!(site=> #pattern => ::mainstay::__private::codec::nested_encoded_len(#number, #length),)
        }
    }
}

fn fields_length(fields: &[Field], locals: &[Ident]) -> TokenStream {
    let lengths = fields.iter().zip(locals).map(|(field, local)| {
        let (length, number) = (call(field, "encoded_len"), field.number);
        quote_spanned!(Span::mixed_site()=> + #length(#local, #number))
    });
    quote!(0 #(#lengths)*)
}

fn merge_variant(message: &str, variant: &Variant) -> TokenStream {
    let (ident, number) = (&variant.ident, variant.number);
    let site = Span::mixed_site();
    match &variant.data {
        Data::Unit => quote_spanned! {site=>
            #number => {
                ::mainstay::__private::codec::merge_embedded_variant((), wire, buf, ctx)?;
                ::core::option::Option::Some(Self::#ident)
            }
        },
        Data::Newtype(ty) => {
            let merge = element(ty, "merge_slot");
            quote_spanned! {site=>
                #number => {
                    let mut value = match before {
                        ::core::option::Option::Some(Self::#ident(value)) => ::core::option::Option::Some(value),
                        _ => ::core::option::Option::None,
                    };
                    #merge(&mut value, wire, buf, ctx)?;
                    value.map(Self::#ident)
                }
            }
        }
        Data::Struct(fields) => {
            let inner = inner_ident(message, variant);
            let (pattern, locals) = pattern(ident, fields);
            let names: Vec<&Ident> = fields.iter().map(|field| &field.ident).collect();
            quote_spanned! {site=>
                #number => {
                    let before = match before {
                        ::core::option::Option::Some(#pattern) => #inner { #(#names: #locals,)* },
                        _ => ::core::default::Default::default(),
                    };
                    let #inner { #(#names: #locals,)* } =
                        ::mainstay::__private::codec::merge_embedded_variant(before, wire, buf, ctx)?;
                    ::core::option::Option::Some(#pattern)
                }
            }
        }
    }
}

fn package(message: &Message) -> TokenStream {
    match &message.package {
        Some(package) => quote!(::core::option::Option::Some(#package)),
        None => quote!(::core::option::Option::None),
    }
}

fn plain(ident: &Ident) -> String {
    syn::ext::IdentExt::unraw(ident).to_string()
}

/// Makes the compiler expand again when a lock file changes.
fn tracked(files: &[PathBuf]) -> TokenStream {
    let files = files.iter().filter_map(|path| path.to_str());
    quote!(#(const _: &[::core::primitive::u8] = ::core::include_bytes!(#files);)*)
}
