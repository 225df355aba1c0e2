//! `…Server<T>`: an implementation of the trait as something an application serves.

use super::super::model::{Arg, Rpc, Service, Shape};
use super::{Half, Names, carrier, conditions, door, index, local, message, quiet, signature, wants_cx};
use proc_macro2::TokenStream;
use quote::quote;

pub(super) fn tokens(service: &Service, names: &Names) -> TokenStream {
    let (quiet, cfgs) = (quiet(), conditions(service));
    let (vis, ident, server) = (&service.vis, &service.ident, &names.server);
    let docs = format!(" Serves an implementation of [`{ident}`]. A clone shares it.");
    quote! {
        #(#cfgs)*
        #quiet
        #[doc = #docs]
        #vis struct #server<T> {
            service: ::std::sync::Arc<T>,
        }

        #(#cfgs)*
        #quiet
        impl<T: #ident> #server<T> {
            /// Serves `service`.
            #vis fn new(service: T) -> Self {
                Self::from_arc(::std::sync::Arc::new(service))
            }

            /// Serves a service that is used elsewhere too.
            #vis fn from_arc(service: ::std::sync::Arc<T>) -> Self {
                Self { service }
            }
        }

        #(#cfgs)*
        impl<T> ::core::clone::Clone for #server<T> {
            fn clone(&self) -> Self {
                Self { service: ::std::sync::Arc::clone(&self.service) }
            }
        }

        #(#cfgs)*
        impl<T> ::core::fmt::Debug for #server<T> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(::core::stringify!(#server))
            }
        }
    }
}

/// The implementation of the port that an application takes; stands where the made messages can be seen.
pub(super) fn serve(service: &Service, names: &Names) -> TokenStream {
    let (door, quiet) = (door(), quiet());
    let (ident, server, client) = (&service.ident, &names.server, &names.client);
    let routes = local("routes");
    let methods = service.rpcs.iter().map(|rpc| route(service, rpc, &routes));
    quote! {
        #quiet
        impl<T: #ident> #door::Serve for #server<T> {
            fn definition(&self) -> &'static #door::ServiceDef {
                #client::definition()
            }

            fn routes(&self, #routes: &mut #door::Routes) {
                #(#methods)*
            }
        }
    }
}

/// Hands one method to the routes.
fn route(service: &Service, rpc: &Rpc, routes: &proc_macro2::Ident) -> TokenStream {
    let door = door();
    let (ident, method, cfgs) = (&service.ident, &rpc.ident, rpc.cfgs());
    let (index, carrier) = (index(service, rpc), carrier(rpc));
    let (shared, one, cx, request, value) =
        (local("shared"), local("one"), local("cx"), local("request"), local("value"));
    let (message, signature) = (message(service, rpc, Half::Request), signature(service, rpc));
    let takes = if rpc.request.streams { quote!(#door::Streaming<#message>) } else { quote!(#message) };
    let cx_pattern = if wants_cx(rpc) { quote!(#cx) } else { quote!(_) };
    let request_pattern = if rpc.fields().next().is_some() { quote!(#request) } else { quote!(_) };
    let arguments = rpc.args.iter().map(|arg| match arg {
        Arg::Cx { .. } => quote!(&#cx),
        Arg::Field(field) => {
            let name = &field.ident;
            match (&rpc.request.shape, rpc.request.streams) {
                (Shape::Made(_), false) => quote!(#request.#name),
                (Shape::Made(fields), true) => {
                    let name = &fields[0].ident;
                    quote!(#door::Streaming::map(#request, |#value: #message| #value.#name))
                }
                _ => quote!(#request),
            }
        }
    });
    let answer = wrap(service, rpc);
    quote! {
        #(#cfgs)*
        {
            let #shared = ::std::sync::Arc::clone(&self.service);
            #door::serve::#carrier::<#signature, _, _>(#routes, #index, move |#cx_pattern: #door::Cx, #request_pattern: #takes| {
                let #one = ::std::sync::Arc::clone(&#shared);
                async move { <T as #ident>::#method(&*#one #(, #arguments)*).await #answer }
            });
        }
    }
}

/// From what the method answers to the message that travels.
fn wrap(service: &Service, rpc: &Rpc) -> TokenStream {
    let Shape::Made(fields) = &rpc.response.shape else { return TokenStream::new() };
    let (door, value, many) = (door(), local("value"), local("many"));
    let (message, field) = (message(service, rpc, Half::Response), &fields[0].ident);
    let one = quote!(|#value| #message { #field: #value });
    if rpc.response.streams { quote!(.map(|#many| #door::Streaming::map(#many, #one))) } else { quote!(.map(#one)) }
}
