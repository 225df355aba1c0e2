//! Arbitrary messages: what the properties are held against.

use super::*;

pub(super) fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-zü€]{1,6}"]
}

fn blob() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..6)
}

/// Not -0.0: prost leaves it out as a zero, we keep it as the specification does.
fn float() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), any::<f64>().prop_filter("not -0.0 and equal to itself", |f| *f != 0.0 && !f.is_nan())]
}

pub(super) fn part() -> impl Strategy<Value = OurPart> {
    let leaf = (text(), any::<u32>()).prop_map(|(name, left)| OurPart { name, left, parts: Vec::new() });
    let leaf = prop_oneof![Just(OurPart::default()), leaf];
    leaf.prop_recursive(3, 6, 2, |inner| {
        (text(), vec(inner, 0..3)).prop_map(|(name, parts)| OurPart { name, left: 0, parts })
    })
}

fn place() -> impl Strategy<Value = Place> {
    let leaf = prop_oneof![
        any::<u32>().prop_map(Place::Shelf),
        (text(), part()).prop_map(|(from, part)| Place::Transit { from, part }),
        Just(Place::Lost),
        blob().prop_map(Place::Note),
    ];
    leaf.prop_recursive(3, 3, 1, |inner| inner.prop_map(|place| Place::Inside(Box::new(place))))
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Solid), Just(Kind::Fluid), Just(Kind::Gas)]
}

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![Just(Level::Low), Just(Level::High)]
}

pub(super) fn ours() -> impl Strategy<Value = Ours> {
    let scalars =
        (any::<bool>(), any::<i32>(), any::<i64>(), any::<u32>(), any::<u64>(), float(), text(), blob(), blob());
    let options = (
        option::of(any::<bool>()),
        option::of(any::<i64>()),
        option::of(float()),
        option::of(text()),
        option::of(blob()),
        option::of(kind()),
        option::of(place()),
        option::of(part()),
        option::of((any::<i64>(), any::<i32>())),
    );
    let lists = (
        vec(any::<bool>(), 0..4),
        vec(any::<i32>(), 0..4),
        vec(any::<u32>(), 0..4),
        vec(float(), 0..4),
        vec(text(), 0..4),
        vec(blob(), 0..4),
        vec(part(), 0..3),
        vec(kind(), 0..4),
        vec(place(), 0..3),
    );
    let maps = (
        btree_map(text(), any::<u64>(), 0..3),
        btree_map(any::<i32>(), text(), 0..3),
        btree_map(any::<bool>(), part(), 0..3),
        btree_map(any::<u64>(), level(), 0..3),
    );
    (scalars, options, lists, maps, part(), level(), any::<bool>()).prop_map(|(s, o, l, m, part, level, empty)| Ours {
        a: s.0,
        b: s.1,
        c: s.2,
        d: s.3,
        e: s.4,
        f: s.5 as f32,
        g: s.5,
        h: s.6,
        i: s.7.into(),
        j: s.8,
        oa: o.0,
        ob: o.1,
        og: o.2,
        oh: o.3,
        oi: o.4.map(Bytes::from),
        okind: o.5,
        oplace: o.6,
        opart: o.7.clone().map(Box::new),
        oforeign: o.7.map(Into::into),
        time: o.8.map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos }),
        nothing: empty.then_some(()),
        ra: l.0,
        rb: l.1,
        rd: l.2,
        rg: l.3,
        rh: l.4,
        ri: l.5.into_iter().map(Bytes::from).collect(),
        rforeign: l.6.iter().cloned().map(Into::into).collect(),
        rpart: l.6,
        rkind: l.7,
        rplace: l.8,
        ms: m.0,
        mi: m.1,
        mp: m.2,
        ml: m.3,
        foreign: part.clone().into(),
        part,
        level,
        far: s.3,
    })
}
