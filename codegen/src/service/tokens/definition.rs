//! The definition as a constant, the messages made for methods, and the test that locks them.

use super::super::model::{MadeField, Rpc, Service, Shape};
use super::{Half, Names, conditions, door, error, made_ident, made_name, message, quiet, signature};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use std::time::Duration;
use syn::spanned::Spanned;

/// The constant's name.
pub(super) fn ident() -> Ident {
    Ident::new("__MAINSTAY_DEFINITION", Span::call_site())
}

/// All that needs no name outside.
pub(super) fn tokens(service: &Service, names: &Names) -> TokenStream {
    let (door, cfgs, ident) = (door(), conditions(service), ident());
    let made = service.rpcs.iter().map(|rpc| made(service, rpc));
    let signatures = service.rpcs.iter().map(|rpc| types(service, rpc));
    let (serve, client, mock) = (
        super::server::serve(service, names),
        super::client::methods(service, names),
        super::mock::implementations(service, names),
    );
    let methods = service.rpcs.iter().map(|rpc| method(service, rpc));
    let (package, name, full_name, docs) = (&service.package, &service.name, service.full_name(), &service.docs);
    let (version, group) = (option(service.version.as_ref()), option(service.group.as_ref()));
    quote! {
        #(#cfgs)*
        const _: () = {
            use #door::ProbeOpaque as _;

            #(#made)*
            #(#signatures)*

            static #ident: #door::ServiceDef = #door::ServiceDef {
                package: #package,
                name: #name,
                full_name: #full_name,
                version: #version,
                group: #group,
                docs: #docs,
                methods: &[#(#methods),*],
            };

            #serve
            #client
            #mock
        };
    }
}

/// One entry of the definition.
fn method(service: &Service, rpc: &Rpc) -> TokenStream {
    let (door, cfgs) = (door(), rpc.cfgs());
    let (name, aliases, docs) = (&rpc.name, rpc.alias().into_iter(), &rpc.docs);
    let kind = match (rpc.request.streams, rpc.response.streams) {
        (false, false) => quote!(Unary),
        (false, true) => quote!(ServerStreaming),
        (true, false) => quote!(ClientStreaming),
        (true, true) => quote!(BidiStreaming),
    };
    let (idempotent, spawn) = (rpc.idempotent, rpc.spawn);
    let duration = |time: Duration| {
        let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
        quote!(::core::time::Duration::new(#seconds, #nanos))
    };
    let (timeout, per_try) = (option(rpc.timeout.map(duration)), option(rpc.per_try_timeout.map(duration)));
    let (retries, get) = (option(rpc.retries), option(rpc.get.as_ref()));
    let describe = |half| {
        let message = message(service, rpc, half);
        quote_spanned!(message.span()=> |types| #door::Probe::<#message>::new().describe(types))
    };
    let (input, output) = (describe(Half::Request), describe(Half::Response));
    quote! {
        #(#cfgs)*
        #door::MethodDef {
            name: #name,
            aliases: &[#(#aliases),*],
            kind: #door::Kind::#kind,
            idempotent: #idempotent,
            timeout: #timeout,
            per_try_timeout: #per_try,
            retries: #retries,
            spawn: #spawn,
            get: #get,
            docs: #docs,
            input: #input,
            output: #output,
        }
    }
}

/// The types of a method under one name.
fn types(service: &Service, rpc: &Rpc) -> TokenStream {
    let (door, quiet, cfgs, signature) = (door(), quiet(), rpc.cfgs(), signature(service, rpc));
    let (request, response) = (message(service, rpc, Half::Request), message(service, rpc, Half::Response));
    let error = error(rpc);
    quote! {
        #(#cfgs)*
        #quiet
        enum #signature {}

        #(#cfgs)*
        #quiet
        impl #door::Signature for #signature {
            type Request = #request;
            type Response = #response;
            type Error = #error;
        }
    }
}

/// The messages made for a method.
fn made(service: &Service, rpc: &Rpc) -> TokenStream {
    let message = |half, shape: &Shape| match shape {
        Shape::Made(fields) => declaration(service, rpc, half, fields),
        _ => TokenStream::new(),
    };
    let request = message(Half::Request, &rpc.request.shape);
    let response = message(Half::Response, &rpc.response.shape);
    quote!(#request #response)
}

fn declaration(service: &Service, rpc: &Rpc, half: Half, fields: &[MadeField]) -> TokenStream {
    let (door, quiet, cfgs) = (door(), quiet(), rpc.cfgs());
    let (ident, name) = (made_ident(service, rpc, half), made_name(rpc, half));
    let package = (!service.package.is_empty()).then(|| {
        let package = &service.package;
        quote!(package = #package,)
    });
    let fields = fields.iter().map(|field| {
        let (attrs, ident, ty) = (&field.attrs, &field.ident, &field.ty);
        quote!(#(#attrs)* #ident: #ty)
    });
    quote! {
        #(#cfgs)*
        #quiet
        #[derive(#door::Message)]
        #[message(#package name = #name)]
        struct #ident {
            #(#fields),*
        }
    }
}

/// The test that compares the service with the committed `.proto`.
pub(super) fn lock(service: &Service, names: &Names) -> TokenStream {
    if !service.lock {
        return TokenStream::new();
    }
    let (door, cfgs, client) = (door(), conditions(service), &names.client);
    let test = format_ident!("{}_keeps_its_proto", crate::case::snake(&super::super::method::plain(&service.ident)));
    quote! {
        #(#cfgs)*
        #[cfg(test)]
        #[::core::prelude::v1::test]
        fn #test() {
            #door::check_lock(::core::env!("CARGO_MANIFEST_DIR"), &[#client::definition()]);
        }
    }
}

fn option(value: Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
