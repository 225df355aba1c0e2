//! The descriptors of what is served, as JSON needs them: made when the first JSON comes, a pool per service.
//!
//! A pool each, because two versions of one service, served side by side, may well say different things under one
//! name.

use super::json;
use crate::{
    call::{Frame, Reason, ServiceDef, Status},
    schema::Schema,
    server::{Dispatch, Route},
};
use prost_reflect::{Kind, MessageDescriptor};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::OnceLock,
};
use tonic::Code;

/// The messages of one method.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    pub(crate) input: MessageDescriptor,
    pub(crate) output: MessageDescriptor,
}

/// The messages of every method.
#[derive(Debug)]
pub(crate) struct Schemas(Vec<(&'static ServiceDef, OnceLock<Described>)>);

type Described = Result<HashMap<String, Result<Messages, Status>>, Status>;

impl Schemas {
    pub(crate) fn new(dispatch: &Dispatch) -> Self {
        Self(dispatch.services().iter().map(|definition| (*definition, OnceLock::new())).collect())
    }

    /// The messages of a method.
    ///
    /// # Errors
    /// UNIMPLEMENTED when there is no description of one of them, or of something inside.
    pub(crate) fn of(&self, route: &Route) -> Result<&Messages, Status> {
        let found = self.0.iter().find(|(definition, _)| std::ptr::eq(*definition, route.definition));
        let described = found.map(|(definition, described)| described.get_or_init(|| describe(definition)));
        let missing = || refuse(format!("{} is not described", route.definition.full_name));
        let methods = described.ok_or_else(missing)?.as_ref().map_err(Status::clone)?;
        methods.get(route.method.name()).ok_or_else(missing)?.as_ref().map_err(Status::clone)
    }
}

fn describe(definition: &ServiceDef) -> Described {
    let no_pool = |error| refuse(format!("{} has no JSON: {error}", definition.full_name));
    let schema = Schema::of(&[definition]).map_err(no_pool)?;
    let pool = schema.pool().map_err(no_pool)?;
    let service = pool.get_service_by_name(definition.full_name);
    let service = service.ok_or_else(|| refuse(format!("{} is not described", definition.full_name)))?;
    let methods = service.methods().map(|method| {
        let messages = Messages { input: method.input(), output: method.output() };
        let opaque = [&messages.input, &messages.output].into_iter().find_map(|one| opaque_in(one, schema.opaque()));
        let result = match opaque {
            None => Ok(messages),
            Some(opaque) => Err(refuse(format!(
                "{}/{} has no JSON: the fields of {opaque} are not known here; send application/proto or gRPC",
                definition.full_name,
                method.name()
            ))),
        };
        (method.name().to_owned(), result)
    });
    Ok(methods.collect())
}

/// A message of which only the name is known, in this one or anywhere inside.
fn opaque_in(message: &MessageDescriptor, opaque: &BTreeSet<String>) -> Option<String> {
    let (mut seen, mut todo) = (HashSet::new(), vec![message.clone()]);
    while let Some(message) = todo.pop() {
        if opaque.contains(message.full_name()) {
            return Some(message.full_name().to_owned());
        }
        if seen.insert(message.full_name().to_owned()) {
            todo.extend(message.fields().filter_map(|field| match field.kind() {
                Kind::Message(inner) => Some(inner),
                _ => None,
            }));
        }
    }
    None
}

/// The answer of a method, by its name on the wire, that this JSON is.
///
/// # Errors
/// As [`Schemas::of`], and what is wrong with the JSON.
pub(crate) fn message_of(definition: &'static ServiceDef, method: &str, text: &str) -> Result<Frame, Status> {
    let methods = describe(definition)?;
    let missing = || refuse(format!("{} has no {method}", definition.full_name));
    let messages = methods.get(method).ok_or_else(missing)?.as_ref().map_err(Status::clone)?;
    json::read(&messages.output, text.as_bytes())
}

fn refuse(text: String) -> Status {
    Status::because(Reason::UnknownEncoding, Code::Unimplemented, text)
}
