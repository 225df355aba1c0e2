//! The type as it was written → the model.

use super::{
    attributes::{Explicit, FieldOptions, MessageOptions, default_marker, is_identifier},
    model::{Data, Field, Message, Shape, Value, Variant},
    numbers::{self, Item, Range},
};
use crate::{
    case::{screaming, snake},
    docs::docs,
    lock::{self, Kind, Locked, Lookup},
    problem::Problems,
};
use proc_macro2::Ident;
use std::path::PathBuf;
use syn::{DataEnum, DeriveInput, Expr, ExprLit, ExprUnary, Fields, Lit, UnOp, ext::IdentExt, spanned::Spanned};

/// Reads the type. `None` when too little of it is right to write any code.
pub(crate) fn message(input: &DeriveInput, problems: &mut Problems) -> Option<Message> {
    let options = MessageOptions::read(&input.attrs, problems);
    if !input.generics.params.is_empty() {
        let text = "a message has one shape on the wire, so it takes no parameters: make one type for each shape, and own \
                    the data instead of borrowing it";
        problems.at(&input.generics, text);
        return None;
    }
    let name = options.name.map_or_else(|| plain(&input.ident), |name| name.value());
    let package = options.package.map(|package| package.value());
    let kind = kind(&input.data);
    let lookup = look_up(package.as_deref(), &name, kind).unwrap_or_else(|text| {
        problems.at(&input.ident, text);
        Lookup::default()
    });
    let locked = lookup.locked.as_ref();
    let shape = match &input.data {
        syn::Data::Struct(data) => Shape::Struct(structure(&data.fields, locked, problems)?),
        syn::Data::Enum(data) if data.variants.is_empty() => {
            problems.at(&input.ident, "an enum without variants has no values to send");
            return None;
        }
        syn::Data::Enum(data) if kind == Kind::Enum => Shape::Enum(enumeration(&name, data, locked, problems)),
        syn::Data::Enum(data) => Shape::OneOf(oneof(data, locked, problems)?),
        syn::Data::Union(data) => {
            problems.at(data.union_token, "a union does not know what it holds: use an enum with data");
            return None;
        }
    };
    Some(Message {
        ident: input.ident.clone(),
        name,
        package,
        docs: docs(&input.attrs),
        tracked: lookup.tracked,
        shape,
    })
}

fn kind(data: &syn::Data) -> Kind {
    match data {
        syn::Data::Enum(data) if data.variants.iter().all(|v| matches!(v.fields, Fields::Unit)) => Kind::Enum,
        _ => Kind::Message,
    }
}

fn look_up(package: Option<&str>, name: &str, kind: Kind) -> Result<Lookup, String> {
    match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(root) => lock::look_up(&PathBuf::from(root), package, name, kind),
        None => Ok(Lookup::default()),
    }
}

/// A name without the `r#` of Rust.
fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// The fields of a struct, or of a variant with names.
fn structure(fields: &Fields, lock: Option<&Locked>, problems: &mut Problems) -> Option<Vec<Field>> {
    let fields = match fields {
        Fields::Named(fields) => &fields.named,
        Fields::Unit => return Some(Vec::new()),
        Fields::Unnamed(fields) => {
            problems.at(fields, "the fields of a message have names on the wire: write `{ name: Type }`");
            return None;
        }
    };
    let mut read = Vec::new();
    let mut explicit = Vec::new();
    for field in fields {
        let options = FieldOptions::read(&field.attrs, problems);
        if let Some(marker) = default_marker(&field.attrs) {
            problems.at(marker, "`#[default]` marks the variant of an enum; a field's default is the zero of its type");
        }
        let Some(ident) = field.ident.clone() else { continue };
        let name = wire_name(&ident, plain(&ident), problems);
        explicit.push(options.number);
        read.push(Field {
            ident,
            ty: field.ty.clone(),
            name,
            number: 0,
            docs: docs(&field.attrs),
            foreign: options.message.is_some(),
        });
    }
    let names: Vec<&str> = read.iter().map(|field| field.name.as_str()).collect();
    let spans: Vec<&Ident> = read.iter().map(|field| &field.ident).collect();
    let numbers = number(&names, &spans, &explicit, lock, Range::Fields, problems);
    for (field, number) in read.iter_mut().zip(numbers) {
        field.number = clamp(number);
    }
    Some(read)
}

/// The variants of an enum without data.
fn enumeration(name: &str, data: &DataEnum, lock: Option<&Locked>, problems: &mut Problems) -> Vec<Value> {
    one_default(data, problems);
    let mut values = Vec::new();
    let mut explicit = Vec::new();
    for variant in &data.variants {
        let options = FieldOptions::read(&variant.attrs, problems);
        refuse_message(&options, problems);
        let mut written = options.number;
        if let Some((_, discriminant)) = &variant.discriminant {
            match literal(discriminant) {
                Some(number) if written.is_none() => {
                    written = Some(Explicit::new(number, discriminant.span()));
                }
                Some(_) => problems.at(discriminant, "the variant has a number already, in `#[field(…)]`"),
                None => problems
                    .at(discriminant, "a number on the wire is written as a number, so that the macro can read it"),
            }
        }
        // A second one has been reported, and would only take the same number.
        let default = default_marker(&variant.attrs).is_some() && !values.iter().any(|value: &Value| value.default);
        if let Some(written) = written {
            if default && written.number != 0 {
                problems.at_span(written.span, "the `#[default]` variant is number 0");
            } else if !default && written.number == 0 {
                problems.at_span(
                    written.span,
                    "number 0 means not specified: mark the variant `#[default]`, or take another",
                );
            }
        }
        let value = format!("{}_{}", screaming(name), screaming(&plain(&variant.ident)));
        let value = wire_name(&variant.ident, value, problems);
        explicit.push(if default { Some(Explicit::new(0, variant.ident.span())) } else { written });
        values.push(Value {
            ident: variant.ident.clone(),
            name: value,
            number: 0,
            docs: docs(&variant.attrs),
            default,
        });
    }
    let unspecified = format!("{}_UNSPECIFIED", screaming(name));
    if let Some(value) = values.iter().find(|value| value.name == unspecified && !value.default) {
        problems.at(&value.ident, "number 0 will have this name: mark the variant `#[default]`, or leave it out");
    }
    let names: Vec<&str> = values.iter().map(|value| value.name.as_str()).collect();
    let spans: Vec<&Ident> = values.iter().map(|value| &value.ident).collect();
    let numbers = number(&names, &spans, &explicit, lock, Range::Values, problems);
    for (value, number) in values.iter_mut().zip(numbers) {
        value.number = i32::try_from(number).unwrap_or_default();
    }
    values
}

/// The variants of an enum with data.
fn oneof(data: &DataEnum, lock: Option<&Locked>, problems: &mut Problems) -> Option<Vec<Variant>> {
    one_default(data, problems);
    let mut variants = Vec::new();
    let mut explicit = Vec::new();
    for variant in &data.variants {
        let options = FieldOptions::read(&variant.attrs, problems);
        refuse_message(&options, problems);
        if let Some((_, discriminant)) = &variant.discriminant {
            problems.at(discriminant, "in an enum with data, a number is written as `#[field(3)]`");
        }
        let marker = default_marker(&variant.attrs);
        if let Some(marker) = marker.filter(|_| !matches!(variant.fields, Fields::Unit)) {
            problems.at(marker, "only a variant without data can be the default");
        }
        explicit.push(options.number);
        let name = plain(&variant.ident);
        variants.push(Variant {
            ident: variant.ident.clone(),
            name: wire_name(&variant.ident, snake(&name), problems),
            number: 0,
            docs: docs(&variant.attrs),
            default: marker.is_some() && matches!(variant.fields, Fields::Unit),
            data: variant_data(&variant.fields, lock.and_then(|lock| lock.nested(&name)), problems)?,
        });
    }
    let names: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
    let spans: Vec<&Ident> = variants.iter().map(|variant| &variant.ident).collect();
    let numbers = number(&names, &spans, &explicit, lock, Range::Fields, problems);
    for (variant, number) in variants.iter_mut().zip(numbers) {
        variant.number = clamp(number);
    }
    Some(variants)
}

fn variant_data(fields: &Fields, lock: Option<&Locked>, problems: &mut Problems) -> Option<Data> {
    match fields {
        Fields::Unit => Some(Data::Unit),
        Fields::Named(_) => structure(fields, lock, problems).map(Data::Struct),
        Fields::Unnamed(unnamed) => {
            let mut types = unnamed.unnamed.iter();
            if let (Some(only), None) = (types.next(), types.next()) {
                if let Some(attr) = only.attrs.iter().find(|attr| attr.path().is_ident("field")) {
                    problems.at(attr, "the number of a variant stands before the variant");
                }
                return Some(Data::Newtype(Box::new(only.ty.clone())));
            }
            problems.at(unnamed, "a variant holds one value, or fields with names: write `{ name: Type, … }`");
            None
        }
    }
}

/// Numbers, with what is wrong with them reported where it was written.
fn number(
    names: &[&str],
    idents: &[&Ident],
    explicit: &[Option<Explicit>],
    lock: Option<&Locked>,
    range: Range,
    problems: &mut Problems,
) -> Vec<i64> {
    let items: Vec<Item<'_>> = names
        .iter()
        .zip(explicit)
        .map(|(name, explicit)| Item { name, explicit: explicit.map(|explicit| explicit.number) })
        .collect();
    let (numbers, complaints) = numbers::assign(&items, lock, range);
    for complaint in complaints {
        let span = explicit[complaint.index].map_or_else(|| idents[complaint.index].span(), |explicit| explicit.span);
        problems.at_span(span, complaint.text);
    }
    numbers
}

/// A number that code can be written with; a wrong one has been reported.
fn clamp(number: i64) -> u32 {
    u32::try_from(number).ok().filter(|number| (1..1 << 29).contains(number)).unwrap_or(1)
}

fn wire_name(ident: &Ident, name: String, problems: &mut Problems) -> String {
    if !is_identifier(&name) {
        problems.at(ident, "a name on the wire is ASCII letters, digits and `_`");
    }
    name
}

fn one_default(data: &DataEnum, problems: &mut Problems) {
    let markers = data.variants.iter().filter_map(|variant| default_marker(&variant.attrs));
    for marker in markers.skip(1) {
        problems.at(marker, "an enum has one default");
    }
}

fn refuse_message(options: &FieldOptions, problems: &mut Problems) {
    if let Some(word) = &options.message {
        problems.at(word, "`message` is for the fields of a struct: put the existing message into one");
    }
}

/// A whole number, with or without a minus.
fn literal(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => literal(expr).map(|number| -number),
        _ => None,
    }
}
