//! The model → code. Cannot fail.
//!
//! Paths are absolute: std's from `::core` and `::std`, ours from the one door `::mainstay::__private`, so that nothing in
//! the user's scope is taken for something else. Our own variables have mixed-site spans: an argument of the user's may
//! be called `request`. What needs no name of its own lives in a `const _`, where the user's types are in scope.

mod client;
mod contract;
mod definition;
mod mock;
mod server;

use super::model::{Arg, Body, Error, Rpc, Service, Shape};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Meta, Type, spanned::Spanned};

/// All that a service becomes.
pub(crate) fn service(service: &Service) -> TokenStream {
    let names = Names::new(&service.ident);
    let contract = contract::tokens(service);
    let server = server::tokens(service, &names);
    let client = client::tokens(service, &names);
    let mock = mock::tokens(service, &names);
    let definition = definition::tokens(service, &names);
    let lock = definition::lock(service, &names);
    quote!(#contract #server #client #mock #definition #lock)
}

/// The names of what is generated.
struct Names {
    server: Ident,
    client: Ident,
    injected: Ident,
    mock: Ident,
}

impl Names {
    fn new(ident: &Ident) -> Self {
        let name = super::method::plain(ident);
        Self {
            server: format_ident!("{name}Server", span = ident.span()),
            client: format_ident!("{name}Client", span = ident.span()),
            injected: format_ident!("{name}Dyn", span = ident.span()),
            mock: format_ident!("Mock{name}", span = ident.span()),
        }
    }
}

/// Where everything of ours is.
fn door() -> TokenStream {
    quote!(::mainstay::__private)
}

/// What generated items are excused from: the user did not write them and may not need them all.
fn quiet() -> TokenStream {
    quote!(#[allow(dead_code, deprecated, unreachable_pub, clippy::all, clippy::pedantic, clippy::nursery)])
}

/// A variable of ours.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// Which half of a call.
#[derive(Clone, Copy)]
enum Half {
    Request,
    Response,
}

/// The name of the message made for a half of a call.
fn made_ident(service: &Service, rpc: &Rpc, half: Half) -> Ident {
    format_ident!("__{}{}", super::method::plain(&service.ident), made_name(rpc, half))
}

/// The same on the wire.
fn made_name(rpc: &Rpc, half: Half) -> String {
    match half {
        Half::Request => format!("{}Request", rpc.name),
        Half::Response => format!("{}Response", rpc.name),
    }
}

/// The type of the message in one half of a call.
fn message(service: &Service, rpc: &Rpc, half: Half) -> TokenStream {
    let body = body(rpc, half);
    match &body.shape {
        Shape::Empty => quote!(()),
        Shape::Itself(ty) => quote!(#ty),
        Shape::Made(fields) => {
            let mut ident = made_ident(service, rpc, half);
            if let Some(field) = fields.first() {
                ident.set_span(field.ty.span().resolved_at(Span::call_site()));
            }
            quote!(#ident)
        }
    }
}

fn body(rpc: &Rpc, half: Half) -> &Body {
    match half {
        Half::Request => &rpc.request,
        Half::Response => &rpc.response,
    }
}

/// The error type of a method.
fn error(rpc: &Rpc) -> TokenStream {
    let door = door();
    let output = &rpc.output;
    match &rpc.error {
        Error::Named(ty) => quote!(#ty),
        Error::Projected => quote_spanned!(output.span()=> <#output as #door::Outcome>::Err),
    }
}

/// The type that names all of a method's types.
fn signature(service: &Service, rpc: &Rpc) -> Ident {
    format_ident!("__{}{}", super::method::plain(&service.ident), rpc.name)
}

/// What the method answers with, a stream included.
fn success(rpc: &Rpc) -> TokenStream {
    let door = door();
    let item = &rpc.item;
    if rpc.response.streams { quote!(#door::Streaming<#item>) } else { quote!(#item) }
}

/// What a caller gets back.
fn outcome(rpc: &Rpc) -> TokenStream {
    let door = door();
    let (success, error) = (success(rpc), error(rpc));
    quote!(::core::result::Result<#success, #door::CallError<#error>>)
}

/// The arguments that travel, as they are declared.
fn parameters(rpc: &Rpc) -> TokenStream {
    let parameters = rpc.fields().map(|field| {
        let (ident, ty) = (&field.ident, &field.ty);
        quote!(#ident: #ty)
    });
    quote!(#(#parameters),*)
}

/// Their names.
fn arguments(rpc: &Rpc) -> TokenStream {
    let arguments = rpc.fields().map(|field| &field.ident);
    quote!(#(#arguments),*)
}

/// The position in the definition: methods that a `cfg` takes out do not count.
fn index(service: &Service, rpc: &Rpc) -> TokenStream {
    let before = service.rpcs.iter().take_while(|other| !std::ptr::eq(*other, rpc));
    let (sure, maybe): (Vec<_>, Vec<_>) = before.partition(|rpc| rpc.cfgs().is_empty());
    let sure = sure.len();
    let maybe = maybe.into_iter().map(|rpc| {
        let conditions = rpc.cfgs().into_iter().filter_map(|attr| match &attr.meta {
            Meta::List(list) => Some(&list.tokens),
            _ => None,
        });
        quote!(+ ::core::cfg!(all(#(#conditions),*)) as ::core::primitive::usize)
    });
    quote!((#sure #(#maybe)*))
}

/// The name of the function that carries a call of this kind, on either side.
fn carrier(rpc: &Rpc) -> Ident {
    let name = match (rpc.request.streams, rpc.response.streams) {
        (false, false) => "unary",
        (false, true) => "server_streaming",
        (true, false) => "client_streaming",
        (true, true) => "bidi_streaming",
    };
    Ident::new(name, Span::call_site())
}

/// The attributes that a method keeps outside the trait.
fn kept(rpc: &Rpc) -> Vec<&Attribute> {
    let kept = ["doc", "cfg", "deprecated"];
    rpc.attrs.iter().filter(|attr| kept.iter().any(|name| attr.path().is_ident(name))).collect()
}

/// The conditions under which a service exists.
fn conditions(service: &Service) -> Vec<&Attribute> {
    service.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect()
}

/// The context, when the method asks for it.
fn wants_cx(rpc: &Rpc) -> bool {
    rpc.args.iter().any(|arg| matches!(arg, Arg::Cx { .. }))
}

/// A tuple of the types that travel.
fn tuple(rpc: &Rpc) -> TokenStream {
    let types = rpc.fields().map(|field| -> &Type { &field.ty });
    quote!((#(#types,)*))
}
