//! The parameters of a GET: percent-decoded strictly, and put together to a message.
//!
//! A parameter names a field as JSON does, `order.id` a field of a message inside. Repeating it fills a repeated field.
//! A `+` is a space, as browsers write it; `%` must be followed by two hexadecimal digits, and the result is UTF-8:
//! a guess would call the wrong article.
//!
//! Pure: text in, a message or a refusal out.

use super::{json, template::Binding};
use crate::call::{Frame, Reason, Status};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};
use tonic::Code;

/// How deep messages may lie inside each other. A recursive type has no end of its own.
const DEPTH: usize = 16;

/// The message that a path and a query make.
///
/// # Errors
/// INVALID_ARGUMENT, naming the parameter.
pub(crate) fn read(descriptor: &MessageDescriptor, path: &[Binding<'_>], query: &str) -> Result<Frame, Status> {
    let mut parameters = Vec::new();
    for (name, value) in path {
        parameters.push(((*name).to_owned(), decode(value, false)?));
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.push((decode(name, true)?, decode(value, true)?));
    }
    let mut message = Map::new();
    for (name, value) in &parameters {
        put(descriptor, &mut message, name, value)?;
    }
    json::read_value(descriptor, message.into()).map_err(|error| blame(descriptor, &parameters, &error))
}

/// Decodes percent-encoding; with `plus`, a `+` is a space.
///
/// # Errors
/// INVALID_ARGUMENT when it is none, or no UTF-8.
pub fn decode(text: &str, plus: bool) -> Result<String, Status> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match first {
            b'%' => {
                let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
                let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
                let byte = byte.ok_or_else(|| {
                    bad(format!("bad percent-encoding in {text:?}: % must be followed by two hexadecimal digits"))
                })?;
                rest = &after[2..];
                byte
            }
            b'+' if plus => b' ',
            other => *other,
        });
    }
    String::from_utf8(bytes).map_err(|_| bad(format!("bad percent-encoding in {text:?}: it is not UTF-8")))
}

/// Puts one parameter, decoded, where it belongs in the JSON of a message.
///
/// # Errors
/// INVALID_ARGUMENT, naming the parameter: there is none of that name, or it is given twice.
pub fn put(top: &MessageDescriptor, message: &mut Map<String, Value>, name: &str, value: &str) -> Result<(), Status> {
    let (mut descriptor, mut message) = (top.clone(), message);
    let mut parts = name.split('.');
    for _ in 0..DEPTH {
        let part = parts.next().unwrap_or_default();
        let field = descriptor.get_field_by_json_name(part).or_else(|| descriptor.get_field_by_name(part));
        let field = field.ok_or_else(|| unknown(&descriptor, name, part))?;
        if parts.clone().next().is_none() {
            return set(message, &field, name, value);
        }
        let (Kind::Message(inner), false) = (field.kind(), field.is_list() || field.is_map()) else {
            return Err(bad(format!("the parameter {name:?}: {part:?} has no fields inside")));
        };
        descriptor = inner;
        let entry = message.entry(field.json_name()).or_insert_with(|| Value::Object(Map::new()));
        message = entry.as_object_mut().ok_or_else(|| bad(format!("the parameter {part:?} is given twice")))?;
    }
    Err(bad(format!("the parameter {name:?} lies too deep: {DEPTH} messages inside each other are the limit")))
}

fn set(message: &mut Map<String, Value>, field: &FieldDescriptor, name: &str, value: &str) -> Result<(), Status> {
    if field.is_map() {
        return Err(bad(format!("the parameter {name:?} is a map, which only a body can hold: POST it as JSON")));
    }
    let value = json_value(&field.kind(), name, value)?;
    if field.is_list() {
        let list = message.entry(field.json_name()).or_insert_with(|| Value::Array(Vec::new()));
        list.as_array_mut().into_iter().for_each(|list| list.push(value.clone()));
        return Ok(());
    }
    match message.insert(field.json_name().to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(bad(format!("the parameter {name:?} is given twice"))),
    }
}

/// The JSON of a value: text does for most, since numbers may be written as strings.
fn json_value(kind: &Kind, name: &str, value: &str) -> Result<Value, Status> {
    let is_bool = match kind {
        Kind::Bool => true,
        Kind::Message(message) if message.full_name() == "google.protobuf.BoolValue" => true,
        Kind::Message(message) if !has_text_form(message) => {
            return Err(bad(format!("the parameter {name:?} is a message: name a field of it, as {name}.…")));
        }
        _ => false,
    };
    match value {
        "true" if is_bool => Ok(true.into()),
        "false" if is_bool => Ok(false.into()),
        _ if is_bool => Err(bad(format!("the parameter {name:?} is true or false, not {value:?}"))),
        _ => match (kind, value.parse::<i32>()) {
            (Kind::Enum(_), Ok(number)) => Ok(number.into()),
            _ => Ok(value.into()),
        },
    }
}

/// The well-known messages that JSON writes as a string or a number.
fn has_text_form(message: &MessageDescriptor) -> bool {
    let name = message.full_name().strip_prefix("google.protobuf.");
    name.is_some_and(|name| name.ends_with("Value") && name != "Value" && name != "ListValue")
        || matches!(name, Some("Timestamp" | "Duration" | "FieldMask"))
}

/// Finds the parameter that cannot be read, by reading each alone.
fn blame(descriptor: &MessageDescriptor, parameters: &[(String, String)], error: &serde_json::Error) -> Status {
    for (name, value) in parameters {
        let mut message = Map::new();
        let alone = put(descriptor, &mut message, name, value).map(|()| json::read_value(descriptor, message.into()));
        if let Ok(Err(error)) = alone {
            return bad(format!("the parameter {name:?} cannot be {value:?}: {error}"));
        }
    }
    bad(format!("the parameters are no {}: {error}", descriptor.full_name()))
}

fn unknown(descriptor: &MessageDescriptor, name: &str, part: &str) -> Status {
    let known: Vec<_> = descriptor.fields().map(|field| field.json_name().to_owned()).collect();
    let known = if known.is_empty() { "no parameters".to_owned() } else { known.join(", ") };
    let of = if name == part { String::new() } else { format!(" (in {name:?})") };
    bad(format!("there is no parameter {part:?}{of}: {} takes {known}", descriptor.full_name()))
}

fn bad(text: String) -> Status {
    Status::because(Reason::BadRequest, Code::InvalidArgument, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost_reflect::{DescriptorPool, DynamicMessage};

    fn descriptor() -> MessageDescriptor {
        let proto = r#"
            syntax = "proto3";
            package t;
            import "google/protobuf/timestamp.proto";
            import "google/protobuf/wrappers.proto";
            message Ask {
              string sku_code = 1;
              int64 count = 2;
              bool deep = 3;
              repeated uint32 of = 4;
              Ask inner = 5;
              Side side = 6;
              google.protobuf.Timestamp at = 7;
              google.protobuf.BoolValue maybe = 8;
              bytes raw = 9;
              map<string, string> tags = 10;
              double price = 11;
              oneof choice { string left = 12; string right = 13; }
            }
            enum Side { NONE = 0; LEFT = 1; }
        "#;
        let file = protox::file::File::from_source("t.proto", proto).unwrap();
        let mut resolvers = protox::file::ChainFileResolver::new();
        resolvers.add(One(file));
        resolvers.add(protox::file::GoogleFileResolver::new());
        let mut compiler = protox::Compiler::with_file_resolver(resolvers);
        compiler.include_imports(true).open_file("t.proto").unwrap();
        let pool = DescriptorPool::from_file_descriptor_set(compiler.file_descriptor_set()).unwrap();
        pool.get_message_by_name("t.Ask").unwrap()
    }

    #[derive(Debug)]
    struct One(protox::file::File);

    impl protox::file::FileResolver for One {
        fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
            if name == "t.proto" { Ok(self.0.clone()) } else { Err(protox::Error::file_not_found(name)) }
        }
    }

    fn text(descriptor: &MessageDescriptor, frame: &Frame) -> String {
        DynamicMessage::decode(descriptor.clone(), frame.message()).unwrap().to_string()
    }

    #[test]
    fn parameters_of_every_kind() {
        let ask = descriptor();
        for (query, expected) in [
            ("", ""),
            ("skuCode=a%2Fb+c", "sku_code:\"a/b c\""),
            ("sku_code=%C3%A4&count=-7&deep=true", "sku_code:\"\\303\\244\",count:-7,deep:true"),
            ("of=1&of=2&&", "of:[1,2]"),
            ("inner.inner.count=1&inner.deep=true", "inner{deep:true,inner{count:1}}"),
            ("side=LEFT", "side:LEFT"),
            ("side=1", "side:LEFT"),
            ("maybe=false", "maybe{}"),
            ("at=1970-01-01T00:00:01Z", "at{seconds:1}"),
            ("raw=AAE&price=1.5", "raw:\"\\000\\001\",price:1.5"),
        ] {
            let frame = read(&ask, &[], query).unwrap_or_else(|status| panic!("{query}: {status}"));
            assert_eq!(text(&ask, &frame), expected, "{query}");
        }
        let frame = read(&ask, &[("sku_code", "a+b%20c")], "count=1").unwrap();
        assert_eq!(text(&ask, &frame), "sku_code:\"a+b c\",count:1");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let ask = descriptor();
        for (query, expected) in [
            ("skuCode=%", "percent-encoding in \"%\""),
            ("skuCode=%4", "two hexadecimal digits"),
            ("skuCode=%zz", "two hexadecimal digits"),
            ("skuCode=%+1", "two hexadecimal digits"),
            ("skuCode=%ff", "not UTF-8"),
            ("sku=1", "no parameter \"sku\": t.Ask takes skuCode, count"),
            ("inner.sku=1", "(in \"inner.sku\")"),
            ("count=many", "the parameter \"count\" cannot be \"many\""),
            ("of=1&of=-1", "the parameter \"of\" cannot be \"-1\""),
            ("deep=yes", "true or false, not \"yes\""),
            ("count=1&count=2", "\"count\" is given twice"),
            ("inner=1", "name a field of it, as inner."),
            ("count.x=1", "has no fields inside"),
            ("tags=1", "is a map"),
            ("side=UP", "the parameter \"side\" cannot be \"UP\""),
            ("at=yesterday", "the parameter \"at\""),
            ("left=1&right=2", "multiple fields provided for oneof"),
        ] {
            let status = read(&ask, &[], query).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().contains(expected), "{query}: {status}");
        }
        let deep = format!("{}count=1", "inner.".repeat(10_000));
        assert!(read(&ask, &[], &deep).unwrap_err().message().contains("too deep"));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_found(text in "\\PC*") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(decode(&encoded, true).unwrap(), text);
        }

        #[test]
        fn any_query_is_read_or_refused(query in "[a-z.=&%+0-9]{0,40}") {
            let _ = read(&descriptor(), &[], &query);
        }
    }
}
