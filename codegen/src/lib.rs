//! The macros of mainstay.
//!
//! This file holds the doors only; each macro is a folder beside it. What they write refers to one hidden module of the
//! crate `mainstay`, so that a user's own `Result`, `Option`, `String` or `Vec` in scope changes nothing.

mod case;
mod docs;
mod error;
mod lock;
mod message;
mod options;
mod problem;
mod service;

use proc_macro::TokenStream;

/// Makes a service of a trait: a server, a client, an object to inject and a mock.
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    service::expand(arguments.into(), item.into()).into()
}

/// Makes a protobuf message of a struct or of an enum with data, and a protobuf enum of an enum without.
///
/// Fields are numbered in their order. Once the `.proto` text is committed (`proto/<package>.proto` beside
/// `Cargo.toml`, written by `MAINSTAY_LOCK=write cargo test`), it is the lock: what it numbers keeps its number, what is
/// new comes after everything that ever was. `#[field(3)]` on a field or variant says the number outright.
///
/// | attribute | on | meaning |
/// |---|---|---|
/// | `#[message(package = "shop.v1")]` | type | its package; else that of the service that uses it |
/// | `#[message(name = "Stock")]` | type | its name on the wire; else its own |
/// | `#[field(3)]` | field, variant | its number |
/// | `#[field(message)]` | field | the type is an existing `prost::Message` |
/// | `#[default]` | variant | what an enum is that was not sent, or was sent by a newer peer |
///
/// An enum without `#[default]` has no such value: hold it as `Option` or `Vec`, where an unknown variant is `None` or
/// left out, and so never misread. A struct gets `Default` with the zeros of protobuf.
#[proc_macro_derive(Message, attributes(message, field, default))]
pub fn derive_message(item: TokenStream) -> TokenStream {
    message::expand(item.into()).into()
}

/// Makes an error of an enum that keeps its type across a call.
///
/// Each variant says its status and what a person reads: `#[error(code = NotFound, "no article {sku}")]`; the message is
/// a `format!` with the variant's fields in scope. It travels as `google.rpc.Status` with an `ErrorInfo`: the reason is
/// the variant's name (`OUT_OF_STOCK`), the domain the enum's, or what `#[service_error(domain = "shop.stock")]` says,
/// and the metadata holds the fields as text, so they need `Display` and `FromStr` (or are an `Option` of that).
///
/// Implements `Display`, `std::error::Error` and `mainstay::ServiceError`; derive `Debug` beside it.
#[proc_macro_derive(ServiceError, attributes(error, service_error))]
pub fn derive_service_error(item: TokenStream) -> TokenStream {
    error::expand(item.into()).into()
}
