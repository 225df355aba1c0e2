//! What is wrong with the user's code, collected.
//!
//! A macro that stops at its first complaint makes its user compile once per mistake. So every parser here goes on
//! after a mistake as well as it can, says it to a [`Problems`], and all of them are reported together, each at the
//! user's own span.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Problems(Vec<syn::Error>);

impl Problems {
    /// Reports `text` at all of `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, text: impl std::fmt::Display) {
        self.0.push(syn::Error::new_spanned(tokens, text));
    }

    /// Reports `text` at `span`.
    pub(crate) fn at_span(&mut self, span: Span, text: impl std::fmt::Display) {
        self.0.push(syn::Error::new(span, text));
    }

    /// The value, or its error taken down.
    pub(crate) fn take<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.0.push(error)).ok()
    }

    /// Nothing has been reported.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One `compile_error!` per mistake.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }

    /// The texts, for tests.
    #[cfg(test)]
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}
