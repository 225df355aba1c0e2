//! A file as `.proto` text, always the same text for the same content: services, then messages and enums by name, fields
//! by number. [`read`](super::read) is its inverse.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::model::{Enum, Field, File, Label, Message, Method, Reserved, Service, TypeRef};

/// The text of a file, without any head comment.
pub(crate) fn print(file: &File) -> String {
    let mut out = Printer { text: String::from("syntax = \"proto3\";\n"), package: &file.package, depth: 0 };
    if !file.package.is_empty() {
        out.text.push_str(&format!("\npackage {};\n", file.package));
    }
    let imports = imports(file);
    if !imports.is_empty() {
        out.text.push('\n');
    }
    for import in imports {
        out.line(&format!("import \"{import}\";"));
    }
    for service in &file.services {
        out.text.push('\n');
        out.service(service);
    }
    let mut messages: Vec<&Message> = file.messages.iter().collect();
    messages.sort_by(|a, b| a.name.cmp(&b.name));
    for message in messages {
        out.text.push('\n');
        out.message(message);
    }
    let mut enums: Vec<&Enum> = file.enums.iter().collect();
    enums.sort_by(|a, b| a.name.cmp(&b.name));
    for def in enums {
        out.text.push('\n');
        out.enumeration(def);
    }
    out.text
}

/// The files that a file needs, by name.
pub(crate) fn imports(file: &File) -> BTreeSet<String> {
    let mut imports = BTreeSet::new();
    let mut need = |full: &str| {
        if let Some(name) = file.imported.get(full).cloned().or_else(|| file_of(full, &file.package)) {
            imports.insert(name);
        }
    };
    for method in file.services.iter().flat_map(|service| &service.methods) {
        need(method.input.full_name());
        need(method.output.full_name());
    }
    let mut left: Vec<&Message> = file.messages.iter().collect();
    while let Some(message) = left.pop() {
        left.extend(&message.nested);
        for field in message.fields.iter().filter(|field| !matches!(field.ty, TypeRef::Scalar(_))) {
            need(field.ty.name());
        }
    }
    imports
}

/// The file of a package.
pub(crate) fn file_name(package: &str) -> String {
    if package.is_empty() { "default.proto".to_owned() } else { format!("{package}.proto") }
}

/// The file that defines a type, unless it is the one of `package`. A type in another package is a message or enum of
/// the top level there.
fn file_of(full: &str, package: &str) -> Option<String> {
    if let Some(name) = full.strip_prefix("google.protobuf.") {
        let file = match name {
            "Any" => "any",
            "Duration" => "duration",
            "Empty" => "empty",
            "FieldMask" => "field_mask",
            "ListValue" | "Struct" | "Value" => "struct",
            "Timestamp" => "timestamp",
            _ => "wrappers",
        };
        return Some(format!("google/protobuf/{file}.proto"));
    }
    match local_name(full, package) {
        Some(_) => None,
        None => Some(file_name(full.rsplit_once('.').map_or("", |(package, _)| package))),
    }
}

/// The name inside `package`, if the type is in that very package. `Shape.Rect` is one type inside another: what begins
/// with a capital is no package.
fn local_name<'a>(full: &'a str, package: &str) -> Option<&'a str> {
    let rest = if package.is_empty() { full } else { full.strip_prefix(package)?.strip_prefix('.')? };
    (!rest.contains('.') || rest.starts_with(|c: char| c.is_uppercase())).then_some(rest)
}

struct Printer<'a> {
    text: String,
    package: &'a str,
    depth: usize,
}

impl Printer<'_> {
    fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.text.extend(std::iter::repeat_n("  ", self.depth));
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn docs(&mut self, docs: &str) {
        for line in docs.lines() {
            self.line(format!("// {line}").trim_end());
        }
    }

    fn block(&mut self, head: &str, inside: impl FnOnce(&mut Self)) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.line("}");
    }

    fn service(&mut self, service: &Service) {
        self.docs(&service.docs);
        self.block(&format!("service {}", service.name), |out| {
            for (index, method) in service.methods.iter().enumerate() {
                if index > 0 {
                    out.text.push('\n');
                }
                out.method(method);
            }
        });
    }

    fn method(&mut self, method: &Method) {
        self.docs(&method.docs);
        let stream = |streams: bool| if streams { "stream " } else { "" };
        let head = format!(
            "rpc {}({}{}) returns ({}{})",
            method.name,
            stream(method.client_streaming),
            self.type_name(method.input.full_name(), None),
            stream(method.server_streaming),
            self.type_name(method.output.full_name(), None),
        );
        if method.idempotent {
            self.block(&head, |out| out.line("option idempotency_level = IDEMPOTENT;"));
        } else {
            self.line(&format!("{head};"));
        }
    }

    fn message(&mut self, message: &Message) {
        self.docs(&message.docs);
        let head = format!("message {}", message.name);
        if message.fields.is_empty() && message.nested.is_empty() && message.reserved.is_empty() {
            return self.line(&format!("{head} {{}}"));
        }
        self.block(&head, |out| {
            out.reserved(&message.reserved);
            for nested in &message.nested {
                out.message(nested);
                out.text.push('\n');
            }
            let mut fields: Vec<&Field> = message.fields.iter().collect();
            fields.sort_by_key(|field| field.number);
            let (alternatives, fields): (Vec<_>, Vec<_>) =
                fields.into_iter().partition(|field| field.label == Label::OneOf);
            for field in fields {
                out.field(field, message);
            }
            if !alternatives.is_empty() {
                out.block("oneof kind", |out| {
                    for field in alternatives {
                        out.field(field, message);
                    }
                });
            }
        });
    }

    fn field(&mut self, field: &Field, inside: &Message) {
        self.docs(&field.docs);
        let ty = match &field.ty {
            TypeRef::Scalar(scalar) => scalar.keyword().to_owned(),
            other => self.type_name(other.name(), Some(inside)),
        };
        let ty = match field.label {
            Label::Single | Label::OneOf => ty,
            Label::Optional => format!("optional {ty}"),
            Label::Repeated => format!("repeated {ty}"),
            Label::Map(key) => format!("map<{}, {ty}>", key.keyword()),
        };
        self.line(&format!("{ty} {} = {};", field.name, field.number));
    }

    fn enumeration(&mut self, def: &Enum) {
        self.docs(&def.docs);
        self.block(&format!("enum {}", def.name), |out| {
            out.reserved(&def.reserved);
            let mut values: Vec<_> = def.values.iter().collect();
            // proto3 wants the zero first.
            values.sort_by_key(|value| (value.number != 0, value.number));
            for value in values {
                out.docs(&value.docs);
                out.line(&format!("{} = {};", value.name, value.number));
            }
        });
    }

    fn reserved(&mut self, reserved: &Reserved) {
        if reserved.is_empty() {
            return;
        }
        let mut numbers = String::new();
        for range in reserved.numbers() {
            let comma = if numbers.is_empty() { "" } else { ", " };
            let _ = if range.start() == range.end() {
                write!(numbers, "{comma}{}", range.start())
            } else {
                write!(numbers, "{comma}{} to {}", range.start(), range.end())
            };
        }
        if !numbers.is_empty() {
            self.line(&format!("reserved {numbers};"));
        }
        if !reserved.names.is_empty() {
            let names: Vec<String> = reserved.names.iter().map(|name| format!("\"{name}\"")).collect();
            self.line(&format!("reserved {};", names.join(", ")));
        }
        self.text.push('\n');
    }

    /// As short as it can be said from inside a message of this package, without meaning something else there.
    fn type_name(&self, full: &str, inside: Option<&Message>) -> String {
        let hidden = |name: &str| {
            let first = name.split('.').next().unwrap_or(name);
            inside.is_some_and(|message| message.nested.iter().any(|nested| nested.name == first))
        };
        match local_name(full, self.package) {
            Some(name) if !hidden(name) => name.to_owned(),
            Some(_) => format!(".{full}"),
            None => {
                let first = full.split('.').next().unwrap_or(full);
                // Names are looked up from the inside out, so that a part of our own package would hide another one.
                let ambiguous = hidden(full) || self.package.split('.').skip(1).any(|part| part == first);
                if ambiguous { format!(".{full}") } else { full.to_owned() }
            }
        }
    }
}
