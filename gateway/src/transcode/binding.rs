//! Bindings: where a method is reachable, and where the fields of its message come from. Pure: a descriptor in, a table out.

use super::http_rule::{HttpRule, MethodOptions, Pattern};
use crate::route::{Paths, Template};
use http::Method;
use mainstay::call;
use prost::Message as _;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use prost_types::method_options::IdempotencyLevel;
use std::{collections::HashMap, sync::Arc};

/// What a service is reachable by.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    pub(super) paths: Paths<Arc<Binding>>,
    /// Every method, the whole body its message.
    pub(super) by_name: HashMap<String, Arc<Binding>>,
}

/// One way to a method.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    /// `None`: any.
    method: Option<Method>,
    pub(super) body: BodyRule,
    /// The field that the answer is, by its name in JSON.
    pub(super) response_body: Option<String>,
    pub(super) call: call::Method,
    pub(super) kind: call::Kind,
    pub(super) input: MessageDescriptor,
    pub(super) output: MessageDescriptor,
}

/// What of the message is the body of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyRule {
    Nothing,
    Whole,
    /// One field, by its name in JSON.
    Field(String),
}

impl Binding {
    pub(super) fn takes(&self, method: &Method) -> bool {
        self.method.as_ref().is_none_or(|own| own == method)
    }

    pub(super) fn has_body(&self) -> bool {
        self.body != BodyRule::Nothing
    }
}

impl Bindings {
    /// What a service says of itself. A binding that cannot be is left out, and told by the second part of the answer.
    pub(super) fn of(service: &ServiceDescriptor) -> (Self, Vec<String>) {
        let (mut bindings, mut wrong) = (Self::default(), Vec::new());
        for method in service.methods() {
            let Some(plain) = plain(service, &method) else {
                wrong.push(format!("{} is no name of a method in a path", method.name()));
                continue;
            };
            let options = MethodOptions::decode(method.options().encode_to_vec().as_slice()).unwrap_or_default();
            for rule in options.http.iter().flat_map(|rule| std::iter::once(rule).chain(&rule.additional_bindings)) {
                match bound(&plain, rule) {
                    Ok((template, binding)) => bindings.paths.add(template, Arc::new(binding)),
                    Err(why) => wrong.push(format!("{}: {why}", method.full_name())),
                }
            }
            bindings.by_name.insert(method.name().to_owned(), Arc::new(plain));
        }
        (bindings, wrong)
    }
}

/// The binding of a method by its name.
fn plain(service: &ServiceDescriptor, method: &MethodDescriptor) -> Option<Binding> {
    let kind = match (method.is_client_streaming(), method.is_server_streaming()) {
        (false, false) => call::Kind::Unary,
        (false, true) => call::Kind::ServerStreaming,
        (true, false) => call::Kind::ClientStreaming,
        (true, true) => call::Kind::BidiStreaming,
    };
    let mut call = call::Method::new(service.full_name(), method.name(), kind).ok()?;
    let options = method.method_descriptor_proto().options.as_ref();
    if options.is_some_and(|options| options.idempotency_level() != IdempotencyLevel::IdempotencyUnknown) {
        call = call.made_idempotent();
    }
    Some(Binding {
        method: Some(Method::POST),
        body: BodyRule::Whole,
        response_body: None,
        call,
        kind,
        input: method.input(),
        output: method.output(),
    })
}

fn bound(plain: &Binding, rule: &HttpRule) -> Result<(Template, Binding), String> {
    let (method, path) = rule.pattern.as_ref().map(Pattern::parts).ok_or("a binding without a path")?;
    let template = Template::parse(path).map_err(|why| format!("{path}: {why}"))?;
    let method = match method {
        "*" => None,
        method => Some(Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is no method"))?),
    };
    for name in template.variables() {
        let field = field(&plain.input, name).ok_or_else(|| format!("{path}: there is no field `{name}`"))?;
        if field.is_list() || field.is_map() || matches!(field.kind(), Kind::Message(_)) {
            return Err(format!("{path}: `{name}` is no scalar"));
        }
    }
    let named = |message: &MessageDescriptor, name: &str| {
        let field = message.get_field_by_name(name).ok_or_else(|| format!("{path}: there is no field `{name}`"))?;
        Ok::<_, String>(field.json_name().to_owned())
    };
    let body = match rule.body.as_str() {
        "" => BodyRule::Nothing,
        "*" => BodyRule::Whole,
        name => BodyRule::Field(named(&plain.input, name)?),
    };
    let response_body = match rule.response_body.as_str() {
        "" => None,
        name => Some(named(&plain.output, name)?),
    };
    let mut call = plain.call.clone();
    if method == Some(Method::GET) {
        // Whoever bound it to GET says that it is safe.
        call = call.made_idempotent();
    }
    Ok((template, Binding { method, body, response_body, call, ..plain.clone() }))
}

/// The field that a path of names leads to.
fn field(message: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let found = message.get_field_by_name(name)?;
    match (rest, found.kind()) {
        (None, _) => Some(found),
        (Some(rest), Kind::Message(inner)) if !found.is_list() => field(&inner, rest),
        _ => None,
    }
}
