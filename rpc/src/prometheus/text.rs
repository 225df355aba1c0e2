//! The text exposition format, version 0.0.4, of what was recorded. Pure.

use super::families::{Families, Kind, Labels, Series};
use std::{fmt::Write, sync::atomic::Ordering::Relaxed};

/// The whole text.
pub(super) fn text(families: &Families) -> String {
    let mut out = String::new();
    for (name, help, family) in families.iter() {
        if let Some(help) = help {
            // Writing to a text does not fail.
            let _ = writeln!(out, "# HELP {name} {}", help.replace('\\', "\\\\").replace('\n', "\\n"));
        }
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(out, "# TYPE {name} {kind}");
        let overflow: Labels = vec![("overflow".to_owned(), "true".to_owned())];
        let rest = family.overflow.iter().map(|series| (&overflow, series));
        family.series.iter().chain(rest).for_each(|(labels, series)| write(&mut out, name, labels, series));
    }
    out
}

fn write(out: &mut String, name: &str, labels: &Labels, series: &Series) {
    let mut line = |name: &str, more: Option<(&str, &str)>, value: &str| {
        out.push_str(name);
        let mut before = '{';
        let said = labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        for (key, value) in said.chain(more) {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(out, "{before}{key}=\"{value}\"");
            before = ',';
        }
        let _ = writeln!(out, "{} {value}", if before == ',' { "}" } else { "" });
    };
    match series {
        Series::Counter(count) => line(name, None, &count.load(Relaxed).to_string()),
        Series::Gauge(value) => line(name, None, &number(f64::from_bits(value.load(Relaxed)))),
        Series::Histogram(histogram) => {
            let mut all = 0;
            for (bound, count) in histogram.cumulated() {
                line(&format!("{name}_bucket"), Some(("le", &number(bound))), &count.to_string());
                all = count;
            }
            line(&format!("{name}_sum"), None, &number(histogram.sum()));
            line(&format!("{name}_count"), None, &all.to_string());
        }
    }
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value if value.is_nan() => "NaN".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::{Key, Label};

    #[test]
    fn values_are_escaped_and_numbers_spelt_as_prometheus_does() {
        let mut families = Families::default();
        let key = Key::from_parts("a", vec![Label::new("l", "\"\\\n")]);
        families.series(&key, Kind::Counter, || Series::new(Kind::Counter, || [].into()));
        assert_eq!(text(&families), "# TYPE a counter\na{l=\"\\\"\\\\\\n\"} 0\n");
        let spelt = [1.0, 0.0005, f64::INFINITY, f64::NEG_INFINITY, f64::NAN].map(number);
        assert_eq!(spelt, ["1", "0.0005", "+Inf", "-Inf", "NaN"]);
    }
}
