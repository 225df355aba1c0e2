//! Collects the types that services reach.

use std::any::{TypeId, type_name};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::build::MessageBuilder;
use super::model::{Enum, EnumValue, File, Message, MessageRef, TypeRef};

/// Why a schema cannot be made of the services.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Two Rust types want the same name on the wire.
    #[error(
        "two types are called {name} on the wire: {first} and {second}; rename one with #[message(name = \"…\")] or \
         move it with #[message(package = \"…\")]"
    )]
    Collision {
        /// The name on the wire.
        name: String,
        /// The type that had it first.
        first: &'static str,
        /// The type that wants it too.
        second: &'static str,
    },
    /// Two services have one name.
    #[error("two services are called {name}: rename one with #[service(name = \"…\")], or leave one out")]
    ServiceTwice {
        /// The full name.
        name: String,
    },
    /// The descriptors contradict each other.
    #[error("the services do not make valid descriptors: {cause}")]
    Contradiction {
        /// What is wrong, in the words of the descriptor pool.
        cause: String,
    },
}

/// What the text says of a message of which only the name is known.
const OPAQUE: &str = "An existing message; its fields are described elsewhere.";

/// The types that were reached so far, by their full names.
#[derive(Debug, Default)]
pub struct Types {
    package: String,
    known: BTreeMap<String, Known>,
    problems: Vec<SchemaError>,
    sets: Vec<&'static [u8]>,
}

#[derive(Debug)]
struct Known {
    rust: TypeId,
    rust_name: &'static str,
    package: String,
    def: Option<Def>,
}

#[derive(Debug)]
enum Def {
    Message(Message),
    Enum(Enum),
}

impl Types {
    /// Nothing yet; types that name no package of their own will be in `package`.
    pub fn new(package: &str) -> Types {
        Types { package: package.to_owned(), ..Types::default() }
    }

    /// Goes on in another package, as services of several packages are described into one set.
    pub fn enter(&mut self, package: &str) {
        package.clone_into(&mut self.package);
    }

    /// A message made by `fill`, which runs only the first time that `T` is met.
    pub fn message<T: 'static>(
        &mut self,
        package: Option<&str>,
        name: &str,
        docs: &str,
        fill: impl FnOnce(&mut MessageBuilder<'_>),
    ) -> MessageRef {
        self.within(package, |types| {
            let full = types.full_name(name);
            if types.claim::<T>(&full) {
                let mut builder = MessageBuilder::new(types, &full, docs);
                fill(&mut builder);
                let message = builder.finish();
                types.define(&full, Def::Message(message));
            }
            MessageRef::new(&full)
        })
    }

    /// A message of which only the name is known: the last part of the Rust type's path.
    pub fn opaque<T: 'static>(&mut self) -> MessageRef {
        let path = type_name::<T>();
        let path = path.split('<').next().unwrap_or(path);
        let full = self.full_name(path.rsplit("::").next().unwrap_or(path));
        if self.claim::<T>(&full) {
            let mut message = MessageBuilder::new(self, &full, OPAQUE).finish();
            message.opaque = true;
            self.define(&full, Def::Message(message));
        }
        MessageRef::opaque(&full)
    }

    /// A message that a compiled `.proto` describes: `set` is an encoded `FileDescriptorSet` with all it is made of.
    pub fn message_of_set(&mut self, set: &'static [u8], full_name: &str) -> MessageRef {
        self.reach(set);
        MessageRef::new(full_name)
    }

    /// An enum that a compiled `.proto` describes, as [`message_of_set`](Self::message_of_set).
    pub fn enumeration_of_set(&mut self, set: &'static [u8], full_name: &str) -> TypeRef {
        self.reach(set);
        TypeRef::Enum(Arc::from(full_name))
    }

    fn reach(&mut self, set: &'static [u8]) {
        if !self.sets.contains(&set) {
            self.sets.push(set);
        }
    }

    /// An enum of `(name, number, docs)`.
    pub fn enumeration<T: 'static>(
        &mut self,
        package: Option<&str>,
        name: &str,
        docs: &str,
        values: &[(&str, i32, &str)],
    ) -> TypeRef {
        self.within(package, |types| {
            let full = types.full_name(name);
            if types.claim::<T>(&full) {
                let values = values
                    .iter()
                    .map(|&(name, number, docs)| EnumValue { name: name.into(), number, docs: docs.into() })
                    .collect();
                let def = Enum { name: name.into(), docs: docs.into(), values, ..Enum::default() };
                types.define(&full, Def::Enum(def));
            }
            TypeRef::Enum(Arc::from(full))
        })
    }

    /// What went wrong so far.
    pub fn problems(&self) -> &[SchemaError] {
        &self.problems
    }

    /// The encoded `FileDescriptorSet`s of compiled `.proto` files that were met.
    pub(crate) fn sets(&self) -> &[&'static [u8]] {
        &self.sets
    }

    /// A descriptor per package.
    #[cfg(feature = "server")]
    pub(crate) fn into_descriptors(self) -> Vec<prost_types::FileDescriptorProto> {
        self.into_files().iter().map(super::descriptor::descriptor).collect()
    }

    /// One file per package, in the order of their names, types in the order of theirs.
    pub(crate) fn into_files(self) -> Vec<File> {
        let mut files: BTreeMap<String, File> = BTreeMap::new();
        for known in self.known.into_values() {
            let file = files
                .entry(known.package.clone())
                .or_insert_with(|| File { package: known.package, ..File::default() });
            match known.def {
                Some(Def::Message(message)) => file.messages.push(message),
                Some(Def::Enum(def)) => file.enums.push(def),
                None => {}
            }
        }
        files.into_values().collect()
    }

    /// Runs `f` in `package`: what a message refers to is in its own package unless it says otherwise.
    fn within<R>(&mut self, package: Option<&str>, f: impl FnOnce(&mut Types) -> R) -> R {
        let Some(package) = package else { return f(self) };
        let outer = std::mem::replace(&mut self.package, package.to_owned());
        let result = f(self);
        self.package = outer;
        result
    }

    fn full_name(&self, name: &str) -> String {
        if self.package.is_empty() { name.to_owned() } else { format!("{}.{name}", self.package) }
    }

    /// Whether the name is new and must be defined now. A type that is met again inside itself is not new.
    fn claim<T: 'static>(&mut self, full: &str) -> bool {
        if let Some(known) = self.known.get(full) {
            if known.rust != TypeId::of::<T>() {
                let problem =
                    SchemaError::Collision { name: full.into(), first: known.rust_name, second: type_name::<T>() };
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
            }
            return false;
        }
        let known =
            Known { rust: TypeId::of::<T>(), rust_name: type_name::<T>(), package: self.package.clone(), def: None };
        self.known.insert(full.to_owned(), known);
        true
    }

    fn define(&mut self, full: &str, def: Def) {
        if let Some(known) = self.known.get_mut(full) {
            known.def = Some(def);
        }
    }
}
