//! What fuzz targets drive: all that becomes of bytes which a server sent. Pure.

use prost::Message;

use super::{
    offers::Reading,
    roster::{Kind, Roster},
    text::Query,
    wire::{self, Listing, Payload, Subscribe, Told},
};
use crate::{key::ServiceKey, port::Lookup};

/// Reads `bytes` as a message of a server, whether an answer or a push, and of whom it names what a consumer makes of it:
/// answers how many of them could be called.
#[doc(hidden)]
pub fn read_message(bytes: &[u8]) -> usize {
    let Ok(payload) = Payload::decode(bytes) else { return 0 };
    let _ = wire::answered::<Query<'_>>(payload.clone());
    let answered = wire::answered::<Subscribe<'_>>(payload.clone()).map(|answer| answer.service_info);
    let pushed = match wire::told(payload).0 {
        Told::Service(listing) => Some(listing),
        _ => None,
    };
    answered.into_iter().chain(pushed).map(|listing| called(&listing)).sum()
}

/// How many a consumer would call, were they of its interface or of an application that offers it.
fn called(listing: &Listing) -> usize {
    let lookup = Lookup::new(ServiceKey::new("a.B").with_version("*").with_group("*"));
    let mut reading = Reading::default();
    for kind in [Kind::Interface("a.B".to_owned()), Kind::Application("a".to_owned())] {
        let before = Roster::read(listing, &kind, &Roster::default());
        reading.take(&Roster::read(listing, &kind, &before));
    }
    reading.found(&lookup).set.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nacos::wire::{Body, Metadata};

    /// Two instances at one level each.
    const HOSTS: &str = r#"{"name":"a","groupName":"G","hosts":[
        {"ip":"h","port":1,"metadata":{"protocol":"tri","path":"a.B","version":"1"}},
        {"ip":"h","port":2,"metadata":{"dubbo.metadata.revision":"r","dubbo.endpoints":"[{\"port\":2,\"protocol\":\"tri\"}]"}}]}"#;

    fn body() -> Vec<u8> {
        format!(r#"{{"resultCode":200,"requestId":"1","serviceInfo":{HOSTS}}}"#).into_bytes()
    }

    fn message(kind: &str, body: Vec<u8>) -> Vec<u8> {
        let metadata = Some(Metadata { kind: kind.to_owned(), ..Metadata::default() });
        Payload { metadata, body: Some(Body { type_url: String::new(), value: body.into() }) }.encode_to_vec()
    }

    fn damage(bytes: &mut Vec<u8>, at: prop::sample::Index, cut: usize, with: Vec<u8>) {
        let at = at.index(bytes.len());
        bytes.splice(at..(at + cut).min(bytes.len()), with);
    }

    #[test]
    fn an_answer_and_a_push_are_read() {
        assert_eq!(read_message(&message("SubscribeServiceResponse", body())), 2);
        assert_eq!(read_message(&message("NotifySubscriberRequest", body())), 4, "as an answer and as a push");
        assert_eq!(read_message(b"garbage"), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read_message(&bytes);
        }

        #[test]
        fn damage_does_no_harm(
            at: prop::sample::Index,
            with in prop::collection::vec(any::<u8>(), 0..4),
            cut in 0..4_usize,
            in_the_envelope: bool,
        ) {
            let (kind, mut body) = ("NotifySubscriberRequest", body());
            let damaged = if in_the_envelope {
                let mut bytes = message(kind, body);
                damage(&mut bytes, at, cut, with);
                bytes
            } else {
                damage(&mut body, at, cut, with);
                message(kind, body)
            };
            read_message(&damaged);
        }
    }
}
