//! `#[message(…)]`, `#[field(…)]` and `#[default]`.

use crate::{
    options::{Opt, nearest},
    problem::Problems,
};
use proc_macro2::Span;
use syn::{
    Attribute, Ident, LitInt, LitStr, Meta, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
};

const MESSAGE: &[&str] = &["package", "name"];
const FIELD: &[&str] = &["message"];

/// What `#[message(…)]` says.
#[derive(Default)]
pub(crate) struct MessageOptions {
    pub(crate) package: Option<LitStr>,
    pub(crate) name: Option<LitStr>,
}

impl MessageOptions {
    pub(crate) fn read(attrs: &[Attribute], problems: &mut Problems) -> MessageOptions {
        let mut read = MessageOptions::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("message")) {
            let Meta::List(list) = &attr.meta else {
                problems.at(attr, "write `#[message(package = \"…\", name = \"…\")]`");
                continue;
            };
            for option in Opt::list(list.tokens.clone(), problems) {
                match option.name.to_string().as_str() {
                    "package" => read.package = option.text("\"shop.stock.v1\"", problems),
                    "name" => read.name = option.text("\"Stock\"", problems),
                    _ => option.unknown("message", MESSAGE, problems),
                }
            }
        }
        if let Some(package) = &read.package
            && !package.value().split('.').all(is_identifier)
        {
            problems.at(package, "a package is letters, digits and `_`, with dots between: `shop.stock.v1`");
        }
        if let Some(name) = &read.name
            && !is_identifier(&name.value())
        {
            problems.at(name, "the name of a message is letters, digits and `_`");
        }
        read
    }
}

/// What `#[field(…)]` says.
#[derive(Default)]
pub(crate) struct FieldOptions {
    pub(crate) number: Option<Explicit>,
    pub(crate) message: Option<Ident>,
}

/// A number that the user wrote.
#[derive(Clone, Copy)]
pub(crate) struct Explicit {
    pub(crate) number: i64,
    pub(crate) span: Span,
}

impl Explicit {
    pub(crate) fn new(number: i64, span: Span) -> Explicit {
        Explicit { number, span }
    }
}

enum FieldOption {
    Number(Explicit),
    Word(Ident),
}

impl Parse for FieldOption {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(syn::Ident::peek_any) {
            return Ok(FieldOption::Word(input.call(Ident::parse_any)?));
        }
        let minus: Option<Token![-]> = input.parse()?;
        let literal: LitInt = input
            .parse()
            .map_err(|error| syn::Error::new(error.span(), "expected a field number or `message`: `#[field(3)]`"))?;
        let number: i64 = literal.base10_parse()?;
        Ok(FieldOption::Number(Explicit {
            number: if minus.is_some() { -number } else { number },
            span: literal.span(),
        }))
    }
}

impl FieldOptions {
    pub(crate) fn read(attrs: &[Attribute], problems: &mut Problems) -> FieldOptions {
        let mut read = FieldOptions::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("field")) {
            let Meta::List(list) = &attr.meta else {
                problems.at(attr, "write the number in parentheses: `#[field(3)]`");
                continue;
            };
            let parsed = Punctuated::<FieldOption, Token![,]>::parse_terminated.parse2(list.tokens.clone());
            for option in problems.take(parsed).into_iter().flatten() {
                read.take(option, problems);
            }
        }
        read
    }

    fn take(&mut self, option: FieldOption, problems: &mut Problems) {
        match option {
            FieldOption::Number(number) if self.number.is_none() => self.number = Some(number),
            FieldOption::Number(number) => problems.at_span(number.span, "a field has one number"),
            FieldOption::Word(word) if word == "message" => self.message = Some(word),
            FieldOption::Word(word) => {
                let text = word.to_string();
                let hint = match nearest(&text, FIELD) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "known are a number and `message`".to_owned(),
                };
                problems.at(&word, format!("unknown option `{text}` of `field`: {hint}"));
            }
        }
    }
}

/// `#[default]`, if it is there.
pub(crate) fn default_marker(attrs: &[Attribute]) -> Option<&Attribute> {
    attrs.iter().find(|attr| attr.path().is_ident("default"))
}

/// ASCII letters, digits and `_`, not beginning with a digit: a name that every language can have.
pub(crate) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
