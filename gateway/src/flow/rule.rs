//! Flow rules as Sentinel writes them in JSON: an array, in the dialect of Java (`FlowRule`, 1.8.9) or of Go (`flow.Rule`). Pure.
//!
//! A rule that says what is not done here (a cluster, another resource, one caller alone) is left out and told, as is one that
//! is wrong; the others count. Fields that nobody knows make a rule wrong: a misspelt one would switch something off.

use mainstay_registry::nearest;
use serde_json::{Map, Value};
use std::time::Duration;

/// Rules of one text, at most.
const MAX_RULES: usize = 10_000;

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FlowRule {
    /// The name of a route.
    pub(crate) resource: String,
    pub(crate) grade: Grade,
    pub(crate) count: f64,
    pub(crate) behaviour: Behaviour,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grade {
    /// Requests under way.
    Thread,
    /// Requests a second.
    Qps,
}

/// What becomes of requests that come too soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Reject,
    WarmUp { seconds: u32, cold_factor: u32 },
    Queue { at_most: Duration },
    WarmUpAndQueue { seconds: u32, cold_factor: u32, at_most: Duration },
}

/// What a text says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) rules: Vec<FlowRule>,
    /// What is left out, and why.
    pub(crate) wrong: Vec<String>,
}

/// Fields of Java's rules, those that its dashboards add included.
const JAVA: [&str; 17] = [
    "resource",
    "limitApp",
    "grade",
    "count",
    "strategy",
    "refResource",
    "controlBehavior",
    "warmUpPeriodSec",
    "maxQueueingTimeMs",
    "clusterMode",
    "clusterConfig",
    "id",
    "regex",
    "app",
    "ip",
    "port",
    "gmtCreate",
];
/// Fields of Go's.
const GO: [&str; 16] = [
    "id",
    "resource",
    "tokenCalculateStrategy",
    "controlBehavior",
    "threshold",
    "relationStrategy",
    "refResource",
    "maxQueueingTimeMs",
    "warmUpPeriodSec",
    "warmUpColdFactor",
    "statIntervalInMs",
    "lowMemUsageThreshold",
    "highMemUsageThreshold",
    "memLowWaterMarkBytes",
    "memHighWaterMarkBytes",
    "regex",
];

/// Reads a text.
///
/// # Errors
/// When it is no array of rules at all, or none of them can be used: what was in force then stays so.
pub(crate) fn parse(text: &str) -> Result<Parsed, String> {
    let all: Vec<Value> =
        serde_json::from_str(text).map_err(|error| format!("it is no JSON array of rules: {error}"))?;
    if all.len() > MAX_RULES {
        return Err(format!("{} rules: {MAX_RULES} are taken", all.len()));
    }
    let mut parsed = Parsed::default();
    for (at, value) in all.iter().enumerate() {
        match value.as_object().ok_or_else(|| "it is no object".to_owned()).and_then(rule) {
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

fn rule(fields: &Map<String, Value>) -> Result<FlowRule, String> {
    let is_go = fields.contains_key("threshold") || fields.contains_key("tokenCalculateStrategy");
    let known: &[&str] = if is_go { &GO } else { &JAVA };
    if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str()) && *name != "gmtModified") {
        let hint =
            nearest(name, known.iter().copied()).map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
        return Err(format!("`{name}` is not known{hint}"));
    }
    let resource = match fields.get("resource").and_then(Value::as_str).map(str::trim) {
        Some(resource) if !resource.is_empty() => resource.to_owned(),
        _ => return Err("`resource` is missing".to_owned()),
    };
    if fields.get("regex").is_some_and(|regex| *regex == Value::Bool(true)) {
        return Err("resources by regex are not done here".to_owned());
    }
    let (grade, count, behaviour) = if is_go { go(fields)? } else { java(fields)? };
    if !(count.is_finite() && count >= 0.0) {
        return Err("a limit is a number that is not negative".to_owned());
    }
    Ok(FlowRule { resource, grade, count, behaviour })
}

type Said = (Grade, f64, Behaviour);

fn java(fields: &Map<String, Value>) -> Result<Said, String> {
    if fields.get("clusterMode").is_some_and(|cluster| *cluster == Value::Bool(true)) {
        return Err("limits of a cluster are not done here".to_owned());
    }
    if fields.get("limitApp").and_then(Value::as_str).is_some_and(|app| !matches!(app, "" | "default")) {
        return Err("limits of one caller (`limitApp`) are not done here".to_owned());
    }
    if number(fields, "strategy", 0)? != 0 {
        return Err("limits by another resource (`strategy`) are not done here".to_owned());
    }
    let count = fields.get("count").and_then(Value::as_f64).ok_or("`count` is missing")?;
    let grade = match number(fields, "grade", 1)? {
        0 => return Ok((Grade::Thread, count, Behaviour::Reject)),
        1 => Grade::Qps,
        other => return Err(format!("`grade` is 0 or 1, not {other}")),
    };
    let (seconds, at_most) = (warm(fields, 10)?, queue(fields, 500)?);
    let behaviour = match number(fields, "controlBehavior", 0)? {
        1 => Behaviour::WarmUp { seconds, cold_factor: 3 },
        2 => Behaviour::Queue { at_most },
        3 => Behaviour::WarmUpAndQueue { seconds, cold_factor: 3, at_most },
        _ => Behaviour::Reject,
    };
    Ok((grade, count, behaviour))
}

fn go(fields: &Map<String, Value>) -> Result<Said, String> {
    if number(fields, "relationStrategy", 0)? != 0 {
        return Err("limits by another resource (`relationStrategy`) are not done here".to_owned());
    }
    if !matches!(number(fields, "statIntervalInMs", 0)?, 0 | 1000) {
        return Err("`statIntervalInMs` other than a second is not done here".to_owned());
    }
    let count = fields.get("threshold").and_then(Value::as_f64).ok_or("`threshold` is missing")?;
    let cold_factor = match number(fields, "warmUpColdFactor", 3)? {
        0 => 3,
        factor @ 2..=100 => factor,
        other => return Err(format!("`warmUpColdFactor` is from 2 to 100, not {other}")),
    };
    let at_most = Duration::from_millis(number(fields, "maxQueueingTimeMs", 0)?.into());
    let behaviour = match (number(fields, "tokenCalculateStrategy", 0)?, number(fields, "controlBehavior", 0)?) {
        (0, 0) => Behaviour::Reject,
        (0, 1) => Behaviour::Queue { at_most },
        (1, 0) => Behaviour::WarmUp { seconds: warm(fields, 0)?, cold_factor },
        (1, 1) => Behaviour::WarmUpAndQueue { seconds: warm(fields, 0)?, cold_factor, at_most },
        (2, _) => return Err("limits by memory are not done here".to_owned()),
        (calculate, control) => return Err(format!("nobody knows the strategy {calculate} with behaviour {control}")),
    };
    Ok((Grade::Qps, count, behaviour))
}

fn warm(fields: &Map<String, Value>, default: u32) -> Result<u32, String> {
    match number(fields, "warmUpPeriodSec", default)? {
        0 => Err("`warmUpPeriodSec` is at least 1".to_owned()),
        seconds => Ok(seconds.min(86_400)),
    }
}

fn queue(fields: &Map<String, Value>, default: u32) -> Result<Duration, String> {
    match number(fields, "maxQueueingTimeMs", default)? {
        0 => Err("`maxQueueingTimeMs` is at least 1".to_owned()),
        millis => Ok(Duration::from_millis(millis.min(60_000).into())),
    }
}

/// A whole number; the default when it is not there, or null.
fn number(fields: &Map<String, Value>, name: &str, default: u32) -> Result<u32, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number.ok_or_else(|| format!("`{name}` is a whole number that is not negative"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<FlowRule, String> {
        parse(&format!("[{text}]")).map(|parsed| parsed.rules[0].clone())
    }

    #[test]
    fn rules_of_java() {
        let rule = one(r#"{"resource": "pages", "count": 20}"#).unwrap();
        let expected =
            FlowRule { resource: "pages".into(), grade: Grade::Qps, count: 20.0, behaviour: Behaviour::Reject };
        assert_eq!(rule, expected);
        // As a dashboard writes it into Nacos.
        let whole = r#"{"app":"shop","clusterConfig":null,"clusterMode":false,"controlBehavior":3,"count":5.5,"gmtCreate":1,
            "gmtModified":2,"grade":1,"id":7,"ip":"10.0.0.1","limitApp":"default","maxQueueingTimeMs":250,"port":8719,
            "refResource":"","resource":"r","strategy":0,"warmUpPeriodSec":4}"#;
        let at_most = Duration::from_millis(250);
        assert_eq!(one(whole).unwrap().behaviour, Behaviour::WarmUpAndQueue { seconds: 4, cold_factor: 3, at_most });
        assert_eq!(one(r#"{"resource":"r","count":2,"grade":0,"controlBehavior":2}"#).unwrap().grade, Grade::Thread);
        let queue = one(r#"{"resource":"r","count":2,"controlBehavior":2}"#).unwrap().behaviour;
        assert_eq!(queue, Behaviour::Queue { at_most: Duration::from_millis(500) });
    }

    #[test]
    fn rules_of_go() {
        let go = |rest: &str| one(&format!(r#"{{"resource":"r","threshold":100,{rest}"statIntervalInMs":1000}}"#));
        assert_eq!(go("").unwrap().behaviour, Behaviour::Reject);
        let warm = go(r#""tokenCalculateStrategy":1,"warmUpPeriodSec":5,"warmUpColdFactor":4,"#).unwrap().behaviour;
        assert_eq!(warm, Behaviour::WarmUp { seconds: 5, cold_factor: 4 });
        let queue = go(r#""controlBehavior":1,"maxQueueingTimeMs":30,"#).unwrap().behaviour;
        assert_eq!(queue, Behaviour::Queue { at_most: Duration::from_millis(30) });
        assert!(go(r#""tokenCalculateStrategy":2,"#).unwrap_err().contains("memory"));
    }

    #[test]
    fn what_cannot_be_used_is_left_out_and_told_and_the_others_count() {
        let text = r#"[{"resource":"a","count":1},{"resource":"b"},{"resource":"c","cuont":1},{"count":1},
            {"resource":"d","count":1,"clusterMode":true},{"resource":"e","count":1,"limitApp":"x"},
            {"resource":"f","count":-1},{"resource":"g","count":1,"grade":7},7,{"resource":"a","count":1}]"#;
        let parsed = parse(text).unwrap();
        assert_eq!((parsed.rules.len(), parsed.wrong.len()), (1, 8), "{:?}", parsed.wrong);
        assert!(parsed.wrong[1].contains("did you mean `count`?"), "{:?}", parsed.wrong);
        assert_eq!(parse("[]").unwrap(), Parsed::default());
        for text in ["", "{}", "nonsense", r#"[{"resource":"b"}]"#] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
