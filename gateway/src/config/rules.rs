//! A set of rules, as its text says it: read, compiled, and put to its own tests. All that is wrong is told at once. Pure.

use super::{
    keys_rules::{BANDS, COUNTER, REPLIES, REPLY, RISK_RULES, RULE, RULE_SET},
    problem::{Problems, Refused},
    route::header,
    rules_test,
    scope::{Fields, Scope},
};
use crate::risk::{
    Action, Bands, CounterRule, Declared, Expression, Ground, Kind, MOST_WINDOW, Mode, Replies, Reply, Rule, RuleSet,
    Shape, Wanted,
};
use http::StatusCode;
use mainstay::yaml::{self, Node};
use mainstay_registry::ConfigKey;
use regex_lite::{Regex, RegexBuilder};
use ring::digest::{SHA256, digest};
use std::{collections::BTreeMap, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

/// Rules and counters of one set, at most.
const MAX_RULES: usize = 500;
const MAX_COUNTERS: usize = 64;
/// A compiled pattern, in bytes.
const MAX_PATTERN: usize = 256 * 1024;
/// Values of one text.
const MAX_VALUES: usize = 50_000;

/// Where a set is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RulesFrom {
    Inline(SharedSet),
    File(PathBuf),
    Center { url: String, key: ConfigKey },
}

/// A set, which is the same as another of the same text.
#[derive(Clone, Debug)]
pub(crate) struct SharedSet(pub(crate) Arc<RuleSet>);

impl PartialEq for SharedSet {
    fn eq(&self, other: &Self) -> bool {
        self.0.version == other.0.version
    }
}

impl FromStr for RuleSet {
    type Err = Refused;

    /// Reads the text of a set.
    fn from_str(text: &str) -> Result<Self, Refused> {
        let problems = Problems::default();
        let set = match yaml::read_up_to(text, MAX_VALUES) {
            Ok(node) => set(Scope::new(&node, "", &problems)),
            Err(error) => {
                problems.add(error.line, "", error.why);
                None
            }
        };
        // A set that could not be made has a problem that says why.
        problems.or(())?;
        set.ok_or_else(|| Refused(Vec::new()))
    }
}

/// Reads where a set is, or the set.
pub(super) fn read(at: Scope<'_>) -> Option<RulesFrom> {
    let fields = at.fields(&RISK_RULES);
    let inline = fields.get("inline", set).map(|set| RulesFrom::Inline(SharedSet(Arc::new(set))));
    let places = ["inline", "file", "center"];
    if places.into_iter().filter(|place| fields.has(place)).count() != 1 {
        at.wrong("rules are written `inline`, kept in a `file` or in a `center`: one of them says where");
        return None;
    }
    if fields.has("center") {
        let url = fields.get("center", |at| {
            at.read(|node| {
                let url = node.text().map_err(|error| error.why)?;
                mainstay_registry::check(url).map_err(|error| error.to_string())?;
                Ok(url.to_owned())
            })
        });
        let group = fields.text("group").unwrap_or_else(|| "MAINSTAY_GROUP".to_owned());
        let name = fields.must("name", |at| at.text().map(str::to_owned))?;
        let key = at.read(|_| ConfigKey::in_group(group, name).map_err(|error| error.to_string()))?;
        return Some(RulesFrom::Center { url: url?, key });
    }
    for key in ["group", "name"].into_iter().filter(|key| fields.has(key)) {
        at.wrong(format!("`{key}` says something of a config centre, and there is none"));
    }
    inline.or_else(|| fields.text("file").map(|file| RulesFrom::File(file.into())))
}

fn set(at: Scope<'_>) -> Option<RuleSet> {
    let fields = at.fields(&RULE_SET);
    let patterns: BTreeMap<_, _> =
        fields.get("patterns", |at| Some(at.named(|_, at| pattern(at)))).unwrap_or_default().into_iter().collect();
    let mut declared = Declared { patterns: patterns.keys().cloned().collect(), ..Declared::default() };
    let counters = fields.get("counters", |at| Some(at.named(|name, at| counter(name, &declared, at))));
    let counters: Vec<_> = counters.unwrap_or_default().into_iter().map(|(_, counter)| counter).collect();
    // Also one that could not be read is known by its name: what asks it is not wrong for that.
    let is_amount = |at: Scope<'_>| Some(at.fields(&COUNTER).has("sum"));
    declared.counters =
        fields.get("counters", |at| Some(at.named(|_, at| is_amount(at)))).unwrap_or_default().into_iter().collect();
    let rules = fields.get("rules", |at| Some(at.list(|at| rule(&declared, at)))).unwrap_or_default();
    for (at_most, found, what) in [(MAX_RULES, rules.len(), "rules"), (MAX_COUNTERS, counters.len(), "counters")] {
        if found > at_most {
            at.wrong(format!("there are {found} {what}, at most {at_most} are taken"));
        }
    }
    for (place, rule) in rules.iter().enumerate() {
        if rules[..place].iter().any(|other| other.name == rule.name) {
            at.wrong(format!("`{}` is the name of two rules", rule.name));
        }
    }
    let bands = fields.get("bands", |at| Some(at.named(|_, at| bands(at)))).unwrap_or_default().into_iter().collect();
    let replies = fields.get("replies", replies).unwrap_or_else(default_replies);
    let version = version(&at);
    let set = RuleSet::new(version, (counters, rules), (bands, replies), Ground::new(patterns));
    fields.get("tests", |tests| Some(tests.list(|test| rules_test::run(&set, test))));
    Some(set)
}

/// Changes with every change of the text.
fn version(at: &Scope<'_>) -> String {
    let text = at.read(|node: &Node| Ok(format!("{node:?}"))).unwrap_or_default();
    digest(&SHA256, text.as_bytes()).as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pattern(at: Scope<'_>) -> Option<Regex> {
    let text = at.text()?;
    at.read(|_| RegexBuilder::new(text).size_limit(MAX_PATTERN).build().map_err(|error| error.to_string()))
}

/// An expression, with all that is wrong with it.
fn expression(fields: &Fields<'_>, key: &str, declared: &Declared, wanted: Wanted) -> Option<Expression> {
    fields.get(key, |at| {
        let source = at.text()?;
        let compiled = Expression::compile(source, declared, wanted);
        compiled.map_err(|wrong| wrong.into_iter().for_each(|why| at.wrong(why))).ok()
    })
}

fn counter(name: &str, declared: &Declared, at: Scope<'_>) -> Option<CounterRule> {
    let fields = at.fields(&COUNTER);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(is_name) {
        at.wrong(format!("`{name}` cannot be asked as velocity.{name}: letters, digits and _"));
    }
    let on_answer = fields.word("on") == Some("response");
    let of_answer = Declared { answers: on_answer, ..declared.clone() };
    let kind = match (fields.has("distinct"), fields.has("sum")) {
        (false, false) => Kind::Count,
        (true, false) => Kind::Distinct,
        (false, true) => Kind::Sum,
        (true, true) => {
            at.wrong("`distinct` and `sum` are two counters");
            return None;
        }
    };
    let key = expression(&fields, "key", declared, Wanted::Key);
    let when = expression(&fields, "when", &of_answer, Wanted::Truth);
    let of = expression(&fields, "distinct", &of_answer, Wanted::Key)
        .or_else(|| expression(&fields, "sum", &of_answer, Wanted::Number));
    let broken = (fields.has("when") && when.is_none()) || (kind != Kind::Count && of.is_none());
    let window = fields.ttl("window");
    for (missing, key) in [(!fields.has("key"), "key"), (!fields.has("window"), "window")] {
        if missing {
            at.wrong(format!("`{key}` is missing"));
        }
    }
    if window.is_some_and(|window| window > MOST_WINDOW) {
        at.wrong("`window` is 31d at most");
    }
    let max_keys = fields.number("max_keys", 1, 1_000_000).unwrap_or(50_000) as usize;
    let shape = Shape { kind, window: window?, max_keys };
    let (name, routes) = (name.to_owned(), fields.texts("routes"));
    (!broken).then_some(CounterRule { name, on_answer, when, key: key?, of, shape, routes })
}

fn rule(declared: &Declared, at: Scope<'_>) -> Option<Rule> {
    let fields = at.fields(&RULE);
    let when = expression(&fields, "when", declared, Wanted::Truth);
    if !fields.has("when") {
        at.wrong("`when` is missing");
    }
    let name = fields.must("name", |at| at.text().map(str::to_owned));
    let number = |key: &str| fields.number(key, 0, 1_000_000).map(i64::from);
    let (score, relief) = (number("score").unwrap_or_default(), number("relief").unwrap_or_default());
    let verdict = fields.word("verdict").and_then(Action::parse);
    if !["score", "relief", "verdict"].into_iter().any(|key| fields.has(key)) {
        at.wrong("nothing comes of it: it has neither a `score` nor a `relief` nor a `verdict`");
    }
    let share = fields.number("percentage", 0, 100).and_then(|share| u8::try_from(share).ok());
    let mode = at.read(|_| Mode::parse(fields.word("mode").unwrap_or("shadow"), share));
    let reason = fields.text("reason").or_else(|| name.clone());
    let routes = fields.texts("routes");
    Some(Rule { name: name?, when: when?, score: score - relief, verdict, mode: mode?, reason: reason?, routes })
}

fn bands(at: Scope<'_>) -> Option<Bands> {
    let fields = at.fields(&BANDS);
    let from = |key: &str| fields.number(key, 1, 1_000_000).map(i64::from);
    let bands = Bands { challenge: from("challenge"), throttle: from("throttle"), deny: from("deny") };
    if !bands.is_ordered() {
        at.wrong("a harder band begins before a milder one: challenge, then throttle, then deny");
    }
    Some(bands)
}

fn default_replies() -> Replies {
    let reply = |status, retry_after| Reply { status, headers: Vec::new(), body: None, retry_after };
    Replies {
        challenge: reply(StatusCode::PRECONDITION_REQUIRED, None),
        throttle: reply(StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(10))),
        deny: reply(StatusCode::FORBIDDEN, None),
    }
}

fn replies(at: Scope<'_>) -> Option<Replies> {
    let (fields, default) = (at.fields(&REPLIES), default_replies());
    let one = |key: &str, default: Reply| fields.get(key, |at| reply(at, &default)).unwrap_or(default);
    Some(Replies {
        challenge: one("challenge", default.challenge),
        throttle: one("throttle", default.throttle),
        deny: one("deny", default.deny),
    })
}

fn reply(at: Scope<'_>, default: &Reply) -> Option<Reply> {
    let fields = at.fields(&REPLY);
    let status =
        fields.number("status", 300, 499).and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let headers = fields.get("headers", |at| Some(at.named(header))).unwrap_or_default();
    Some(Reply {
        status: status.unwrap_or(default.status),
        headers: headers.into_iter().map(|(_, pair)| pair).collect(),
        body: fields.text("body"),
        retry_after: fields.duration("retry_after").or(default.retry_after),
    })
}
