//! The messages, written by prost-build, as a tree of modules that follows the packages.

use super::{services::Services, source::Source};
use proc_macro2::TokenStream;
use prost_build::{Config, Module};
use quote::{format_ident, quote};
use std::collections::BTreeMap;
use syn::{Attribute, Expr, ExprLit, Ident, Item, Lit, LitStr, Meta, visit_mut::VisitMut};

/// The well-known types that are types of prost-types; the others are Rust's own. Each by its full name, since prost-build
/// takes the underscores off a path that it completes itself.
const WELL_KNOWN: &[&str] = &[
    "Any",
    "Api",
    "DescriptorProto",
    "Duration",
    "FieldMask",
    "FileDescriptorProto",
    "FileDescriptorSet",
    "ListValue",
    "Method",
    "Mixin",
    "NullValue",
    "SourceContext",
    "Struct",
    "Timestamp",
    "Type",
    "Value",
];

/// All modules of a source, with what is in the empty package outside.
///
/// # Errors
/// When prost-build cannot write them.
pub(crate) fn tree(source: &Source) -> Result<TokenStream, String> {
    let mut config = Config::new();
    config.prost_path("::mainstay::__private::prost").enable_type_names().service_generator(Box::new(Services));
    for name in WELL_KNOWN {
        let (proto, rust) = (format!(".google.protobuf.{name}"), format!("::mainstay::__private::prost_types::{name}"));
        config.extern_path(proto, rust);
    }
    let files = source.known.iter().chain(&source.files);
    let requests = files.map(|file| (Module::from_protobuf_package_name(file.package()), file.clone())).collect();
    let modules = config.generate(requests).map_err(|error| error.to_string())?;
    let mut tree = Tree::default();
    for (module, text) in modules {
        let file = syn::parse_file(&text).map_err(|error| format!("the generated code does not parse: {error}"))?;
        tree.at(module.parts()).items = file.items;
    }
    tree.tokens(0)
}

/// The modules on the way to a package.
pub(crate) fn path(package: &str) -> Vec<Ident> {
    let module = Module::from_protobuf_package_name(package);
    module.parts().filter_map(|part| syn::parse_str(part).ok()).collect()
}

/// A package, and the packages in it.
#[derive(Default)]
struct Tree {
    items: Vec<Item>,
    inner: BTreeMap<String, Tree>,
}

impl Tree {
    fn at<'a>(&mut self, parts: impl Iterator<Item = &'a str>) -> &mut Self {
        parts.fold(self, |tree, part| tree.inner.entry(part.to_owned()).or_default())
    }

    fn tokens(self, depth: usize) -> Result<TokenStream, String> {
        let mut items = described(self.items, depth);
        items.iter_mut().for_each(|item| Docs.visit_item_mut(item));
        let mut tokens = quote!(#(#items)*);
        for (name, tree) in self.inner {
            let name: Ident = syn::parse_str(&name).map_err(|error| format!("package part `{name}`: {error}"))?;
            let inner = tree.tokens(depth + 1)?;
            tokens.extend(quote!(pub mod #name { #inner }));
        }
        Ok(tokens)
    }
}

/// Gives each message its description: its name in the set of descriptors, which stands `depth` modules further out.
fn described(items: Vec<Item>, depth: usize) -> Vec<Item> {
    let mut all = Vec::with_capacity(items.len() * 2);
    for mut item in items {
        if let Item::Mod(module) = &mut item
            && let Some((_, inner)) = &mut module.content
        {
            *inner = described(std::mem::take(inner), depth + 1);
        }
        let description = description(&item, depth);
        all.push(item);
        all.extend(description);
    }
    all
}

/// The description of a message, made where prost-build says its name.
fn description(item: &Item, depth: usize) -> Option<Item> {
    let Item::Impl(named) = item else { return None };
    let (_, of, _) = named.trait_.as_ref()?;
    if of.segments.last()?.ident != "Name" {
        return None;
    }
    let ty = &named.self_ty;
    let out = std::iter::repeat_n(format_ident!("super"), depth);
    Some(syn::parse_quote! {
        impl ::mainstay::__private::Describe for #ty {
            fn describe(types: &mut ::mainstay::__private::Types) -> ::mainstay::__private::MessageRef {
                let name = <Self as ::mainstay::__private::prost::Name>::full_name();
                types.message_of_set(#(#out::)*__SET, &name)
            }
        }
    })
}

/// Keeps rustdoc from running what stands in comments: an indented or fenced block of a `.proto` is no Rust.
struct Docs;

impl VisitMut for Docs {
    fn visit_attributes_mut(&mut self, attrs: &mut Vec<Attribute>) {
        let mut fenced = false;
        for text in attrs.iter_mut().filter_map(doc) {
            let line = text.value();
            let trimmed = line.trim_start();
            if trimmed.starts_with("```") {
                let plain = if fenced { " ```" } else { " ```text" };
                *text = LitStr::new(plain, text.span());
                fenced = !fenced;
            } else if !fenced && line.starts_with("    ") {
                *text = LitStr::new(&format!(" {trimmed}"), text.span());
            }
        }
    }
}

/// The text of a doc attribute.
fn doc(attr: &mut Attribute) -> Option<&mut LitStr> {
    match &mut attr.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &mut pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_in_comments_are_no_doctests() {
        let mut item: Item = syn::parse_quote! {
            /// Say:
            ///
            ///     not rust
            /// ```
            ///     nor this
            /// ```
            /// end
            struct S;
        };
        Docs.visit_item_mut(&mut item);
        let Item::Struct(item) = item else { unreachable!() };
        assert_eq!(crate::docs::docs(&item.attrs), "Say:\n\nnot rust\n```text\n    nor this\n```\nend");
    }

    #[test]
    fn a_message_is_described_from_where_it_stands() {
        let items = syn::parse_quote!(
            mod a {
                impl p::Name for M {}
            }
        );
        let items = described(vec![items], 2);
        assert!(quote!(#(#items)*).to_string().contains("super :: super :: super :: __SET"));
    }
}
