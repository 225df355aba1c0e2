//! What rules see: of the consumer, of a call, of an instance. Pure.
//!
//! The names are those of Dubbo's URLs, so that a rule means the same here as to its Java and Go peers.

use super::{FORCE_TAG, TAG};
use crate::call::{Frame, Invocation, Method, Payload, field};
use mainstay_registry::{Instance, ServiceKey};
use prost::encoding::{WireType, decode_varint};
use std::{borrow::Cow, collections::BTreeMap};
use tonic::metadata::MetadataMap;

/// What rules see of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Consumer {
    /// The application that calls.
    pub(crate) application: Option<String>,
    /// What it asks for: interface, group, version.
    pub(crate) key: ServiceKey,
    /// The tag of its calls that say none.
    pub(crate) tag: Option<String>,
    /// Anything else: `host`, `zone`, and what the program says.
    pub(crate) labels: BTreeMap<String, String>,
}

impl Consumer {
    /// One of which no more is said than what it asks for.
    pub(crate) fn of(key: ServiceKey) -> Self {
        Self { application: None, key, tag: None, labels: BTreeMap::new() }
    }

    /// The parameter of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        match name {
            "application" => self.application.as_deref(),
            "interface" | "service" => Some(&self.key.interface),
            "group" => self.key.group.as_deref(),
            "version" => self.key.version.as_deref(),
            "protocol" => Some("tri"),
            "side" => Some("consumer"),
            TAG => self.tag.as_deref(),
            name => self.labels.get(name).map(String::as_str),
        }
    }
}

/// An instance as rules see it: with what an override says of it.
#[derive(Clone, Debug)]
pub(super) struct Seen<'a> {
    pub(super) instance: &'a Instance,
    /// What is overridden, over what the instance says.
    pub(super) over: BTreeMap<String, String>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(instance: &'a Instance) -> Self {
        Self { instance, over: BTreeMap::new() }
    }

    /// The parameter of this name. What is the same for all that a client looks up, the consumer says.
    pub(super) fn get<'b>(&'b self, name: &str, consumer: &'b Consumer) -> Option<Cow<'b, str>> {
        if let Some(value) = self.over.get(name) {
            return Some(value.into());
        }
        let instance = self.instance;
        match name {
            "host" => Some(instance.host.as_str().into()),
            "port" => Some(instance.port.to_string().into()),
            "address" => Some(instance.address().into()),
            "application" | "remote.application" => Some(instance.application.as_str().into()),
            "protocol" => Some("tri".into()),
            "side" => Some("provider".into()),
            "weight" => Some(instance.weight.to_string().into()),
            "zone" => instance.zone.as_deref().map(Cow::from),
            "timestamp" => (instance.started_at > 0).then(|| instance.started_at.to_string().into()),
            name => match instance.labels.get(name) {
                Some(value) => Some(value.as_str().into()),
                None if matches!(name, "interface" | "service" | "group" | "version") => {
                    consumer.get(name).filter(|value| *value != "*").map(Cow::from)
                }
                None => None,
            },
        }
    }

    /// The tag that the provider gave itself.
    pub(super) fn tag(&self) -> Option<&str> {
        let tag = self.over.get(TAG).or_else(|| self.instance.labels.get(TAG));
        tag.map(String::as_str).filter(|tag| !tag.is_empty())
    }
}

/// A call as rules see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    method: Option<&'a Method>,
    metadata: Option<&'a MetadataMap>,
    /// `None` of a stream.
    request: Option<&'a Frame>,
}

impl<'a> Asked<'a> {
    /// This call.
    pub(crate) fn of(call: &'a Invocation) -> Self {
        let request = match &call.payload {
            Payload::One(frame) => Some(frame),
            Payload::Stream(_) => None,
        };
        Self { method: Some(&call.method), metadata: Some(&call.metadata), request }
    }

    /// A call of which nothing is known.
    pub(super) fn nothing() -> Self {
        Self { method: None, metadata: None, request: None }
    }

    pub(super) fn method(&self) -> Option<&'a str> {
        self.method.map(Method::name)
    }

    /// The text of what travels beside the message under this name.
    pub(super) fn attachment(&self, name: &str) -> Option<&'a str> {
        self.metadata?.get(name)?.to_str().ok()
    }

    /// The tag that is asked for.
    pub(super) fn tag(&self, consumer: &'a Consumer) -> Option<&'a str> {
        self.attachment(TAG).or(consumer.tag.as_deref()).filter(|tag| !tag.is_empty())
    }

    /// Nobody but who has the tag will do.
    pub(super) fn forces_tag(&self, consumer: &'a Consumer) -> bool {
        let said = self.attachment(FORCE_TAG).or_else(|| consumer.get(FORCE_TAG));
        said.is_some_and(|said| said.eq_ignore_ascii_case("true"))
    }

    /// The argument at this place, as text: of a method of several arguments its field, of one that takes a message that
    /// message's field. Numbers that are never negative, and texts, can be read without a descriptor.
    pub(super) fn argument(&self, index: usize) -> Option<String> {
        let number = u32::try_from(index).ok()?.checked_add(1)?;
        let (wire, mut value) = field(self.request?.message(), number)?;
        match wire {
            WireType::Varint => decode_varint(&mut value).ok().map(|number| number.to_string()),
            WireType::LengthDelimited => String::from_utf8(value.into()).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        call::{Frame, Kind},
        layer::testing::{Request, call},
    };
    #[test]
    fn arguments_are_texts_and_numbers() {
        let mut one = call(Kind::Unary, false);
        one.payload = Payload::One(Frame::encode(&Request { sku: "a-1".into(), quantity: 7, price: 1.5 }));
        let read = |index| Asked::of(&one).argument(index);
        assert_eq!((read(0).as_deref(), read(1).as_deref()), (Some("a-1"), Some("7")));
        assert_eq!((read(2), read(3), read(usize::MAX)), (None, None, None));
    }

    #[test]
    fn a_tag_is_the_call_s_or_the_client_s() {
        let mut one = call(Kind::Unary, false);
        let mut consumer = Consumer { tag: Some("gray".to_owned()), ..Consumer::of(ServiceKey::new("a.B")) };
        assert_eq!(Asked::of(&one).tag(&consumer), Some("gray"));
        one.metadata.insert(TAG, "blue".parse().unwrap());
        assert_eq!(Asked::of(&one).tag(&consumer), Some("blue"));
        assert!(!Asked::of(&one).forces_tag(&consumer));
        consumer.labels.insert(FORCE_TAG.to_owned(), "true".to_owned());
        assert!(Asked::of(&one).forces_tag(&consumer));
    }

    #[test]
    fn parameters_are_those_of_dubbo_s_urls() {
        let consumer = Consumer::of(ServiceKey::new("a.B").with_version("1.0"));
        let instance = Instance::new("stock", "10.0.0.7", 7001).with_label("env", "gray");
        let mut seen = Seen::new(&instance);
        seen.over.insert("weight".to_owned(), "7".to_owned());
        for (name, value) in [
            ("host", Some("10.0.0.7")),
            ("address", Some("10.0.0.7:7001")),
            ("application", Some("stock")),
            ("env", Some("gray")),
            ("weight", Some("7")),
            ("version", Some("1.0")),
            ("group", None),
            ("region", None),
        ] {
            assert_eq!(seen.get(name, &consumer).as_deref(), value, "{name}");
        }
    }
}
