//! The table, and the line of JSON.

use serde_json::{Value, json};
use testbed::stats::{median, ratio};

use crate::Measured;
use crate::peers::{CANDIDATES, Figures};
use crate::rows::Row;

/// A candidate in a row: medians of the rounds, and medians of the ratios to tonic of the rounds.
#[derive(Debug)]
pub(crate) struct Line {
    what: &'static str,
    row: Row,
    layers: Vec<String>,
    calls_per_s: f64,
    cpu_s_per_100k: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    ratio: f64,
    cpu_ratio: f64,
    p50_ratio: f64,
    p99_ratio: f64,
    p999_ratio: f64,
}

pub(crate) fn lines(rows: &[Row], measured: &Measured) -> Vec<Line> {
    let line = |(&(r, c), rounds): (&(usize, usize), &Vec<Figures>)| {
        let tonic = measured.get(&(r, 0)).map_or(&[][..], Vec::as_slice);
        let mid = |of: fn(&Figures) -> f64| median(rounds.iter().map(of));
        let to_tonic = |of: fn(&Figures) -> f64| ratio(rounds, tonic, of);
        Line {
            what: CANDIDATES[c].name,
            row: rows[r],
            layers: rounds.first().map(|f| f.layers.clone()).unwrap_or_default(),
            calls_per_s: mid(|f| f.calls_per_s),
            cpu_s_per_100k: mid(|f| f.cpu_s_per_100k),
            p50_us: mid(|f| f.p50_us),
            p99_us: mid(|f| f.p99_us),
            p999_us: mid(|f| f.p999_us),
            ratio: to_tonic(|f| f.calls_per_s),
            cpu_ratio: to_tonic(|f| f.cpu_s_per_100k),
            p50_ratio: to_tonic(|f| f.p50_us),
            p99_ratio: to_tonic(|f| f.p99_us),
            p999_ratio: to_tonic(|f| f.p999_us),
        }
    };
    measured.iter().map(line).collect()
}

pub(crate) fn table(lines: &[Line], rate: Option<f64>) -> String {
    let mut text = format!(
        "\n{:<18} {:<9} {:>10} {:>8} {:>8} {:>9} {:>8}   {:>6} {:>6} {:>6} {:>6} {:>6}\n",
        "row (bytes-flight)",
        "what",
        "calls/s",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "CPU/100k",
        "×calls",
        "×CPU",
        "×p50",
        "×p99",
        "×p99.9"
    );
    for l in lines {
        text += &format!(
            "{:<18} {:<9} {:>10.0} {:>8.1} {:>8.1} {:>9.1} {:>8.2}   {:>6.2} {:>6.2} {:>6.2} {:>6.2} {:>6.2}\n",
            l.row.label(),
            l.what,
            l.calls_per_s,
            l.p50_us,
            l.p99_us,
            l.p999_us,
            l.cpu_s_per_100k,
            l.ratio,
            l.cpu_ratio,
            l.p50_ratio,
            l.p99_ratio,
            l.p999_ratio
        );
    }
    if let Some(layers) = lines.iter().map(|l| &l.layers).find(|l| !l.is_empty()) {
        text += &format!("\nlayers of mainstay: {}\n", layers.join(", "));
    }
    if let Some(rate) = rate {
        text += &format!("the open loop ran at {rate:.0} calls/s, half of tonic's closed loop of 64 in flight\n");
    }
    text + "× is the median of the rounds' ratios to tonic; streams count messages and have no latency of calls\n"
}

pub(crate) fn json(lines: &[Line]) -> Value {
    let row = |l: &Line| {
        json!({
            "what": l.what, "kind": l.row.kind.name(), "bytes": l.row.bytes, "in_flight": l.row.in_flight,
            "connections": l.row.connections, "layers": l.layers, "calls_per_s": rounded(l.calls_per_s, 1.0),
            "p50_us": rounded(l.p50_us, 10.0), "p99_us": rounded(l.p99_us, 10.0), "p999_us": rounded(l.p999_us, 10.0),
            "cpu_s_per_100k": rounded(l.cpu_s_per_100k, 1000.0), "ratio_to_tonic": rounded(l.ratio, 1000.0),
            "cpu_ratio_to_tonic": rounded(l.cpu_ratio, 1000.0), "p50_ratio_to_tonic": rounded(l.p50_ratio, 1000.0),
            "p99_ratio_to_tonic": rounded(l.p99_ratio, 1000.0), "p999_ratio_to_tonic": rounded(l.p999_ratio, 1000.0),
        })
    };
    json!({ "rows": lines.iter().map(row).collect::<Vec<_>>() })
}

/// A number with so many parts of one; what is none (a stream's latency) becomes null.
fn rounded(value: f64, parts: f64) -> Value {
    if value.is_finite() { json!((value * parts).round() / parts) } else { Value::Null }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::ROWS;

    fn figures(calls_per_s: f64, cpu_s_per_100k: f64, p50_us: f64) -> Figures {
        Figures { calls_per_s, cpu_s_per_100k, p50_us, p99_us: 0.0, p999_us: 0.0, layers: vec!["trace".to_owned()] }
    }

    #[test]
    fn ratios_are_to_tonic_in_the_same_round() {
        let mut measured = Measured::new();
        measured.insert((0, 0), vec![figures(10.0, 4.0, 100.0), figures(100.0, 4.0, 50.0)]);
        measured.insert((0, 1), vec![figures(20.0, 1.0, 50.0), figures(200.0, 1.0, 25.0)]);
        let lines = lines(&ROWS[..1], &measured);
        let json = json(&lines);
        assert_eq!(json["rows"][1]["ratio_to_tonic"], 2.0);
        assert_eq!(json["rows"][1]["cpu_ratio_to_tonic"], 0.25);
        assert_eq!(json["rows"][1]["p50_ratio_to_tonic"], 0.5);
        assert_eq!(json["rows"][0]["ratio_to_tonic"], 1.0);
        assert!(json["rows"][0]["p99_ratio_to_tonic"].is_null());
        assert!(table(&lines, Some(5.0)).contains("layers of mainstay: trace"));
    }
}
