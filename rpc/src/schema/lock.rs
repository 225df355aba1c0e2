//! The committed `.proto` text as a lock: what of it the types no longer keep.

use std::collections::BTreeMap;
use std::fmt;

use super::model::{Enum, Field, File, Label, Message, Reserved, Service, TypeRef};
use super::read::ReadError;

/// A difference between the lock and the types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockProblem {
    /// A field or value has another number than it had.
    #[error(
        "{owner}: `{name}` was number {old} and is now {new}; what was written before would be misread: \
         give it `#[field({old})]`"
    )]
    Renumbered {
        /// The message or enum.
        owner: String,
        /// The field or value.
        name: String,
        /// Its number in the lock.
        old: i64,
        /// Its number in the type.
        new: i64,
    },
    /// A field has another type than it had.
    #[error(
        "{owner}: `{name}` = {number} was `{old}` and is now `{new}`; what was written before would be misread: \
         add a field with another name instead"
    )]
    Retyped {
        /// The message.
        owner: String,
        /// The field.
        name: String,
        /// Its number.
        number: i64,
        /// Its type in the lock.
        old: String,
        /// Its type now.
        new: String,
    },
    /// A number that a removed field had is in use again.
    #[error(
        "{owner}: `{name}` has number {number}, which belonged to a removed field; what was written before would be \
         misread: give it another number"
    )]
    Reused {
        /// The message or enum.
        owner: String,
        /// The field or value.
        name: String,
        /// The number.
        number: i64,
    },
    /// A method takes or gives something else than it did.
    #[error("{service}: `{method}` was `{old}` and is now `{new}`: add a method with another name instead")]
    MethodChanged {
        /// The service.
        service: String,
        /// The method.
        method: String,
        /// Its signature in the lock.
        old: String,
        /// Its signature now.
        new: String,
    },
    /// Something is not in the lock yet, or no longer in the types.
    #[error("{what} is {change}")]
    Stale {
        /// The message, field, enum, value, service or method, with its number if it has one.
        what: String,
        /// What happened to it.
        change: Change,
    },
    /// The text is not what mainstay writes.
    #[error("the lock cannot be read: {0}")]
    Unreadable(#[from] ReadError),
    /// There is no schema to compare with.
    #[error("{0}")]
    Schema(#[from] super::SchemaError),
}

impl LockProblem {
    /// Whether peers or stored data would be misread, so that the lock is not simply written anew.
    pub fn is_breaking(&self) -> bool {
        !matches!(self, LockProblem::Stale { .. })
    }
}

/// What made a lock stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only in the types.
    New,
    /// Only in the lock.
    Removed,
    /// Renamed under its number.
    Renamed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Change::New => "not in the file yet",
            Change::Removed => "in the file, but gone from the code",
            Change::Renamed => "renamed in the code",
        })
    }
}

/// All differences between the lock and what the services reach now.
pub(crate) fn compare(old: &File, new: &File) -> Vec<LockProblem> {
    let mut problems = Vec::new();
    for service in &new.services {
        let before = old.services.iter().find(|old| old.name == service.name);
        compare_service(before, service, &new.package, &mut problems);
    }
    for message in new.messages.iter().filter(|message| !message.opaque) {
        let before = old.messages.iter().find(|old| old.name == message.name);
        compare_message(before, message, &full(&new.package, &message.name), &mut problems);
    }
    for def in &new.enums {
        let before = old.enums.iter().find(|old| old.name == def.name);
        compare_enum(before, def, &full(&new.package, &def.name), &mut problems);
    }
    problems
}

fn compare_service(old: Option<&Service>, new: &Service, package: &str, problems: &mut Vec<LockProblem>) {
    let name = full(package, &new.name);
    let Some(old) = old else {
        return problems.push(LockProblem::Stale { what: format!("service {name}"), change: Change::New });
    };
    for method in &new.methods {
        let Some(before) = old.methods.iter().find(|before| before.name == method.name) else {
            let what = format!("{name}: method `{}`", method.name);
            problems.push(LockProblem::Stale { what, change: Change::New });
            continue;
        };
        let (old, new) = (signature(before), signature(method));
        if old != new {
            problems.push(LockProblem::MethodChanged { service: name.clone(), method: method.name.clone(), old, new });
        }
    }
    for method in old.methods.iter().filter(|old| !new.methods.iter().any(|new| new.name == old.name)) {
        let what = format!("{name}: method `{}`", method.name);
        problems.push(LockProblem::Stale { what, change: Change::Removed });
    }
}

fn signature(method: &super::model::Method) -> String {
    let stream = |streams: bool| if streams { "stream " } else { "" };
    format!(
        "({}{}) returns ({}{})",
        stream(method.client_streaming),
        method.input.full_name(),
        stream(method.server_streaming),
        method.output.full_name()
    )
}

fn compare_message(old: Option<&Message>, new: &Message, name: &str, problems: &mut Vec<LockProblem>) {
    let Some(old) = old else {
        return problems.push(LockProblem::Stale { what: format!("message {name}"), change: Change::New });
    };
    let now: Vec<Entry<'_>> = new.fields.iter().map(Entry::field).collect();
    let before: Vec<Entry<'_>> = old.fields.iter().map(Entry::field).collect();
    compare_entries(&before, &old.reserved, &now, name, problems);
    for inner in &new.nested {
        let before = old.nested.iter().find(|old| old.name == inner.name);
        compare_message(before, inner, &format!("{name}.{}", inner.name), problems);
    }
}

fn compare_enum(old: Option<&Enum>, new: &Enum, name: &str, problems: &mut Vec<LockProblem>) {
    let Some(old) = old else {
        return problems.push(LockProblem::Stale { what: format!("enum {name}"), change: Change::New });
    };
    let entries = |def: &'_ Enum| -> Vec<(String, i64)> {
        def.values.iter().map(|value| (value.name.clone(), i64::from(value.number))).collect()
    };
    let (before, now) = (entries(old), entries(new));
    let before: Vec<Entry<'_>> =
        before.iter().map(|(name, number)| Entry { name, number: *number, ty: None }).collect();
    let now: Vec<Entry<'_>> = now.iter().map(|(name, number)| Entry { name, number: *number, ty: None }).collect();
    compare_entries(&before, &old.reserved, &now, name, problems);
}

/// A field or a value.
struct Entry<'a> {
    name: &'a str,
    number: i64,
    ty: Option<(Label, &'a TypeRef)>,
}

impl<'a> Entry<'a> {
    fn field(field: &'a Field) -> Entry<'a> {
        Entry { name: &field.name, number: i64::from(field.number), ty: Some((field.label, &field.ty)) }
    }

    fn type_text(&self) -> String {
        let Some((label, ty)) = self.ty else { return String::new() };
        match label {
            // On the wire an optional value is a value.
            Label::Single | Label::Optional | Label::OneOf => ty.name().to_owned(),
            Label::Repeated => format!("repeated {}", ty.name()),
            Label::Map(key) => format!("map<{}, {}>", key.keyword(), ty.name()),
        }
    }
}

fn compare_entries(
    old: &[Entry<'_>],
    reserved: &Reserved,
    new: &[Entry<'_>],
    owner: &str,
    problems: &mut Vec<LockProblem>,
) {
    let by_name: BTreeMap<&str, &Entry<'_>> = old.iter().map(|entry| (entry.name, entry)).collect();
    let by_number: BTreeMap<i64, &Entry<'_>> = old.iter().map(|entry| (entry.number, entry)).collect();
    let owned = || owner.to_owned();
    let stale = |entry: &Entry<'_>, change| LockProblem::Stale {
        what: format!("{owner}: `{}` = {}", entry.name, entry.number),
        change,
    };
    for entry in new {
        let name = || entry.name.to_owned();
        if i32::try_from(entry.number).is_ok_and(|number| reserved.contains(number)) {
            problems.push(LockProblem::Reused { owner: owned(), name: name(), number: entry.number });
            continue;
        }
        let same_name = by_name.get(entry.name);
        if let Some(before) = same_name.filter(|before| before.number != entry.number) {
            let (old, new) = (before.number, entry.number);
            problems.push(LockProblem::Renumbered { owner: owned(), name: name(), old, new });
            continue;
        }
        let Some(before) = by_number.get(&entry.number) else {
            problems.push(stale(entry, Change::New));
            continue;
        };
        let (old, new) = (before.type_text(), entry.type_text());
        if old != new {
            let number = entry.number;
            problems.push(LockProblem::Retyped { owner: owned(), name: name(), number, old, new });
        } else if same_name.is_none() {
            problems.push(stale(entry, Change::Renamed));
        }
    }
    let in_use = |old: &&Entry<'_>| new.iter().any(|new| new.name == old.name || new.number == old.number);
    for entry in old.iter().filter(|old| !in_use(old)) {
        problems.push(stale(entry, Change::Removed));
    }
}

pub(crate) fn full(package: &str, name: &str) -> String {
    if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::super::read::read;
    use super::*;

    fn texts(old: &str, new: &str) -> Vec<(String, bool)> {
        let file = |body: &str| read(&format!("syntax = \"proto3\";\npackage p.v1;\n{body}")).unwrap();
        let problems = compare(&file(old), &file(new));
        problems.iter().map(|problem| (problem.to_string(), problem.is_breaking())).collect()
    }

    #[test]
    fn what_would_be_misread_is_named_with_old_and_new_number() {
        let cases = [
            (
                "message M { string a = 1; uint32 b = 2; }",
                "message M { string a = 1; uint32 b = 3; }",
                "p.v1.M: `b` was number 2 and is now 3; what was written before would be misread: give it `#[field(2)]`",
            ),
            (
                "message M { string a = 1; }",
                "message M { uint32 a = 1; }",
                "p.v1.M: `a` = 1 was `string` and is now `uint32`; what was written before would be misread: add a field \
                 with another name instead",
            ),
            (
                "message M { uint32 a = 1; }",
                "message M { repeated uint32 a = 1; }",
                "p.v1.M: `a` = 1 was `uint32` and is now `repeated uint32`; what was written before would be misread: \
                 add a field with another name instead",
            ),
            (
                "message M { reserved 1 to 3; }",
                "message M { uint32 a = 2; }",
                "p.v1.M: `a` has number 2, which belonged to a removed field; what was written before would be misread: \
                 give it another number",
            ),
            (
                "enum K { K_UNSPECIFIED = 0; K_A = 1; }",
                "enum K { K_UNSPECIFIED = 0; K_A = 2; }",
                "p.v1.K: `K_A` was number 1 and is now 2; what was written before would be misread: give it `#[field(1)]`",
            ),
            (
                "message M { message In { uint32 a = 1; } oneof kind { In in = 1; } }",
                "message M { message In { uint32 a = 4; } oneof kind { In in = 1; } }",
                "p.v1.M.In: `a` was number 1 and is now 4; what was written before would be misread: give it `#[field(1)]`",
            ),
            (
                "service S { rpc A(M) returns (M); } message M {}",
                "service S { rpc A(M) returns (stream M); } message M {}",
                "p.v1.S: `A` was `(p.v1.M) returns (p.v1.M)` and is now `(p.v1.M) returns (stream p.v1.M)`: add a method \
                 with another name instead",
            ),
        ];
        for (old, new, text) in cases {
            assert_eq!(texts(old, new), [(text.to_owned(), true)], "{old} → {new}");
        }
    }

    #[test]
    fn what_is_only_not_written_down_yet_is_no_break() {
        let cases = [
            ("message M { uint32 a = 1; }", "message M { uint32 a = 1; uint32 b = 2; }", "p.v1.M: `b` = 2 is not in"),
            ("message M { uint32 a = 1; uint32 b = 2; }", "message M { uint32 a = 1; }", "p.v1.M: `b` = 2 is in the"),
            ("message M { uint32 a = 1; }", "message M { uint32 c = 1; }", "p.v1.M: `c` = 1 is renamed"),
            ("", "message M {}", "message p.v1.M is not in"),
            ("", "enum K { K_UNSPECIFIED = 0; }", "enum p.v1.K is not in"),
            ("", "service S {}", "service p.v1.S is not in"),
            ("service S { rpc A(M) returns (M); }", "service S {}", "p.v1.S: method `A` is in the file, but gone"),
        ];
        for (old, new, text) in cases {
            let found = texts(old, new);
            assert!(found.len() == 1 && found[0].0.starts_with(text) && !found[0].1, "{old} → {new}: {found:?}");
        }
    }

    #[test]
    fn what_is_the_same_on_the_wire_is_no_difference() {
        assert_eq!(texts("message M { uint32 a = 1; }", "message M { optional uint32 a = 1; }"), []);
        // A comment, the order, and what another service has beside.
        assert_eq!(
            texts(
                "message N {} message M { uint32 a = 2; uint32 b = 1; }",
                "// Doc.\nmessage M { uint32 b = 1; uint32 a = 2; }"
            ),
            []
        );
    }
}
