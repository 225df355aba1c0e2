//! From derived types to `.proto` text and descriptors.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use mainstay::Message;
use mainstay::call::{Kind, MethodDef, ServiceDef};
use mainstay::message::Value;
use mainstay::schema::{Describe, Schema, SchemaError, Types, proto_text};
use prost::bytes::Bytes;

/// Stock of one article.
///
/// In one warehouse.
#[derive(Message, Clone, Debug, PartialEq)]
struct Stock {
    /// The article.
    sku: String,
    left: u32,
    parts: Vec<Part>,
    main: Option<Box<Part>>,
    note: Option<String>,
    by_day: HashMap<String, u64>,
    by_part: BTreeMap<i32, Part>,
    picture: Bytes,
    seen: Option<prost_types::Timestamp>,
    kind: Option<Kind_>,
    level: Level,
    place: Option<Place>,
    nothing: (),
    #[field(message)]
    old: Option<Existing>,
}

#[derive(Message, Clone, Debug, PartialEq)]
struct Part {
    name: String,
    #[field(7)]
    parts: Vec<Part>,
    r#type: f64,
}

/// What it is.
#[derive(Message, Clone, Copy, Debug, PartialEq)]
#[message(name = "Kind")]
enum Kind_ {
    /// Costs postage.
    Solid,
    FluidGas = 7,
}

#[derive(Message, Clone, Copy, Debug, PartialEq)]
enum Level {
    High,
    #[default]
    Low,
}

/// Where it lies.
#[derive(Message, Clone, Debug, PartialEq)]
enum Place {
    Shelf(u32),
    /// On its way.
    Transit {
        from: String,
        part: Part,
    },
    Lost,
    #[field(9)]
    Inside(Box<Place>),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Existing {
    #[prost(sint32, tag = "3")]
    x: i32,
}

macro_rules! method {
    ($name:literal, $kind:ident, $idempotent:literal, $input:ty, $output:ty) => {
        MethodDef {
            idempotent: $idempotent,
            timeout: Some(Duration::from_millis(1)),
            ..MethodDef::new($name, Kind::$kind, <$input as Describe>::describe, <$output as Describe>::describe)
        }
    };
}

macro_rules! service {
    ($package:literal, $name:literal, $docs:literal, [$($method:expr),*]) => {
        ServiceDef {
            package: $package,
            name: $name,
            full_name: concat!($package, ".", $name),
            version: None,
            group: None,
            docs: $docs,
            methods: &[$($method),*],
        }
    };
}

static STOCK: ServiceDef = service!(
    "shop.stock.v1",
    "StockApi",
    "Stock per warehouse.\n\nAll of it.",
    [
        method!("Level", Unary, true, Part, Stock),
        method!("Watch", ServerStreaming, false, (), Stock),
        method!("Load", ClientStreaming, false, Stock, Value<u64>),
        method!("Chat", BidiStreaming, false, Value<String>, Value<Vec<Part>>)
    ]
);

const GOLDEN: &str = include_str!("golden/stock.proto");

#[test]
fn the_text_is_this() {
    let text = proto_text(&[&STOCK]).unwrap();
    assert_eq!(text, GOLDEN, "\n{text}");
}

/// Two readers of the same text: protox, and the descriptors that we make without any text.
#[test]
fn protox_reads_the_text_and_finds_our_descriptors_in_it() {
    let schema = Schema::of(&[&STOCK]).unwrap();
    let ours = schema.descriptors().file.remove(0);
    let mut parsed = compile(&schema.proto_text("shop.stock.v1").unwrap());
    let with_comments = |file: &prost_types::FileDescriptorProto| -> BTreeMap<Vec<i32>, String> {
        let locations = file.source_code_info.iter().flat_map(|info| &info.location);
        locations.filter_map(|l| Some((l.path.clone(), l.leading_comments.clone()?))).collect()
    };
    // The text orders fields by number; positions in the two differ where numbers were given out of order.
    let comments = with_comments(&ours);
    assert_eq!(comments.len(), with_comments(&parsed).len());
    assert!(comments.values().any(|text| text == " Stock of one article.\n\n In one warehouse.\n"), "{comments:?}");
    let mut ours = ours;
    for file in [&mut ours, &mut parsed] {
        file.name = None;
        file.source_code_info = None;
        file.message_type.iter_mut().for_each(in_order);
        for field in file.message_type.iter_mut().flat_map(all_fields) {
            field.json_name = None;
        }
        for method in file.service.iter_mut().flat_map(|service| &mut service.method) {
            method.client_streaming = Some(method.client_streaming());
            method.server_streaming = Some(method.server_streaming());
        }
    }
    assert_eq!(ours, parsed);
}

fn compile(text: &str) -> prost_types::FileDescriptorProto {
    let mut resolver = protox::file::ChainFileResolver::new();
    resolver.add(protox::file::GoogleFileResolver::new());
    resolver.add(Memory(text.to_owned()));
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_source_info(true);
    compiler.open_file("shop.stock.v1.proto").unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    let set = compiler.file_descriptor_set();
    set.file.into_iter().find(|file| file.name() == "shop.stock.v1.proto").expect("it was opened")
}

struct Memory(String);

impl protox::file::FileResolver for Memory {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        protox::file::File::from_source(name, &self.0)
    }
}

fn in_order(message: &mut prost_types::DescriptorProto) {
    message.field.sort_by_key(|field| field.number);
    message.nested_type.sort_by(|a, b| a.name.cmp(&b.name));
    message.nested_type.iter_mut().for_each(in_order);
    // A oneof of one is numbered by the position of its field.
    let names: Vec<String> = message.oneof_decl.iter().map(|oneof| oneof.name().to_owned()).collect();
    message.oneof_decl.sort_by(|a, b| a.name.cmp(&b.name));
    for field in &mut message.field {
        if let Some(index) = field.oneof_index {
            let name = &names[index as usize];
            field.oneof_index = message.oneof_decl.iter().position(|o| o.name() == name).map(|i| i as i32);
        }
    }
}

fn all_fields(message: &mut prost_types::DescriptorProto) -> Vec<&mut prost_types::FieldDescriptorProto> {
    let inner = message.nested_type.iter_mut().flat_map(all_fields);
    message.field.iter_mut().chain(inner).collect()
}

#[cfg(feature = "server")]
#[test]
fn the_pool_decodes_what_the_derive_encodes() {
    use prost::Message as _;
    use prost_reflect::{DynamicMessage, ReflectMessage as _};
    let schema = Schema::of(&[&STOCK]).unwrap();
    let pool = schema.pool().unwrap();
    let stock = Stock {
        sku: "a-1".into(),
        left: 3,
        kind: Some(Kind_::FluidGas),
        place: Some(Place::Transit { from: "x".into(), part: Part::default() }),
        ..Stock::default()
    };
    let descriptor = pool.get_message_by_name("shop.stock.v1.Stock").unwrap();
    let dynamic = DynamicMessage::decode(descriptor, stock.encode_to_vec().as_slice()).unwrap();
    assert_eq!(dynamic.unknown_fields().count(), 0);
    assert_eq!(dynamic.descriptor().fields().len(), 14);
    assert_eq!(Stock::decode(dynamic.encode_to_vec().as_slice()).unwrap(), stock);
    assert_eq!(schema.opaque().iter().collect::<Vec<_>>(), ["shop.stock.v1.Existing"]);
    assert!(pool.get_service_by_name("shop.stock.v1.StockApi").unwrap().methods().len() == 4);
}

mod other {
    #[derive(mainstay::Message)]
    pub(crate) struct Part {
        pub(crate) other: bool,
    }

    #[derive(mainstay::Message)]
    #[message(package = "shop.shared.v1")]
    pub(crate) struct Shared {
        pub(crate) inner: Inner,
    }

    #[derive(mainstay::Message)]
    pub(crate) struct Inner {
        pub(crate) x: u32,
    }
}

#[test]
fn two_types_of_one_name_are_both_named() {
    static BAD: ServiceDef = service!("p.v1", "S", "", [method!("A", Unary, false, Part, other::Part)]);
    let error = Schema::of(&[&BAD]).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, SchemaError::Collision { .. }));
    assert!(
        text.contains("p.v1.Part") && text.contains("schema::Part") && text.contains("schema::other::Part"),
        "{text}"
    );
    static ONE: ServiceDef = service!("p.v1", "S", "", [method!("A", Unary, false, Part, Part)]);
    static TWO: ServiceDef = service!("p.v2", "S", "", [method!("A", Unary, false, other::Part, other::Part)]);
    // In two packages they are two messages.
    Schema::of(&[&ONE, &TWO]).unwrap();
    assert!(matches!(Schema::of(&[&ONE, &ONE]).unwrap_err(), SchemaError::ServiceTwice { .. }));
}

#[test]
fn what_a_message_of_another_package_refers_to_is_in_that_package() {
    static S: ServiceDef = service!("p.v1", "S", "", [method!("A", Unary, false, Part, other::Shared)]);
    let schema = Schema::of(&[&S]).unwrap();
    assert_eq!(schema.packages().collect::<Vec<_>>(), ["p.v1", "shop.shared.v1"]);
    let text = schema.proto_text("p.v1").unwrap();
    assert!(text.contains("import \"shop.shared.v1.proto\";"), "{text}");
    assert!(text.contains("rpc A(Part) returns (shop.shared.v1.Shared);"), "{text}");
    assert!(schema.proto_text("shop.shared.v1").unwrap().contains("message Inner {"));
    schema.pool().unwrap();
}

#[test]
fn existing_messages_are_found_to_be_opaque_and_derived_ones_are_not() {
    use mainstay::__private::{Probe, ProbeOpaque as _};
    let mut types = Types::new("p");
    assert!(!Probe::<Part>::new().describe(&mut types).is_opaque());
    assert!(!Probe::<()>::new().describe(&mut types).is_opaque());
    let existing = Probe::<Existing>::new().describe(&mut types);
    assert!(existing.is_opaque());
    assert_eq!(existing.full_name(), "p.Existing");
}
