//! Files that `include_proto!` compiled: they are passed on as they are, and types in them are imported by name.

use std::collections::BTreeMap;

use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

use super::types::SchemaError;

/// The files of all `sets`, each once; the well-known ones are left out.
///
/// # Errors
/// When two different files have one name.
pub(crate) fn files(sets: &[&'static [u8]]) -> Result<Vec<FileDescriptorProto>, SchemaError> {
    let mut files: Vec<FileDescriptorProto> = Vec::new();
    for set in sets {
        let set = FileDescriptorSet::decode(*set).map_err(|error| SchemaError::Contradiction {
            cause: format!("the descriptors of include_proto! cannot be read: {error}"),
        })?;
        for file in set.file.into_iter().filter(|file| !file.name().starts_with("google/protobuf/")) {
            match files.iter().find(|known| known.name() == file.name()) {
                None => files.push(file),
                Some(known) if same(known, &file) => {}
                Some(_) => {
                    let cause = format!("two different files are called {}: include them by other paths", file.name());
                    return Err(SchemaError::Contradiction { cause });
                }
            }
        }
    }
    Ok(files)
}

/// Whether one of the files declares a service, which then need not be described once more. Those of `include_proto!`
/// leave their services out; those of gRPC's own services do not.
pub(crate) fn declares(files: &[FileDescriptorProto], package: &str, service: &str) -> bool {
    let mut inside = files.iter().filter(|file| file.package() == package);
    inside.any(|file| file.service.iter().any(|declared| declared.name() == service))
}

/// The file of each type, by the type's full name.
pub(crate) fn origins(files: &[FileDescriptorProto]) -> BTreeMap<String, String> {
    let mut origins = BTreeMap::new();
    for file in files {
        for message in &file.message_type {
            add(message, file.package(), file.name(), &mut origins);
        }
        for def in &file.enum_type {
            origins.insert(join(file.package(), def.name()), file.name().to_owned());
        }
    }
    origins
}

fn add(message: &DescriptorProto, scope: &str, file: &str, origins: &mut BTreeMap<String, String>) {
    let full = join(scope, message.name());
    for inner in &message.nested_type {
        add(inner, &full, file, origins);
    }
    for def in &message.enum_type {
        origins.insert(join(&full, def.name()), file.to_owned());
    }
    origins.insert(full, file.to_owned());
}

/// Whether two files say the same; comments do not count.
fn same(a: &FileDescriptorProto, b: &FileDescriptorProto) -> bool {
    a.package == b.package && a.message_type == b.message_type && a.enum_type == b.enum_type
}

fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}
