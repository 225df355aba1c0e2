//! What `grpc.health.v1` looks like from outside: the file that `tonic-health` brings, and List, which it lacks.

use crate::schema::{MessageRef, Types};
use prost::Message;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet, MessageOptions, MethodDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use std::sync::LazyLock;

const PACKAGE: &str = ".grpc.health.v1";

pub(super) fn check_request(types: &mut Types) -> MessageRef {
    types.message_of_set(&FILES, "grpc.health.v1.HealthCheckRequest")
}

pub(super) fn check_response(types: &mut Types) -> MessageRef {
    types.message_of_set(&FILES, "grpc.health.v1.HealthCheckResponse")
}

pub(super) fn list_request(types: &mut Types) -> MessageRef {
    types.message_of_set(&FILES, "grpc.health.v1.HealthListRequest")
}

pub(super) fn list_response(types: &mut Types) -> MessageRef {
    types.message_of_set(&FILES, "grpc.health.v1.HealthListResponse")
}

/// The encoded set. Its one file has the name by which the world imports it.
static FILES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut set = FileDescriptorSet::decode(tonic_health::pb::FILE_DESCRIPTOR_SET).unwrap_or_default();
    for file in &mut set.file {
        file.name = Some("grpc/health/v1/health.proto".to_owned());
        if !file.message_type.iter().any(|message| message.name() == "HealthListRequest") {
            file.message_type.extend(list_messages());
            file.service.iter_mut().for_each(|service| service.method.push(list()));
        }
    }
    set.encode_to_vec()
});

fn list() -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some("List".to_owned()),
        input_type: Some(format!("{PACKAGE}.HealthListRequest")),
        output_type: Some(format!("{PACKAGE}.HealthListResponse")),
        ..MethodDescriptorProto::default()
    }
}

fn list_messages() -> [DescriptorProto; 2] {
    let response = format!("{PACKAGE}.HealthListResponse");
    let entry = DescriptorProto {
        name: Some("StatusesEntry".to_owned()),
        field: vec![
            FieldDescriptorProto { r#type: Some(Type::String.into()), ..field("key", 1, Label::Optional) },
            message_field("value", 2, Label::Optional, format!("{PACKAGE}.HealthCheckResponse")),
        ],
        options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
        ..DescriptorProto::default()
    };
    let response = DescriptorProto {
        name: Some("HealthListResponse".to_owned()),
        field: vec![message_field("statuses", 1, Label::Repeated, format!("{response}.StatusesEntry"))],
        nested_type: vec![entry],
        ..DescriptorProto::default()
    };
    let request = DescriptorProto { name: Some("HealthListRequest".to_owned()), ..DescriptorProto::default() };
    [request, response]
}

fn message_field(name: &str, number: i32, label: Label, of: String) -> FieldDescriptorProto {
    FieldDescriptorProto { r#type: Some(Type::Message.into()), type_name: Some(of), ..field(name, number, label) }
}

fn field(name: &str, number: i32, label: Label) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(label.into()),
        json_name: Some(name.to_owned()),
        ..FieldDescriptorProto::default()
    }
}
