//! `…Client`, which calls, and `…Dyn`, the same as a trait that can be injected.

use super::super::model::{Rpc, Service, Shape};
use super::{
    Half, Names, arguments, carrier, conditions, door, index, kept, local, message, outcome, parameters, quiet,
    signature,
};
use proc_macro2::TokenStream;
use quote::quote;

pub(super) fn tokens(service: &Service, names: &Names) -> TokenStream {
    let (door, quiet, cfgs) = (door(), quiet(), conditions(service));
    let (vis, ident, client) = (&service.vis, &service.ident, &names.client);
    let docs = format!(" Calls a [`{ident}`] somewhere else. Cheap to clone.");
    let injected = injected(service, names);
    quote! {
        #(#cfgs)*
        #quiet
        #[doc = #docs]
        #[derive(::core::clone::Clone)]
        #vis struct #client {
            client: #door::Client,
        }

        #(#cfgs)*
        impl ::core::fmt::Debug for #client {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_tuple(::core::stringify!(#client)).field(&self.client).finish()
            }
        }

        #(#cfgs)*
        impl ::core::convert::From<#door::Client> for #client {
            fn from(client: #door::Client) -> Self {
                Self { client }
            }
        }

        #injected
    }
}

/// The trait whose objects can be passed around.
fn injected(service: &Service, names: &Names) -> TokenStream {
    let (door, quiet, cfgs) = (door(), quiet(), conditions(service));
    let (vis, ident, client, injected) = (&service.vis, &service.ident, &names.client, &names.injected);
    let docs = format!(
        " What a caller of [`{ident}`] needs, as an object: `Arc<dyn {injected}>` holds a [`{client}`] or a [`{}`].",
        names.mock
    );
    let declarations = service.rpcs.iter().map(|rpc| {
        let (attrs, method, parameters, outcome) = (kept(rpc), &rpc.ident, parameters(rpc), outcome(rpc));
        quote! {
            #(#attrs)*
            fn #method(&self, #parameters) -> #door::BoxFuture<'_, #outcome>;
        }
    });
    let methods = service.rpcs.iter().map(|rpc| {
        let (cfgs, method) = (rpc.cfgs(), &rpc.ident);
        let (parameters, arguments, outcome) = (parameters(rpc), arguments(rpc), outcome(rpc));
        quote! {
            #(#cfgs)*
            fn #method(&self, #parameters) -> #door::BoxFuture<'_, #outcome> {
                ::std::boxed::Box::pin(#client::#method(self, #arguments))
            }
        }
    });
    quote! {
        #(#cfgs)*
        #quiet
        #[doc = #docs]
        #vis trait #injected: ::core::marker::Send + ::core::marker::Sync + 'static {
            #(#declarations)*
        }

        #(#cfgs)*
        #quiet
        impl #injected for #client {
            #(#methods)*
        }
    }
}

/// The client's own methods; stands where the made messages can be seen.
pub(super) fn methods(service: &Service, names: &Names) -> TokenStream {
    let (door, quiet) = (door(), quiet());
    let (vis, ident, client, server) = (&service.vis, &service.ident, &names.client, &names.server);
    let definition = super::definition::ident();
    let calls = service.rpcs.iter().map(|rpc| call(service, rpc));
    let docs = format!(" What [`{ident}`] declares.");
    quote! {
        #quiet
        impl #client {
            /// A client of the providers that `application` has registered. It connects when it is first used: a
            /// dependency that is away does not keep anyone from starting.
            #vis fn connect(application: &::core::primitive::str) -> #door::ConnectBuilder<Self> {
                #door::connect(&#definition, application)
            }

            /// A client of `service` in this process: all the layers and the codec, and no socket.
            #vis fn in_process<T: #ident>(service: T) -> Self {
                #door::in_process(#server::new(service))
            }

            /// A client on a channel.
            #vis fn new(channel: #door::Channel) -> Self {
                #door::from_channel(&#definition, channel)
            }

            /// The same client with other options for its calls.
            #[must_use]
            #vis fn with(&self, options: #door::CallOptions) -> Self {
                Self { client: self.client.with(options) }
            }

            /// Every instance that is known now, and how its connections do. Empty before the first call, since nothing is
            /// looked up before it.
            #vis fn connectivity(&self) -> ::std::vec::Vec<#door::EndpointState> {
                self.client.connectivity()
            }

            #[doc = #docs]
            #vis fn definition() -> &'static #door::ServiceDef {
                &#definition
            }

            #(#calls)*
        }
    }
}

fn call(service: &Service, rpc: &Rpc) -> TokenStream {
    let (door, vis, attrs, method) = (door(), &service.vis, kept(rpc), &rpc.ident);
    let (parameters, outcome, signature) = (parameters(rpc), outcome(rpc), signature(service, rpc));
    let (index, carrier) = (index(service, rpc), carrier(rpc));
    let (sends, gets) = (message(service, rpc, Half::Request), message(service, rpc, Half::Response));
    let (request, unwrap) = (request(rpc, &sends), unwrap(rpc, &gets));
    quote! {
        #(#attrs)*
        #vis async fn #method(&self, #parameters) -> #outcome {
            #door::call::#carrier::<#signature>(&self.client, #index, #request).await #unwrap
        }
    }
}

/// From the arguments to what travels.
fn request(rpc: &Rpc, message: &TokenStream) -> TokenStream {
    let (door, value) = (door(), local("value"));
    let arguments = arguments(rpc);
    match (&rpc.request.shape, rpc.request.streams) {
        (Shape::Made(fields), true) => {
            let field = &fields[0].ident;
            quote!(#door::Streaming::map(#arguments, |#value| #message { #field: #value }))
        }
        (Shape::Made(fields), false) => {
            let fields = fields.iter().map(|field| &field.ident);
            quote!(#message { #(#fields),* })
        }
        _ if rpc.fields().next().is_none() => quote!(()),
        _ => arguments,
    }
}

/// From what travels to what the method answers.
fn unwrap(rpc: &Rpc, message: &TokenStream) -> TokenStream {
    let Shape::Made(fields) = &rpc.response.shape else { return TokenStream::new() };
    let (door, value, many, field) = (door(), local("value"), local("many"), &fields[0].ident);
    let one = quote!(|#value: #message| #value.#field);
    if rpc.response.streams { quote!(.map(|#many| #door::Streaming::map(#many, #one))) } else { quote!(.map(#one)) }
}
