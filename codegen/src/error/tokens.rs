//! The model → the impls.

use super::{ErrorType, Field, Fields, Variant};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

/// `Display`, `Error` and `ServiceError`.
pub(super) fn error(error: &ErrorType) -> TokenStream {
    let ErrorType { ident, domain, variants } = error;
    let display = variants.iter().map(display);
    let send = variants.iter().map(|variant| to_status(variant, domain));
    let receive = variants.iter().map(from_status);
    quote_spanned! {Span::mixed_site()=>
        const _: () = {
            #[automatically_derived]
            impl ::core::fmt::Display for #ident {
                #[allow(unused_variables, non_shorthand_field_patterns)]
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    match self { #(#display)* }
                }
            }

            #[automatically_derived]
            impl ::std::error::Error for #ident {}

            #[automatically_derived]
            impl ::mainstay::__private::ServiceError for #ident {
                fn to_status(&self) -> ::mainstay::__private::Status {
                    let (code, info) = match self { #(#send)* };
                    ::mainstay::__private::Status::new(code, ::std::string::ToString::to_string(self)).with_info(info)
                }

                fn from_status(status: &::mainstay::__private::Status) -> ::core::option::Option<Self> {
                    let info = status.info()?;
                    if info.domain != #domain {
                        return ::core::option::Option::None;
                    }
                    match info.reason.as_str() {
                        #(#receive)*
                        _ => ::core::option::Option::None,
                    }
                }
            }
        };
    }
}

fn display(variant: &Variant) -> TokenStream {
    let Variant { ident, message, fields, .. } = variant;
    // The user's own names: the format string captures them.
    let pattern = pattern(ident, fields, |field| field.ident.clone());
    let (format, arguments) = (&message.format, &message.arguments);
    quote_spanned!(Span::mixed_site()=> #pattern => ::core::write!(f, #format, #arguments),)
}

fn to_status(variant: &Variant, domain: &str) -> TokenStream {
    let Variant { ident, reason, code, fields, .. } = variant;
    let pattern = pattern(ident, fields, local);
    let texts = fields.all().iter().map(|field| {
        let (key, local) = (&field.key, local(field));
        let put = function(field, "put");
        quote_spanned!(Span::mixed_site()=> #put(#local, #key, &mut info);)
    });
    let unused = fields.all().is_empty().then(|| quote!(#[allow(unused_mut)]));
    quote_spanned! {Span::mixed_site()=>
        #pattern => {
            #unused
            let mut info = ::mainstay::__private::ErrorInfo::new(#reason, #domain);
            #(#texts)*
            (::mainstay::__private::Code::#code, info)
        }
    }
}

fn from_status(variant: &Variant) -> TokenStream {
    let Variant { ident, reason, fields, .. } = variant;
    let locals = fields.all().iter().map(|field| {
        let (key, local) = (&field.key, local(field));
        let take = function(field, "take");
        quote_spanned!(Span::mixed_site()=> let #local = #take(#key, info)?;)
    });
    // A pattern of plain bindings is an expression too.
    let value = pattern(ident, fields, local);
    quote_spanned! {Span::mixed_site()=>
        #reason => {
            #(#locals)*
            ::core::option::Option::Some(#value)
        }
    }
}

fn pattern(ident: &Ident, fields: &Fields, local: fn(&Field) -> Ident) -> TokenStream {
    match fields {
        Fields::Unit => quote!(Self::#ident),
        Fields::Named(fields) => {
            let names = fields.iter().map(|field| &field.ident);
            let locals = fields.iter().map(local);
            quote!(Self::#ident { #(#names: #locals,)* })
        }
        Fields::Tuple(fields) => {
            let locals = fields.iter().map(local);
            quote!(Self::#ident(#(#locals,)*))
        }
    }
}

/// A local of our own that no name of the user's meets.
fn local(field: &Field) -> Ident {
    format_ident!("field_{}", field.key, span = Span::mixed_site())
}

/// A function of the field's trait, on the user's own tokens of the type: that is where a wrong one is reported.
fn function(field: &Field, name: &str) -> TokenStream {
    let (ty, name) = (&field.ty, Ident::new(name, Span::mixed_site()));
    quote_spanned!(Span::mixed_site()=> <#ty as ::mainstay::__private::ErrorField<_>>::#name)
}
