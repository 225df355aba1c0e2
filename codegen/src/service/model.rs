//! A service as plain data: what the trait says, with the user's own tokens where their spans matter.

use proc_macro2::Ident;
use std::time::Duration;
use syn::{Attribute, Block, LitStr, Token, Type, Visibility};

/// A trait under `#[service]`.
pub(crate) struct Service {
    /// The attributes of the trait, ours taken out.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    /// The trait's name in Rust.
    pub(crate) ident: Ident,
    pub(crate) docs: String,
    /// The protobuf package; may be empty.
    pub(crate) package: String,
    /// The service's name on the wire.
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) group: Option<String>,
    /// A test compares the service with the committed `.proto`.
    pub(crate) lock: bool,
    pub(crate) rpcs: Vec<Rpc>,
}

impl Service {
    /// `package.name`.
    pub(crate) fn full_name(&self) -> String {
        if self.package.is_empty() { self.name.clone() } else { format!("{}.{}", self.package, self.name) }
    }
}

/// One method.
pub(crate) struct Rpc {
    /// The attributes that stay, `cfg` and docs among them.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) ident: Ident,
    pub(crate) docs: String,
    /// The name on the wire.
    pub(crate) name: String,
    pub(crate) idempotent: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) per_try_timeout: Option<Duration>,
    pub(crate) retries: Option<u32>,
    pub(crate) spawn: bool,
    pub(crate) get: Option<LitStr>,
    /// Every argument after `&self`, in order.
    pub(crate) args: Vec<Arg>,
    pub(crate) request: Body,
    pub(crate) response: Body,
    /// The return type as it is written.
    pub(crate) output: Type,
    /// What the method answers with, as it is written: without the `Streaming` around it.
    pub(crate) item: Type,
    /// The error type, or the projection of it from an alias with one parameter.
    pub(crate) error: Error,
    /// What a method with a body does unless the implementation says otherwise.
    pub(crate) body: Option<Block>,
}

impl Rpc {
    /// Conditions under which the method exists.
    pub(crate) fn cfgs(&self) -> Vec<&Attribute> {
        self.attrs.iter().filter(|a| a.path().is_ident("cfg")).collect()
    }

    /// A second name that the server answers to: Dubbo peers call methods in lower camel case.
    pub(crate) fn alias(&self) -> Option<String> {
        let mut letters = self.name.chars();
        let alias: String = letters.next()?.to_lowercase().chain(letters).collect();
        (alias != self.name).then_some(alias)
    }

    /// The arguments that travel.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.args.iter().filter_map(|arg| match arg {
            Arg::Cx { .. } => None,
            Arg::Field(field) => Some(field),
        })
    }
}

/// An argument.
pub(crate) enum Arg {
    /// The context of the call, `&Cx`: it does not travel.
    Cx { ident: Ident, ty: Type },
    /// It travels.
    Field(Field),
}

/// An argument that travels.
pub(crate) struct Field {
    /// `#[field(…)]`, for the derive on the message made of the arguments.
    pub(crate) attrs: Vec<Attribute>,
    /// `mut`, for the body that the trait may give.
    pub(crate) mutability: Option<Token![mut]>,
    pub(crate) ident: Ident,
    /// As it is written, `Streaming` included.
    pub(crate) ty: Type,
}

/// What travels in one direction.
pub(crate) struct Body {
    /// Many, not one.
    pub(crate) streams: bool,
    pub(crate) shape: Shape,
}

/// The message in one direction.
pub(crate) enum Shape {
    /// Nothing: `google.protobuf.Empty`.
    Empty,
    /// The type is a message.
    Itself(Box<Type>),
    /// A message is made for the method, with these fields.
    Made(Vec<MadeField>),
}

/// A field of a message made for a method.
pub(crate) struct MadeField {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
}

/// The error type of a method.
pub(crate) enum Error {
    /// Written out.
    Named(Box<Type>),
    /// Hidden in an alias, as `Result<T>`.
    Projected,
}
