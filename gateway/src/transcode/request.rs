//! The message of a request: fields from the path, the query and the body, as `google.api.http` spreads them. Pure.

use super::binding::{Binding, BodyRule};
use mainstay::{
    call::{Code, Frame, Reason, Status},
    edge::{json, query},
};
use serde_json::{Map, Value};

/// The message that a request is. `captures` are what stands in the path: name, text, and whether it may be several segments.
///
/// # Errors
/// INVALID_ARGUMENT, saying what is wrong.
pub(super) fn message(
    binding: &Binding,
    captures: &[(String, String, bool)],
    query_text: &str,
    body: &[u8],
) -> Result<Frame, Status> {
    let empty = body.is_empty();
    if binding.body == BodyRule::Whole && captures.is_empty() {
        return json::read(&binding.input, if empty { b"{}" } else { body });
    }
    let mut fields = match &binding.body {
        _ if empty => Map::new(),
        BodyRule::Nothing => Map::new(),
        BodyRule::Whole => match parse(body)? {
            Value::Object(fields) => fields,
            _ => return Err(bad("the body is no object".to_owned())),
        },
        BodyRule::Field(name) => Map::from_iter([(name.clone(), parse(body)?)]),
    };
    for (name, text, several) in captures {
        query::put(&binding.input, &mut fields, name, &decoded(text, *several)?)?;
    }
    // With `body: "*"` nothing is left for the query.
    if binding.body != BodyRule::Whole {
        for pair in query_text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            query::put(&binding.input, &mut fields, &query::decode(name, true)?, &query::decode(value, true)?)?;
        }
    }
    let of = binding.input.full_name();
    json::read_value(&binding.input, fields.into()).map_err(|error| bad(format!("the request is no {of}: {error}")))
}

/// What stands in a path. Of several segments, `%2F` stays: it would look like one of the `/` between them.
fn decoded(text: &str, several: bool) -> Result<String, Status> {
    if !several {
        return query::decode(text, false);
    }
    let pieces = text.split("%2F").map(|piece| query::decode(piece, false));
    Ok(pieces.collect::<Result<Vec<_>, _>>()?.join("%2F"))
}

fn parse(body: &[u8]) -> Result<Value, Status> {
    serde_json::from_slice(body).map_err(|error| bad(format!("the body is no JSON: {error}")))
}

fn bad(text: String) -> Status {
    Status::because(Reason::BadRequest, Code::InvalidArgument, text)
}
