//! Degrade rules: an array, in the dialect of Java (`DegradeRule`, 1.8.9) or of Go (`circuitbreaker.Rule`). Pure.

use super::text::Fields;
use std::time::Duration;

/// One rule: when a resource is given up for a while.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DegradeRule {
    pub(crate) resource: String,
    pub(crate) measure: Measure,
    pub(crate) threshold: f64,
    /// A value at the threshold is enough, as in Go; in Java it must be above.
    pub(crate) at_threshold: bool,
    /// How long nobody passes.
    pub(crate) open: Duration,
    /// With fewer requests nothing is said.
    pub(crate) least: u64,
    /// The time that is looked at, and the parts that it moves by.
    pub(crate) every: Duration,
    pub(crate) parts: u32,
    /// Requests that try it out afterwards, all of which must be good.
    pub(crate) probes: u32,
}

/// What is held against the threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Measure {
    /// The share of requests that took longer.
    Slow {
        above: Duration,
    },
    ErrorRatio,
    ErrorCount,
}

const JAVA: [&str; 7] =
    ["limitApp", "grade", "count", "timeWindow", "minRequestAmount", "slowRatioThreshold", "statIntervalMs"];
const GO: [&str; 8] = [
    "strategy",
    "retryTimeoutMs",
    "minRequestAmount",
    "statIntervalMs",
    "statSlidingWindowBucketCount",
    "maxAllowedRtMs",
    "threshold",
    "probeNum",
];

/// Reads one rule.
pub(crate) fn degrade(fields: Fields<'_>) -> Result<DegradeRule, String> {
    let is_go = fields.has("threshold") || fields.has("retryTimeoutMs") || fields.has("strategy");
    fields.only(if is_go { &GO } else { &JAVA })?;
    let rule = if is_go { go(fields)? } else { java(fields)? };
    if !matches!(rule.measure, Measure::ErrorCount) && rule.threshold > 1.0 {
        return Err("a ratio is from 0 to 1".to_owned());
    }
    Ok(rule)
}

fn java(fields: Fields<'_>) -> Result<DegradeRule, String> {
    let count = fields.limit("count")?;
    let (measure, threshold) = match fields.number("grade", 0)? {
        0 => {
            let threshold = if fields.has("slowRatioThreshold") { fields.limit("slowRatioThreshold")? } else { 1.0 };
            (slower(count), threshold)
        }
        1 => (Measure::ErrorRatio, count),
        2 => (Measure::ErrorCount, count),
        other => return Err(format!("`grade` is 0, 1 or 2, not {other}")),
    };
    Ok(DegradeRule {
        resource: fields.resource()?,
        measure,
        threshold,
        at_threshold: false,
        open: Duration::from_secs(positive(fields, "timeWindow", 0)?.into()),
        least: positive(fields, "minRequestAmount", 5)?.into(),
        every: Duration::from_millis(positive(fields, "statIntervalMs", 1000)?.into()),
        parts: 1,
        probes: 1,
    })
}

fn go(fields: Fields<'_>) -> Result<DegradeRule, String> {
    let threshold = fields.limit("threshold")?;
    let measure = match fields.number("strategy", 0)? {
        0 => slower(f64::from(fields.number("maxAllowedRtMs", 0)?)),
        1 => Measure::ErrorRatio,
        2 => Measure::ErrorCount,
        other => return Err(format!("`strategy` is 0, 1 or 2, not {other}")),
    };
    let every = positive(fields, "statIntervalMs", 1000)?;
    let parts = fields.number("statSlidingWindowBucketCount", 1)?.clamp(1, 1000);
    if every % parts != 0 {
        return Err("`statIntervalMs` is a multiple of `statSlidingWindowBucketCount`".to_owned());
    }
    Ok(DegradeRule {
        resource: fields.resource()?,
        measure,
        threshold,
        at_threshold: true,
        open: Duration::from_millis(positive(fields, "retryTimeoutMs", 3000)?.into()),
        least: fields.number("minRequestAmount", 0)?.into(),
        every: Duration::from_millis(every.into()),
        parts,
        probes: fields.number("probeNum", 1)?.clamp(1, 1000),
    })
}

fn slower(millis: f64) -> Measure {
    Measure::Slow { above: Duration::from_secs_f64(millis.min(86_400_000.0) / 1000.0) }
}

fn positive(fields: Fields<'_>, name: &str, default: u32) -> Result<u32, String> {
    match fields.number(name, default)? {
        0 => Err(format!("`{name}` is at least 1")),
        number => Ok(number.min(86_400_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::text::parse, *};

    fn one(text: &str) -> Result<DegradeRule, String> {
        parse(&format!("[{text}]"), degrade).map(|parsed| parsed.rules[0].clone())
    }

    #[test]
    fn both_dialects_say_the_same() {
        let java = one(
            r#"{"resource":"r","grade":1,"count":0.5,"timeWindow":10,"limitApp":"default","slowRatioThreshold":null}"#,
        )
        .unwrap();
        let expected = DegradeRule {
            resource: "r".into(),
            measure: Measure::ErrorRatio,
            threshold: 0.5,
            at_threshold: false,
            open: Duration::from_secs(10),
            least: 5,
            every: Duration::from_secs(1),
            parts: 1,
            probes: 1,
        };
        assert_eq!(java, expected);
        let slow =
            one(r#"{"resource":"r","count":200,"timeWindow":1,"minRequestAmount":3,"statIntervalMs":20000}"#).unwrap();
        let above = Duration::from_millis(200);
        assert_eq!((slow.measure, slow.threshold, slow.least), (Measure::Slow { above }, 1.0, 3));
        let go = one(r#"{"resource":"r","strategy":1,"threshold":0.5,"retryTimeoutMs":10000,"minRequestAmount":5,
            "statIntervalMs":1000,"statSlidingWindowBucketCount":10,"probeNum":3}"#);
        assert_eq!(go.unwrap(), DegradeRule { at_threshold: true, parts: 10, probes: 3, ..expected });
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        for (text, why) in [
            (r#"{"resource":"r","count":1}"#, "`timeWindow` is at least 1"),
            (r#"{"resource":"r","timeWindow":1}"#, "`count` is missing"),
            (r#"{"resource":"r","grade":1,"count":2,"timeWindow":1}"#, "a ratio is from 0 to 1"),
            (r#"{"resource":"r","grade":3,"count":2,"timeWindow":1}"#, "`grade` is 0, 1 or 2"),
            (r#"{"resource":"r","threshold":1,"statIntervalMs":1000,"statSlidingWindowBucketCount":3}"#, "a multiple"),
            (r#"{"resource":"r","cuont":2,"timeWindow":1}"#, "did you mean `count`?"),
        ] {
            assert!(one(text).unwrap_err().contains(why), "{text}");
        }
    }
}
