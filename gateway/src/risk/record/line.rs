//! A line of the record. Pure: the time is an argument.

use super::Hash;
use crate::risk::Who;
use mainstay::access::rfc3339;
use serde_json::{Value, json};
use std::time::Duration;

/// One decision.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) id: String,
    /// Of the set of rules; empty where none decided.
    pub(crate) rules: String,
    /// Of the gateway's file.
    pub(crate) version: u64,
    pub(crate) route: String,
    pub(crate) method: String,
    pub(crate) action: &'static str,
    pub(crate) score: i64,
    pub(crate) shadow_action: &'static str,
    pub(crate) shadow_score: i64,
    /// Why, as a stable word each.
    pub(crate) reasons: Vec<String>,
    pub(crate) hits: Vec<Hit>,
    /// Rules that could not be told.
    pub(crate) errors: Vec<String>,
    pub(crate) took: Duration,
}

/// A rule that held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) rule: String,
    /// It counted; else it is in shadow.
    pub(crate) counts: bool,
}

impl Line {
    /// The line, with its end.
    pub(crate) fn text(&self, at: Duration, who: &Who, hash: &Hash) -> String {
        let hashed = |kind: &str, value: Option<&String>| value.map(|value| hash.of(kind, value));
        let ip = who.ip.map(|ip| ip.to_canonical().to_string());
        let hits: Vec<Value> =
            self.hits.iter().map(|hit| json!({ "rule": hit.rule, "enforced": hit.counts })).collect();
        let line = json!({
            "at": rfc3339(at), "id": self.id, "rules": self.rules, "version": self.version, "route": self.route,
            "method": self.method, "action": self.action, "score": self.score, "shadow_action": self.shadow_action,
            "shadow_score": self.shadow_score, "reasons": self.reasons, "hits": hits, "errors": self.errors,
            "ip": hashed("ip", ip.as_ref()), "account": hashed("account", who.account.as_ref()),
            "device": hashed("device", who.device.as_ref()), "key": hashed("key", who.key.as_ref()),
            "took_us": self.took.as_micros() as u64,
        });
        format!("{line}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_decided_and_of_nobody_by_name() {
        let line = Line {
            id: "0123".into(),
            rules: "ab12".into(),
            route: "login".into(),
            action: "deny",
            score: 90,
            hits: vec![Hit { rule: "stuffing".into(), counts: true }],
            reasons: vec!["STUFFING".into()],
            ..Line::default()
        };
        let who = Who { ip: "10.0.0.1".parse().ok(), account: Some("joe".into()), device: None, key: None };
        let hash = Hash::new(b"key");
        let text = line.text(Duration::from_secs(1_735_689_599), &who, &hash);
        assert!(!text.contains("joe") && !text.contains("10.0.0.1") && text.ends_with("}\n"), "{text}");
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["account"], hash.of("account", "joe"));
        assert_eq!((&read["hits"][0]["rule"], &read["device"]), (&"stuffing".into(), &Value::Null));
    }
}
