//! The tests of a set: requests that are written in it, and what becomes of them. Pure.

use super::{
    keys_rules::{EXPECT, TEST, TEST_REQUEST},
    route::header,
    scope::{Fields, Scope},
};
use crate::risk::{Facts, RuleSet, Total, Who};
use std::time::Duration;

/// The time at which tests are run: 2026-01-05, a Monday, at noon.
const AT: Duration = Duration::from_secs(1_767_614_400);

/// Runs one. What came otherwise than expected is a problem of the set.
pub(super) fn run(set: &RuleSet, at: Scope<'_>) -> Option<()> {
    let fields = at.fields(&TEST);
    let name = fields.must("name", |at| at.text().map(str::to_owned))?;
    let facts = fields.get("request", facts).unwrap_or_else(blank);
    let said = |counter: &str, at: Scope<'_>| {
        let counter = set.counters.iter().find(|one| one.name == counter);
        let total = at.read(|node| {
            let number = node.text().ok().and_then(|text| text.parse::<f64>().ok());
            number.filter(|number| number.is_finite()).ok_or_else(|| "it should be a number".to_owned())
        })?;
        if counter.is_none() {
            at.wrong("there is no such counter");
        }
        Some(if counter?.says_amounts() { Total::Amount(total) } else { Total::Times(total as i64) })
    };
    let mut totals = fields.get("velocity", |at| Some(at.named(said))).unwrap_or_default();
    for counter in &set.counters {
        if !totals.iter().any(|(name, _)| *name == counter.name) {
            let nothing = if counter.says_amounts() { Total::Amount(0.0) } else { Total::Times(0) };
            totals.push((counter.name.clone(), nothing));
        }
    }
    let decision = set.judge(&facts, &totals, &|rule| set.rules[rule].mode);
    let named = |all: &mut dyn Iterator<Item = usize>| {
        let mut names: Vec<_> = all.map(|rule| set.rules[rule].name.clone()).collect();
        names.sort();
        names
    };
    let hits = named(&mut decision.hits.iter().map(|(rule, _)| *rule));
    let wrong = |what: &str, expected: String, found: String| {
        let errors = named(&mut decision.errors.iter().copied());
        let errors =
            if errors.is_empty() { String::new() } else { format!(" ({} could not be told)", errors.join(", ")) };
        at.wrong(format!("the test `{name}` fails: {what} is {found}, and {expected} is expected{errors}"));
    };
    let expect = |fields: &Fields<'_>| {
        if let Some(action) = fields.word("action")
            && action != decision.action.as_str()
        {
            wrong("the action", action.to_owned(), decision.action.as_str().to_owned());
        }
        if let Some(score) = fields.number("score", 0, 1_000_000)
            && i64::from(score) != decision.score
        {
            wrong("the score", score.to_string(), decision.score.to_string());
        }
        if fields.has("rules") {
            let mut rules = fields.texts("rules");
            rules.sort();
            if rules != hits {
                wrong("what holds", format!("[{}]", rules.join(", ")), format!("[{}]", hits.join(", ")));
            }
        }
        if !["action", "score", "rules"].into_iter().any(|key| fields.has(key)) {
            fields.at().wrong("nothing is expected: it has neither `action` nor `score` nor `rules`");
        }
    };
    fields.must("expect", |at| {
        expect(&at.fields(&EXPECT));
        Some(())
    })
}

fn blank() -> Facts {
    Facts { method: "GET".to_owned(), path: "/".to_owned(), at: AT, ..Facts::default() }
}

fn facts(at: Scope<'_>) -> Option<Facts> {
    let fields = at.fields(&TEST_REQUEST);
    let text = |key: &str| fields.text(key).unwrap_or_default();
    let or = |key: &str, default: &str| fields.text(key).unwrap_or_else(|| default.to_owned());
    let ip = fields.get("ip", |at| {
        at.read(|node| {
            let text = node.text().map_err(|error| error.why)?;
            text.parse().map_err(|_| format!("`{text}` is no address"))
        })
    });
    let headers = fields.get("headers", |at| Some(at.named(header))).unwrap_or_default();
    let claims = fields.get("claims", |at| Some(at.named(|_, at| at.text().map(str::to_owned)))).unwrap_or_default();
    let lists = fields.texts("lists");
    if let Some(other) = lists.iter().find(|list| !matches!(list.as_str(), "gray" | "allow")) {
        at.wrong(format!("`{other}` is none of the lists gray and allow"));
    }
    Some(Facts {
        method: or("method", "GET"),
        host: text("host"),
        path: or("path", "/"),
        query: text("query"),
        headers: headers.into_iter().map(|(_, pair)| pair).collect(),
        who: Who { ip, account: fields.text("account"), device: fields.text("device"), key: fields.text("key") },
        auth: fields.word("auth").unwrap_or_default(),
        claims,
        route: text("route"),
        gray: lists.iter().any(|list| list == "gray"),
        allow: lists.iter().any(|list| list == "allow"),
        at: AT,
        answer: None,
    })
}
