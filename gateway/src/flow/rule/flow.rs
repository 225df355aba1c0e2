//! Flow rules: an array, in the dialect of Java (`FlowRule`, 1.8.9) or of Go (`flow.Rule`). Pure.
//!
//! What is not done here (by memory, windows other than a second, shaping in a cluster) makes a rule one that cannot be used.

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
    pub(crate) app: App,
    pub(crate) relation: Relation,
    pub(crate) cluster: Option<Cluster>,
}

/// Whose requests a rule is for (`limitApp`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum App {
    Any,
    One(String),
    /// Each caller whom no other rule of the resource names, by itself.
    Others,
}

/// Which requests a rule counts (`strategy`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Those of its resource.
    Own,
    /// Those of another one: its own give way to them.
    Other(String),
    /// Those of its resource that come by this route.
    Entry(String),
}

/// Several gateways share the count of a rule (`clusterMode`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) id: u64,
    /// The count is that of all together, else that of each.
    pub(crate) is_global: bool,
    /// While they cannot be asked each counts by itself; else all pass.
    pub(crate) falls_back: bool,
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

/// What Sentinel's gateways call where a request of a route enters.
const ENTRY: &str = "sentinel_gateway_context$$route$$";

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

impl FlowRule {
    /// One that counts the requests of its resource, whoever asks.
    pub(crate) fn new(resource: impl Into<String>, grade: Grade, count: f64, behaviour: Behaviour) -> Self {
        let (app, relation) = (App::Any, Relation::Own);
        Self { resource: resource.into(), grade, count, behaviour, app, relation, cluster: None }
    }
}

/// Reads one rule.
pub(crate) fn flow(fields: Fields<'_>) -> Result<FlowRule, String> {
    let is_go = fields.has("threshold") || fields.has("tokenCalculateStrategy");
    fields.only(if is_go { &GO } else { &JAVA })?;
    let resource = fields.resource()?;
    if is_go {
        let (count, behaviour) = go(fields)?;
        let relation = relation(fields, fields.number("relationStrategy", 0)?)?;
        return Ok(FlowRule { relation, ..FlowRule::new(resource, Grade::Qps, count, behaviour) });
    }
    let (grade, count, behaviour) = java(fields)?;
    let app = match fields.text("limitApp").map_or("", str::trim) {
        "" | "default" => App::Any,
        "other" => App::Others,
        name => App::One(name.to_owned()),
    };
    let relation = relation(fields, fields.number("strategy", 0)?)?;
    let rule = FlowRule { app, relation, ..FlowRule::new(resource, grade, count, behaviour) };
    let cluster = fields.flag("clusterMode").then(|| cluster(fields, &rule)).transpose()?;
    Ok(FlowRule { cluster, ..rule })
}

fn relation(fields: Fields<'_>, strategy: u32) -> Result<Relation, String> {
    let named = || match fields.text("refResource").map_or("", str::trim) {
        "" => Err("`refResource` is missing: the strategy wants to know which".to_owned()),
        name => Ok(name),
    };
    match strategy {
        0 => Ok(Relation::Own),
        1 => Ok(Relation::Other(named()?.to_owned())),
        2 => named().map(|name| Relation::Entry(name.strip_prefix(ENTRY).unwrap_or(name).to_owned())),
        other => Err(format!("`strategy` is 0, 1 or 2, not {other}")),
    }
}

/// What gateways share of a rule: so many a second, and no more than that.
fn cluster(fields: Fields<'_>, rule: &FlowRule) -> Result<Cluster, String> {
    let plain = rule.grade == Grade::Qps
        && rule.behaviour == Behaviour::Reject
        && (&rule.app, &rule.relation) == (&App::Any, &Relation::Own);
    if !plain {
        let text = "gateways share so many a second of all callers (`clusterMode`), and nothing else of a rule";
        return Err(text.to_owned());
    }
    if rule.count < 1.0 || rule.count.fract() != 0.0 || rule.count > 1e6 {
        return Err("the `count` that gateways share is a whole number from 1 to 1000000".to_owned());
    }
    let config = fields.object("clusterConfig").ok_or("`clusterConfig` is missing")?;
    let id = config.whole("flowId", 0)?;
    let is_global = match config.number("thresholdType", 0)? {
        0 => false,
        1 => true,
        other => return Err(format!("`thresholdType` is 0 or 1, not {other}")),
    };
    let id = u64::try_from(id).ok().filter(|id| *id > 0).ok_or("`flowId` is a number above 0")?;
    let falls_back = !config.has("fallbackToLocalWhenFail") || config.flag("fallbackToLocalWhenFail");
    Ok(Cluster { id, is_global, falls_back })
}

fn java(fields: Fields<'_>) -> Result<(Grade, f64, Behaviour), String> {
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

fn go(fields: Fields<'_>) -> Result<(f64, Behaviour), String> {
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
    Ok((count, behaviour))
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
        assert_eq!(rule, FlowRule::new("pages", Grade::Qps, 20.0, Behaviour::Reject));
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
    fn callers_relations_and_clusters() {
        let java = |rest: &str| one(&format!(r#"{{"resource":"r","count":9,{rest}}}"#));
        for (rest, app, relation) in [
            (r#""limitApp":"default""#, App::Any, Relation::Own),
            (r#""limitApp":"shop-web""#, App::One("shop-web".into()), Relation::Own),
            (r#""limitApp":"other","strategy":0"#, App::Others, Relation::Own),
            (r#""strategy":1,"refResource":"pay""#, App::Any, Relation::Other("pay".into())),
            (r#""strategy":2,"refResource":"pages""#, App::Any, Relation::Entry("pages".into())),
            (
                r#""strategy":2,"refResource":"sentinel_gateway_context$$route$$pages""#,
                App::Any,
                Relation::Entry("pages".into()),
            ),
        ] {
            let rule = java(rest).unwrap();
            assert_eq!((rule.app, rule.relation), (app, relation), "{rest}");
        }
        let go = one(r#"{"resource":"r","threshold":9,"relationStrategy":1,"refResource":"pay"}"#).unwrap();
        assert_eq!(go.relation, Relation::Other("pay".into()));
        let shared = java(r#""clusterMode":true,"clusterConfig":{"flowId":7,"thresholdType":1}"#).unwrap().cluster;
        assert_eq!(shared, Some(Cluster { id: 7, is_global: true, falls_back: true }));
        let each = r#""clusterMode":true,"clusterConfig":{"flowId":7,"fallbackToLocalWhenFail":false}"#;
        assert_eq!(java(each).unwrap().cluster, Some(Cluster { id: 7, is_global: false, falls_back: false }));
        for (rest, why) in [
            (r#""strategy":1"#, "`refResource` is missing"),
            (r#""strategy":3,"refResource":"a""#, "0, 1 or 2, not 3"),
            (r#""clusterMode":true"#, "`clusterConfig` is missing"),
            (r#""clusterMode":true,"clusterConfig":{}"#, "`flowId` is a number above 0"),
            (r#""clusterMode":true,"clusterConfig":{"flowId":1,"thresholdType":2}"#, "0 or 1, not 2"),
            (r#""clusterMode":true,"clusterConfig":{"flowId":1},"controlBehavior":2"#, "nothing else of a rule"),
            (r#""clusterMode":true,"clusterConfig":{"flowId":1},"limitApp":"a""#, "nothing else of a rule"),
        ] {
            assert!(java(rest).unwrap_err().contains(why), "{rest}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_left_out_and_told_and_the_others_count() {
        let text = r#"[{"resource":"a","count":1},{"resource":"b"},{"resource":"c","cuont":1},{"count":1},
            {"resource":"d","count":1,"clusterMode":true},{"resource":"e","count":1,"strategy":1},
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
