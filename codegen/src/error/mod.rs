//! `#[derive(ServiceError)]`: an enum becomes an error that keeps its type across the wire.

mod format;
mod parse;
mod tokens;

use crate::problem::Problems;
use proc_macro2::{Ident, TokenStream};
use syn::{LitStr, Type};

/// The enum.
struct ErrorType {
    ident: Ident,
    domain: String,
    variants: Vec<Variant>,
}

struct Variant {
    ident: Ident,
    /// `OUT_OF_STOCK`.
    reason: String,
    code: Ident,
    message: Message,
    fields: Fields,
}

/// A format string, and what is to be put into it beside the fields.
struct Message {
    format: LitStr,
    arguments: TokenStream,
}

enum Fields {
    Unit,
    Named(Vec<Field>),
    Tuple(Vec<Field>),
}

struct Field {
    /// What it is called in Rust; `_0` in a tuple.
    ident: Ident,
    /// Its key in the metadata.
    key: String,
    ty: Type,
}

impl Fields {
    fn all(&self) -> &[Field] {
        match self {
            Fields::Unit => &[],
            Fields::Named(fields) | Fields::Tuple(fields) => fields,
        }
    }
}

/// Expands the derive.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let tokens = problems
        .take(syn::parse2(item))
        .and_then(|input| parse::error(&input, &mut problems))
        .map(|error| tokens::error(&error));
    let mut all = problems.into_tokens();
    all.extend(tokens);
    all
}
