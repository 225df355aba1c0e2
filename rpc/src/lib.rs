//! Typed service traits in, gRPC on the wire.

// What the macros write says `::mainstay`; inside this crate too.
extern crate self as mainstay;

pub mod access;
#[cfg(feature = "server")]
pub mod admin;
#[cfg(feature = "server")]
pub mod app;
pub mod auth;
pub mod backend;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub use cluster::bench;

pub mod call;
#[cfg(feature = "chaos")]
pub mod chaos;
pub mod client;
mod cluster;
pub mod dubbo;
#[cfg(feature = "server")]
pub mod edge;
mod error;
pub mod layer;
pub mod message;
pub mod mock;
pub mod policy;
pub mod prelude;
pub mod prometheus;
pub mod route;
pub mod schema;
pub mod server;
#[doc(hidden)]
pub mod signature;
#[cfg(feature = "sim")]
pub mod sim;
pub mod transport;
mod wall;
pub mod yaml;

#[doc(hidden)]
#[path = "door.rs"]
pub mod __private;

#[cfg(feature = "server")]
pub use app::App;
pub use error::Error;
pub use mainstay_codegen::{Message, ServiceError, service};
pub use mainstay_registry as registry;

#[cfg(feature = "proto")]
pub use mainstay_codegen::include_proto;

/// The traits and messages of a `.proto` file. Wants the feature `proto`.
#[cfg(not(feature = "proto"))]
#[macro_export]
macro_rules! include_proto {
    ($($input:tt)*) => {
        ::core::compile_error!("`include_proto!` wants a feature: mainstay = { …, features = [\"proto\"] }");
    };
}
