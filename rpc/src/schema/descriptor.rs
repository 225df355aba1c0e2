//! Files as protobuf's own descriptors, comments included.

use prost_types::field_descriptor_proto::{Label as ProtoLabel, Type};
use prost_types::source_code_info::Location;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    MessageOptions, MethodDescriptorProto, MethodOptions, OneofDescriptorProto, ServiceDescriptorProto, SourceCodeInfo,
    method_options::IdempotencyLevel,
};

use super::model::{Enum, Field, File, Label, Message, Scalar, Service, TypeRef};
use super::print::{file_name, imports};

/// The descriptor of a file.
pub(crate) fn descriptor(file: &File) -> FileDescriptorProto {
    let mut comments = Comments::default();
    let message_type = each(&file.messages, &mut comments, &[4], |message, comments, path| {
        self::message(message, &full(&file.package, &message.name), comments, path)
    });
    let enum_type = each(&file.enums, &mut comments, &[5], enumeration);
    let service = each(&file.services, &mut comments, &[6], service);
    FileDescriptorProto {
        name: Some(file_name(&file.package)),
        package: Some(file.package.clone()).filter(|package| !package.is_empty()),
        dependency: imports(file).into_iter().collect(),
        message_type,
        enum_type,
        service,
        source_code_info: Some(SourceCodeInfo { location: comments.0 }),
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    }
}

/// Doc comments by the path of what they describe.
#[derive(Default)]
struct Comments(Vec<Location>);

impl Comments {
    fn add(&mut self, path: &[i32], docs: &str) {
        if !docs.is_empty() {
            let text: String =
                docs.lines().flat_map(|line| [if line.is_empty() { "" } else { " " }, line, "\n"]).collect();
            self.0.push(Location {
                path: path.to_vec(),
                span: vec![0, 0, 0],
                leading_comments: Some(text),
                ..Location::default()
            });
        }
    }
}

/// Maps `items`, handing each its path.
fn each<T, R>(
    items: &[T],
    comments: &mut Comments,
    path: &[i32],
    mut make: impl FnMut(&T, &mut Comments, &[i32]) -> R,
) -> Vec<R> {
    let with_index = items.iter().zip(0i32..);
    with_index.map(|(item, index)| make(item, comments, &[path, &[index]].concat())).collect()
}

fn message(message: &Message, full_name: &str, comments: &mut Comments, path: &[i32]) -> DescriptorProto {
    comments.add(path, &message.docs);
    let mut nested_type = each(&message.nested, comments, &[path, &[3]].concat(), |inner, comments, path| {
        self::message(inner, &full(full_name, &inner.name), comments, path)
    });
    let is_oneof = message.fields.iter().any(|field| field.label == Label::OneOf);
    let mut oneof_decl: Vec<OneofDescriptorProto> = Vec::new();
    if is_oneof {
        oneof_decl.push(OneofDescriptorProto { name: Some("kind".to_owned()), ..OneofDescriptorProto::default() });
    }
    let field = each(&message.fields, comments, &[path, &[2]].concat(), |item, comments, path| {
        comments.add(path, &item.docs);
        let mut field = self::field(item);
        match item.label {
            Label::OneOf => field.oneof_index = Some(0),
            // `optional` is a oneof of one, as protoc writes it.
            Label::Optional => {
                field.oneof_index = i32::try_from(oneof_decl.len()).ok();
                field.proto3_optional = Some(true);
                let name = Some(format!("_{}", item.name));
                oneof_decl.push(OneofDescriptorProto { name, ..OneofDescriptorProto::default() });
            }
            Label::Map(key) => {
                let entry = map_entry(item, key);
                field.type_name = Some(format!(".{full_name}.{}", entry.name()));
                field.set_type(Type::Message);
                nested_type.push(entry);
            }
            Label::Single | Label::Repeated => {}
        }
        field
    });
    let reserved_range = message.reserved.numbers().iter().map(|range| prost_types::descriptor_proto::ReservedRange {
        start: Some(*range.start()),
        end: Some(range.end().saturating_add(1)),
    });
    DescriptorProto {
        name: Some(message.name.clone()),
        field,
        nested_type,
        oneof_decl,
        reserved_range: reserved_range.collect(),
        reserved_name: message.reserved.names.iter().cloned().collect(),
        ..DescriptorProto::default()
    }
}

fn field(field: &Field) -> FieldDescriptorProto {
    let label = match field.label {
        Label::Repeated | Label::Map(_) => ProtoLabel::Repeated,
        Label::Single | Label::Optional | Label::OneOf => ProtoLabel::Optional,
    };
    typed(&field.name, field.number, label, &field.ty)
}

fn typed(name: &str, number: u32, label: ProtoLabel, ty: &TypeRef) -> FieldDescriptorProto {
    let (kind, type_name) = match ty {
        TypeRef::Scalar(scalar) => (scalar_type(*scalar), None),
        TypeRef::Message(message) => (Type::Message, Some(format!(".{}", message.full_name()))),
        TypeRef::Enum(name) => (Type::Enum, Some(format!(".{name}"))),
    };
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: i32::try_from(number).ok(),
        label: Some(label.into()),
        r#type: Some(kind.into()),
        type_name,
        ..FieldDescriptorProto::default()
    }
}

fn map_entry(field: &Field, key: Scalar) -> DescriptorProto {
    let camel: String = field
        .name
        .split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect();
    DescriptorProto {
        name: Some(format!("{camel}Entry")),
        field: vec![
            typed("key", 1, ProtoLabel::Optional, &TypeRef::Scalar(key)),
            typed("value", 2, ProtoLabel::Optional, &field.ty),
        ],
        options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
        ..DescriptorProto::default()
    }
}

fn enumeration(def: &Enum, comments: &mut Comments, path: &[i32]) -> EnumDescriptorProto {
    comments.add(path, &def.docs);
    let value = each(&def.values, comments, &[path, &[2]].concat(), |value, comments, path| {
        comments.add(path, &value.docs);
        EnumValueDescriptorProto { name: Some(value.name.clone()), number: Some(value.number), options: None }
    });
    let reserved_range = def.reserved.numbers().iter().map(|range| {
        prost_types::enum_descriptor_proto::EnumReservedRange { start: Some(*range.start()), end: Some(*range.end()) }
    });
    EnumDescriptorProto {
        name: Some(def.name.clone()),
        value,
        reserved_range: reserved_range.collect(),
        reserved_name: def.reserved.names.iter().cloned().collect(),
        ..EnumDescriptorProto::default()
    }
}

fn service(service: &Service, comments: &mut Comments, path: &[i32]) -> ServiceDescriptorProto {
    comments.add(path, &service.docs);
    let method = each(&service.methods, comments, &[path, &[2]].concat(), |method, comments, path| {
        comments.add(path, &method.docs);
        let options = method.idempotent.then(|| MethodOptions {
            idempotency_level: Some(IdempotencyLevel::Idempotent.into()),
            ..MethodOptions::default()
        });
        MethodDescriptorProto {
            name: Some(method.name.clone()),
            input_type: Some(format!(".{}", method.input.full_name())),
            output_type: Some(format!(".{}", method.output.full_name())),
            options,
            client_streaming: Some(method.client_streaming),
            server_streaming: Some(method.server_streaming),
        }
    });
    ServiceDescriptorProto { name: Some(service.name.clone()), method, options: None }
}

fn scalar_type(scalar: Scalar) -> Type {
    match scalar {
        Scalar::Bool => Type::Bool,
        Scalar::Int32 => Type::Int32,
        Scalar::Int64 => Type::Int64,
        Scalar::UInt32 => Type::Uint32,
        Scalar::UInt64 => Type::Uint64,
        Scalar::Float => Type::Float,
        Scalar::Double => Type::Double,
        Scalar::String => Type::String,
        Scalar::Bytes => Type::Bytes,
    }
}

fn full(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}
