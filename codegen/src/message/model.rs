//! A message as plain data, numbers and all.

use proc_macro2::Ident;
use std::path::PathBuf;
use syn::Type;

/// What the derive stands on.
pub(crate) struct Message {
    pub(crate) ident: Ident,
    /// The name on the wire.
    pub(crate) name: String,
    /// The package, if the type names one itself.
    pub(crate) package: Option<String>,
    pub(crate) docs: String,
    /// Lock files that had a say: the expansion must be done again when they change.
    pub(crate) tracked: Vec<PathBuf>,
    pub(crate) shape: Shape,
}

pub(crate) enum Shape {
    /// A message with fields.
    Struct(Vec<Field>),
    /// Numbers.
    Enum(Vec<Value>),
    /// A message with one oneof.
    OneOf(Vec<Variant>),
}

pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) name: String,
    pub(crate) number: u32,
    pub(crate) docs: String,
    /// `#[field(message)]`.
    pub(crate) foreign: bool,
}

/// A variant of an enum without data.
pub(crate) struct Value {
    pub(crate) ident: Ident,
    /// `KIND_VARIANT`.
    pub(crate) name: String,
    pub(crate) number: i32,
    pub(crate) docs: String,
    /// `#[default]`.
    pub(crate) default: bool,
}

/// A variant of an enum with data.
pub(crate) struct Variant {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) number: u32,
    pub(crate) docs: String,
    /// `#[default]`.
    pub(crate) default: bool,
    pub(crate) data: Data,
}

pub(crate) enum Data {
    Unit,
    Newtype(Box<Type>),
    Struct(Vec<Field>),
}
