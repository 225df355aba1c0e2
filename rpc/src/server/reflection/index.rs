//! Where each symbol is declared: the index that reflection answers from. Pure.

use prost::Message;
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A set of files, by all that is asked for.
#[derive(Debug, Default)]
pub(super) struct Index {
    files: Vec<File>,
    by_name: HashMap<String, usize>,
    symbols: HashMap<String, usize>,
    /// Message types, and the numbers by which others extend them.
    extensions: HashMap<String, BTreeMap<i32, usize>>,
}

#[derive(Debug)]
struct File {
    encoded: Vec<u8>,
    imports: Vec<String>,
}

impl Index {
    /// The index of some files. Of two that declare one symbol, the first is meant.
    pub(super) fn of<'a>(files: impl IntoIterator<Item = &'a FileDescriptorProto>) -> Self {
        let mut index = Self::default();
        for file in files {
            let at = index.files.len();
            index.by_name.entry(file.name().to_owned()).or_insert(at);
            index.files.push(File { encoded: file.encode_to_vec(), imports: file.dependency.clone() });
            index.file(file, at);
        }
        index
    }

    /// The file of that name.
    pub(super) fn file_named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The file that declares a symbol: a service, a method, a message, a field, an enum, a value, an extension.
    pub(super) fn file_declaring(&self, symbol: &str) -> Option<usize> {
        self.symbols.get(symbol.strip_prefix('.').unwrap_or(symbol)).copied()
    }

    /// The file that extends a message by a field of that number.
    pub(super) fn file_extending(&self, message: &str, number: i32) -> Option<usize> {
        self.extensions.get(message)?.get(&number).copied()
    }

    /// The numbers by which a message is extended; `None` when there is no such message.
    pub(super) fn extension_numbers(&self, message: &str) -> Option<Vec<i32>> {
        Some(self.extensions.get(message)?.keys().copied().collect())
    }

    /// The file, and after it all it imports that is not in `sent` yet; these are noted there.
    pub(super) fn with_imports(&self, file: usize, sent: &mut HashSet<usize>) -> Vec<Vec<u8>> {
        sent.insert(file);
        let (mut order, mut next) = (vec![file], 0);
        while let Some(file) = order.get(next).map(|&at| &self.files[at]) {
            next += 1;
            let imports = file.imports.iter().filter_map(|name| self.file_named(name));
            order.extend(imports.filter(|&at| sent.insert(at)));
        }
        order.into_iter().map(|at| self.files[at].encoded.clone()).collect()
    }

    fn file(&mut self, file: &FileDescriptorProto, at: usize) {
        let package = file.package();
        for message in &file.message_type {
            self.message(message, package, at);
        }
        for def in &file.enum_type {
            self.enumeration(def, package, at);
        }
        for extension in &file.extension {
            self.extension(extension, package, at);
        }
        for service in &file.service {
            let full = self.symbol(package, service.name(), at);
            for method in &service.method {
                self.symbol(&full, method.name(), at);
            }
        }
    }

    fn message(&mut self, message: &DescriptorProto, scope: &str, at: usize) {
        let full = self.symbol(scope, message.name(), at);
        for field in &message.field {
            self.symbol(&full, field.name(), at);
        }
        for oneof in &message.oneof_decl {
            self.symbol(&full, oneof.name(), at);
        }
        for inner in &message.nested_type {
            self.message(inner, &full, at);
        }
        for def in &message.enum_type {
            self.enumeration(def, &full, at);
        }
        for extension in &message.extension {
            self.extension(extension, &full, at);
        }
        self.extensions.entry(full).or_default();
    }

    fn enumeration(&mut self, def: &EnumDescriptorProto, scope: &str, at: usize) {
        let full = self.symbol(scope, def.name(), at);
        for value in &def.value {
            // Protobuf's scope of a value is that of its enum; some clients ask as if it were inside.
            self.symbol(scope, value.name(), at);
            self.symbol(&full, value.name(), at);
        }
    }

    fn extension(&mut self, extension: &FieldDescriptorProto, scope: &str, at: usize) {
        self.symbol(scope, extension.name(), at);
        let extended = extension.extendee().trim_start_matches('.').to_owned();
        self.extensions.entry(extended).or_default().entry(extension.number()).or_insert(at);
    }

    fn symbol(&mut self, scope: &str, name: &str, at: usize) -> String {
        let full = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        self.symbols.entry(full.clone()).or_insert(at);
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::FileDescriptorSet;

    /// Compiles `.proto` texts; each may import those before it.
    fn index(texts: &[(&str, &str)]) -> Index {
        let mut pool = protox::prost_reflect::DescriptorPool::new();
        for (name, text) in texts {
            let file = protox::compile_text(name, text);
            pool.add_file_descriptor_proto(file).unwrap();
        }
        let set = FileDescriptorSet { file: pool.file_descriptor_protos().cloned().collect() };
        Index::of(&set.file)
    }

    mod protox {
        pub(super) use prost_reflect;

        pub(super) fn compile_text(name: &str, text: &str) -> prost_types::FileDescriptorProto {
            // What `protoc` does with a single file: parsed only, names are resolved by the pool.
            ::protox::file::File::from_source(name, text).unwrap().into()
        }
    }

    #[test]
    fn every_kind_of_symbol_is_found_and_nothing_else() {
        let index = index(&[(
            "a.proto",
            "syntax = \"proto2\"; package p.q; message M { optional int32 x = 1; oneof one { int32 y = 2; } \
             enum K { K_A = 0; } message N { extend M { optional int32 deep = 101; } } extensions 100 to 200; } \
             enum E { E_A = 0; } extend M { optional string more = 100; } service S { rpc Do(M) returns (M); }",
        )]);
        for symbol in [
            "p.q.M",
            "p.q.M.x",
            "p.q.M.one",
            "p.q.M.y",
            "p.q.M.K",
            "p.q.M.K_A",
            "p.q.M.K.K_A",
            "p.q.M.N",
            "p.q.E",
            "p.q.E_A",
            "p.q.more",
            "p.q.M.N.deep",
            "p.q.S",
            "p.q.S.Do",
            ".p.q.S",
        ] {
            assert_eq!(index.file_declaring(symbol), Some(0), "{symbol}");
        }
        for symbol in ["", ".", "p", "p.q", "M", "p.q.M.z", "p.q.S.Undo", "p.q.m"] {
            assert_eq!(index.file_declaring(symbol), None, "{symbol}");
        }
        assert_eq!(index.extension_numbers("p.q.M"), Some(vec![100, 101]));
        assert_eq!(index.extension_numbers("p.q.M.N"), Some(vec![]));
        assert_eq!(index.extension_numbers("p.q.E"), None);
        assert_eq!(index.file_extending("p.q.M", 101), Some(0));
        assert_eq!(index.file_extending("p.q.M", 102), None);
    }

    #[test]
    fn a_file_comes_first_and_its_imports_once() {
        let index = index(&[
            ("a.proto", "syntax = \"proto3\"; message A {}"),
            ("b.proto", "syntax = \"proto3\"; import \"a.proto\"; message B { A a = 1; }"),
            ("c.proto", "syntax = \"proto3\"; import \"a.proto\"; import \"b.proto\"; message C { A a = 1; B b = 2; }"),
        ]);
        let name = |bytes: Vec<u8>| FileDescriptorProto::decode(&*bytes).unwrap().name().to_owned();
        let asked = |file: &str, sent: &mut HashSet<usize>| -> Vec<String> {
            index.with_imports(index.file_named(file).unwrap(), sent).into_iter().map(name).collect()
        };
        let mut sent = HashSet::new();
        assert_eq!(asked("b.proto", &mut sent), ["b.proto", "a.proto"]);
        assert_eq!(asked("c.proto", &mut sent), ["c.proto"]);
        assert_eq!(asked("b.proto", &mut sent), ["b.proto"]);
        assert_eq!(asked("c.proto", &mut HashSet::new()), ["c.proto", "a.proto", "b.proto"]);
        assert_eq!(index.file_named("d.proto"), None);
    }
}
