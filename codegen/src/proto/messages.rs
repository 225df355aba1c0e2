//! The messages, written by prost-build, as a tree of modules that follows the packages.

use super::{described::Described, services::Services, source::Source};
use proc_macro2::TokenStream;
use prost_build::{Config, Module};
use quote::quote;
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
    tree.tokens(&mut Described::of(&source.files))
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

    fn tokens(self, described: &mut Described) -> Result<TokenStream, String> {
        let mut items = described.items(self.items);
        items.iter_mut().for_each(|item| Docs.visit_item_mut(item));
        let mut tokens = quote!(#(#items)*);
        for (name, tree) in self.inner {
            let name: Ident = syn::parse_str(&name).map_err(|error| format!("package part `{name}`: {error}"))?;
            let inner = described.inside(&name, |described| tree.tokens(described))?;
            tokens.extend(quote!(pub mod #name { #inner }));
        }
        Ok(tokens)
    }
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
}
