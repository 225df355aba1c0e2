//! The trait as it was written → the model.

use super::{
    method,
    model::Service,
    options::{ServiceOptions, is_rpc},
};
use crate::{docs::docs, problem::Problems};
use proc_macro2::TokenStream;
use syn::{FnArg, Item, ItemTrait, Pat, TraitItem, TypeParamBound};

/// The trait under the attribute.
///
/// # Errors
/// When it is no trait.
pub(crate) fn item(tokens: TokenStream) -> syn::Result<ItemTrait> {
    match syn::parse2(tokens)? {
        Item::Trait(item) => Ok(item),
        Item::Impl(item) => Err(syn::Error::new(
            item.impl_token.span,
            "`#[service]` stands on the trait; an `impl` of it needs no attribute",
        )),
        other => Err(syn::Error::new_spanned(other, "`#[service]` stands on a trait")),
    }
}

/// Reads the trait. What is wrong is reported and left out.
pub(crate) fn service(options: ServiceOptions, item: &ItemTrait, problems: &mut Problems) -> Service {
    head(item, problems);
    let mut rpcs = Vec::new();
    for member in &item.items {
        match member {
            TraitItem::Fn(function) => rpcs.extend(method::read(function, problems)),
            other => problems.at(other, "a service trait has methods only: what it answers is the same for everyone"),
        }
    }
    if item.items.is_empty() {
        problems.at(&item.ident, "a service without a method has nothing to call");
    }
    let text = |option: Option<syn::LitStr>| option.map(|t| t.value());
    Service {
        attrs: item.attrs.clone(),
        vis: item.vis.clone(),
        ident: item.ident.clone(),
        docs: docs(&item.attrs),
        package: text(options.package).unwrap_or_default(),
        name: text(options.name).unwrap_or_else(|| super::method::plain(&item.ident)),
        version: text(options.version),
        group: text(options.group),
        lock: options.lock,
        rpcs,
    }
}

/// What stands before the braces of the trait.
fn head(item: &ItemTrait, problems: &mut Problems) {
    let text = "a service is one contract for all its callers: the trait takes no parameters";
    if !item.generics.params.is_empty() {
        problems.at(&item.generics, text);
    }
    if let Some(clause) = &item.generics.where_clause {
        problems.at(clause, text);
    }
    if let Some(token) = &item.unsafety {
        problems.at(token, "a service trait is not `unsafe`");
    }
    if let Some(token) = &item.auto_token {
        problems.at(token, "a service trait is not `auto`");
    }
    for bound in &item.supertraits {
        let known = match bound {
            TypeParamBound::Lifetime(lifetime) => lifetime.ident == "static",
            TypeParamBound::Trait(bound) => {
                bound.path.segments.last().is_some_and(|s| s.ident == "Send" || s.ident == "Sync")
            }
            _ => false,
        };
        if !known {
            problems.at(
                bound,
                "the mock could not implement this: a service trait has `Send + Sync + 'static` above it, which are added",
            );
        }
    }
}

/// The trait without the attributes that are ours, so that what else refers to it can still be checked.
pub(crate) fn bare(mut item: ItemTrait) -> ItemTrait {
    item.attrs.push(syn::parse_quote!(#[allow(async_fn_in_trait)]));
    for member in &mut item.items {
        if let TraitItem::Fn(function) = member {
            function.attrs.retain(|a| !is_rpc(a));
            for input in &mut function.sig.inputs {
                match input {
                    FnArg::Receiver(_) => {}
                    FnArg::Typed(typed) => {
                        typed.attrs.clear();
                        if !matches!(*typed.pat, Pat::Ident(_)) {
                            *typed.pat = syn::parse_quote!(_);
                        }
                    }
                }
            }
        }
    }
    item
}
