//! `Mock…`: what a test expects to be called, served or injected.

use super::super::model::{Arg, Rpc, Service};
use super::{Names, arguments, conditions, door, error, index, local, outcome, parameters, quiet, success, tuple};
use proc_macro2::TokenStream;
use quote::quote;

pub(super) fn tokens(service: &Service, names: &Names) -> TokenStream {
    let (door, quiet, cfgs) = (door(), quiet(), conditions(service));
    let (vis, ident, mock, client) = (&service.vis, &service.ident, &names.mock, &names.client);
    let docs = format!(
        " A [`{ident}`] for tests, which answers what it was told. A clone is the same mock; when the last one is dropped, \
         expectations that were not met fail the test."
    );
    let expectations = service.rpcs.iter().map(|rpc| {
        let (cfgs, method, index) = (rpc.cfgs(), &rpc.ident, index(service, rpc));
        let (tuple, success, error) = (tuple(rpc), success(rpc), error(rpc));
        let docs = format!(" Expects calls of `{method}`.");
        quote! {
            #(#cfgs)*
            #[doc = #docs]
            #vis fn #method(&self) -> #door::Expect<'_, #tuple, #success, #error> {
                self.mock.expect(#index)
            }
        }
    });
    quote! {
        #(#cfgs)*
        #quiet
        #[doc = #docs]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #mock {
            mock: #door::Mock,
        }

        #(#cfgs)*
        #quiet
        impl #mock {
            /// A mock that expects nothing yet.
            #vis fn new() -> Self {
                Self { mock: #door::Mock::new(#client::definition()) }
            }

            /// Fails the test now if an expectation is not met.
            ///
            /// # Panics
            /// With the list of them.
            #[track_caller]
            #vis fn verify(&self) {
                self.mock.verify();
            }

            #(#expectations)*
        }

        #(#cfgs)*
        impl ::core::default::Default for #mock {
            fn default() -> Self {
                Self::new()
            }
        }
    }
}

/// The mock as a service and as an injected client.
pub(super) fn implementations(service: &Service, names: &Names) -> TokenStream {
    let quiet = quiet();
    let (ident, mock, injected) = (&service.ident, &names.mock, &names.injected);
    let served = service.rpcs.iter().map(|rpc| served(service, rpc));
    let called = service.rpcs.iter().map(|rpc| called(service, rpc));
    quote! {
        #quiet
        impl #ident for #mock {
            #(#served)*
        }

        #quiet
        impl #injected for #mock {
            #(#called)*
        }
    }
}

fn served(service: &Service, rpc: &Rpc) -> TokenStream {
    let (cfgs, method, output) = (rpc.cfgs(), &rpc.ident, &rpc.output);
    let parameters = rpc.args.iter().map(|arg| match arg {
        Arg::Cx { ty, .. } => quote!(_: #ty),
        Arg::Field(field) => {
            let (ident, ty) = (&field.ident, &field.ty);
            quote!(#ident: #ty)
        }
    });
    let answer = answer(service, rpc, &quote!(serve));
    quote! {
        #(#cfgs)*
        async fn #method(&self #(, #parameters)*) -> #output {
            #answer
        }
    }
}

fn called(service: &Service, rpc: &Rpc) -> TokenStream {
    let door = door();
    let (cfgs, method, parameters, outcome) = (rpc.cfgs(), &rpc.ident, parameters(rpc), outcome(rpc));
    let answer = answer(service, rpc, &quote!(call));
    quote! {
        #(#cfgs)*
        fn #method(&self, #parameters) -> #door::BoxFuture<'_, #outcome> {
            ::std::boxed::Box::pin(async move { #answer })
        }
    }
}

/// Asks the mock. The arguments are shown in its messages as far as they can be.
fn answer(service: &Service, rpc: &Rpc, by: &TokenStream) -> TokenStream {
    let door = door();
    let (index, tuple, success, error, shown) =
        (index(service, rpc), tuple(rpc), success(rpc), error(rpc), local("shown"));
    let each = rpc.fields().map(|field| &field.ident);
    let mut arguments = arguments(rpc);
    if !arguments.is_empty() {
        arguments.extend(quote!(,));
    }
    quote! {
        #[allow(unused_imports)]
        use #door::{ShownByDebug as _, ShownByType as _};
        let #shown = [#((&#door::Shown(&#each)).shown()),*];
        self.mock.#by::<#tuple, #success, #error>(#index, (#arguments), &#shown)
    }
}
