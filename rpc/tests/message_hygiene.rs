//! The derive in a place where every familiar name means something else.

#![allow(dead_code, non_camel_case_types)]

struct Result;
struct Option;
struct String;
struct Vec;
struct Some;
struct None;
struct Ok;
struct Default;
struct Send;
struct Clone;
struct u32;
struct bool;
struct usize;
mod prost {}
mod core {}
mod std {}
mod mainstay {}

type Text = ::std::string::String;

#[derive(::mainstay::Message)]
struct Plain {
    name: Text,
    kind: ::core::option::Option<Kind>,
    r#type: ::core::primitive::u32,
    shape: Shape,
    level: Level,
}

#[derive(::mainstay::Message)]
enum Kind {
    A,
    B,
}

#[derive(::mainstay::Message)]
enum Level {
    #[default]
    Low,
    High,
}

#[derive(::mainstay::Message)]
enum Shape {
    Circle(f64),
    #[default]
    Nothing,
    Rect {
        w: f64,
        h: ::core::primitive::u32,
        buf: Text,
    },
}

#[test]
fn it_works_all_the_same() {
    use ::mainstay::__private::prost::Message as _;
    let plain = Plain {
        name: "x".into(),
        kind: ::core::option::Option::Some(Kind::B),
        r#type: 7,
        shape: Shape::Rect { w: 1.0, h: 2, buf: "b".into() },
        level: Level::High,
    };
    let wire_bytes = plain.encode_to_vec();
    assert_eq!(wire_bytes.len(), plain.encoded_len());
    let back = Plain::decode(wire_bytes.as_slice()).unwrap();
    assert_eq!((back.name.as_str(), back.r#type), ("x", 7));
    assert!(matches!(back.kind, ::core::option::Option::Some(Kind::B)));
    assert!(matches!(back.shape, Shape::Rect { h: 2, .. }));
    assert!(matches!(back.level, Level::High));
}
