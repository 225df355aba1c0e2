//! `#[derive(Message)]`: a struct or an enum becomes a protobuf message or enum.
//!
//! The way is parse → model → tokens, as for services. Code is written even when there are mistakes, as far as the model
//! goes: a type that lost its impls would be reported once more wherever it is used.

mod attributes;
mod model;
mod numbers;
mod parse;
mod tokens;

use crate::problem::Problems;
use model::Shape;
use proc_macro2::TokenStream;

/// Expands the derive.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let tokens =
        problems.take(syn::parse2(item)).and_then(|input| parse::message(&input, &mut problems)).map(|message| {
            match &message.shape {
                Shape::Struct(fields) => tokens::structure(&message, fields),
                Shape::Enum(values) => tokens::enumeration(&message, values),
                Shape::OneOf(variants) => tokens::oneof(&message, variants),
            }
        });
    let mut all = problems.into_tokens();
    all.extend(tokens);
    all
}
