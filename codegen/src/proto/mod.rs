//! `include_proto!`: the traits and messages of a `.proto` file, with no `protoc` and no build script.
//!
//! [`source`] reads and checks the file with protox; [`messages`] has prost-build write the messages, as it does for every
//! prost user, so that each wire type there is comes out right (`sint32`, `fixed64`, oneofs, maps, packed lists, open
//! enums); [`described`] has each of them say what it is, so that a derived message may hold it; [`services`] writes a `#[service]` trait per service, and from there on it is as if the user had written it.
//! All of it lives in a module of its own, where nothing in the user's scope can be taken for something else.

mod described;
mod messages;
mod services;
mod source;

use crate::problem::Problems;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

/// Expands the macro.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let read = syn::parse2::<source::Input>(input).and_then(|input| {
        let source = source::read(&input, root.as_ref())?;
        let tree = messages::tree(&source).map_err(|text| syn::Error::new(input.file.span(), text))?;
        Ok((source, tree))
    });
    let Some((source, tree)) = problems.take(read) else { return problems.into_tokens() };
    let module = format_ident!("__proto_{}", source.stem());
    let set = proc_macro2::Literal::byte_string(&source.encoded());
    let package = messages::path(&source.package);
    let package = (!package.is_empty()).then(|| quote!(#[allow(unused_imports)] pub use #module #(::#package)*::*;));
    let files = source.paths.iter().filter_map(|path| path.to_str());
    quote! {
        #[allow(
            dead_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::nursery, rustdoc::all
        )]
        mod #module {
            // So that a change of a file is a change of this one.
            #(const _: &[::core::primitive::u8] = ::core::include_bytes!(#files);)*
            static __SET: &[::core::primitive::u8] = #set;
            #tree
        }
        #[allow(unused_imports)]
        pub use #module::*;
        #package
    }
}
