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
#[cfg(feature = "proto")]
mod proto;
mod service;

use proc_macro::TokenStream;

/// Makes a service of a trait: `…Server<T>`, `…Client`, `…Dyn` (the client as an object to inject) and `Mock…`.
///
/// Its methods are `async fn`s that take `&self`, `&Cx` if they want the context of the call, and what travels: nothing,
/// one message, any number of arguments, or one `Streaming<T>`. They return a `Result<T, E>`, or a `Result<T>` of the
/// user's own, of a message, a scalar or container, or a `Streaming<T>`. One argument that is a message is the request;
/// else a message `<Method>Request` is made, with a field per argument. `get_stock` is `GetStock` on the wire.
///
/// | option of the service | meaning |
/// |---|---|
/// | `package = "shop.stock.v1"` | its protobuf package |
/// | `name = "StockApi"` | its name on the wire; else the trait's |
/// | `version = "1.0.0"`, `group = "blue"` | what providers announce and consumers ask for |
/// | `lock` | a test keeps it as `proto/<package>.proto` says |
///
/// | option of a method, `#[rpc(…)]` | meaning |
/// |---|---|
/// | `idempotent` | calling twice does no harm: it may be sent again |
/// | `timeout = "200ms"` | how long a call may take when the caller says nothing |
/// | `per_try_timeout = "50ms"` | how long one try of it may take where another may follow |
/// | `retries = 2` | how often a failed call is sent again, at most |
/// | `get = "/v1/stock/{sku}"` | a path for HTTP GET |
/// | `spawn` | it computes for long: run it in a task of its own |
/// | `name = "GetStock"` | its name on the wire |
/// | `wrap` | a message as argument or answer becomes a field of a made one, as a bare enum must |
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    service::expand(arguments.into(), item.into()).into()
}

/// The traits and messages of a `.proto` file: `include_proto!("proto/stock.proto")`.
///
/// The path is relative to the package's `Cargo.toml`. Imports are looked for from the file's directory up to the
/// package, or in `include = ["proto", "../common"]`. Messages are as prost writes them; each service is a trait as under
/// [`macro@service`], whose methods return `Result<Response, Status>`.
#[cfg(feature = "proto")]
#[proc_macro]
pub fn include_proto(input: TokenStream) -> TokenStream {
    proto::expand(input.into()).into()
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
