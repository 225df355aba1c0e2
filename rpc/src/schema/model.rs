//! One `.proto` file as plain data. The printer, the reader, the lock and the descriptors all meet here.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The scalar types that Rust types map to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // their names say it
pub enum Scalar {
    Bool,
    Int32,
    Int64,
    UInt32,
    UInt64,
    Float,
    Double,
    String,
    Bytes,
}

impl Scalar {
    pub(crate) const ALL: [Scalar; 9] = [
        Scalar::Bool,
        Scalar::Int32,
        Scalar::Int64,
        Scalar::UInt32,
        Scalar::UInt64,
        Scalar::Float,
        Scalar::Double,
        Scalar::String,
        Scalar::Bytes,
    ];

    /// The keyword of a `.proto`.
    pub fn keyword(self) -> &'static str {
        match self {
            Scalar::Bool => "bool",
            Scalar::Int32 => "int32",
            Scalar::Int64 => "int64",
            Scalar::UInt32 => "uint32",
            Scalar::UInt64 => "uint64",
            Scalar::Float => "float",
            Scalar::Double => "double",
            Scalar::String => "string",
            Scalar::Bytes => "bytes",
        }
    }
}

/// A message by its full name. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageRef {
    name: Arc<str>,
    opaque: bool,
}

impl MessageRef {
    pub(crate) fn new(full_name: &str) -> MessageRef {
        MessageRef { name: full_name.into(), opaque: false }
    }

    pub(crate) fn opaque(full_name: &str) -> MessageRef {
        MessageRef { name: full_name.into(), opaque: true }
    }

    pub(crate) fn well_known(full_name: &'static str) -> MessageRef {
        MessageRef::new(full_name)
    }

    /// `shop.stock.v1.Stock`.
    pub fn full_name(&self) -> &str {
        &self.name
    }

    /// `Stock`.
    pub fn name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// Whether only the name is known, because it is an existing `prost::Message` without a description. It travels as
    /// protobuf like any other; JSON cannot be made of it.
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }
}

/// The type of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeRef {
    /// A scalar.
    Scalar(Scalar),
    /// A message.
    Message(MessageRef),
    /// An enum, by its full name.
    Enum(Arc<str>),
}

impl TypeRef {
    /// The keyword or the full name.
    pub fn name(&self) -> &str {
        match self {
            TypeRef::Scalar(scalar) => scalar.keyword(),
            TypeRef::Message(message) => message.full_name(),
            TypeRef::Enum(name) => name,
        }
    }
}

/// How many values a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Exactly one; its zero when it was not sent.
    Single,
    /// One, or none.
    Optional,
    /// Any number.
    Repeated,
    /// Values by key.
    Map(Scalar),
    /// One of the alternatives of the message.
    OneOf,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct File {
    pub(crate) package: String,
    pub(crate) services: Vec<Service>,
    pub(crate) messages: Vec<Message>,
    pub(crate) enums: Vec<Enum>,
    /// Types that a compiled `.proto` defines, with the name of its file.
    pub(crate) imported: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) opaque: bool,
    pub(crate) fields: Vec<Field>,
    pub(crate) nested: Vec<Message>,
    pub(crate) reserved: Reserved,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) number: u32,
    pub(crate) docs: String,
    pub(crate) label: Label,
    pub(crate) ty: TypeRef,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Enum {
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) values: Vec<EnumValue>,
    pub(crate) reserved: Reserved,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EnumValue {
    pub(crate) name: String,
    pub(crate) number: i32,
    pub(crate) docs: String,
}

/// Numbers and names that were in use once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reserved {
    ranges: Vec<RangeInclusive<i32>>,
    pub(crate) names: BTreeSet<String>,
}

impl Reserved {
    /// Adds numbers; ranges that touch become one.
    pub(crate) fn add(&mut self, range: RangeInclusive<i32>) {
        self.ranges.push(range);
        self.ranges.sort_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<i32>> = Vec::with_capacity(self.ranges.len());
        for range in self.ranges.drain(..) {
            match merged.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => merged.push(range),
            }
        }
        self.ranges = merged;
    }

    /// In ascending order, no two of them touching.
    pub(crate) fn numbers(&self) -> &[RangeInclusive<i32>] {
        &self.ranges
    }

    pub(crate) fn contains(&self, number: i32) -> bool {
        self.ranges.iter().any(|range| range.contains(&number))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.names.is_empty()
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) methods: Vec<Method>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Method {
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) input: MessageRef,
    pub(crate) output: MessageRef,
    pub(crate) client_streaming: bool,
    pub(crate) server_streaming: bool,
    pub(crate) idempotent: bool,
}
