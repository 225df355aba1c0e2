//! The options of `#[service(…)]` and `#[rpc(…)]`.

use crate::{options::Opt, problem::Problems};
use proc_macro2::{Ident, TokenStream};
use std::time::Duration;
use syn::{Attribute, LitStr, Meta};

const SERVICE: &[&str] = &["package", "version", "group", "name", "lock"];
const RPC: &[&str] = &["idempotent", "timeout", "per_try_timeout", "retries", "spawn", "name", "get", "wrap"];

/// What `#[service(…)]` says.
#[derive(Default)]
pub(crate) struct ServiceOptions {
    pub(crate) package: Option<LitStr>,
    pub(crate) version: Option<LitStr>,
    pub(crate) group: Option<LitStr>,
    pub(crate) name: Option<LitStr>,
    pub(crate) lock: bool,
}

impl ServiceOptions {
    pub(crate) fn read(arguments: TokenStream, problems: &mut Problems) -> Self {
        let mut read = Self::default();
        for option in Opt::list(arguments, problems) {
            match option.name.to_string().as_str() {
                "package" => read.package = option.text("\"shop.stock.v1\"", problems),
                "version" => read.version = option.text("\"1.0.0\"", problems),
                "group" => read.group = option.text("\"blue\"", problems),
                "name" => read.name = option.text("\"StockApi\"", problems),
                "lock" => read.lock = option.flag(problems),
                _ => option.unknown("service", SERVICE, problems),
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
            problems
                .at(name, "the name of a service is letters, digits and `_`; what stands before it is the `package`");
        }
        read
    }
}

/// What `#[rpc(…)]` says. The names are kept for their spans.
#[derive(Default)]
pub(crate) struct RpcOptions {
    pub(crate) idempotent: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) per_try_timeout: Option<(Ident, Duration)>,
    pub(crate) retries: Option<(Ident, u32)>,
    pub(crate) spawn: bool,
    pub(crate) name: Option<LitStr>,
    pub(crate) get: Option<(Ident, LitStr)>,
    pub(crate) wrap: bool,
}

impl RpcOptions {
    pub(crate) fn read(attrs: &[Attribute], problems: &mut Problems) -> Self {
        let mut read = Self::default();
        for attr in attrs.iter().filter(|a| is_rpc(a)) {
            match &attr.meta {
                Meta::Path(_) => {}
                Meta::List(list) => read.add(list.tokens.clone(), problems),
                Meta::NameValue(_) => problems.at(attr, "the options stand in brackets: `#[rpc(idempotent)]`"),
            }
        }
        read
    }

    fn add(&mut self, tokens: TokenStream, problems: &mut Problems) {
        for option in Opt::list(tokens, problems) {
            match option.name.to_string().as_str() {
                "idempotent" => self.idempotent = option.flag(problems),
                "timeout" => self.timeout = option.duration("\"200ms\"", problems),
                "per_try_timeout" => {
                    self.per_try_timeout = option.duration("\"50ms\"", problems).map(|t| (option.name.clone(), t));
                }
                "retries" => self.retries = option.number("2", problems).map(|n| (option.name.clone(), n)),
                "spawn" => self.spawn = option.flag(problems),
                "name" => self.name = option.text("\"GetStock\"", problems),
                "get" => self.get = option.text("\"/v1/stock/{sku}\"", problems).map(|p| (option.name.clone(), p)),
                "wrap" => self.wrap = option.flag(problems),
                _ => option.unknown("rpc", RPC, problems),
            }
        }
        if let Some(name) = &self.name
            && !is_identifier(&name.value())
        {
            problems.at(name, "the name of a method is letters, digits and `_`");
        }
    }
}

/// The attribute that carries the options of a method.
pub(crate) fn is_rpc(attr: &Attribute) -> bool {
    attr.path().is_ident("rpc")
}

/// An identifier of protobuf.
fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
