//! What prost-build leaves out: each message and enum says which type of the set of descriptors it is, and is an element, so
//! that `#[derive(Message)]` types hold it like one of their own.
//!
//! A message of prost-build knows its name, an enum does not. Its name is found by where it stands: the modules are the
//! packages and messages around it, but for case and underscores.

use proc_macro2::Ident;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};
use quote::format_ident;
use std::collections::BTreeMap;
use syn::{Item, ItemEnum, ItemImpl, ext::IdentExt};

/// The enums of a set, and the module whose items are being described.
pub(crate) struct Described {
    enums: BTreeMap<Vec<String>, Enum>,
    /// The modules around, from the set outward.
    place: Vec<String>,
}

/// What must be known of an enum.
struct Enum {
    full_name: String,
    /// Its first value is 0: it has a zero that everybody agrees on, as each enum of proto3 does.
    zero: bool,
}

impl Described {
    /// Nothing described yet; the enums of these files are known.
    pub(crate) fn of(files: &[FileDescriptorProto]) -> Self {
        let mut described = Self { enums: BTreeMap::new(), place: Vec::new() };
        for file in files {
            file.enum_type.iter().for_each(|def| described.know(file.package(), def));
            file.message_type.iter().for_each(|message| described.know_inside(file.package(), message));
        }
        described
    }

    fn know_inside(&mut self, scope: &str, message: &DescriptorProto) {
        let scope = join(scope, message.name());
        message.enum_type.iter().for_each(|def| self.know(&scope, def));
        message.nested_type.iter().for_each(|inner| self.know_inside(&scope, inner));
    }

    fn know(&mut self, scope: &str, def: &EnumDescriptorProto) {
        let full_name = join(scope, def.name());
        let place = full_name.split('.').map(plain).collect();
        let zero = def.value.first().is_some_and(|value| value.number() == 0);
        self.enums.insert(place, Enum { full_name, zero });
    }

    /// Goes into a module.
    pub(crate) fn inside<T>(&mut self, module: &Ident, work: impl FnOnce(&mut Self) -> T) -> T {
        self.place.push(plain(&module.unraw().to_string()));
        let done = work(self);
        self.place.pop();
        done
    }

    /// The items of a module, and a description after each that is a message or an enum.
    pub(crate) fn items(&mut self, items: Vec<Item>) -> Vec<Item> {
        let mut all = Vec::with_capacity(items.len() * 2);
        for mut item in items {
            if let Item::Mod(module) = &mut item
                && let Some((_, inner)) = &mut module.content
            {
                let items = std::mem::take(inner);
                *inner = self.inside(&module.ident, |described| described.items(items));
            }
            let described = match &item {
                Item::Impl(named) => self.message(named),
                Item::Enum(def) => self.enumeration(def),
                _ => Vec::new(),
            };
            all.push(item);
            all.extend(described);
        }
        all
    }

    /// The description of a message, made where prost-build says its name.
    fn message(&self, named: &ItemImpl) -> Vec<Item> {
        let of = named.trait_.as_ref().and_then(|(_, of, _)| of.segments.last());
        if of.is_none_or(|of| of.ident != "Name") {
            return Vec::new();
        }
        let (ty, out) = (&named.self_ty, self.out());
        let describe = syn::parse_quote! {
            impl ::mainstay::__private::Describe for #ty {
                fn describe(types: &mut ::mainstay::__private::Types) -> ::mainstay::__private::MessageRef {
                    let name = <Self as ::mainstay::__private::prost::Name>::full_name();
                    types.message_of_set(#(#out::)*__SET, &name)
                }
            }
        };
        vec![describe, syn::parse_quote!(::mainstay::__private::message_element!(#ty);)]
    }

    /// The description of an enum: alternatives of a oneof are Rust enums too, and are none of the set.
    fn enumeration(&self, item: &ItemEnum) -> Vec<Item> {
        let ident = &item.ident;
        let mut place = self.place.clone();
        place.push(plain(&ident.unraw().to_string()));
        let numbers = item.variants.iter().all(|variant| variant.fields.is_empty());
        let Some(Enum { full_name, zero }) = self.enums.get(&place).filter(|_| numbers) else { return Vec::new() };
        let (out, zero) = (self.out(), zero.then(|| quote::quote!(, <#ident as ::core::default::Default>::default())));
        let describe = syn::parse_quote! {
            impl ::mainstay::__private::Enumeration for #ident {
                fn number(&self) -> ::core::primitive::i32 {
                    *self as ::core::primitive::i32
                }

                fn from_number(number: ::core::primitive::i32) -> ::core::option::Option<Self> {
                    <Self as ::core::convert::TryFrom<::core::primitive::i32>>::try_from(number).ok()
                }

                fn describe(types: &mut ::mainstay::__private::Types) -> ::mainstay::__private::TypeRef {
                    types.enumeration_of_set(#(#out::)*__SET, #full_name)
                }
            }
        };
        vec![describe, syn::parse_quote!(::mainstay::__private::enum_element!(#ident #zero);)]
    }

    /// The way out to the module of the set.
    fn out(&self) -> impl Iterator<Item = Ident> {
        std::iter::repeat_n(format_ident!("super"), self.place.len())
    }
}

fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

/// A name without what Rust's and protobuf's customs of writing differ in.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| *letter != '_').flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::EnumValueDescriptorProto;
    use quote::quote;

    fn enumeration(name: &str, first: i32) -> EnumDescriptorProto {
        let value = EnumValueDescriptorProto { number: Some(first), ..EnumValueDescriptorProto::default() };
        EnumDescriptorProto { name: Some(name.to_owned()), value: vec![value], ..EnumDescriptorProto::default() }
    }

    fn described(items: Vec<Item>, packages: &[&str]) -> String {
        let inner = DescriptorProto {
            name: Some("HttpThing".to_owned()),
            enum_type: vec![enumeration("Kind", 1)],
            ..DescriptorProto::default()
        };
        let file = FileDescriptorProto {
            package: Some("Shop.v1".to_owned()),
            message_type: vec![inner],
            enum_type: vec![enumeration("Kind", 0)],
            ..FileDescriptorProto::default()
        };
        let mut described = Described::of(&[file]);
        described.place = packages.iter().map(|&name| name.to_owned()).collect();
        let items = described.items(items);
        quote!(#(#items)*).to_string()
    }

    #[test]
    fn a_message_is_described_from_where_it_stands() {
        let text = described(
            vec![syn::parse_quote!(
                mod a {
                    impl p::Name for M {}
                }
            )],
            &["shop", "v1"],
        );
        assert!(text.contains("super :: super :: super :: __SET"), "{text}");
        assert!(text.contains("message_element ! (M)"), "{text}");
    }

    #[test]
    fn an_enum_is_told_by_where_it_stands_and_a_oneof_is_none() {
        let items = syn::parse_quote! {
            enum Kind { A = 0 }
            mod http_thing {
                enum Kind { A = 1 }
                enum Choice { A(u32) }
            }
        };
        let syn::File { items, .. } = items;
        let text = described(items, &["shop", "v1"]);
        assert!(text.contains("(super :: super :: __SET , \"Shop.v1.Kind\")"), "{text}");
        assert!(text.contains("(super :: super :: super :: __SET , \"Shop.v1.HttpThing.Kind\")"), "{text}");
        assert_eq!(text.matches("enum_element").count(), 2, "{text}");
        assert_eq!(text.matches("Default").count(), 1, "one that does not begin with 0 has no zero: {text}");
    }
}
