//! The table, and the line of JSON.

use serde_json::{Value, json};
use testbed::stats::median;

use crate::Measured;
use crate::rows::{ROWS, Row};
use crate::run::Figures;

/// A row: medians of its runs, and the most that was ever lost.
#[derive(Debug)]
pub(crate) struct Line {
    row: Row,
    runs: usize,
    middle: Figures,
    most: Figures,
}

pub(crate) fn lines(measured: &Measured) -> Vec<Line> {
    let line = |(&r, runs): (&usize, &Vec<Figures>)| {
        let mid = |of: fn(&Figures) -> f64| median(runs.iter().map(of));
        let max = |of: fn(&Figures) -> f64| runs.iter().map(of).fold(0.0, f64::max);
        Line { row: ROWS[r], runs: runs.len(), middle: each(mid), most: each(max) }
    };
    measured.iter().map(line).collect()
}

fn each(of: impl Fn(fn(&Figures) -> f64) -> f64) -> Figures {
    Figures {
        first_write_ms: of(|f| f.first_write_ms),
        gap_ms: of(|f| f.gap_ms),
        agree_ms: of(|f| f.agree_ms),
        lost: of(|f| f.lost),
        acked_after_promotion: of(|f| f.acked_after_promotion),
        lost_confirmed: of(|f| f.lost_confirmed),
    }
}

/// One run, while it is waited for.
pub(crate) fn figures(f: &Figures) -> String {
    format!(
        "first write {:.0} ms, gap {:.1} ms, agreed {:.0} ms later, lost {}, acknowledged after the promotion {}, confirmed and lost {}",
        f.first_write_ms, f.gap_ms, f.agree_ms, f.lost, f.acked_after_promotion, f.lost_confirmed
    )
}

pub(crate) fn table(lines: &[Line]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n{:<14} {:<10} {:>6} {:<9} {:>4} {:>9} {:>9} {:>8} {:>14} {:>14} {:>12}\n",
        "who",
        "scenario",
        "down",
        "fencing",
        "runs",
        "write ms",
        "gap ms",
        "agree ms",
        "lost",
        "acked after",
        "WAIT lost"
    );
    for l in lines {
        let pair = |of: fn(&Figures) -> f64| format!("{} ({})", of(&l.middle), of(&l.most));
        text += &format!(
            "{:<14} {:<10} {:>6} {:<9} {:>4} {:>9.0} {:>9.1} {:>8.0} {:>14} {:>14} {:>12}\n",
            l.row.who.name(),
            l.row.scenario.name(),
            l.row.down_after_ms,
            l.row.fencing.name(),
            l.runs,
            l.middle.first_write_ms,
            l.middle.gap_ms,
            l.middle.agree_ms,
            pair(|f| f.lost),
            pair(|f| f.acked_after_promotion),
            pair(|f| f.lost_confirmed)
        );
    }
    text + "medians, and in brackets the most of any run; two clients of one write a millisecond each stay with the old master\n"
}

pub(crate) fn json(lines: &[Line], more: Vec<Value>) -> Value {
    let row = |l: &Line| {
        json!({
            "what": l.row.who.name(), "scenario": l.row.scenario.name(), "down_after_ms": l.row.down_after_ms,
            "fencing": l.row.fencing.name(), "runs": l.runs, "first_write_ms": rounded(l.middle.first_write_ms),
            "gap_ms": rounded(l.middle.gap_ms), "agree_ms": rounded(l.middle.agree_ms), "lost": l.middle.lost,
            "acked_after_promotion": l.middle.acked_after_promotion, "lost_confirmed": l.middle.lost_confirmed,
            "first_write_ms_max": rounded(l.most.first_write_ms), "gap_ms_max": rounded(l.most.gap_ms),
            "agree_ms_max": rounded(l.most.agree_ms), "lost_max": l.most.lost,
            "acked_after_promotion_max": l.most.acked_after_promotion, "lost_confirmed_max": l.most.lost_confirmed,
        })
    };
    json!({ "rows": lines.iter().map(row).chain(more).collect::<Vec<_>>() })
}

/// To tenths.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first_write_ms: f64, lost: f64) -> Figures {
        Figures { first_write_ms, lost, gap_ms: 0.0, agree_ms: 0.0, acked_after_promotion: 0.0, lost_confirmed: 0.0 }
    }

    #[test]
    fn the_middle_and_the_most_of_a_row() {
        let measured = Measured::from([(1, vec![run(1_000.0, 0.0), run(1_200.04, 9.0), run(1_100.0, 0.0)])]);
        let lines = lines(&measured);
        let json = json(&lines, Vec::new());
        let row = &json["rows"][0];
        assert_eq!((&row["what"], &row["scenario"], &row["runs"]), (&"mainstay".into(), &"kill".into(), &3.into()));
        assert_eq!((&row["first_write_ms"], &row["first_write_ms_max"]), (&1100.0.into(), &1200.0.into()));
        assert_eq!((&row["lost"], &row["lost_max"]), (&0.0.into(), &9.0.into()));
        assert!(table(&lines).contains("0 (9)"));
    }
}
