//! The schema of services: everything they reach, as files by package.

use std::collections::{BTreeSet, HashSet};

use prost_types::{FileDescriptorProto, FileDescriptorSet};

use super::model::{File, Method, Service};
use super::types::{SchemaError, Types};
use super::{descriptor, imported, print};
use crate::call::ServiceDef;

/// What services look like from outside.
#[derive(Clone, Debug)]
pub struct Schema {
    files: Vec<File>,
    /// Files of `include_proto!`, as they were compiled.
    imported: Vec<FileDescriptorProto>,
    opaque: BTreeSet<String>,
}

impl Schema {
    /// Collects what `services` reach.
    ///
    /// # Errors
    /// When two types want one name, or two services do.
    pub fn of(services: &[&ServiceDef]) -> Result<Schema, SchemaError> {
        let mut types = Types::new("");
        let mut named = HashSet::new();
        let mut described = Vec::new();
        for def in services {
            if !named.insert(def.full_name) {
                return Err(SchemaError::ServiceTwice { name: def.full_name.to_owned() });
            }
            types.enter(def.package);
            described.push((def.package, service(def, &mut types)));
        }
        if let Some(problem) = types.problems().first() {
            return Err(problem.clone());
        }
        let imported = imported::files(types.sets())?;
        let mut files = types.into_files();
        for (package, service) in described {
            if imported::declares(&imported, package, &service.name) {
                continue;
            }
            match files.iter_mut().find(|file| file.package == package) {
                Some(file) => file.services.push(service),
                None => {
                    let package = package.to_owned();
                    files.push(File { package, services: vec![service], ..File::default() });
                }
            }
        }
        files.sort_by(|a, b| a.package.cmp(&b.package));
        let origins = imported::origins(&imported);
        files.iter_mut().for_each(|file| file.imported.clone_from(&origins));
        let opaque = files.iter().flat_map(|file| {
            let opaque = file.messages.iter().filter(|message| message.opaque);
            opaque.map(|message| join(&file.package, &message.name))
        });
        Ok(Schema { opaque: opaque.collect(), imported, files })
    }

    /// The packages, in order.
    pub fn packages(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.package.as_str())
    }

    /// The `.proto` text of a package; `None` when nothing of it is reached.
    pub fn proto_text(&self, package: &str) -> Option<String> {
        self.file(package).map(print::print)
    }

    /// One descriptor per package, and those of the files given to `include_proto!`. The well-known types are imported,
    /// not contained.
    pub fn descriptors(&self) -> FileDescriptorSet {
        let taken = |name: &str| self.imported.iter().any(|file| file.name() == name);
        let own = self.files.iter().map(|file| {
            let mut descriptor = descriptor::descriptor(file);
            if taken(descriptor.name()) {
                descriptor.name = Some(format!("{}.services.proto", file.package));
            }
            descriptor
        });
        FileDescriptorSet { file: self.imported.iter().cloned().chain(own).collect() }
    }

    /// The messages of which only the name is known, by full name: existing `prost::Message` types without a
    /// description. They look empty in the descriptors, and JSON cannot be made of them.
    pub fn opaque(&self) -> &BTreeSet<String> {
        &self.opaque
    }

    /// A pool of all descriptors, the well-known types among them.
    ///
    /// # Errors
    /// When the descriptors contradict each other, as two fields of one JSON name do.
    #[cfg(feature = "server")]
    pub fn pool(&self) -> Result<prost_reflect::DescriptorPool, SchemaError> {
        let mut set = self.descriptors();
        add_well_known(&mut set);
        prost_reflect::DescriptorPool::from_file_descriptor_set(set)
            .map_err(|error| SchemaError::Contradiction { cause: error.to_string() })
    }

    pub(crate) fn files(&self) -> &[File] {
        &self.files
    }

    pub(crate) fn file(&self, package: &str) -> Option<&File> {
        self.files.iter().find(|file| file.package == package)
    }
}

/// The `.proto` text of the package of the first service, with all of `services` that are in it.
///
/// # Errors
/// As [`Schema::of`].
pub fn proto_text(services: &[&ServiceDef]) -> Result<String, SchemaError> {
    let schema = Schema::of(services)?;
    let package = services.first().map_or("", |def| def.package);
    Ok(schema.proto_text(package).unwrap_or_default())
}

/// A pool of all that `services` reach; short for [`Schema::of`] and [`Schema::pool`].
///
/// # Errors
/// As these two.
#[cfg(feature = "server")]
pub fn pool(services: &[&ServiceDef]) -> Result<prost_reflect::DescriptorPool, SchemaError> {
    Schema::of(services)?.pool()
}

fn service(def: &ServiceDef, types: &mut Types) -> Service {
    let methods = def.methods.iter().map(|method| Method {
        name: method.name.to_owned(),
        docs: method.docs.to_owned(),
        input: (method.input)(types),
        output: (method.output)(types),
        client_streaming: method.kind.client_streams(),
        server_streaming: method.kind.server_streams(),
        idempotent: method.idempotent,
    });
    Service { name: def.name.to_owned(), docs: def.docs.to_owned(), methods: methods.collect() }
}

/// Adds the files of the well-known types that are imported, and what those import.
#[cfg(feature = "server")]
fn add_well_known(set: &mut FileDescriptorSet) {
    let known = prost_reflect::DescriptorPool::global();
    let mut wanted: Vec<String> = set.file.iter().flat_map(|file| file.dependency.clone()).collect();
    while let Some(name) = wanted.pop() {
        if set.file.iter().any(|file| file.name() == name) {
            continue;
        }
        if let Some(file) = known.get_file_by_name(&name) {
            let file = file.file_descriptor_proto().clone();
            wanted.extend(file.dependency.iter().cloned());
            set.file.push(file);
        }
    }
}

fn join(package: &str, name: &str) -> String {
    if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") }
}
