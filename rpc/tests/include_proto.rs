//! `include_proto!`: messages that are right on the wire, and services like those of a trait.

use mainstay::{
    call::{Status, Streaming},
    message::Value,
    schema::Schema,
};
use prost::Message;
use std::collections::HashMap;

mainstay::include_proto!("tests/proto/every.proto");

struct Service;

impl EveryApi for Service {
    async fn echo(&self, request: Every) -> Result<Every, Status> {
        Ok(request)
    }

    async fn connect_(&self) -> Result<(), Status> {
        Ok(())
    }

    async fn watch(&self, request: Every) -> Result<Streaming<every::Inner>, Status> {
        Ok(Streaming::of([every::Inner { again: Some(Box::new(request)), thing: None }]))
    }

    async fn load(&self, request: Streaming<Every>) -> Result<shop::other::Thing, Status> {
        Ok(shop::other::Thing { x: request.collect().await?.len() as i32 })
    }

    async fn chat(&self, request: Streaming<Every>) -> Result<Streaming<Every>, Status> {
        Ok(request)
    }

    async fn length(&self, request: Value<String>) -> Result<Value<u64>, Status> {
        Ok(Value(request.0.len() as u64))
    }
}

fn every() -> Every {
    Every {
        signed: -1,
        fixed: 2,
        both: -3,
        packed: vec![1, 2, 300],
        map: HashMap::from([("a".to_owned(), Every { maybe: Some(0), ..Every::default() })]),
        maybe: Some(0),
        color: Color::Big as i32,
        at: Some(prost_types::Timestamp { seconds: 1, nanos: 2 }),
        raw: vec![1, 2],
        r#type: "t".into(),
        choice: Some(every::Choice::Inner(Box::new(every::Inner {
            again: None,
            thing: Some(shop::other::Thing { x: 7 }),
        }))),
    }
}

#[tokio::test]
async fn the_services_are_like_those_of_a_trait() {
    let client = EveryApiClient::in_process(Service);
    assert_eq!(client.echo(every()).await.unwrap(), every());
    client.connect_().await.unwrap();
    let watched = client.watch(every()).await.unwrap().collect().await.unwrap();
    assert_eq!(watched[0].again.as_deref(), Some(&every()));
    assert_eq!(client.load(Streaming::of([every(), every()])).await.unwrap().x, 2);
    assert_eq!(client.chat(Streaming::of([every()])).await.unwrap().collect().await.unwrap(), [every()]);
    assert_eq!(client.length(Value("four".into())).await.unwrap(), Value(4));
}

#[test]
fn the_definition_is_that_of_the_file() {
    let def = EveryApiClient::definition();
    assert_eq!((def.full_name, def.docs), ("shop.every.v1.EveryApi", "One of each kind of call."));
    let names: Vec<_> = def.methods.iter().map(|method| (method.name, method.idempotent)).collect();
    let expected = ["Echo", "Connect", "Watch", "Load", "Chat", "Length"].map(|name| (name, name == "Echo"));
    assert_eq!(names, expected);
}

/// The types that only a table of wire formats tells apart: `sint32` is zigzag, `fixed64` and `sfixed32` are not varints.
#[test]
fn the_wire_is_that_of_the_file() {
    let bytes = Every { signed: -1, fixed: 2, both: -3, packed: vec![1], ..Every::default() }.encode_to_vec();
    let expected: &[u8] = &[
        1 << 3,
        1, // zigzag of -1
        2 << 3 | 1,
        2,
        0,
        0,
        0,
        0,
        0,
        0,
        0, // eight bytes
        3 << 3 | 5,
        0xfd,
        0xff,
        0xff,
        0xff, // four bytes
        4 << 3 | 2,
        1,
        1, // packed
    ];
    assert_eq!(bytes, expected);
}

#[test]
fn an_unknown_number_of_an_enum_is_kept() {
    let bytes = Every { color: 77, ..Every::default() }.encode_to_vec();
    let read = Every::decode(bytes.as_slice()).unwrap();
    assert_eq!((read.color, Color::try_from(read.color).is_err()), (77, true));
}

#[test]
fn the_files_go_along_for_reflection_and_json() {
    let schema = Schema::of(&[EveryApiClient::definition()]).unwrap();
    assert!(schema.opaque().is_empty());
    let pool = schema.pool().unwrap();
    let service = pool.get_service_by_name("shop.every.v1.EveryApi").unwrap();
    let length = service.methods().find(|method| method.name() == "Length").unwrap();
    assert_eq!(length.input().full_name(), "google.protobuf.StringValue");
    let every = pool.get_message_by_name("shop.every.v1.Every").unwrap();
    assert_eq!(every.get_field_by_name("both").unwrap().kind(), prost_reflect::Kind::Sfixed32);
    assert_eq!(every.parent_file().name(), "shop/every/v1/every.proto");
    assert!(pool.get_message_by_name("shop.other.Thing").is_some());
}
