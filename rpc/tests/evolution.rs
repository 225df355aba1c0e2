//! An old and a new build of the same types talk to each other, and nothing is misread.
//!
//! The lock is `proto/evolution.v1.proto`. [`old`] is what it was written from; [`new`] has a field, a value and a variant
//! in the middle that were not there, one field less, and one with another name.

use prost::Message as _;

mod old {
    use mainstay::Message;

    #[derive(Message, Clone, Debug, PartialEq)]
    #[message(package = "evolution.v1", name = "EvolvingStock")]
    pub(crate) struct Stock {
        pub(crate) sku: String,
        pub(crate) left: u32,
        pub(crate) note: String,
        pub(crate) kind: Option<Kind>,
        pub(crate) kinds: Vec<Kind>,
        pub(crate) level: Level,
        pub(crate) place: Option<Place>,
        pub(crate) places: Vec<Place>,
    }

    #[derive(Message, Clone, Copy, Debug, PartialEq)]
    #[message(package = "evolution.v1", name = "EvolvingKind")]
    pub(crate) enum Kind {
        Solid,
        Fluid,
    }

    #[derive(Message, Clone, Copy, Debug, PartialEq)]
    #[message(package = "evolution.v1", name = "EvolvingLevel")]
    pub(crate) enum Level {
        #[default]
        Low,
        High,
    }

    #[derive(Message, Clone, Debug, PartialEq)]
    #[message(package = "evolution.v1", name = "EvolvingPlace")]
    pub(crate) enum Place {
        Shelf(u32),
        Transit { from: String, to: String },
    }
}

mod new {
    use mainstay::Message;

    #[derive(Message, Clone, Debug, PartialEq)]
    #[message(package = "evolution.v1", name = "EvolvingStock")]
    pub(crate) struct Stock {
        pub(crate) sku: String,
        /// New, and of the type that `left` has.
        pub(crate) reserved: u32,
        /// `left`, under another name.
        #[field(2)]
        pub(crate) available: u32,
        // `note` is gone.
        pub(crate) kind: Option<Kind>,
        pub(crate) kinds: Vec<Kind>,
        pub(crate) level: Level,
        /// New.
        pub(crate) remark: String,
        pub(crate) place: Option<Place>,
        pub(crate) places: Vec<Place>,
    }

    #[derive(Message, Clone, Copy, Debug, PartialEq)]
    #[message(package = "evolution.v1", name = "EvolvingKind")]
    pub(crate) enum Kind {
        Solid,
        Gas,
        Fluid,
    }

    #[derive(Message, Clone, Copy, Debug, PartialEq)]
    #[message(package = "evolution.v1", name = "EvolvingLevel")]
    pub(crate) enum Level {
        High,
        Medium,
        #[default]
        Low,
    }

    #[derive(Message, Clone, Debug, PartialEq)]
    #[message(package = "evolution.v1", name = "EvolvingPlace")]
    pub(crate) enum Place {
        Lost,
        Shelf(u32),
        Transit { by: String, to: String, from: String },
    }
}

fn old_stock() -> old::Stock {
    old::Stock {
        sku: "a-1".into(),
        left: 3,
        note: "fragile".into(),
        kind: Some(old::Kind::Fluid),
        kinds: vec![old::Kind::Fluid, old::Kind::Solid],
        level: old::Level::High,
        place: Some(old::Place::Transit { from: "x".into(), to: "y".into() }),
        places: vec![old::Place::Shelf(7)],
    }
}

#[test]
fn old_bytes_in_a_new_build() {
    let read = new::Stock::decode(old_stock().encode_to_vec().as_slice()).unwrap();
    let expected = new::Stock {
        sku: "a-1".into(),
        reserved: 0,
        available: 3,
        kind: Some(new::Kind::Fluid),
        kinds: vec![new::Kind::Fluid, new::Kind::Solid],
        level: new::Level::High,
        remark: String::new(),
        place: Some(new::Place::Transit { by: String::new(), to: "y".into(), from: "x".into() }),
        places: vec![new::Place::Shelf(7)],
    };
    assert_eq!(read, expected);
}

#[test]
fn new_bytes_in_an_old_build() {
    let new = new::Stock {
        sku: "a-1".into(),
        reserved: 9,
        available: 3,
        kind: Some(new::Kind::Gas),
        kinds: vec![new::Kind::Fluid, new::Kind::Gas, new::Kind::Solid],
        level: new::Level::Medium,
        remark: "new".into(),
        place: Some(new::Place::Lost),
        places: vec![
            new::Place::Lost,
            new::Place::Transit { by: "z".into(), to: "y".into(), from: "x".into() },
            new::Place::Shelf(7),
        ],
    };
    let read = old::Stock::decode(new.encode_to_vec().as_slice()).unwrap();
    let expected = old::Stock {
        sku: "a-1".into(),
        left: 3,
        note: String::new(),
        // What the old build does not know is nothing, is left out, or is the default: never another value.
        kind: None,
        kinds: vec![old::Kind::Fluid, old::Kind::Solid],
        level: old::Level::Low,
        place: None,
        places: vec![old::Place::Transit { from: "x".into(), to: "y".into() }, old::Place::Shelf(7)],
    };
    assert_eq!(read, expected);
}

#[test]
fn each_reads_back_what_it_wrote() {
    let old = old_stock();
    assert_eq!(old::Stock::decode(old.encode_to_vec().as_slice()).unwrap(), old);
    let new = new::Stock { reserved: 9, remark: "new".into(), ..new::Stock::default() };
    assert_eq!(new::Stock::decode(new.encode_to_vec().as_slice()).unwrap(), new);
}

mod lock {
    use mainstay::call::{Kind, MethodDef, ServiceDef};
    use mainstay::schema::{Describe, LockProblem, check_lock, write_lock};

    const TEXT: &str = include_str!("../proto/evolution.v1.proto");

    macro_rules! service {
        ($ty:ty) => {{
            static SERVICE: ServiceDef = ServiceDef {
                package: "evolution.v1",
                name: "Evolving",
                full_name: "evolution.v1.Evolving",
                version: None,
                group: None,
                docs: "",
                methods: &[MethodDef::new(
                    "Put",
                    Kind::Unary,
                    <$ty as Describe>::describe,
                    <$ty as Describe>::describe,
                )],
            };
            &SERVICE
        }};
    }

    #[test]
    fn the_new_types_keep_every_number_and_the_text_written_for_them_reserves_the_rest() {
        let new = service!(super::new::Stock);
        let problems = check_lock(TEXT, &[new]).unwrap_err();
        assert!(problems.iter().all(|problem| !problem.is_breaking()), "{problems:?}");
        let text = write_lock(Some(TEXT), &[new], false).unwrap();
        for line in [
            "  reserved 3 to 4;\n  reserved \"left\", \"note\", \"once\";\n",
            "  uint32 available = 2;\n",
            "  uint32 reserved = 10;\n",
            "  string remark = 11;\n",
            "  EVOLVING_KIND_GAS = 3;\n",
            "  EVOLVING_LEVEL_MEDIUM = 2;\n",
            "    google.protobuf.Empty lost = 3;\n",
            "    string by = 3;\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        check_lock(&text, &[new]).unwrap();
    }

    #[test]
    fn a_number_that_moved_is_named_with_message_field_old_and_new() {
        let old = service!(super::old::Stock);
        let text = TEXT.replace("uint32 left = 2;", "uint32 left = 12;");
        let problems = check_lock(&text, &[old]).unwrap_err();
        let moved = LockProblem::Renumbered {
            owner: "evolution.v1.EvolvingStock".into(),
            name: "left".into(),
            old: 12,
            new: 2,
        };
        assert!(problems.contains(&moved), "{problems:?}");
        assert_eq!(write_lock(Some(&text), &[old], false).unwrap_err(), [moved]);
    }
}
