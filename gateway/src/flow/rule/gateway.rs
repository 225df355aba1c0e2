//! What Sentinel's gateways say (`GatewayFlowRule` and `ApiDefinition`, 1.8.9): limits of routes and of groups of paths, of each
//! value of something too. Pure.

use super::{
    flow::Grade,
    param::{ParamRule, Pattern, Pick, Tempo, remembered},
    text::Fields,
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

const RULE: [&str; 10] = [
    "resourceMode",
    "grade",
    "count",
    "interval",
    "intervalSec",
    "controlBehavior",
    "burst",
    "maxQueueingTimeoutMs",
    "paramItem",
    "limitApp",
];
const ITEM: [&str; 5] = ["index", "parseStrategy", "fieldName", "pattern", "matchStrategy"];

/// Reads one rule. It is one of a hot parameter: without a `paramItem` all requests have one value.
pub(crate) fn gateway(fields: Fields<'_>) -> Result<ParamRule, String> {
    fields.only(&RULE)?;
    if fields.number("resourceMode", 0)? > 1 {
        return Err("`resourceMode` is 0 (a route) or 1 (a group of paths)".to_owned());
    }
    let seconds = fields.number("intervalSec", 1)?.clamp(1, 86_400);
    let grade = match fields.number("grade", 1)? {
        0 => Grade::Thread,
        1 => Grade::Qps,
        other => return Err(format!("`grade` is 0 or 1, not {other}")),
    };
    let below = Duration::from_millis(fields.number("maxQueueingTimeoutMs", 500)?.min(60_000).into());
    let (pick, pattern) = match fields.0.get("paramItem") {
        None | Some(Value::Null) => (Pick::All, None),
        Some(Value::Object(item)) => param_item(Fields(item)).map_err(|why| format!("paramItem: {why}"))?,
        Some(_) => return Err("`paramItem` is an object".to_owned()),
    };
    Ok(ParamRule {
        resource: fields.resource()?,
        pick,
        pattern,
        grade,
        count: fields.limit("count")? as u64,
        burst: fields.number("burst", 0)?.into(),
        every: Duration::from_secs(seconds.into()),
        tempo: if fields.number("controlBehavior", 0)? == 2 { Tempo::Queue { below } } else { Tempo::Reject },
        items: BTreeMap::new(),
        most: remembered(seconds),
        of_gateway: true,
    })
}

fn param_item(fields: Fields<'_>) -> Result<(Pick, Option<Pattern>), String> {
    fields.only(&ITEM)?;
    let field = fields.text("fieldName").unwrap_or_default().to_owned();
    let strategy = fields.number("parseStrategy", 0)?;
    if (2..=4).contains(&strategy) && field.is_empty() {
        return Err("`fieldName` is missing".to_owned());
    }
    let pick = match strategy {
        0 => Pick::ClientIp,
        1 => Pick::Host,
        2 => Pick::Header(field.parse().map_err(|_| format!("`{field}` is no name of a header"))?),
        3 => Pick::Query(field),
        4 => Pick::Cookie(field),
        other => return Err(format!("`parseStrategy` is from 0 to 4, not {other}")),
    };
    let Some(text) = fields.text("pattern").filter(|text| !text.is_empty()) else { return Ok((pick, None)) };
    let pattern = match fields.number("matchStrategy", 0)? {
        0 => Pattern::Exact(text.to_owned()),
        1 => Pattern::Prefix(text.to_owned()),
        2 => Pattern::whole(text)?,
        3 => Pattern::Contains(text.to_owned()),
        other => return Err(format!("`matchStrategy` is from 0 to 3, not {other}")),
    };
    Ok((pick, Some(pattern)))
}

/// A group of paths with a name, for rules.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiGroup {
    pub(crate) name: String,
    /// One of them must fit.
    patterns: Vec<PathPattern>,
}

/// What a path must be.
#[derive(Clone, Debug, PartialEq)]
enum PathPattern {
    Whole(Pattern),
    /// Ant's patterns, as `/a/**`, by segment.
    Ant(Vec<String>),
}

/// Reads one group.
pub(crate) fn api_group(fields: Fields<'_>) -> Result<ApiGroup, String> {
    fields.only(&["apiName", "predicateItems"])?;
    let name = fields.text("apiName").map(str::trim).filter(|name| !name.is_empty()).ok_or("`apiName` is missing")?;
    let patterns: Vec<_> = fields.list("predicateItems").iter().map(predicate).collect::<Result<_, _>>()?;
    if patterns.is_empty() {
        return Err("`predicateItems` is missing".to_owned());
    }
    Ok(ApiGroup { name: name.to_owned(), patterns })
}

fn predicate(value: &Value) -> Result<PathPattern, String> {
    let fields = Fields(value.as_object().ok_or("a predicate is an object")?);
    fields.only(&["pattern", "matchStrategy"])?;
    let text = fields.text("pattern").filter(|text| !text.is_empty()).ok_or("`pattern` is missing")?;
    match fields.number("matchStrategy", 0)? {
        0 => Ok(PathPattern::Whole(Pattern::Exact(text.to_owned()))),
        1 => Ok(PathPattern::Ant(text.split('/').map(str::to_owned).collect())),
        2 => Pattern::whole(text).map(PathPattern::Whole),
        other => Err(format!("`matchStrategy` is 0, 1 or 2, not {other}")),
    }
}

impl ApiGroup {
    /// Whether a path is one of the group.
    pub(crate) fn holds(&self, path: &str) -> bool {
        self.patterns.iter().any(|pattern| match pattern {
            PathPattern::Whole(pattern) => pattern.matches(path),
            PathPattern::Ant(segments) => ant(segments, &path.split('/').collect::<Vec<_>>()),
        })
    }
}

/// Whether segments fit those of a pattern: `**` is any number of them, none included.
fn ant(pattern: &[String], path: &[&str]) -> bool {
    // Which rests of the pattern fit the rest of the path, from the end: no pattern takes more than its length times the path's.
    let mut fits = vec![false; pattern.len() + 1];
    fits[pattern.len()] = true;
    for at in (0..pattern.len()).rev() {
        fits[at] = pattern[at] == "**" && fits[at + 1];
    }
    for segment in path.iter().rev() {
        let mut next = vec![false; pattern.len() + 1];
        for at in (0..pattern.len()).rev() {
            next[at] = match pattern[at].as_str() {
                "**" => next[at + 1] || fits[at],
                one => fits[at + 1] && glob(one.as_bytes(), segment.as_bytes()),
            };
        }
        fits = next;
    }
    fits[0]
}

/// Whether a segment fits one of a pattern: `*` is any text, `?` one letter.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(one) if *one == b'?' || *one == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|one| *one == b'*')
}

#[cfg(test)]
mod tests {
    use super::{super::text::parse, *};

    fn one(text: &str) -> Result<ParamRule, String> {
        parse(&format!("[{text}]"), gateway).map(|parsed| parsed.rules[0].clone())
    }

    #[test]
    fn rules_of_gateways() {
        let all =
            one(r#"{"resource":"r","resourceMode":0,"count":10,"intervalSec":60,"burst":2,"paramItem":null}"#).unwrap();
        assert_eq!((all.pick, all.count, all.burst, all.every), (Pick::All, 10, 2, Duration::from_secs(60)));
        let ip =
            one(r#"{"resource":"r","count":5,"controlBehavior":2,"paramItem":{"parseStrategy":0,"index":0}}"#).unwrap();
        assert_eq!((ip.pick, ip.tempo), (Pick::ClientIp, Tempo::Queue { below: Duration::from_millis(500) }));
        let pattern = |strategy: u32, text: &str| {
            let item =
                format!(r#"{{"parseStrategy":4,"fieldName":"s","pattern":"{text}","matchStrategy":{strategy}}}"#);
            one(&format!(r#"{{"resource":"r","count":5,"paramItem":{item}}}"#)).unwrap().pattern.unwrap()
        };
        for (strategy, text, fits, not) in
            [(0, "ab", "ab", "abc"), (1, "ab", "abc", "cab"), (2, "a.", "ab", "abc"), (3, "b", "abc", "ac")]
        {
            let pattern = pattern(strategy, text);
            assert!(pattern.matches(fits) && !pattern.matches(not), "{strategy}");
        }
        for (text, why) in [
            (r#"{"resource":"r","count":5,"paramItem":{"parseStrategy":2}}"#, "`fieldName` is missing"),
            (r#"{"resource":"r","count":5,"paramItem":{"parseStrategy":7}}"#, "from 0 to 4"),
            (r#"{"resource":"r","count":5,"paramItem":{"pattern":"(","matchStrategy":2}}"#, "no pattern"),
            (r#"{"resource":"r","count":5,"resourceMode":2}"#, "`resourceMode`"),
            (r#"{"resource":"r","cuont":5}"#, "did you mean `count`?"),
        ] {
            assert!(one(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn groups_of_paths() {
        let group = |strategy: u32, pattern: &str| {
            let text = format!(
                r#"[{{"apiName":"g","predicateItems":[{{"pattern":"{pattern}","matchStrategy":{strategy}}}]}}]"#
            );
            parse(&text, api_group).unwrap().rules.remove(0)
        };
        for (strategy, pattern, fits, not) in [
            (0, "/a", "/a", "/a/b"),
            (1, "/a/**", "/a/b/c", "/ab"),
            (1, "/a/**", "/a", "/"),
            (1, "/**/c", "/a/b/c", "/a/c/b"),
            (1, "/a/*/c?", "/a/b/cd", "/a/b/c"),
            (1, "/a*b*c", "/aXbXbc", "/aXb"),
            (2, "/(a|b)", "/b", "/bc"),
        ] {
            let group = group(strategy, pattern);
            assert!(group.holds(fits) && !group.holds(not), "{pattern}");
        }
        assert!(parse(r#"[{"apiName":"g","predicateItems":[]}]"#, api_group).is_err());
        assert!(parse(r#"[{"predicateItems":[{"pattern":"/a"}]}]"#, api_group).is_err());
    }
}
