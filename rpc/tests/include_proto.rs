//! `include_proto!`: messages that are right on the wire, and services like those of a trait.

use mainstay::{
    call::{Status, Streaming},
    message::Value,
    schema::{Schema, proto_text},
};
use prost::Message;
use prost_reflect::{DynamicMessage, Kind};
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
    assert_eq!(every.get_field_by_name("both").unwrap().kind(), Kind::Sfixed32);
    assert_eq!(every.parent_file().name(), "shop/every/v1/every.proto");
    assert!(pool.get_message_by_name("shop.other.Thing").is_some());
}

/// A derived message that holds what the file declares.
#[derive(mainstay::Message, Clone, Debug, PartialEq)]
struct Holder {
    every: Every,
    maybe: Option<every::Inner>,
    many: Vec<shop::other::Thing>,
    by_name: HashMap<String, shop::other::Thing>,
    color: Color,
    colors: Vec<Color>,
    either: Option<Either>,
}

#[derive(mainstay::Message, Clone, Debug, PartialEq)]
enum Either {
    Whole(Box<Every>),
    Color(Color),
}

#[mainstay::service(package = "shop.holder.v1")]
trait HolderApi {
    async fn hold(&self, holder: Holder) -> Result<Holder, Status>;
}

#[test]
fn derived_messages_hold_those_of_the_file_with_their_whole_schema() {
    let schema = Schema::of(&[HolderApiClient::definition()]).unwrap();
    assert!(schema.opaque().is_empty(), "{:?}", schema.opaque());
    let pool = schema.pool().unwrap();
    let described = pool.get_message_by_name("shop.holder.v1.Holder").unwrap();
    let kinds: Vec<String> = described.fields().map(|field| format!("{:?}", field.kind())).collect();
    for (kind, name) in kinds.iter().zip(["every.v1.Every", "every.v1.Every.Inner", "other.Thing"]) {
        assert!(kind.contains(name), "{kind} is not {name}");
    }
    // What the schema says is what is on the wire.
    let things = vec![shop::other::Thing { x: 1 }, shop::other::Thing { x: 2 }];
    let holder = Holder {
        every: every(),
        maybe: Some(every::Inner { again: None, thing: Some(things[0]) }),
        by_name: HashMap::from([("a".to_owned(), things[1])]),
        many: things,
        color: Color::Red,
        colors: vec![Color::Big, Color::Unspecified],
        either: Some(Either::Whole(Box::new(every()))),
    };
    let bytes = holder.encode_to_vec();
    assert_eq!(Holder::decode(bytes.as_slice()).unwrap(), holder);
    let dynamic = DynamicMessage::decode(described, bytes.as_slice()).unwrap();
    assert_eq!(dynamic.unknown_fields().count(), 0);
    let text = dynamic.to_string();
    for part in
        ["signed:-1", "both:-3", "many:[{x:1},{x:2}]", "color:COLOR_RED", "colors:[COLOR_BIG,COLOR_UNSPECIFIED]"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn the_text_of_a_derived_message_imports_the_file() {
    let text = proto_text(&[HolderApiClient::definition()]).unwrap();
    for line in [
        "import \"shop/every/v1/every.proto\";",
        "shop.every.v1.Every every = 1;",
        "optional shop.every.v1.Every.Inner maybe = 2;",
        "repeated shop.other.Thing many = 3;",
        "map<string, shop.other.Thing> by_name = 4;",
        "shop.every.v1.Color color = 5;",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    mainstay::schema::check_lock(&text, &[HolderApiClient::definition()]).unwrap();
}
