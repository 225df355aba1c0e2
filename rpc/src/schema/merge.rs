//! The lock written anew: numbers stay, what is gone is reserved, what other services need is kept.

use std::collections::BTreeSet;

use super::lock::full;
use super::model::{Field, File, Message, Reserved, Service, TypeRef};
use super::print::print;

/// How a file begins that is a lock. The derive knows it by the beginning of its first line.
pub(crate) const HEAD: &str = "// mainstay lock: the numbers in this file are kept. Commit it.\n\
    // `MAINSTAY_LOCK=write cargo test` writes it anew: numbers stay, new fields come last, removed ones are reserved.\n\n";

/// The new content: what `new` says, what `old` keeps of services that are not in `new`, and what is reserved.
pub(crate) fn merge(old: &File, new: &File) -> File {
    let mut merged = new.clone();
    for message in &mut merged.messages {
        if let Some(old) = old.messages.iter().find(|old| old.name == message.name) {
            reserve_in_message(old, message);
        }
    }
    for def in &mut merged.enums {
        if let Some(old) = old.enums.iter().find(|old| old.name == def.name) {
            let now: Vec<(String, i32)> = def.values.iter().map(|v| (v.name.clone(), v.number)).collect();
            let before = old.values.iter().map(|v| (v.name.clone(), v.number));
            def.reserved = reserve(&old.reserved, before, &now);
        }
    }
    let foreign: Vec<&Service> =
        old.services.iter().filter(|old| !new.services.iter().any(|new| new.name == old.name)).collect();
    let kept = reachable(old, &foreign);
    merged.services.extend(foreign.into_iter().cloned());
    merged.services.sort_by(|a, b| a.name.cmp(&b.name));
    let missing = |name: &str| {
        let there = new.messages.iter().any(|m| m.name == name) || new.enums.iter().any(|e| e.name == name);
        !there && kept.contains(&full(&old.package, name))
    };
    merged.messages.extend(old.messages.iter().filter(|m| missing(&m.name)).cloned());
    merged.enums.extend(old.enums.iter().filter(|e| missing(&e.name)).cloned());
    merged
}

/// The whole text of a lock.
pub(crate) fn text(file: &File) -> String {
    format!("{HEAD}{}", print(file))
}

fn reserve_in_message(old: &Message, new: &mut Message) {
    let number = |field: &Field| i32::try_from(field.number).unwrap_or_default();
    let now: Vec<(String, i32)> = new.fields.iter().map(|field| (field.name.clone(), number(field))).collect();
    let before = old.fields.iter().map(|field| (field.name.clone(), number(field)));
    new.reserved = reserve(&old.reserved, before, &now);
    for inner in &mut new.nested {
        if let Some(old) = old.nested.iter().find(|old| old.name == inner.name) {
            reserve_in_message(old, inner);
        }
    }
}

/// What was reserved, and what is no longer in use. A name that is in use again is not reserved; a number always stays.
fn reserve(old: &Reserved, before: impl Iterator<Item = (String, i32)>, now: &[(String, i32)]) -> Reserved {
    let mut reserved = Reserved::default();
    for range in old.numbers() {
        reserved.add(range.clone());
    }
    let named = |name: &str| now.iter().any(|(now, _)| now == name);
    reserved.names.extend(old.names.iter().filter(|name| !named(name)).cloned());
    for (name, number) in before {
        if !now.iter().any(|(_, now)| *now == number) {
            reserved.add(number..=number);
        }
        if !named(&name) {
            reserved.names.insert(name);
        }
    }
    reserved
}

/// The full names that services use; all there are when the file has no service, as one of shared messages has none.
fn reachable(file: &File, services: &[&Service]) -> BTreeSet<String> {
    let message_name = |message: &Message| full(&file.package, &message.name);
    if file.services.is_empty() {
        let enums = file.enums.iter().map(|def| full(&file.package, &def.name));
        return file.messages.iter().map(message_name).chain(enums).collect();
    }
    let methods = services.iter().flat_map(|service| &service.methods);
    let mut left: Vec<&str> =
        methods.flat_map(|method| [method.input.full_name(), method.output.full_name()]).collect();
    let mut found = BTreeSet::new();
    while let Some(name) = left.pop() {
        if found.insert(name.to_owned()) {
            let message = file.messages.iter().find(|message| message_name(message) == name);
            left.extend(message.into_iter().flat_map(references));
        }
    }
    found
}

/// What the fields of a message, and of the messages inside it, refer to.
fn references(message: &Message) -> Vec<&str> {
    let own = message.fields.iter().filter(|field| !matches!(field.ty, TypeRef::Scalar(_))).map(|f| f.ty.name());
    own.chain(message.nested.iter().flat_map(references)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::read::read;
    use super::*;

    fn merged(old: &str, new: &str) -> String {
        let file = |body: &str| read(&format!("syntax = \"proto3\";\npackage p;\n{body}")).unwrap();
        let text = text(&merge(&file(old), &file(new)));
        text.strip_prefix(HEAD).unwrap().strip_prefix("syntax = \"proto3\";\n\npackage p;\n").unwrap().to_owned()
    }

    #[test]
    fn what_is_gone_is_reserved_and_stays_so() {
        let old = "message M { reserved 2, 9; reserved \"x\"; uint32 a = 1; uint32 b = 3; uint32 c = 4; }";
        let text = "\nmessage M {\n  reserved 2 to 3, 9;\n  reserved \"b\", \"c\";\n\n  uint32 a = 1;\n  uint32 d = 4;\n  uint32 x = 10;\n}\n";
        // `b` was removed, `c` renamed to `d`, and there is a new `x` under a new number.
        assert_eq!(merged(old, "message M { uint32 a = 1; uint32 d = 4; uint32 x = 10; }"), text);
        assert_eq!(merged(text, "message M { uint32 a = 1; uint32 d = 4; uint32 x = 10; }"), text);
        assert_eq!(
            merged("enum K { K_A = 0; K_B = 1; }", "enum K { K_A = 0; }"),
            "\nenum K {\n  reserved 1;\n  reserved \"K_B\";\n\n  K_A = 0;\n}\n"
        );
    }

    #[test]
    fn services_of_others_stay_with_all_they_need_and_nothing_else_does() {
        let old = "service A { rpc X(In) returns (Out); } service B { rpc X(Unused) returns (Unused); } \
                   message In { Part part = 1; } message Out {} message Part { Kind kind = 1; } message Unused {} \
                   enum Kind { KIND_UNSPECIFIED = 0; }";
        let text = merged(old, "service B { rpc X(Out) returns (Out); } message Out { uint32 x = 1; }");
        for kept in ["service A {", "service B {", "message In {", "message Part {", "enum Kind {", "uint32 x = 1;"] {
            assert!(text.contains(kept), "{kept}\n{text}");
        }
        assert!(!text.contains("Unused"), "{text}");
    }

    #[test]
    fn a_file_of_shared_messages_keeps_all_of_them() {
        let text = merged("message A {} enum K { K_UNSPECIFIED = 0; }", "message B {}");
        assert!(text.contains("message A {}") && text.contains("message B {}") && text.contains("enum K {"), "{text}");
    }
}
