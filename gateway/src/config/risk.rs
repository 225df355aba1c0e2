//! What the file says of risk: who is on which list, and where a request says who asks. Pure.

use super::{
    keys_risk::{DECISION_LOG, ENTRY, LISTS, RISK, SOURCE, SUBJECTS},
    rules::RulesFrom,
    scope::Scope,
};
use crate::risk::{Name, Source, Subject, Subjects};
use http::HeaderName;
use std::{path::PathBuf, time::Duration};

/// An entry of a list.
pub(crate) type ListEntry = (Name, Subject, Option<Duration>, Option<String>);

/// What the file says of risk.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RiskConfig {
    pub(crate) subjects: Subjects,
    pub(crate) lists: Vec<ListEntry>,
    /// Entries of operators, at most.
    pub(crate) max_entries: u32,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) decision_log: Option<DecisionLog>,
    /// Where the key of hashes is.
    pub(crate) hash_key: Option<String>,
    /// Where the rules are, which the file says under a key of its own.
    pub(crate) rules: Option<RulesFrom>,
}

/// The record of decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecisionLog {
    pub(crate) path: PathBuf,
    pub(crate) max_size: u64,
    pub(crate) max_files: u32,
}

impl Default for RiskConfig {
    fn default() -> Self {
        Self {
            subjects: Subjects::default(),
            lists: Vec::new(),
            max_entries: 10_000,
            state_dir: None,
            decision_log: None,
            hash_key: None,
            rules: None,
        }
    }
}

impl RiskConfig {
    /// The key that differs here from what only a start can change, if any.
    pub(crate) fn is_fixed(&self, old: &Self) -> Option<&'static str> {
        let kept = |rules: &Option<RulesFrom>| rules.clone().filter(|rules| !matches!(rules, RulesFrom::Inline(_)));
        [
            (self.state_dir != old.state_dir, "risk.state_dir"),
            (self.decision_log != old.decision_log, "risk.decision_log"),
            (self.hash_key != old.hash_key, "risk.hash_key"),
            (kept(&self.rules) != kept(&old.rules), "risk_rules"),
        ]
        .into_iter()
        .find_map(|(differs, key)| differs.then_some(key))
    }
}

/// Reads it.
pub(super) fn read(at: Scope<'_>) -> Option<RiskConfig> {
    let fields = at.fields(&RISK);
    Some(RiskConfig {
        subjects: fields.get("subjects", subjects).unwrap_or_default(),
        lists: fields.get("lists", lists).unwrap_or_default(),
        max_entries: fields.number("max_entries", 0, 1_000_000).unwrap_or(10_000),
        state_dir: fields.text("state_dir").map(PathBuf::from),
        decision_log: fields.get("decision_log", decision_log),
        hash_key: fields.get("hash_key", super::listener::place),
        rules: None,
    })
}

fn decision_log(at: Scope<'_>) -> Option<DecisionLog> {
    let fields = at.fields(&DECISION_LOG);
    Some(DecisionLog {
        max_size: fields.size("max_size").unwrap_or(64 * 1024 * 1024),
        max_files: fields.number("max_files", 1, 1000).unwrap_or(5),
        path: fields.must("path", |at| at.text().map(PathBuf::from))?,
    })
}

fn subjects(at: Scope<'_>) -> Option<Subjects> {
    let fields = at.fields(&SUBJECTS);
    let sources = |name: &str| fields.get(name, |at| Some(at.list(source))).unwrap_or_default();
    Some(Subjects { account: sources("account"), device: sources("device"), key: sources("key") })
}

fn source(at: Scope<'_>) -> Option<Source> {
    let fields = at.fields(&SOURCE);
    let header = fields.get("header", |at| {
        let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).ok();
        at.read(|node| {
            let text = node.text().map_err(|error| error.why)?;
            name(text).ok_or_else(|| format!("`{text}` is no name of a header"))
        })
    });
    let (cookie, claim) = (fields.text("cookie").map(Source::Cookie), fields.text("claim").map(Source::Claim));
    let mut found = [header.map(Source::Header), cookie, claim].into_iter().flatten();
    match (found.next(), found.next()) {
        (Some(source), None) => Some(source),
        _ => {
            at.wrong("it stands in one place: a `header`, a `cookie` or a `claim`");
            None
        }
    }
}

fn lists(at: Scope<'_>) -> Option<Vec<ListEntry>> {
    let fields = at.fields(&LISTS);
    let list = |name: Name| {
        fields.get(name.as_str(), |at| Some(at.list(|at| entry(name, at)))).unwrap_or_default().into_iter()
    };
    Some(Name::ALL.into_iter().flat_map(list).collect())
}

fn entry(list: Name, at: Scope<'_>) -> Option<ListEntry> {
    let fields = at.fields(&ENTRY);
    let (ttl, reason) = (fields.ttl("ttl"), fields.text("reason"));
    let named: Vec<_> = Subject::KINDS.into_iter().filter(|kind| fields.has(kind)).collect();
    let [kind] = named[..] else {
        at.wrong(format!("an entry has one of {}", Subject::KINDS.join(", ")));
        return None;
    };
    let subject = |at: Scope<'_>| at.read(|node| Subject::parse(kind, node.text().map_err(|error| error.why)?));
    Some((list, fields.get(kind, subject)?, ttl, reason))
}
