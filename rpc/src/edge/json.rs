//! Messages as JSON and back, by their descriptors: the mapping of proto3.
//!
//! 64-bit numbers are strings, bytes are base64, enums go by name, well-known types have their own forms. Fields may be
//! called as in the `.proto` or in lower camel case. A name that is not known is an error: it is a misspelt one far
//! more often than one from the future.
//!
//! Pure: bytes in, bytes out.

use crate::call::{Frame, Reason, Status};
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde::Deserializer;
use tonic::Code;

/// Reads a message out of JSON.
///
/// # Errors
/// INVALID_ARGUMENT, naming what is wrong and where.
pub fn read(descriptor: &MessageDescriptor, json: &[u8]) -> Result<Frame, Status> {
    if json.is_empty() {
        let text = "the body is empty: a message without fields is {}";
        return Err(Status::because(Reason::BadRequest, Code::InvalidArgument, text));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = message(descriptor, &mut deserializer).and_then(|read| deserializer.end().map(|()| read));
    read.map(|message| Frame::encode(&message)).map_err(|error| bad(descriptor, &error))
}

/// Reads a message out of a value, as query parameters make one.
///
/// # Errors
/// Says what is wrong.
pub fn read_value(descriptor: &MessageDescriptor, value: serde_json::Value) -> Result<Frame, serde_json::Error> {
    Ok(Frame::encode(&message(descriptor, value)?))
}

/// Writes a message as JSON.
///
/// # Errors
/// INTERNAL, when the message is not of this type or has no form in JSON.
pub fn write(descriptor: &MessageDescriptor, frame: &Frame) -> Result<Vec<u8>, Status> {
    let wrong = |error: &dyn std::fmt::Display| {
        let text = format!("the answer cannot be written as JSON of {}: {error}", descriptor.full_name());
        Status::because(Reason::Handler, Code::Internal, text)
    };
    let message = DynamicMessage::decode(descriptor.clone(), frame.message()).map_err(|error| wrong(&error))?;
    let mut serializer = serde_json::Serializer::new(Vec::with_capacity(2 * frame.len() + 2));
    let written = message.serialize_with_options(&mut serializer, &SerializeOptions::new());
    written.map_err(|error| wrong(&error))?;
    Ok(serializer.into_inner())
}

fn message<'a, D: Deserializer<'a>>(descriptor: &MessageDescriptor, json: D) -> Result<DynamicMessage, D::Error> {
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    DynamicMessage::deserialize_with_options(descriptor.clone(), json, &options)
}

fn bad(descriptor: &MessageDescriptor, error: &serde_json::Error) -> Status {
    let text = format!("the body is no {}: {error}", descriptor.full_name());
    Status::because(Reason::BadRequest, Code::InvalidArgument, text)
}
