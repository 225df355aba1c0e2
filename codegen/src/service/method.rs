//! One method of the trait → the model.

use super::{
    model::{Arg, Body, Error, Field, MadeField, Rpc, Shape},
    options::{RpcOptions, is_rpc},
    path, types,
};
use crate::{docs::docs, problem::Problems};
use proc_macro2::{Ident, Span};
use syn::{FnArg, Pat, PatType, ReturnType, Signature, TraitItemFn, Type, ext::IdentExt, spanned::Spanned};

/// Reads a method. `None` when too little of it is right to go on with it.
pub(crate) fn read(function: &TraitItemFn, problems: &mut Problems) -> Option<Rpc> {
    let signature = &function.sig;
    let options = RpcOptions::read(&function.attrs, problems);
    head(signature, problems);
    let args = arguments(signature, problems);
    let (item, error) = answer(signature, problems)?;
    let args = args?;
    let request = request(&args, options.wrap, problems)?;
    let response = response(item, options.wrap, problems)?;
    rules(&options, &request, &response, problems);
    let ReturnType::Type(_, output) = &signature.output else { return None };
    Some(Rpc {
        attrs: function.attrs.iter().filter(|a| !is_rpc(a)).cloned().collect(),
        ident: signature.ident.clone(),
        docs: docs(&function.attrs),
        name: options.name.as_ref().map_or_else(|| camel(&plain(&signature.ident)), syn::LitStr::value),
        idempotent: options.idempotent,
        timeout: options.timeout,
        per_try_timeout: options.per_try_timeout.map(|t| t.1),
        retries: options.retries.map(|r| r.1),
        spawn: options.spawn,
        get: options.get.map(|g| g.1),
        args,
        request,
        response,
        output: (**output).clone(),
        item: types::streamed(item).unwrap_or(item).clone(),
        error: error.map_or(Error::Projected, |e| Error::Named(Box::new(e.clone()))),
        body: function.default.clone(),
    })
}

/// What stands before the arguments.
fn head(signature: &Signature, problems: &mut Problems) {
    if signature.asyncness.is_none() {
        problems.at(signature.fn_token, "a call takes time: `async fn`");
    }
    if let Some(token) = &signature.constness {
        problems.at(token, "a call is not `const`");
    }
    if let Some(token) = &signature.unsafety {
        problems.at(token, "a call is not `unsafe`");
    }
    if let Some(token) = &signature.abi {
        problems.at(token, "a call has no ABI of its own");
    }
    let text = "a method has one request and one response: it takes no parameters";
    if !signature.generics.params.is_empty() {
        problems.at(&signature.generics, text);
    }
    if let Some(clause) = &signature.generics.where_clause {
        problems.at(clause, text);
    }
    if let Some(token) = &signature.variadic {
        problems.at(token, "a call has a fixed number of arguments");
    }
}

/// The arguments after `&self`; `None` when one of them is wrong.
fn arguments(signature: &Signature, problems: &mut Problems) -> Option<Vec<Arg>> {
    let mut args = Vec::new();
    let mut right = true;
    let mut inputs = signature.inputs.iter();
    match inputs.next() {
        Some(FnArg::Receiver(this)) => {
            if this.reference.is_none() || this.mutability.is_some() || this.colon_token.is_some() {
                problems.at(this, "a service is shared by all its callers: `&self`");
            }
        }
        Some(FnArg::Typed(typed)) => {
            problems.at(typed, "the first argument of a method is `&self`");
            right = argument(typed, &mut args, problems);
        }
        None => problems.at_span(signature.paren_token.span.join(), "the first argument of a method is `&self`"),
    }
    for input in inputs {
        if let FnArg::Typed(typed) = input {
            right &= argument(typed, &mut args, problems);
        }
    }
    right.then_some(args)
}

/// Reads one argument; `false` when it is wrong.
fn argument(typed: &PatType, args: &mut Vec<Arg>, problems: &mut Problems) -> bool {
    let (Pat::Ident(pattern), true) = (&*typed.pat, is_plain(&typed.pat)) else {
        problems.at(&typed.pat, "an argument has a plain name: it is the name of a field on the wire");
        return false;
    };
    let ident = pattern.ident.clone();
    let marked = typed.attrs.iter().any(|a| a.path().is_ident("cx"));
    for attr in typed.attrs.iter().filter(|a| !a.path().is_ident("cx") && !a.path().is_ident("field")) {
        problems.at(attr, "an argument takes the attributes `#[field(…)]` and `#[cx]`");
    }
    if marked || types::is_cx(&typed.ty) {
        if !matches!(*typed.ty, Type::Reference(_)) {
            problems.at(&typed.ty, "the context belongs to the call: take `&Cx`");
        }
        if args.iter().any(|a| matches!(a, Arg::Cx { .. })) {
            problems.at(typed, "a call has one context");
        }
        args.push(Arg::Cx { ident, ty: (*typed.ty).clone() });
        return true;
    }
    if let Some(why) = types::refused(&typed.ty) {
        problems.at(&typed.ty, why);
        return false;
    }
    let attrs = typed.attrs.iter().filter(|a| a.path().is_ident("field")).cloned().collect();
    args.push(Arg::Field(Field { attrs, mutability: pattern.mutability, ident, ty: (*typed.ty).clone() }));
    true
}

/// A name and nothing more: no `ref`, no `@`.
fn is_plain(pattern: &Pat) -> bool {
    matches!(pattern, Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none())
}

/// The types of success and error.
fn answer<'a>(signature: &'a Signature, problems: &mut Problems) -> Option<(&'a Type, Option<&'a Type>)> {
    let ReturnType::Type(_, output) = &signature.output else {
        problems.at(&signature.ident, "a call can fail: it returns a `Result<T, E>`, or a `Result<T>` of your own");
        return None;
    };
    let Some((ok, error)) = types::outcome(output) else {
        problems.at(output, "a call can fail: it returns a `Result<T, E>`, or a `Result<T>` of your own");
        return None;
    };
    if let Some(why) = types::refused(ok) {
        problems.at(ok, why);
        return None;
    }
    Some((ok, error))
}

/// The message that the arguments make.
fn request(args: &[Arg], wrap: bool, problems: &mut Problems) -> Option<Body> {
    let fields: Vec<_> = args.iter().filter_map(|a| if let Arg::Field(f) = a { Some(f) } else { None }).collect();
    let mut streams = fields.iter().filter_map(|f| types::streamed(&f.ty).map(|ty| (*f, ty)));
    if let Some((field, ty)) = streams.next() {
        if let Some((second, _)) = streams.next() {
            problems.at(&second.ty, "a call has one stream of requests");
            return None;
        }
        if fields.len() > 1 {
            let text =
                "a stream of requests is the only argument: what else the call needs is in its messages or metadata";
            problems.at(&field.ty, text);
            return None;
        }
        return Some(Body { streams: true, shape: shape(&[], &Ident::new("value", field.ident.span()), ty, wrap) });
    }
    let shape = match fields[..] {
        [] => Shape::Empty,
        [one] if one.attrs.is_empty() => shape(&one.attrs, &one.ident, &one.ty, wrap),
        _ => Shape::Made(fields.iter().map(|f| made(&f.attrs, &f.ident, &f.ty)).collect()),
    };
    Some(Body { streams: false, shape })
}

/// The message that the success makes.
fn response(ok: &Type, wrap: bool, problems: &mut Problems) -> Option<Body> {
    let streamed = types::streamed(ok);
    let item = streamed.unwrap_or(ok);
    if streamed.is_some() && types::streamed(item).is_some() {
        problems.at(item, "a stream of streams cannot travel");
        return None;
    }
    let name = Ident::new("value", item.span().resolved_at(Span::call_site()));
    Some(Body { streams: streamed.is_some(), shape: shape(&[], &name, item, wrap) })
}

/// A type that travels alone.
fn shape(attrs: &[syn::Attribute], name: &Ident, ty: &Type, wrap: bool) -> Shape {
    if types::is_unit(ty) {
        Shape::Empty
    } else if wrap || types::is_field(ty) {
        Shape::Made(vec![made(attrs, name, ty)])
    } else {
        Shape::Itself(Box::new(ty.clone()))
    }
}

fn made(attrs: &[syn::Attribute], ident: &Ident, ty: &Type) -> MadeField {
    MadeField { attrs: attrs.to_vec(), ident: ident.clone(), ty: ty.clone() }
}

/// Options that only make sense together, or not together.
fn rules(options: &RpcOptions, request: &Body, response: &Body, problems: &mut Problems) {
    let streams = request.streams || response.streams;
    if let Some((name, _)) = &options.per_try_timeout
        && (streams || !options.idempotent)
    {
        let text = "only what is `idempotent` and no stream may be tried again: take out `per_try_timeout`";
        problems.at(name, text);
    }
    if let Some((name, _)) = &options.retries {
        if streams {
            problems.at(name, "a stream is never sent again: take out `retries`");
        } else if !options.idempotent {
            let text = "a call that is sent again may happen twice: say `idempotent` if that does no harm, or take out `retries`";
            problems.at(name, text);
        }
    }
    let Some((name, template)) = &options.get else { return };
    if !options.idempotent {
        problems.at(name, "HTTP repeats a GET as it likes: say `idempotent` if that does no harm, or take out `get`");
    }
    if request.streams {
        problems.at(name, "a GET carries one request: it cannot stand on a stream of them");
        return;
    }
    match path::placeholders(&template.value()) {
        Ok(names) => known(&names, request, template, problems),
        Err(why) => problems.at(template, why),
    }
}

/// Every name in the template is one of the arguments, as far as they can be seen.
fn known(names: &[Vec<&str>], request: &Body, template: &syn::LitStr, problems: &mut Problems) {
    let fields = match &request.shape {
        Shape::Empty => Vec::new(),
        Shape::Itself(_) => return,
        Shape::Made(fields) => fields.iter().map(|f| plain(&f.ident)).collect(),
    };
    for name in names.iter().filter(|n| !fields.iter().any(|f| f == n[0])) {
        let known: Vec<_> = fields.iter().map(String::as_str).collect();
        let hint = match (crate::options::nearest(name[0], &known), known.is_empty()) {
            (Some(near), _) => format!("did you mean `{{{near}}}`?"),
            (None, true) => "the method takes none".to_owned(),
            (None, false) => format!("there are `{}`", known.join("`, `")),
        };
        problems.at(template, format!("`{{{}}}` is no argument of the method: {hint}", name[0]));
    }
}

/// `get_stock` → `GetStock`.
fn camel(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('_').map(word).collect()
}

/// The name without a `r#` before it.
pub(crate) fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_names_are_camel_case() {
        for (rust, wire) in [("get_stock", "GetStock"), ("level", "Level"), ("_a__b", "AB"), ("getStock", "GetStock")] {
            assert_eq!(camel(rust), wire);
        }
    }
}
