//! Flow rules: an array, in the dialect of Java (`FlowRule`, 1.8.9) or of Go (`flow.Rule`). Pure.
//!
//! What is not done here (a cluster, another resource, one caller alone) makes a rule one that cannot be used.

use super::text::Fields;
use std::time::Duration;

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

/// Fields of Java's rules.
const JAVA: [&str; 10] = [
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
];
/// Fields of Go's.
const GO: [&str; 13] = [
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
];

/// Reads one rule.
pub(crate) fn flow(fields: Fields<'_>) -> Result<FlowRule, String> {
    let is_go = fields.has("threshold") || fields.has("tokenCalculateStrategy");
    fields.only(if is_go { &GO } else { &JAVA })?;
    let resource = fields.resource()?;
    let (grade, count, behaviour) = if is_go { go(fields)? } else { java(fields)? };
    Ok(FlowRule { resource, grade, count, behaviour })
}

type Said = (Grade, f64, Behaviour);

fn java(fields: Fields<'_>) -> Result<Said, String> {
    if fields.flag("clusterMode") {
        return Err("limits of a cluster are not done here".to_owned());
    }
    if fields.text("limitApp").is_some_and(|app| !matches!(app, "" | "default")) {
        return Err("limits of one caller (`limitApp`) are not done here".to_owned());
    }
    if fields.number("strategy", 0)? != 0 {
        return Err("limits by another resource (`strategy`) are not done here".to_owned());
    }
    let count = fields.limit("count")?;
    let grade = match fields.number("grade", 1)? {
        0 => return Ok((Grade::Thread, count, Behaviour::Reject)),
        1 => Grade::Qps,
        other => return Err(format!("`grade` is 0 or 1, not {other}")),
    };
    let (seconds, at_most) = (warm(fields, 10)?, queue(fields, 500)?);
    let behaviour = match fields.number("controlBehavior", 0)? {
        1 => Behaviour::WarmUp { seconds, cold_factor: 3 },
        2 => Behaviour::Queue { at_most },
        3 => Behaviour::WarmUpAndQueue { seconds, cold_factor: 3, at_most },
        _ => Behaviour::Reject,
    };
    Ok((grade, count, behaviour))
}

fn go(fields: Fields<'_>) -> Result<Said, String> {
    if fields.number("relationStrategy", 0)? != 0 {
        return Err("limits by another resource (`relationStrategy`) are not done here".to_owned());
    }
    if !matches!(fields.number("statIntervalInMs", 0)?, 0 | 1000) {
        return Err("`statIntervalInMs` other than a second is not done here".to_owned());
    }
    let count = fields.limit("threshold")?;
    let cold_factor = match fields.number("warmUpColdFactor", 3)? {
        0 => 3,
        factor @ 2..=100 => factor,
        other => return Err(format!("`warmUpColdFactor` is from 2 to 100, not {other}")),
    };
    let at_most = Duration::from_millis(fields.number("maxQueueingTimeMs", 0)?.into());
    let behaviour = match (fields.number("tokenCalculateStrategy", 0)?, fields.number("controlBehavior", 0)?) {
        (0, 0) => Behaviour::Reject,
        (0, 1) => Behaviour::Queue { at_most },
        (1, 0) => Behaviour::WarmUp { seconds: warm(fields, 0)?, cold_factor },
        (1, 1) => Behaviour::WarmUpAndQueue { seconds: warm(fields, 0)?, cold_factor, at_most },
        (2, _) => return Err("limits by memory are not done here".to_owned()),
        (calculate, control) => return Err(format!("nobody knows the strategy {calculate} with behaviour {control}")),
    };
    Ok((Grade::Qps, count, behaviour))
}

fn warm(fields: Fields<'_>, default: u32) -> Result<u32, String> {
    match fields.number("warmUpPeriodSec", default)? {
        0 => Err("`warmUpPeriodSec` is at least 1".to_owned()),
        seconds => Ok(seconds.min(86_400)),
    }
}

fn queue(fields: Fields<'_>, default: u32) -> Result<Duration, String> {
    match fields.number("maxQueueingTimeMs", default)? {
        0 => Err("`maxQueueingTimeMs` is at least 1".to_owned()),
        millis => Ok(Duration::from_millis(millis.min(60_000).into())),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::text::{Parsed, parse},
        *,
    };

    fn one(text: &str) -> Result<FlowRule, String> {
        parse(&format!("[{text}]"), flow).map(|parsed| parsed.rules[0].clone())
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
        let parsed = parse(text, flow).unwrap();
        assert_eq!((parsed.rules.len(), parsed.wrong.len()), (1, 8), "{:?}", parsed.wrong);
        assert!(parsed.wrong[1].contains("did you mean `count`?"), "{:?}", parsed.wrong);
        assert_eq!(parse("[]", flow).unwrap(), Parsed { rules: vec![], wrong: vec![] });
        for text in ["", "{}", "nonsense", r#"[{"resource":"b"}]"#] {
            assert!(parse(text, flow).is_err(), "{text}");
        }
    }
}
