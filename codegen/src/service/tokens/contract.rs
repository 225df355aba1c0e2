//! The trait itself: every method returns a future that can move between threads.

use super::super::model::{Arg, Rpc, Service};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

pub(super) fn tokens(service: &Service) -> TokenStream {
    let (attrs, vis, ident) = (&service.attrs, &service.vis, &service.ident);
    let methods = service.rpcs.iter().map(method);
    quote! {
        #(#attrs)*
        #vis trait #ident: ::core::marker::Send + ::core::marker::Sync + 'static {
            #(#methods)*
        }
    }
}

fn method(rpc: &Rpc) -> TokenStream {
    let (attrs, ident, output) = (&rpc.attrs, &rpc.ident, &rpc.output);
    let arguments = rpc.args.iter().map(|arg| match arg {
        Arg::Cx { ident, ty } => quote!(#ident: #ty),
        Arg::Field(field) => {
            let (mutability, ident, ty) = (&field.mutability, &field.ident, &field.ty);
            quote!(#mutability #ident: #ty)
        }
    });
    let future = quote_spanned! {output.span()=>
        impl ::core::future::Future<Output = #output> + ::core::marker::Send
    };
    match &rpc.body {
        None => quote! {
            #(#attrs)*
            fn #ident(&self #(, #arguments)*) -> #future;
        },
        Some(body) => quote! {
            #(#attrs)*
            #[allow(clippy::manual_async_fn)]
            fn #ident(&self #(, #arguments)*) -> #future {
                async move #body
            }
        },
    }
}
