//! How a derived message describes its fields.

use super::model::{Field, Label, Message, Scalar, TypeRef};
use super::types::Types;

/// Label and type of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldType {
    /// How many values.
    pub label: Label,
    /// Of which type.
    pub ty: TypeRef,
}

impl FieldType {
    /// The well-known message with one field `value` of this type, or the name that such a message gets.
    pub(crate) fn wrapper(&self) -> Result<&'static str, String> {
        let name = match &self.ty {
            TypeRef::Scalar(scalar) if self.label == Label::Single => return Ok(well_known_wrapper(*scalar)),
            TypeRef::Scalar(scalar) => scalar_name(*scalar),
            other => other.name().rsplit('.').next().unwrap_or_default(),
        };
        Err(match self.label {
            Label::Single | Label::OneOf => format!("{name}Value"),
            Label::Optional => format!("Optional{name}"),
            Label::Repeated => format!("{name}List"),
            Label::Map(key) => format!("{}To{name}Map", scalar_name(key)),
        })
    }
}

fn well_known_wrapper(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Bool => "google.protobuf.BoolValue",
        Scalar::Int32 => "google.protobuf.Int32Value",
        Scalar::Int64 => "google.protobuf.Int64Value",
        Scalar::UInt32 => "google.protobuf.UInt32Value",
        Scalar::UInt64 => "google.protobuf.UInt64Value",
        Scalar::Float => "google.protobuf.FloatValue",
        Scalar::Double => "google.protobuf.DoubleValue",
        Scalar::String => "google.protobuf.StringValue",
        Scalar::Bytes => "google.protobuf.BytesValue",
    }
}

fn scalar_name(scalar: Scalar) -> &'static str {
    let wrapper = well_known_wrapper(scalar);
    wrapper.strip_prefix("google.protobuf.").and_then(|name| name.strip_suffix("Value")).unwrap_or(wrapper)
}

/// Takes the fields of one message, in order.
#[derive(Debug)]
pub struct MessageBuilder<'a> {
    types: &'a mut Types,
    full_name: String,
    message: Message,
}

impl<'a> MessageBuilder<'a> {
    pub(crate) fn new(types: &'a mut Types, full_name: &str, docs: &str) -> MessageBuilder<'a> {
        let name = full_name.rsplit('.').next().unwrap_or(full_name).to_owned();
        let message = Message { name, docs: docs.to_owned(), ..Message::default() };
        MessageBuilder { types, full_name: full_name.to_owned(), message }
    }

    /// A field; `ty` describes its type, as `<u32 as Field>::field_type` does.
    pub fn field(&mut self, name: &str, number: u32, docs: &str, ty: fn(&mut Types) -> FieldType) {
        let field = ty(self.types);
        self.typed(name, number, docs, field);
    }

    /// A field of a type that is already known.
    pub fn typed(&mut self, name: &str, number: u32, docs: &str, field: FieldType) {
        let FieldType { label, ty } = field;
        self.message.fields.push(Field { name: name.into(), number, docs: docs.into(), label, ty });
    }

    /// An alternative; `ty` describes its type, as `<u32 as Element>::type_ref` does.
    pub fn variant(&mut self, name: &str, number: u32, docs: &str, ty: fn(&mut Types) -> TypeRef) {
        let ty = ty(self.types);
        self.typed(name, number, docs, FieldType { label: Label::OneOf, ty });
    }

    /// An alternative with fields of its own: a message inside this one, called `inner`.
    pub fn variant_struct(
        &mut self,
        name: &str,
        number: u32,
        docs: &str,
        inner: &str,
        fill: impl FnOnce(&mut MessageBuilder<'_>),
    ) {
        let full = format!("{}.{inner}", self.full_name);
        let mut builder = MessageBuilder::new(self.types, &full, docs);
        fill(&mut builder);
        let nested = builder.finish();
        self.message.nested.push(nested);
        let ty = TypeRef::Message(super::model::MessageRef::new(&full));
        self.typed(name, number, docs, FieldType { label: Label::OneOf, ty });
    }

    pub(crate) fn finish(self) -> Message {
        self.message
    }
}
