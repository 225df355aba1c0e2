//! An array of rules in JSON, and the fields of one. Pure.
//!
//! A rule that is wrong, or that says what is not done here, is left out and told; the others count. Fields that nobody knows
//! make a rule wrong: a misspelt one would switch something off.

use mainstay_registry::nearest;
use serde_json::{Map, Value};

/// Rules of one text, at most.
const MAX_RULES: usize = 10_000;
/// Fields of any rule, those that dashboards add included.
const ALL: [&str; 8] = ["id", "resource", "regex", "app", "ip", "port", "gmtCreate", "gmtModified"];

/// What a text says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parsed<T> {
    pub(crate) rules: Vec<T>,
    /// What is left out, and why.
    pub(crate) wrong: Vec<String>,
}

/// The fields of one rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(super) &'a Map<String, Value>);

/// Reads a text.
///
/// # Errors
/// When it is no array of rules at all, or none of them can be used: what was in force then stays so.
pub(crate) fn parse<T: PartialEq>(
    text: &str,
    rule: impl Fn(Fields<'_>) -> Result<T, String>,
) -> Result<Parsed<T>, String> {
    let all: Vec<Value> =
        serde_json::from_str(text).map_err(|error| format!("it is no JSON array of rules: {error}"))?;
    if all.len() > MAX_RULES {
        return Err(format!("{} rules: {MAX_RULES} are taken", all.len()));
    }
    let mut parsed = Parsed { rules: Vec::new(), wrong: Vec::new() };
    for (at, value) in all.iter().enumerate() {
        let fields = value.as_object().ok_or_else(|| "it is no object".to_owned());
        match fields.and_then(|fields| rule(Fields(fields))) {
            Ok(rule) if parsed.rules.contains(&rule) => {}
            Ok(rule) => parsed.rules.push(rule),
            Err(why) => parsed.wrong.push(format!("rule {at}: {why}")),
        }
    }
    if parsed.rules.is_empty() && !parsed.wrong.is_empty() {
        return Err(format!("no rule can be used: {}", parsed.wrong.join("; ")));
    }
    Ok(parsed)
}

impl<'a> Fields<'a> {
    /// Notes a field that is none of these.
    pub(super) fn only(self, known: &[&'static str]) -> Result<(), String> {
        let all = || known.iter().copied().chain(ALL);
        match self.0.keys().find(|name| !all().any(|one| one == *name)) {
            None => Ok(()),
            Some(name) => {
                let near = nearest(name, all());
                let hint = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
                Err(format!("`{name}` is not known{hint}"))
            }
        }
    }

    pub(super) fn has(self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// The name of the route, or of the group of paths.
    pub(super) fn resource(self) -> Result<String, String> {
        if self.flag("regex") {
            return Err("resources by regex are not done here".to_owned());
        }
        match self.text("resource").map(str::trim) {
            Some(resource) if !resource.is_empty() => Ok(resource.to_owned()),
            _ => Err("`resource` is missing".to_owned()),
        }
    }

    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(super) fn object(self, name: &str) -> Option<Self> {
        self.0.get(name).and_then(Value::as_object).map(Fields)
    }

    pub(super) fn flag(self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    pub(super) fn list(self, name: &str) -> &'a [Value] {
        self.0.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// A whole number; the default when it is not there, or null.
    pub(super) fn number(self, name: &str, default: u32) -> Result<u32, String> {
        let wrong = || format!("`{name}` is a whole number that is not negative");
        self.whole(name, i64::from(default))?.try_into().map_err(|_| wrong())
    }

    /// The same, and it may be negative.
    pub(super) fn whole(self, name: &str, default: i64) -> Result<i64, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value.as_i64().ok_or_else(|| format!("`{name}` is a whole number")),
        }
    }

    /// A number that may have a fraction; `None` when it is not there, or null.
    pub(super) fn float(self, name: &str) -> Result<Option<f64>, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| format!("`{name}` is a number")),
        }
    }

    /// A limit: there, and not negative.
    pub(super) fn limit(self, name: &str) -> Result<f64, String> {
        let limit = self.float(name)?.ok_or_else(|| format!("`{name}` is missing"))?;
        let fits = limit.is_finite() && limit >= 0.0;
        fits.then_some(limit).ok_or_else(|| "a limit is a number that is not negative".to_owned())
    }
}
