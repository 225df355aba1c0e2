//! What can be told of a type by how it is written.
//!
//! A macro sees no more than the tokens: `Streaming<T>` is known by its last name, and so are the scalars and containers
//! that cannot travel alone and become a field of a message made for the method.

use syn::{GenericArgument, PathArguments, PathSegment, Type, visit::Visit};

/// Types of the standard library (and `bytes`) that are fields of a message and no messages themselves.
const FIELDS: &[&str] = &[
    "String",
    "bool",
    "char",
    "u8",
    "u16",
    "u32",
    "u64",
    "usize",
    "i8",
    "i16",
    "i32",
    "i64",
    "isize",
    "f32",
    "f64",
    "Vec",
    "Option",
    "HashMap",
    "BTreeMap",
    "Bytes",
    "Duration",
    "SystemTime",
];

/// The last name of a path, with what stands in its angle brackets.
fn last(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        Type::Group(group) => last(&group.elem),
        Type::Paren(paren) => last(&paren.elem),
        _ => None,
    }
}

/// The types in the angle brackets of a segment.
fn parameters(segment: &PathSegment) -> Vec<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return Vec::new() };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

/// The `T` of a `Streaming<T>`.
pub(crate) fn streamed(ty: &Type) -> Option<&Type> {
    let segment = last(ty).filter(|s| s.ident == "Streaming")?;
    parameters(segment).first().copied()
}

/// A `&Cx`, or a `Cx` by value.
pub(crate) fn is_cx(ty: &Type) -> bool {
    let inner = if let Type::Reference(reference) = ty { &*reference.elem } else { ty };
    last(inner).is_some_and(|s| s.ident == "Cx")
}

/// The success and, where it is written, the error of a `Result`.
pub(crate) fn outcome(ty: &Type) -> Option<(&Type, Option<&Type>)> {
    let segment = last(ty).filter(|s| s.ident.to_string().ends_with("Result"))?;
    match parameters(segment)[..] {
        [ok] => Some((ok, None)),
        [ok, error] => Some((ok, Some(error))),
        _ => None,
    }
}

/// `()`.
pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// A type that cannot travel alone.
pub(crate) fn is_field(ty: &Type) -> bool {
    last(ty).is_some_and(|s| FIELDS.iter().any(|name| s.ident == name))
}

/// Why a type can travel in no way, if that shows.
pub(crate) fn refused(ty: &Type) -> Option<&'static str> {
    let mut look = Look(None);
    look.visit_type(ty);
    look.0
}

/// The first thing in a type that cannot travel.
struct Look(Option<&'static str>);

impl<'ast> Visit<'ast> for Look {
    fn visit_type(&mut self, ty: &'ast Type) {
        let why = match ty {
            Type::Reference(_) => "a call owns what it sends: take the value, as `String` instead of `&str`",
            Type::ImplTrait(_) => "an argument of a call has one type: no `impl Trait`",
            Type::TraitObject(_) => "a trait object cannot travel: use a message",
            Type::Tuple(tuple) if !tuple.elems.is_empty() => "a tuple has no names for its fields: use a message",
            Type::Ptr(_) | Type::BareFn(_) | Type::Never(_) => "this cannot travel: use a message",
            Type::Infer(_) => "the type is part of the contract: write it out",
            Type::Path(path) if path.path.is_ident("Self") => "`Self` differs from server to client: use a message",
            Type::Path(path) if path.path.is_ident("str") => "a call owns what it sends: `String`",
            _ => return syn::visit::visit_type(self, ty),
        };
        self.0.get_or_insert(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn a_type_is_known_by_its_last_name() {
        assert!(streamed(&parse_quote!(mainstay::Streaming<Stock>)).is_some());
        assert!(streamed(&parse_quote!(Stream<Stock>)).is_none());
        assert!(is_cx(&parse_quote!(&mainstay::Cx)) && !is_cx(&parse_quote!(&Context)));
        assert!(is_field(&parse_quote!(std::vec::Vec<Stock>)) && !is_field(&parse_quote!(Stock)));
        assert!(matches!(outcome(&parse_quote!(Result<u8, E>)), Some((_, Some(_)))));
        assert!(matches!(outcome(&parse_quote!(io::Result<u8>)), Some((_, None))));
        assert!(outcome(&parse_quote!(Stock)).is_none());
    }

    #[test]
    fn what_cannot_travel_is_found_inside_too() {
        for ty in [
            parse_quote!(&str),
            parse_quote!(Vec<&'static str>),
            parse_quote!(Option<(u8, u8)>),
            parse_quote!(impl Into<String>),
            parse_quote!(Box<dyn Send>),
            parse_quote!(Self),
        ] {
            assert!(refused(&ty).is_some());
        }
        assert!(refused(&parse_quote!(HashMap<String, Vec<Stock>>)).is_none() && refused(&parse_quote!(())).is_none());
    }
}
