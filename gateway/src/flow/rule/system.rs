//! System rules: an array, in the dialect of Java (`SystemRule`, 1.8.9) or of Go (`system.Rule`). Pure.

use super::text::Fields;

/// What one text says: each of its bounds must hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SystemRule(pub(crate) Vec<(Metric, f64)>);

/// What is bounded. With `bbr` a bound counts only while more requests are under way than the gateway gets done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Requests a second.
    Qps,
    /// Requests under way.
    Threads,
    /// The mean time of an answer, in milliseconds.
    Rt,
    /// The mean number of tasks that run or want to, of the last minute.
    Load { bbr: bool },
    /// The share of all processors that is busy, from 0 to 1.
    Cpu { bbr: bool },
}

const JAVA: [&str; 6] = ["highestSystemLoad", "highestCpuUsage", "qps", "avgRt", "maxThread", "limitApp"];
const GO: [&str; 3] = ["metricType", "triggerCount", "strategy"];

/// Reads one rule.
pub(crate) fn system(fields: Fields<'_>) -> Result<SystemRule, String> {
    let is_go = fields.has("metricType") || fields.has("triggerCount");
    fields.only(if is_go { &GO } else { &JAVA })?;
    let bounds = if is_go { vec![go(fields)?] } else { java(fields)? };
    if bounds.iter().any(|(metric, above)| matches!(metric, Metric::Cpu { .. }) && *above > 1.0) {
        return Err("a share of processors is from 0 to 1".to_owned());
    }
    Ok(SystemRule(bounds))
}

/// In the order in which Sentinel asks.
fn java(fields: Fields<'_>) -> Result<Vec<(Metric, f64)>, String> {
    let mut bounds = Vec::new();
    for (name, metric) in [
        ("qps", Metric::Qps),
        ("maxThread", Metric::Threads),
        ("avgRt", Metric::Rt),
        ("highestSystemLoad", Metric::Load { bbr: true }),
        ("highestCpuUsage", Metric::Cpu { bbr: false }),
    ] {
        // A number below zero says nothing.
        if let Some(above) = fields.float(name)?.filter(|above| *above >= 0.0) {
            bounds.push((metric, above));
        }
    }
    if bounds.is_empty() { Err("it bounds nothing".to_owned()) } else { Ok(bounds) }
}

fn go(fields: Fields<'_>) -> Result<(Metric, f64), String> {
    let bbr = match fields.whole("strategy", -1)? {
        -1 | 0 => false,
        1 => true,
        other => return Err(format!("`strategy` is -1 or 1, not {other}")),
    };
    let metric = match fields.number("metricType", 0)? {
        0 => Metric::Load { bbr },
        1 => Metric::Rt,
        2 => Metric::Threads,
        3 => Metric::Qps,
        4 => Metric::Cpu { bbr },
        other => return Err(format!("`metricType` is from 0 to 4, not {other}")),
    };
    Ok((metric, fields.limit("triggerCount")?))
}

#[cfg(test)]
mod tests {
    use super::{super::text::parse, *};

    fn all(text: &str) -> Result<Vec<SystemRule>, String> {
        parse(text, system).map(|parsed| parsed.rules)
    }

    #[test]
    fn both_dialects() {
        let java =
            all(r#"[{"highestSystemLoad":-1,"highestCpuUsage":0.8,"qps":100,"avgRt":-1,"maxThread":20}]"#).unwrap();
        let bounds = vec![(Metric::Qps, 100.0), (Metric::Threads, 20.0), (Metric::Cpu { bbr: false }, 0.8)];
        assert_eq!(java, [SystemRule(bounds)]);
        let load = all(r#"[{"highestSystemLoad":3.5}]"#).unwrap();
        assert_eq!(load, [SystemRule(vec![(Metric::Load { bbr: true }, 3.5)])]);
        let go =
            all(r#"[{"metricType":4,"triggerCount":0.5,"strategy":1},{"metricType":1,"triggerCount":40}]"#).unwrap();
        assert_eq!(go, [SystemRule(vec![(Metric::Cpu { bbr: true }, 0.5)]), SystemRule(vec![(Metric::Rt, 40.0)])]);
        for (text, why) in [
            (r#"[{"qps":-1}]"#, "bounds nothing"),
            (r#"[{"highestCpuUsage":80}]"#, "from 0 to 1"),
            (r#"[{"metricType":5,"triggerCount":1}]"#, "from 0 to 4"),
            (r#"[{"metricType":3}]"#, "`triggerCount` is missing"),
            (r#"[{"maxThreads":3}]"#, "did you mean `maxThread`?"),
        ] {
            assert!(all(text).unwrap_err().contains(why), "{text}");
        }
    }
}
