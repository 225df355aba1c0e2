//! `#[service]`: a trait becomes a server, a client, an injectable view and a mock.
//!
//! The way is parse → model → tokens. [`parse`] reads the trait into the plain data of [`model`] and collects every
//! mistake; [`check`] compares the methods with each other; [`tokens`] writes code from a model that is known to be
//! right, and cannot fail. With mistakes the trait itself is still given back, so that nothing else in the user's crate
//! complains about a missing name.

mod check;
mod method;
mod model;
mod options;
mod parse;
mod path;
mod tokens;
mod types;

#[cfg(feature = "proto")]
pub(crate) use check::is_taken;

use crate::problem::Problems;
use proc_macro2::TokenStream;
use quote::quote;

/// Expands the attribute.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let options = options::ServiceOptions::read(arguments, &mut problems);
    let Some(item) = problems.take(parse::item(item)) else { return problems.into_tokens() };
    let service = parse::service(options, &item, &mut problems);
    check::service(&service, &mut problems);
    if problems.is_empty() {
        return tokens::service(&service);
    }
    let (problems, item) = (problems.into_tokens(), parse::bare(item));
    quote!(#problems #item)
}
