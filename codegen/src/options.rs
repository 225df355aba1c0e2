//! The options in an attribute, as `name`, `name = literal` or a bare literal, and what to say of one that is unknown.
//!
//! Reading them as plain data first keeps one bad option from hiding the next.

use crate::problem::Problems;
use proc_macro2::{Ident, TokenStream};
use std::{collections::HashSet, time::Duration};
use syn::{
    Lit, LitStr, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
};

/// One option of an attribute.
pub(crate) struct Opt {
    /// What it is called.
    pub(crate) name: Ident,
    value: Option<Lit>,
}

impl Parse for Opt {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        let value = if input.parse::<Option<Token![=]>>()?.is_some() { Some(input.parse()?) } else { None };
        Ok(Self { name, value })
    }
}

impl Opt {
    /// The options in `tokens`. Repeated ones are reported and left out.
    pub(crate) fn list(tokens: TokenStream, problems: &mut Problems) -> Vec<Self> {
        let parsed = Punctuated::<Self, Token![,]>::parse_terminated.parse2(tokens);
        let mut seen = HashSet::new();
        let mut options = Vec::new();
        for option in problems.take(parsed).into_iter().flatten() {
            if seen.insert(option.name.to_string()) {
                options.push(option);
            } else {
                problems.at(&option.name, format!("`{}` is given twice", option.name));
            }
        }
        options
    }

    /// Reports an option that is none of `known`, and the nearest spelling among them.
    pub(crate) fn unknown(&self, of: &str, known: &[&str], problems: &mut Problems) {
        let name = self.name.to_string();
        let hint = match nearest(&name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are `{}`", known.join("`, `")),
        };
        problems.at(&self.name, format!("unknown option `{name}` of `{of}`: {hint}"));
    }

    /// An option without a value: `true`, also when it wrongly has one.
    pub(crate) fn flag(&self, problems: &mut Problems) -> bool {
        if let Some(value) = &self.value {
            problems.at(value, format!("`{}` takes no value: write it alone", self.name));
        }
        true
    }

    /// An option with a text that is not empty, as `name = "value"`.
    pub(crate) fn text(&self, example: &str, problems: &mut Problems) -> Option<LitStr> {
        match &self.value {
            Some(Lit::Str(text)) if !text.value().is_empty() => return Some(text.clone()),
            Some(other) => problems.at(other, self.wants(example)),
            None => problems.at(&self.name, self.wants(example)),
        }
        None
    }

    /// An option with a number, as `name = 2`.
    pub(crate) fn number(&self, example: &str, problems: &mut Problems) -> Option<u32> {
        match &self.value {
            Some(Lit::Int(number)) if number.base10_parse::<u32>().is_ok() => return number.base10_parse().ok(),
            Some(other) => problems.at(other, self.wants(example)),
            None => problems.at(&self.name, self.wants(example)),
        }
        None
    }

    /// An option with a time, as `name = "200ms"`.
    pub(crate) fn duration(&self, example: &str, problems: &mut Problems) -> Option<Duration> {
        let text = self.text(example, problems)?;
        let duration = duration(&text.value());
        if duration.is_none() {
            problems.at(
                &text,
                format!("`{}` is not a time: write a number above 0 and a unit, ns, us, ms, s, m or h", text.value()),
            );
        }
        duration
    }

    fn wants(&self, example: &str) -> String {
        format!("`{0}` takes a value: `{0} = {example}`", self.name)
    }
}

/// A whole number and a unit, as `200ms`; more than nothing.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok().filter(|n| *n > 0)?;
    match unit.trim_start() {
        "ns" => Some(Duration::from_nanos(number)),
        "us" | "µs" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" | "min" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

/// The one of `known` that `word` was most likely meant to be. `mainstay-registry` has the like of it, for settings: a crate
/// of macros can export nothing else.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|k| (distance(word, k), *k)).min()?;
    (near.0 <= word.chars().count().div_ceil(3)).then_some(near.1)
}

/// Letters to insert, remove, replace or swap with their neighbour until `a` reads `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j - 1] + differs).min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn the_nearest_spelling_is_found_and_a_far_one_is_not() {
        let known = ["idempotent", "timeout", "retries", "name", "get"];
        for (word, near) in [
            ("idempotant", Some("idempotent")),
            ("timeuot", Some("timeout")),
            ("retires", Some("retries")),
            ("nmae", Some("name")),
            ("gte", Some("get")),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, &known), near, "{word}");
        }
    }

    #[test]
    fn durations() {
        for (text, millis) in [("200ms", 200), ("1s", 1000), ("2 s", 2000), ("3m", 180_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "ms", "0s", "-1s", "1.5s", "1 fortnight", "99999999999999999999s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn an_option_given_twice_and_one_without_its_value_are_both_reported() {
        let mut problems = Problems::default();
        let options = Opt::list(quote!(lock, version, lock), &mut problems);
        assert_eq!(options.len(), 2);
        assert!(options[1].text("\"1.0.0\"", &mut problems).is_none());
        assert_eq!(problems.texts(), ["`lock` is given twice", "`version` takes a value: `version = \"1.0.0\"`"]);
    }
}
