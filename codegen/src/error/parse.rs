//! The enum as it was written → the model.

use super::{ErrorType, Field, Fields, Message, Variant, format};
use crate::{
    case::screaming,
    options::{Opt, nearest},
    problem::Problems,
};
use proc_macro2::{Ident, TokenStream};
use quote::format_ident;
use std::collections::HashMap;
use syn::{
    Attribute, DeriveInput, Expr, LitStr, Meta, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    spanned::Spanned,
};

/// gRPC's codes, but `Ok`.
const CODES: &[&str] = &[
    "Cancelled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// Reads the enum. `None` when too little of it is right to write any code.
pub(super) fn error(input: &DeriveInput, problems: &mut Problems) -> Option<ErrorType> {
    let domain = domain(&input.attrs, problems).map_or_else(|| input.ident.unraw().to_string(), |text| text.value());
    if !input.generics.params.is_empty() {
        problems.at(&input.generics, "an error is one type on both sides of a call: it takes no parameters");
        return None;
    }
    let data = match &input.data {
        syn::Data::Enum(data) if data.variants.is_empty() => {
            problems.at(&input.ident, "an error without variants cannot happen: leave it out, or add one");
            return None;
        }
        syn::Data::Enum(data) => data,
        _ => {
            problems.at(&input.ident, "`ServiceError` stands on an enum: one variant for each reason");
            return None;
        }
    };
    let read: Vec<_> = data.variants.iter().map(|v| variant(v, problems)).collect();
    let variants: Vec<Variant> = read.into_iter().collect::<Option<_>>()?;
    let mut reasons: HashMap<&str, &Ident> = HashMap::new();
    for variant in &variants {
        if let Some(first) = reasons.insert(&variant.reason, &variant.ident) {
            problems.at(&variant.ident, format!("`{first}` travels as `{}` too", variant.reason));
        }
    }
    Some(ErrorType { ident: input.ident.clone(), domain, variants })
}

/// `#[service_error(domain = "…")]`.
fn domain(attrs: &[Attribute], problems: &mut Problems) -> Option<LitStr> {
    let mut domain = None;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("service_error")) {
        let Meta::List(list) = &attr.meta else {
            problems.at(attr, "write `#[service_error(domain = \"shop.stock\")]`");
            continue;
        };
        for option in Opt::list(list.tokens.clone(), problems) {
            if option.name == "domain" {
                domain = option.text("\"shop.stock\"", problems);
            } else {
                option.unknown("service_error", &["domain"], problems);
            }
        }
    }
    domain
}

fn variant(variant: &syn::Variant, problems: &mut Problems) -> Option<Variant> {
    let fields = fields(&variant.fields);
    let mut attrs = variant.attrs.iter().filter(|attr| attr.path().is_ident("error"));
    let Some(attr) = attrs.next() else {
        let text = format!(
            "what is `{}` to the caller? Say it with `#[error(code = NotFound, \"no article {{sku}}\")]`",
            variant.ident
        );
        problems.at(&variant.ident, text);
        return None;
    };
    if let Some(second) = attrs.next() {
        problems.at(second, "a variant has one `#[error(…)]`");
    }
    let options = match &attr.meta {
        Meta::List(list) => problems.take(list.parse_args::<Options>())?,
        _ => {
            problems.at(attr, "write `#[error(code = NotFound, \"no article {sku}\")]`");
            return None;
        }
    };
    for word in &options.unknown {
        let hint = match nearest(&word.to_string(), &["code"]) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "known are `code` and the message".to_owned(),
        };
        problems.at(word, format!("unknown option `{word}` of `error`: {hint}"));
    }
    let code = code(attr, options.code, options.unknown.is_empty(), problems);
    let message = message(attr, options.format, options.arguments, &fields, problems);
    Some(Variant {
        ident: variant.ident.clone(),
        reason: screaming(&variant.ident.unraw().to_string()),
        code: code?,
        message: message?,
        fields,
    })
}

fn fields(fields: &syn::Fields) -> Fields {
    match fields {
        syn::Fields::Unit => Fields::Unit,
        syn::Fields::Named(named) => Fields::Named(
            named
                .named
                .iter()
                .filter_map(|field| {
                    let ident = field.ident.clone()?;
                    Some(Field { key: ident.unraw().to_string(), ident, ty: field.ty.clone() })
                })
                .collect(),
        ),
        syn::Fields::Unnamed(unnamed) => Fields::Tuple(
            unnamed
                .unnamed
                .iter()
                .enumerate()
                .map(|(index, field)| Field {
                    ident: format_ident!("_{index}"),
                    key: index.to_string(),
                    ty: field.ty.clone(),
                })
                .collect(),
        ),
    }
}

fn code(attr: &Attribute, code: Option<Ident>, said: bool, problems: &mut Problems) -> Option<Ident> {
    let Some(code) = code else {
        if said {
            problems.at(attr, "which status is it? Add a code: `#[error(code = NotFound, \"…\")]`");
        }
        return None;
    };
    let word = code.to_string();
    if CODES.contains(&word.as_str()) {
        return Some(code);
    }
    let plain = word.replace('_', "").to_lowercase();
    let same = CODES.iter().copied().find(|known| known.to_lowercase() == plain);
    let hint = match same.or_else(|| nearest(&word, CODES)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if word == "Ok" => "`Ok` is no error".to_owned(),
        None => format!("the codes are `{}`", CODES.join("`, `")),
    };
    problems.at(&code, format!("unknown code `{word}`: {hint}"));
    None
}

fn message(
    attr: &Attribute,
    format: Option<LitStr>,
    arguments: TokenStream,
    fields: &Fields,
    problems: &mut Problems,
) -> Option<Message> {
    let Some(format) = format else {
        problems.at(attr, "what is a person to read? Add a message: `#[error(code = NotFound, \"no article {sku}\")]`");
        return None;
    };
    let text = format.value();
    let names = match format::names(&text) {
        Ok(names) => names,
        Err(wrong) => {
            problems.at(&format, wrong);
            return None;
        }
    };
    // With arguments of its own, only the compiler can tell what a name refers to.
    if !arguments.is_empty() {
        return Some(Message { format, arguments });
    }
    let keys: Vec<&str> = fields.all().iter().map(|field| field.key.as_str()).collect();
    let strangers: Vec<&str> = names.into_iter().filter(|name| !keys.contains(name)).collect();
    for name in &strangers {
        let hint = match (nearest(name, &keys), keys.is_empty()) {
            _ if name.is_empty() => "write the name of a field into the braces".to_owned(),
            (Some(near), _) => format!("did you mean `{{{near}}}`?"),
            (None, true) => "the variant has no fields".to_owned(),
            (None, false) => format!("the fields are `{}`", keys.join("`, `")),
        };
        problems.at(&format, format!("`{{{name}}}` is no field of the variant: {hint}"));
    }
    if !strangers.is_empty() {
        return None;
    }
    let text = format::name_positions(&text).unwrap_or(text);
    Some(Message { format: LitStr::new(&text, format.span()), arguments })
}

/// `code = NotFound, "no article {sku}", arguments…`.
#[derive(Default)]
struct Options {
    code: Option<Ident>,
    format: Option<LitStr>,
    arguments: TokenStream,
    unknown: Vec<Ident>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Options::default();
        while !input.is_empty() {
            if input.peek(LitStr) {
                options.format = Some(input.parse()?);
                if input.peek(Token![,]) {
                    input.parse::<Token![,]>()?;
                    options.arguments = input.parse()?;
                }
                break;
            }
            let name = Ident::parse_any(input)?;
            input.parse::<Token![=]>()?;
            let value: Expr = input.parse()?;
            if name == "code" {
                options.code = Some(last_name(&value)?);
            } else {
                options.unknown.push(name);
            }
            if input.is_empty() {
                break;
            }
            input.parse::<Token![,]>()?;
        }
        Ok(options)
    }
}

/// `NotFound` of `NotFound` or `Code::NotFound`.
fn last_name(value: &Expr) -> syn::Result<Ident> {
    match value {
        Expr::Path(path) => path.path.segments.last().map(|segment| segment.ident.clone()),
        _ => None,
    }
    .ok_or_else(|| syn::Error::new(value.span(), "a code is written by its name: `code = NotFound`"))
}
