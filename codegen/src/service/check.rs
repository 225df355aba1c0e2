//! What only shows when the methods of a service are compared.

use super::model::{Rpc, Service, Shape};
use crate::problem::Problems;
use std::collections::HashMap;
use syn::{Type, visit::Visit};

/// Methods that every generated client or mock has. One of the user's of the same name would hide it.
const TAKEN: &[(&str, &str)] = &[
    ("connect", "Client"),
    ("in_process", "Client"),
    ("new", "Client"),
    ("with", "Client"),
    ("connectivity", "Client"),
    ("definition", "Client"),
    ("clone", "Client"),
    ("verify", "Mock"),
];

/// A generated client or mock has a method of this name.
#[cfg(feature = "proto")]
pub(crate) fn is_taken(name: &str) -> bool {
    TAKEN.iter().any(|(taken, _)| *taken == name)
}

/// Compares the methods with each other and with what is generated beside them.
pub(crate) fn service(service: &Service, problems: &mut Problems) {
    wire_names(service, problems);
    for rpc in &service.rpcs {
        let name = super::method::plain(&rpc.ident);
        if let Some((taken, part)) = TAKEN.iter().find(|(taken, _)| *taken == name) {
            let text = format!(
                "every generated {part} has a method `{taken}` already: choose another name here, and keep the one on the \
                 wire with `#[rpc(name = \"{}\")]`",
                rpc.name
            );
            problems.at(&rpc.ident, text);
        }
    }
    made_names(service, problems);
}

/// No two methods answer to one name.
fn wire_names(service: &Service, problems: &mut Problems) {
    let mut taken: HashMap<String, &Rpc> = HashMap::new();
    for rpc in service.rpcs.iter().filter(|rpc| rpc.cfgs().is_empty()) {
        let names = || std::iter::once(rpc.name.clone()).chain(rpc.alias());
        let first = names().find_map(|name| taken.get(&name).map(|first| (name, *first)));
        if let Some((name, first)) = first {
            let text = |other: &Rpc| {
                format!(
                    "two methods answer to `{name}` on the wire: this one and `{}`; `#[rpc(name = \"…\")]` gives another",
                    other.ident
                )
            };
            problems.at(&first.ident, text(rpc));
            problems.at(&rpc.ident, text(first));
            continue;
        }
        taken.extend(names().map(|name| (name, rpc)));
    }
}

/// A message made for a method has a name that no message of the user's has, as far as the trait shows them.
fn made_names(service: &Service, problems: &mut Problems) {
    let mut used = Names(Vec::new());
    for rpc in &service.rpcs {
        rpc.fields().for_each(|field| used.visit_type(&field.ty));
        used.visit_type(&rpc.item);
    }
    for rpc in &service.rpcs {
        for (shape, end) in [(&rpc.request.shape, "Request"), (&rpc.response.shape, "Response")] {
            let name = format!("{}{end}", rpc.name);
            if matches!(shape, Shape::Made(_))
                && let Some(other) = used.0.iter().find(|other| **other == name)
            {
                let text = format!(
                    "this is also the name of the message that is made for `{}`: rename one of them, or give the method \
                     `#[rpc(name = \"…\")]`",
                    rpc.ident
                );
                problems.at(other, text);
            }
        }
    }
}

/// The last names of the paths in a type.
struct Names(Vec<proc_macro2::Ident>);

impl<'ast> Visit<'ast> for Names {
    fn visit_type(&mut self, ty: &'ast Type) {
        if let Type::Path(path) = ty
            && let Some(last) = path.path.segments.last()
        {
            self.0.push(last.ident.clone());
        }
        syn::visit::visit_type(self, ty);
    }
}
