//! The committed `.proto` files as the lock of all numbers.
//!
//! A file counts when it lies in `proto/` beside the user's `Cargo.toml` and its first line says that mainstay wrote it.
//! It is read at every expansion rather than kept in the process: the compiler may live long (rust-analyzer's does), and
//! a file takes less than a millisecond.

use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};
use std::{
    collections::HashMap,
    io::ErrorKind,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

/// How the first line of a file begins that is a lock.
const MARK: &str = "// mainstay lock";

/// The numbers that one message or enum has and had.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Locked {
    file: String,
    numbers: HashMap<String, i64>,
    reserved: Vec<RangeInclusive<i64>>,
    nested: HashMap<String, Locked>,
}

impl Locked {
    /// The number of a field or value.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.numbers.get(name).copied()
    }

    /// The highest number that is or was in use.
    pub(crate) fn highest(&self) -> Option<i64> {
        let reserved = self.reserved.iter().map(|range| *range.end());
        self.numbers.values().copied().chain(reserved).max()
    }

    /// Whether a removed field had it.
    pub(crate) fn is_reserved(&self, number: i64) -> bool {
        self.reserved.iter().any(|range| range.contains(&number))
    }

    /// The file, as it is shown.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// A message inside this one.
    pub(crate) fn nested(&self, name: &str) -> Option<&Locked> {
        self.nested.get(name)
    }

    fn message(message: &DescriptorProto, file: &str) -> Locked {
        let numbers = message.field.iter().map(|field| (field.name().to_owned(), i64::from(field.number())));
        // The end of a range is the first number after it.
        let reserved = message.reserved_range.iter().map(|r| i64::from(r.start())..=i64::from(r.end()) - 1);
        let nested = message.nested_type.iter().map(|inner| (inner.name().to_owned(), Locked::message(inner, file)));
        Locked {
            file: file.to_owned(),
            numbers: numbers.collect(),
            reserved: reserved.collect(),
            nested: nested.collect(),
        }
    }

    fn enumeration(def: &EnumDescriptorProto, file: &str) -> Locked {
        let numbers = def.value.iter().map(|value| (value.name().to_owned(), i64::from(value.number())));
        let reserved = def.reserved_range.iter().map(|r| i64::from(r.start())..=i64::from(r.end()));
        Locked {
            file: file.to_owned(),
            numbers: numbers.collect(),
            reserved: reserved.collect(),
            nested: HashMap::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_tests(numbers: &[(&str, i64)], reserved: &[RangeInclusive<i64>]) -> Locked {
        Locked {
            file: "proto/t.proto".into(),
            numbers: numbers.iter().map(|&(name, number)| (name.to_owned(), number)).collect(),
            reserved: reserved.to_vec(),
            nested: HashMap::new(),
        }
    }
}

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Enum,
}

/// What the lock files say of one type, and which of them there are.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    pub(crate) locked: Option<Locked>,
    pub(crate) tracked: Vec<PathBuf>,
}

/// Looks `name` up in the lock files of the crate at `root`.
///
/// # Errors
/// When a lock file cannot be read, or two of them disagree and no `package` decides.
pub(crate) fn look_up(root: &Path, package: Option<&str>, name: &str, kind: Kind) -> Result<Lookup, String> {
    let mut lookup = Lookup::default();
    for path in proto_files(&root.join("proto"))? {
        let text =
            std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        if !text.starts_with(MARK) {
            continue;
        }
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let file = parse(&shown, &text)?;
        lookup.tracked.push(path);
        if package.is_some_and(|package| package != file.package()) {
            continue;
        }
        let Some(found) = find(&file, &shown, name, kind) else { continue };
        match &lookup.locked {
            Some(first) if first.numbers != found.numbers || first.reserved != found.reserved => {
                return Err(format!(
                    "{} and {} both have `{name}`, with different numbers: say which one with \
                     `#[message(package = \"{}\")]`",
                    first.file,
                    found.file,
                    file.package(),
                ));
            }
            Some(_) => {}
            None => lookup.locked = Some(found),
        }
    }
    Ok(lookup)
}

/// The `.proto` files of a directory, in order; none when it does not exist.
fn proto_files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot read {}: {error}", directory.display())),
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "proto"))
        .collect();
    files.sort();
    Ok(files)
}

fn parse(shown: &str, text: &str) -> Result<FileDescriptorProto, String> {
    let file = protox::file::File::from_source(shown, text).map_err(|error| {
        format!(
            "{shown} keeps the numbers of this type, but it is no valid .proto ({error}): restore it, or write it anew"
        )
    })?;
    Ok(file.file_descriptor_proto().clone())
}

fn find(file: &FileDescriptorProto, shown: &str, name: &str, kind: Kind) -> Option<Locked> {
    match kind {
        Kind::Message => {
            file.message_type.iter().find(|message| message.name() == name).map(|m| Locked::message(m, shown))
        }
        Kind::Enum => file.enum_type.iter().find(|def| def.name() == name).map(|e| Locked::enumeration(e, shown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate of its own with these lock files.
    struct Crate(PathBuf);

    impl Crate {
        fn new(test: &str, files: &[(&str, &str)]) -> Crate {
            let root = std::env::temp_dir().join(format!("mainstay-lock-{test}-{}", std::process::id()));
            std::fs::create_dir_all(root.join("proto")).unwrap();
            for (name, text) in files {
                std::fs::write(root.join("proto").join(name), text).unwrap();
            }
            Crate(root)
        }

        fn look_up(&self, package: Option<&str>, name: &str, kind: Kind) -> Result<Lookup, String> {
            look_up(&self.0, package, name, kind)
        }
    }

    impl Drop for Crate {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const A: &str = "// mainstay lock\nsyntax = \"proto3\";\npackage a.v1;\nmessage M {\n  reserved 3, 7 to 9;\n  \
                     uint32 x = 2;\n  message In { uint32 y = 5; }\n}\nenum K { reserved 4 to 5; K_UNSPECIFIED = 0; K_A = 6; }\n";

    #[test]
    fn numbers_and_reservations_are_found() {
        let root = Crate::new("found", &[("a.v1.proto", A), ("other.proto", "syntax = \"proto3\"; message M {}")]);
        let lookup = root.look_up(None, "M", Kind::Message).unwrap();
        let locked = lookup.locked.unwrap();
        assert_eq!((locked.number("x"), locked.number("y"), locked.highest()), (Some(2), None, Some(9)));
        assert_eq!([3, 6, 7, 9, 10].map(|n| locked.is_reserved(n)), [true, false, true, true, false]);
        assert_eq!(locked.nested("In").unwrap().number("y"), Some(5));
        assert_eq!(locked.file(), "proto/a.v1.proto");
        // Only the marked one is a lock.
        assert_eq!(lookup.tracked, [root.0.join("proto/a.v1.proto")]);
        let locked = root.look_up(None, "K", Kind::Enum).unwrap().locked.unwrap();
        assert_eq!((locked.number("K_A"), locked.highest(), locked.is_reserved(5)), (Some(6), Some(6), true));
        assert!(root.look_up(None, "Missing", Kind::Message).unwrap().locked.is_none());
    }

    #[test]
    fn two_files_that_disagree_are_both_named_and_a_package_decides() {
        let other = A.replace("a.v1", "b.v1").replace("x = 2", "x = 4");
        let root = Crate::new("disagree", &[("a.v1.proto", A), ("b.v1.proto", &other)]);
        let error = root.look_up(None, "M", Kind::Message).unwrap_err();
        assert!(error.contains("proto/a.v1.proto") && error.contains("proto/b.v1.proto"), "{error}");
        let locked = root.look_up(Some("b.v1"), "M", Kind::Message).unwrap().locked.unwrap();
        assert_eq!(locked.number("x"), Some(4));
        assert!(root.look_up(None, "K", Kind::Enum).unwrap().locked.is_some());
    }

    #[test]
    fn a_lock_that_cannot_be_read_stops_the_build() {
        let root = Crate::new("broken", &[("a.proto", "// mainstay lock\nmessage {")]);
        let error = root.look_up(None, "M", Kind::Message).unwrap_err();
        assert!(error.starts_with("proto/a.proto keeps the numbers"), "{error}");
    }

    #[test]
    fn no_folder_no_lock() {
        let lookup = look_up(Path::new("/nonexistent"), None, "M", Kind::Message).unwrap();
        assert!(lookup.locked.is_none() && lookup.tracked.is_empty());
    }
}
