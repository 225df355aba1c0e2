//! The derive against prost's own, for every kind of field: the same bytes, and each reads the other's.

#[path = "message_wire/strategies.rs"]
mod strategies;

use std::collections::{BTreeMap, HashMap};

use mainstay::Message;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use prost::Message as _;
use prost::bytes::Bytes;
use strategies::{ours, part, text};

#[derive(Message, Clone, Debug, PartialEq)]
struct Ours {
    a: bool,
    b: i32,
    c: i64,
    d: u32,
    e: u64,
    f: f32,
    g: f64,
    h: String,
    i: Bytes,
    j: Vec<u8>,
    oa: Option<bool>,
    ob: Option<i64>,
    og: Option<f64>,
    oh: Option<String>,
    oi: Option<Bytes>,
    ra: Vec<bool>,
    rb: Vec<i32>,
    rd: Vec<u32>,
    rg: Vec<f64>,
    rh: Vec<String>,
    ri: Vec<Bytes>,
    part: OurPart,
    opart: Option<Box<OurPart>>,
    rpart: Vec<OurPart>,
    okind: Option<Kind>,
    rkind: Vec<Kind>,
    level: Level,
    ms: BTreeMap<String, u64>,
    mi: BTreeMap<i32, String>,
    mp: BTreeMap<bool, OurPart>,
    ml: BTreeMap<u64, Level>,
    time: Option<prost_types::Timestamp>,
    nothing: Option<()>,
    oplace: Option<Place>,
    rplace: Vec<Place>,
    #[field(100)]
    far: u32,
    #[field(message)]
    foreign: TheirPart,
    #[field(message)]
    oforeign: Option<TheirPart>,
    #[field(message)]
    rforeign: Vec<TheirPart>,
}

#[derive(Message, Clone, Debug, PartialEq)]
struct OurPart {
    name: String,
    left: u32,
    parts: Vec<OurPart>,
}

#[derive(Message, Clone, Copy, Debug, PartialEq)]
enum Kind {
    Solid,
    Fluid,
    Gas = -7,
}

#[derive(Message, Clone, Copy, Debug, PartialEq)]
enum Level {
    #[default]
    Low,
    High,
}

#[derive(Message, Clone, Debug, PartialEq)]
enum Place {
    Shelf(u32),
    Transit { from: String, part: OurPart },
    Lost,
    Inside(Box<Place>),
    Note(Vec<u8>),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Theirs {
    #[prost(bool, tag = "1")]
    a: bool,
    #[prost(int32, tag = "2")]
    b: i32,
    #[prost(int64, tag = "3")]
    c: i64,
    #[prost(uint32, tag = "4")]
    d: u32,
    #[prost(uint64, tag = "5")]
    e: u64,
    #[prost(float, tag = "6")]
    f: f32,
    #[prost(double, tag = "7")]
    g: f64,
    #[prost(string, tag = "8")]
    h: String,
    #[prost(bytes = "bytes", tag = "9")]
    i: Bytes,
    #[prost(bytes = "vec", tag = "10")]
    j: Vec<u8>,
    #[prost(bool, optional, tag = "11")]
    oa: Option<bool>,
    #[prost(int64, optional, tag = "12")]
    ob: Option<i64>,
    #[prost(double, optional, tag = "13")]
    og: Option<f64>,
    #[prost(string, optional, tag = "14")]
    oh: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "15")]
    oi: Option<Bytes>,
    #[prost(bool, repeated, tag = "16")]
    ra: Vec<bool>,
    #[prost(int32, repeated, tag = "17")]
    rb: Vec<i32>,
    #[prost(uint32, repeated, tag = "18")]
    rd: Vec<u32>,
    #[prost(double, repeated, tag = "19")]
    rg: Vec<f64>,
    #[prost(string, repeated, tag = "20")]
    rh: Vec<String>,
    #[prost(bytes = "bytes", repeated, tag = "21")]
    ri: Vec<Bytes>,
    #[prost(message, required, tag = "22")]
    part: TheirPart,
    #[prost(message, optional, boxed, tag = "23")]
    opart: Option<Box<TheirPart>>,
    #[prost(message, repeated, tag = "24")]
    rpart: Vec<TheirPart>,
    #[prost(int32, optional, tag = "25")]
    okind: Option<i32>,
    #[prost(int32, repeated, tag = "26")]
    rkind: Vec<i32>,
    #[prost(int32, tag = "27")]
    level: i32,
    #[prost(btree_map = "string, uint64", tag = "28")]
    ms: BTreeMap<String, u64>,
    #[prost(btree_map = "int32, string", tag = "29")]
    mi: BTreeMap<i32, String>,
    #[prost(btree_map = "bool, message", tag = "30")]
    mp: BTreeMap<bool, TheirPart>,
    #[prost(btree_map = "uint64, int32", tag = "31")]
    ml: BTreeMap<u64, i32>,
    #[prost(message, optional, tag = "32")]
    time: Option<prost_types::Timestamp>,
    #[prost(message, optional, tag = "33")]
    nothing: Option<()>,
    #[prost(message, optional, tag = "34")]
    oplace: Option<TheirPlace>,
    #[prost(message, repeated, tag = "35")]
    rplace: Vec<TheirPlace>,
    #[prost(uint32, tag = "100")]
    far: u32,
    #[prost(message, required, tag = "101")]
    foreign: TheirPart,
    #[prost(message, optional, tag = "102")]
    oforeign: Option<TheirPart>,
    #[prost(message, repeated, tag = "103")]
    rforeign: Vec<TheirPart>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TheirPart {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    left: u32,
    #[prost(message, repeated, tag = "3")]
    parts: Vec<TheirPart>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TheirPlace {
    #[prost(oneof = "TheirKind", tags = "1, 2, 3, 4, 5")]
    kind: Option<TheirKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum TheirKind {
    #[prost(uint32, tag = "1")]
    Shelf(u32),
    #[prost(message, tag = "2")]
    Transit(TheirTransit),
    #[prost(message, tag = "3")]
    Lost(()),
    #[prost(message, tag = "4")]
    Inside(Box<TheirPlace>),
    #[prost(bytes, tag = "5")]
    Note(Vec<u8>),
}

#[derive(Clone, PartialEq, prost::Message)]
struct TheirTransit {
    #[prost(string, tag = "1")]
    from: String,
    #[prost(message, required, tag = "2")]
    part: TheirPart,
}

impl From<OurPart> for TheirPart {
    fn from(part: OurPart) -> TheirPart {
        TheirPart { name: part.name, left: part.left, parts: part.parts.into_iter().map(Into::into).collect() }
    }
}

impl From<Place> for TheirPlace {
    fn from(place: Place) -> TheirPlace {
        let kind = match place {
            Place::Shelf(number) => TheirKind::Shelf(number),
            Place::Transit { from, part } => TheirKind::Transit(TheirTransit { from, part: part.into() }),
            Place::Lost => TheirKind::Lost(()),
            Place::Inside(place) => TheirKind::Inside(Box::new((*place).into())),
            Place::Note(note) => TheirKind::Note(note),
        };
        TheirPlace { kind: Some(kind) }
    }
}

fn number(kind: Kind) -> i32 {
    match kind {
        Kind::Solid => 1,
        Kind::Fluid => 2,
        Kind::Gas => -7,
    }
}

impl From<Ours> for Theirs {
    fn from(o: Ours) -> Theirs {
        Theirs {
            a: o.a,
            b: o.b,
            c: o.c,
            d: o.d,
            e: o.e,
            f: o.f,
            g: o.g,
            h: o.h,
            i: o.i,
            j: o.j,
            oa: o.oa,
            ob: o.ob,
            og: o.og,
            oh: o.oh,
            oi: o.oi,
            ra: o.ra,
            rb: o.rb,
            rd: o.rd,
            rg: o.rg,
            rh: o.rh,
            ri: o.ri,
            part: o.part.into(),
            opart: o.opart.map(|part| Box::new((*part).into())),
            rpart: o.rpart.into_iter().map(Into::into).collect(),
            okind: o.okind.map(number),
            rkind: o.rkind.into_iter().map(number).collect(),
            level: o.level as i32,
            ms: o.ms,
            mi: o.mi,
            mp: o.mp.into_iter().map(|(key, part)| (key, part.into())).collect(),
            ml: o.ml.into_iter().map(|(key, level)| (key, level as i32)).collect(),
            time: o.time,
            nothing: o.nothing,
            oplace: o.oplace.map(Into::into),
            rplace: o.rplace.into_iter().map(Into::into).collect(),
            far: o.far,
            foreign: o.foreign,
            oforeign: o.oforeign,
            rforeign: o.rforeign,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_bytes_are_prost_s_and_each_reads_the_other_s(ours in ours()) {
        // f32 rounds a tiny f64 to zero with its sign.
        prop_assume!(ours.f.to_bits() != (-0.0f32).to_bits());
        let theirs = Theirs::from(ours.clone());
        let bytes = ours.encode_to_vec();
        prop_assert_eq!(&bytes, &theirs.encode_to_vec());
        prop_assert_eq!(bytes.len(), ours.encoded_len());
        prop_assert_eq!(&Ours::decode(bytes.as_slice()).unwrap(), &ours);
        prop_assert_eq!(&Theirs::decode(bytes.as_slice()).unwrap(), &theirs);
    }

    #[test]
    fn what_comes_in_two_parts_merges_as_prost_s_does(a in ours(), b in ours()) {
        prop_assume!([a.f, b.f].iter().all(|f| f.to_bits() != (-0.0f32).to_bits()));
        let bytes = [a.encode_to_vec(), b.encode_to_vec()].concat();
        let ours = Ours::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(Theirs::from(ours), Theirs::decode(bytes.as_slice()).unwrap());
    }

    #[test]
    fn damaged_bytes_are_refused_by_both_or_by_none(ours in ours(), at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>()) {
        let mut bytes = ours.encode_to_vec();
        if !bytes.is_empty() {
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(cut % (bytes.len() + 1));
        }
        prop_assert_eq!(Ours::decode(bytes.as_slice()).is_ok(), Theirs::decode(bytes.as_slice()).is_ok());
    }

    #[test]
    fn hash_maps_hold_what_tree_maps_do(map in btree_map(text(), part(), 0..5)) {
        #[derive(Message, Debug, PartialEq)]
        struct Hashed { map: HashMap<String, OurPart> }
        #[derive(Message, Debug, PartialEq)]
        struct Sorted { map: BTreeMap<String, OurPart> }
        let sorted = Sorted { map };
        let hashed = Hashed::decode(sorted.encode_to_vec().as_slice()).unwrap();
        prop_assert_eq!(hashed.encoded_len(), sorted.encoded_len());
        prop_assert_eq!(Sorted::decode(hashed.encode_to_vec().as_slice()).unwrap(), sorted);
    }
}

#[test]
fn the_recursion_limit_is_prost_s() {
    fn part(depth: usize) -> OurPart {
        (0..depth).fold(OurPart::default(), |inner, _| OurPart { parts: vec![inner], ..OurPart::default() })
    }
    fn place(depth: usize) -> Ours {
        let place = (0..depth).fold(Place::Lost, |inner, _| Place::Inside(Box::new(inner)));
        Ours { oplace: Some(place), ..Ours::default() }
    }
    for depth in 90..110 {
        let bytes = part(depth).encode_to_vec();
        let read = OurPart::decode(bytes.as_slice()).is_ok();
        assert_eq!(read, TheirPart::decode(bytes.as_slice()).is_ok(), "{depth}");
        let bytes = place(depth).encode_to_vec();
        let read = Ours::decode(bytes.as_slice()).is_ok();
        assert_eq!(read, Theirs::decode(bytes.as_slice()).is_ok(), "{depth}");
    }
}

#[test]
fn an_error_says_where() {
    let bytes = Ours { part: OurPart { name: "x".into(), ..OurPart::default() }, ..Ours::default() }.encode_to_vec();
    let mut broken = bytes.clone();
    let at = broken.iter().position(|byte| *byte == b'x').unwrap();
    broken[at] = 0xff;
    let error = Ours::decode(broken.as_slice()).unwrap_err().to_string();
    assert!(error.contains("OurPart.name: Ours.part: "), "{error}");
}

#[test]
fn zero_is_what_is_not_sent() {
    assert_eq!(Ours::decode(&b""[..]).unwrap(), Ours::default());
    let mut some = Ours { b: 3, rplace: vec![Place::Lost], ..Ours::default() };
    some.clear();
    assert_eq!(some, Ours::default());
}
