//! The services, each as the `#[service]` trait that a user would have written.

use proc_macro2::TokenStream;
use prost_build::{Comments, Method, Service, ServiceGenerator};
use prost_types::method_options::IdempotencyLevel;
use quote::{format_ident, quote};
use syn::{Ident, Type, ext::IdentExt};

/// Writes the trait of a service after the messages of its package.
pub(crate) struct Services;

impl ServiceGenerator for Services {
    fn generate(&mut self, service: Service, buf: &mut String) {
        match service_trait(&service) {
            Ok(tokens) => buf.push_str(&tokens.to_string()),
            Err(error) => {
                let text = format!("service {}: {error}", service.proto_name);
                buf.push_str(&quote!(::core::compile_error!(#text);).to_string());
            }
        }
    }
}

fn service_trait(service: &Service) -> syn::Result<TokenStream> {
    let ident: Ident = syn::parse_str(&service.name)?;
    let docs = docs(&service.comments);
    let (package, name) = (&service.package, &service.proto_name);
    let package = (!package.is_empty()).then(|| quote!(package = #package,));
    let methods = service.methods.iter().map(method).collect::<syn::Result<Vec<_>>>()?;
    let deprecated = service.options.deprecated().then(|| quote!(#[deprecated]));
    Ok(quote! {
        #docs
        #deprecated
        #[::mainstay::__private::service(#package name = #name)]
        pub trait #ident {
            #(#methods)*
        }
    })
}

fn method(method: &Method) -> syn::Result<TokenStream> {
    let ident = free(syn::parse_str::<Ident>(&method.name)?);
    let input = message(&method.input_type, &method.input_proto_type)?;
    let output = message(&method.output_type, &method.output_proto_type)?;
    let nothing = matches!(&input, Type::Tuple(tuple) if tuple.elems.is_empty()) && !method.client_streaming;
    let stream = |ty, streams| if streams { quote!(::mainstay::__private::Streaming<#ty>) } else { quote!(#ty) };
    let (input, output) = (stream(input, method.client_streaming), stream(output, method.server_streaming));
    let request = (!nothing).then(|| quote!(, request: #input));
    let (docs, name) = (docs(&method.comments), &method.proto_name);
    let idempotent = match method.options.idempotency_level() {
        IdempotencyLevel::IdempotencyUnknown => None,
        IdempotencyLevel::NoSideEffects | IdempotencyLevel::Idempotent => Some(quote!(, idempotent)),
    };
    let deprecated = method.options.deprecated().then(|| quote!(#[deprecated]));
    Ok(quote! {
        #docs
        #deprecated
        #[rpc(name = #name #idempotent)]
        async fn #ident(&self #request) -> ::core::result::Result<#output, ::mainstay::__private::Status>;
    })
}

/// The type of a request or response. prost-build has Rust's own types for the well-known wrappers, which are no messages.
fn message(rust: &str, proto: &str) -> syn::Result<Type> {
    let ty: Type = syn::parse_str(rust)?;
    let wrapper =
        proto.strip_prefix(".google.protobuf.").is_some_and(|name| name.ends_with("Value") && name != "Value");
    let wrapper = wrapper && !["ListValue", "NullValue"].iter().any(|other| proto.ends_with(other));
    Ok(if wrapper { syn::parse_quote!(::mainstay::__private::Value<#ty>) } else { ty })
}

/// A name that no generated method has.
fn free(ident: Ident) -> Ident {
    let name = ident.unraw().to_string();
    if crate::service::is_taken(&name) { format_ident!("{name}_") } else { ident }
}

fn docs(comments: &Comments) -> TokenStream {
    let lines = comments.leading.iter().map(|line| {
        let line = if line.starts_with(' ') { line.clone() } else { format!(" {line}") };
        quote!(#[doc = #line])
    });
    quote!(#(#lines)*)
}
