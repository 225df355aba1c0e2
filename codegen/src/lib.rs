//! The macros of mainstay.
//!
//! This file holds the doors only; each macro is a folder beside it.

mod options;
mod problem;
mod service;

use proc_macro::TokenStream;

/// Makes a service of a trait: a server, a client, an object to inject and a mock.
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    service::expand(arguments.into(), item.into()).into()
}
