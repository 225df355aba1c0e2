//! The table, and the line of JSON.

use crate::{
    args::Ask,
    peers::{Figures, Peer},
};
use serde_json::{Value, json};
use testbed::stats::{median, ratio};

/// A row of a peer: what was measured in each round.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) peer: Peer,
    pub(crate) connections: usize,
    pub(crate) rounds: Vec<Figures>,
}

/// What is one number.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Alone {
    /// Nanoseconds in which one of ten thousand routes is found.
    pub(crate) route_match_ns: Option<f64>,
    /// What a decision by 50 rules costs beside their expressions alone.
    pub(crate) cel_50_rules_ratio: Option<f64>,
    /// The p50 of JSON less that of gRPC, both with one request under way, through the same gateway.
    pub(crate) transcode_added_p50_us: Option<f64>,
}

/// What a row asks.
pub(crate) fn what(ask: Ask) -> &'static str {
    match ask {
        Ask::Http1 => "http1_proxy",
        Ask::Grpc => "grpc_pass",
        Ask::Json => "json",
    }
}

impl Row {
    fn mid(&self, of: fn(&Figures) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }

    /// CPU beside nginx in the same rounds.
    fn to_nginx(&self, all: &[Row]) -> f64 {
        let nginx = all.iter().find(|row| row.what == self.what && row.peer == Peer::Nginx);
        nginx.map_or(f64::NAN, |nginx| ratio(&self.rounds, &nginx.rounds, |figures| figures.cpu_us))
    }
}

pub(crate) fn table(rows: &[Row], alone: &Alone) -> String {
    let mut text = format!(
        "\n{:<12} {:<9} {:>11} {:>9} {:>9} {:>9} {:>9}  {}\n",
        "what", "peer", "requests/s", "p50 µs", "p99 µs", "CPU µs", "×nginx", "filters"
    );
    for row in rows {
        text += &format!(
            "{:<12} {:<9} {:>11.0} {:>9.1} {:>9.1} {:>9.2} {:>9.3}  {}\n",
            row.what,
            row.peer.name(),
            row.mid(|f| f.requests_per_s),
            row.mid(|f| f.p50_us),
            row.mid(|f| f.p99_us),
            row.mid(|f| f.cpu_us),
            row.to_nginx(rows),
            row.peer.filters().join(", ")
        );
    }
    if let Some(ns) = alone.route_match_ns {
        text += &format!("one of 10 000 routes is found in {ns:.0} ns\n");
    }
    if let Some(ratio) = alone.cel_50_rules_ratio {
        text += &format!("50 rules in CEL cost {ratio:.2} of their expressions alone\n");
    }
    if let Some(us) = alone.transcode_added_p50_us {
        text += &format!("JSON adds {us:.1} µs to the p50 of gRPC, one request under way\n");
    }
    text + "CPU is that of the proxy's process for each request; ×nginx is the median of the rounds' ratios\n"
}

pub(crate) fn json(rows: &[Row], alone: &Alone) -> Value {
    let row = |row: &Row| {
        json!({
            "what": row.what, "peer": row.peer.name(), "filters": row.peer.filters(), "connections": row.connections,
            "requests_per_s": rounded(row.mid(|f| f.requests_per_s), 1.0), "p50_us": rounded(row.mid(|f| f.p50_us), 10.0),
            "p99_us": rounded(row.mid(|f| f.p99_us), 10.0), "cpu_us_per_request": rounded(row.mid(|f| f.cpu_us), 100.0),
            "cpu_ratio_to_nginx": rounded(row.to_nginx(rows), 1000.0),
        })
    };
    json!({
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
        "route_match_ns": rounded(alone.route_match_ns.unwrap_or(f64::NAN), 1.0),
        "cel_50_rules_ratio": rounded(alone.cel_50_rules_ratio.unwrap_or(f64::NAN), 1000.0),
        "transcode_added_p50_us": rounded(alone.transcode_added_p50_us.unwrap_or(f64::NAN), 10.0),
    })
}

/// A number with so many parts of one; what is none becomes null.
fn rounded(value: f64, parts: f64) -> Value {
    if value.is_finite() { json!((value * parts).round() / parts) } else { Value::Null }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_to_nginx_in_the_same_round() {
        let figures = |cpu_us| Figures { requests_per_s: 1.0, p50_us: 2.0, p99_us: 3.0, cpu_us };
        let row = |peer, rounds| Row { what: "http1_proxy", peer, connections: 32, rounds };
        let rows = [
            row(Peer::Nginx, vec![figures(10.0), figures(100.0), figures(10.0)]),
            row(Peer::Mainstay(&["flow"]), vec![figures(15.0), figures(150.0), figures(20.0)]),
        ];
        let alone = Alone { route_match_ns: Some(250.4), ..Alone::default() };
        let json = json(&rows, &alone);
        assert_eq!(
            (&json["rows"][1]["cpu_ratio_to_nginx"], &json["rows"][1]["filters"][0]),
            (&json!(1.5), &json!("flow"))
        );
        assert_eq!((&json["route_match_ns"], &json["transcode_added_p50_us"]), (&json!(250.0), &Value::Null));
        assert!(table(&rows, &alone).contains("250 ns"));
    }
}
