//! Rules of hot parameters: an array, in the dialect of Java (`ParamFlowRule`, 1.8.9) or of Go (`hotspot.Rule`). Pure.
//!
//! A gateway has no arguments of a method. An index counts the variables of the route's path, in their order, and from the end
//! when it is negative. Go's `paramKey` says what is meant by name: a variable of the path, or else a parameter of the
//! query; or `client_ip`, `host`, `header.NAME`, `query.NAME`, `cookie.NAME`, `path.NAME`.

use super::{flow::Grade, text::Fields};
use http::HeaderName;
use regex_lite::Regex;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// One rule: so many for each value of something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParamRule {
    pub(crate) resource: String,
    pub(crate) pick: Pick,
    /// A value that is none such is not limited.
    pub(crate) pattern: Option<Pattern>,
    pub(crate) grade: Grade,
    /// In each `every`, or at once.
    pub(crate) count: u64,
    pub(crate) burst: u64,
    pub(crate) every: Duration,
    pub(crate) tempo: Tempo,
    /// Values with a count of their own.
    pub(crate) items: BTreeMap<String, u64>,
    /// Values that are remembered; who was not seen for longest is forgotten, and begins anew.
    pub(crate) most: usize,
    /// It is a rule of Sentinel's gateways.
    pub(crate) of_gateway: bool,
}

/// What becomes of those that come too soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tempo {
    Reject,
    /// They come one after the other, evenly; who would wait for so long does not.
    Queue {
        below: Duration,
    },
}

/// What of a request is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// All requests alike.
    All,
    /// A variable of the path by its place.
    Index(i64),
    /// One by its name, or else a parameter of the query.
    Name(String),
    Path(String),
    ClientIp,
    Host,
    Header(HeaderName),
    Query(String),
    Cookie(String),
}

/// What values are meant.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    Exact(String),
    Prefix(String),
    Contains(String),
    /// The whole value is so.
    Regex(Box<Regex>),
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) | (Self::Prefix(a), Self::Prefix(b)) => a == b,
            (Self::Contains(a), Self::Contains(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

impl Pattern {
    pub(crate) fn matches(&self, value: &str) -> bool {
        match self {
            Self::Exact(text) => value == text,
            Self::Prefix(text) => value.starts_with(text.as_str()),
            Self::Contains(text) => value.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(value),
        }
    }

    /// A regular expression that the whole of a text must fit. It is looked for in linear time.
    pub(super) fn whole(text: &str) -> Result<Self, String> {
        let regex = Regex::new(&format!("^(?:{text})$")).map_err(|error| format!("`{text}` is no pattern: {error}"))?;
        Ok(Self::Regex(Box::new(regex)))
    }
}

impl Pick {
    /// Reads what is meant by a name.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('.').unwrap_or((text, ""));
        let owned = name.to_owned();
        match (kind, name) {
            ("client_ip", "") => Ok(Self::ClientIp),
            ("host", "") => Ok(Self::Host),
            ("", _) => Err("it names nothing of a request".to_owned()),
            (_, "") if !text.ends_with('.') => Ok(Self::Name(text.to_owned())),
            (_, "") => Err("it names nothing of a request".to_owned()),
            ("header", _) => name.parse().map(Self::Header).map_err(|_| format!("`{name}` is no name of a header")),
            ("query", _) => Ok(Self::Query(owned)),
            ("cookie", _) => Ok(Self::Cookie(owned)),
            ("path", _) => Ok(Self::Path(owned)),
            _ => Err(format!("`{text}` is none of client_ip, host, header.NAME, query.NAME, cookie.NAME, path.NAME")),
        }
    }
}

const JAVA: [&str; 11] = [
    "limitApp",
    "grade",
    "paramIdx",
    "count",
    "controlBehavior",
    "maxQueueingTimeMs",
    "burstCount",
    "durationInSec",
    "paramFlowItemList",
    "clusterMode",
    "clusterConfig",
];
const GO: [&str; 10] = [
    "metricType",
    "controlBehavior",
    "paramIndex",
    "paramKey",
    "threshold",
    "maxQueueingTimeMs",
    "burstCount",
    "durationInSec",
    "paramsMaxCapacity",
    "specificItems",
];

/// Reads one rule.
pub(crate) fn param(fields: Fields<'_>) -> Result<ParamRule, String> {
    let is_go = ["threshold", "metricType", "paramIndex", "paramKey"].iter().any(|name| fields.has(name));
    fields.only(if is_go { &GO } else { &JAVA })?;
    if fields.flag("clusterMode") {
        return Err("limits of a cluster are not done here".to_owned());
    }
    let (count, grade, index, queues, items) = if is_go {
        ("threshold", "metricType", "paramIndex", 1, "specificItems")
    } else {
        ("count", "grade", "paramIdx", 2, "paramFlowItemList")
    };
    let count = fields.limit(count)? as u64;
    let pick = match fields.text("paramKey").filter(|key| !key.is_empty()) {
        Some(key) => Pick::parse(key)?,
        None if is_go || fields.has(index) => Pick::Index(fields.whole(index, 0)?),
        None => return Err(format!("`{index}` is missing")),
    };
    let grade = match (fields.number(grade, u32::from(!is_go))?, grade) {
        (0, _) => Grade::Thread,
        (1, _) => Grade::Qps,
        (other, name) => return Err(format!("`{name}` is 0 or 1, not {other}")),
    };
    let seconds = fields.number("durationInSec", 1)?.clamp(1, 86_400);
    let below = Duration::from_millis(fields.number("maxQueueingTimeMs", 0)?.min(60_000).into());
    let queue = fields.number("controlBehavior", 0)? == queues;
    let most = fields.number("paramsMaxCapacity", 0)? as usize;
    Ok(ParamRule {
        resource: fields.resource()?,
        pick,
        pattern: None,
        grade,
        count,
        burst: fields.number("burstCount", 0)?.into(),
        every: Duration::from_secs(seconds.into()),
        tempo: if queue { Tempo::Queue { below } } else { Tempo::Reject },
        items: fields.list(items).iter().map(item).collect::<Result<_, _>>()?,
        most: if most > 0 { most.min(MOST) } else { remembered(seconds) },
        of_gateway: false,
    })
}

/// Values of one rule, at most.
const MOST: usize = 200_000;

/// How many values are remembered, as in Sentinel.
pub(super) fn remembered(seconds: u32) -> usize {
    (4000 * seconds as usize).min(MOST)
}

/// A value with a count of its own.
fn item(value: &Value) -> Result<(String, u64), String> {
    let of = |names: [&str; 2]| names.iter().find_map(|name| value.get(name)).filter(|value| !value.is_null());
    let object = match of(["object", "valStr"]) {
        Some(Value::String(text)) => text.clone(),
        Some(other @ (Value::Number(_) | Value::Bool(_))) => other.to_string(),
        _ => return Err("an item has an `object`, or in Go a `valStr`".to_owned()),
    };
    let count = of(["count", "threshold"]).and_then(Value::as_u64);
    Ok((object, count.ok_or("an item has a `count`, or in Go a `threshold`, that is not negative")?))
}

#[cfg(test)]
mod tests {
    use super::{super::text::parse, *};

    fn one(text: &str) -> Result<ParamRule, String> {
        parse(&format!("[{text}]"), param).map(|parsed| parsed.rules[0].clone())
    }

    #[test]
    fn both_dialects_say_the_same() {
        let java = one(r#"{"resource":"r","paramIdx":0,"count":5,"grade":1,"durationInSec":2,"burstCount":3,"clusterMode":false,
            "paramFlowItemList":[{"object":"ada","count":10,"classType":"java.lang.String"},{"object":"7","count":0,"classType":"int"}]}"#)
        .unwrap();
        let items = BTreeMap::from([("7".to_owned(), 0), ("ada".to_owned(), 10)]);
        assert_eq!((java.pick.clone(), java.count, java.burst, java.most), (Pick::Index(0), 5, 3, 8000));
        assert_eq!((&java.items, java.every, java.tempo), (&items, Duration::from_secs(2), Tempo::Reject));
        let go = one(r#"{"resource":"r","metricType":1,"paramIndex":0,"threshold":5,"durationInSec":2,"burstCount":3,
            "specificItems":[{"valKind":3,"valStr":"ada","threshold":10},{"valKind":0,"valStr":"7","threshold":0}]}"#);
        assert_eq!(go.unwrap(), java);
        let queue =
            one(r#"{"resource":"r","paramIdx":-1,"count":5,"controlBehavior":2,"maxQueueingTimeMs":300}"#).unwrap();
        assert_eq!((queue.pick, queue.tempo), (Pick::Index(-1), Tempo::Queue { below: Duration::from_millis(300) }));
        let threads =
            one(r#"{"resource":"r","metricType":0,"paramKey":"header.x-user","threshold":2,"paramsMaxCapacity":9}"#)
                .unwrap();
        assert_eq!(
            (threads.pick, threads.grade, threads.most),
            (Pick::Header(HeaderName::from_static("x-user")), Grade::Thread, 9)
        );
    }

    #[test]
    fn names_of_what_is_looked_at() {
        for (text, pick) in [
            ("client_ip", Pick::ClientIp),
            ("host", Pick::Host),
            ("user", Pick::Name("user".into())),
            ("query.user", Pick::Query("user".into())),
            ("cookie.s", Pick::Cookie("s".into())),
            ("path.a.b", Pick::Path("a.b".into())),
        ] {
            assert_eq!(Pick::parse(text), Ok(pick), "{text}");
        }
        for text in ["", "header.no name", "body.x", "query.", ".x"] {
            assert!(Pick::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        for (text, why) in [
            (r#"{"resource":"r","count":1}"#, "`paramIdx` is missing"),
            (r#"{"resource":"r","count":1,"paramIdx":0,"clusterMode":true}"#, "cluster"),
            (r#"{"resource":"r","count":1,"paramIdx":0,"paramFlowItemList":[{"count":1}]}"#, "`object`"),
            (r#"{"resource":"r","count":1,"paramIdx":0,"grade":2}"#, "`grade` is 0 or 1"),
            (r#"{"resource":"r","count":1,"paramidx":0}"#, "did you mean `paramIdx`?"),
        ] {
            assert!(one(text).unwrap_err().contains(why), "{text}: {:?}", one(text));
        }
    }
}
