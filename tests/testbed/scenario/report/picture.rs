//! A scenario over time: calls of each tenth of a second, those that failed on top of them, the time that 99 of a hundred
//! did not exceed, and faults as bands behind both.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::series::{SLICE, Series, Slice};
use super::html::escaped;
use super::{spoken, words};
use crate::scenario::Record;

/// Units of the picture, whatever its size on the screen.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 60.0;
const CALLS: f64 = 90.0;
const TIMES: f64 = 70.0;
const GAP: f64 = 14.0;
const FOOT: f64 = 22.0;

/// The picture.
pub(super) fn svg(record: &Record) -> String {
    let slices = together(&record.series);
    let scale = Scale::of(record, &slices);
    let height = CALLS + GAP + TIMES + FOOT;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\" font-size=\"11\">\n",
        escaped(&words(&record.name))
    );
    bands(&mut svg, record, &scale);
    bars(&mut svg, &slices, &scale);
    times(&mut svg, &slices, &scale);
    axis(&mut svg, &scale, height);
    svg + "</svg>\n"
}

/// Calls of all kinds, of each tenth of a second; the slowest kind says how long they took.
fn together(series: &[Series]) -> Vec<Slice> {
    let count = series.iter().map(|one| one.slices.len()).max().unwrap_or(0);
    let at = |n: usize| {
        let some = series.iter().filter_map(|one| one.slices.get(n));
        some.fold(Slice::default(), |all, one| Slice {
            fine: all.fine + one.fine,
            failed: all.failed + one.failed,
            p99: all.p99.max(one.p99),
        })
    };
    (0..count).map(at).collect()
}

struct Scale {
    end: Duration,
    most_calls: u64,
    longest: Duration,
}

impl Scale {
    fn of(record: &Record, slices: &[Slice]) -> Scale {
        let shown = SLICE * u32::try_from(slices.len()).unwrap_or(u32::MAX);
        let faults = record.faults.iter().map(|fault| fault.to).max().unwrap_or_default();
        Scale {
            end: shown.max(faults).max(SLICE),
            most_calls: slices.iter().map(|slice| slice.fine + slice.failed).max().unwrap_or(0).max(1),
            longest: slices.iter().map(|slice| slice.p99).max().unwrap_or_default().max(Duration::from_millis(1)),
        }
    }

    fn x(&self, at: Duration) -> f64 {
        LEFT + (WIDTH - LEFT) * at.as_secs_f64().min(self.end.as_secs_f64()) / self.end.as_secs_f64()
    }

    fn calls(&self, count: u64) -> f64 {
        CALLS * count as f64 / self.most_calls as f64
    }

    /// Times are on a scale by powers of ten, from a tenth of a millisecond on: a healthy call and one that hung are both
    /// to be seen.
    fn y(&self, time: Duration) -> f64 {
        let log = |time: Duration| (time.as_secs_f64() * 1e4).max(1.0).log10();
        CALLS + GAP + TIMES * (1.0 - log(time) / log(self.longest).max(1.0))
    }
}

fn bands(svg: &mut String, record: &Record, scale: &Scale) {
    for (n, fault) in record.faults.iter().enumerate() {
        let (from, to) = (scale.x(fault.from), scale.x(fault.to));
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"0\" width=\"{:.1}\" height=\"{}\" fill=\"#f6d9b8\" fill-opacity=\".6\"/>\
             <text x=\"{:.1}\" y=\"{}\" fill=\"#8a4b08\">{}</text>",
            (to - from).max(1.5),
            CALLS + GAP + TIMES,
            from + 3.0,
            11 + 12 * (n % 5),
            escaped(&fault.what)
        );
    }
}

fn bars(svg: &mut String, slices: &[Slice], scale: &Scale) {
    for (slice, at) in slices.iter().zip(0..) {
        let (x, end) = (scale.x(SLICE * at), scale.x(SLICE * (at + 1)));
        let (fine, failed) = (scale.calls(slice.fine), scale.calls(slice.failed));
        let mut bar = |top: f64, height: f64, colour: &str| {
            if height > 0.0 {
                let width = (end - x - 0.4).max(0.4);
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
                );
            }
        };
        bar(CALLS - fine, fine, "#7fb69b");
        // One failure is to be seen among many calls.
        let failed = if failed > 0.0 { failed.max(3.0) } else { 0.0 };
        bar((CALLS - fine - failed).max(0.0), failed, "#c22f2f");
    }
    let _ = writeln!(
        svg,
        "<text x=\"0\" y=\"11\" fill=\"#67707c\">{}/s</text><line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{CALLS}\" y2=\"{CALLS}\" stroke=\"#c5cbd3\"/>",
        scale.most_calls * 10
    );
}

fn times(svg: &mut String, slices: &[Slice], scale: &Scale) {
    let with_calls = slices.iter().zip(0..).filter(|(slice, _)| slice.fine + slice.failed > 0);
    let points: Vec<String> = with_calls
        .map(|(slice, at)| format!("{:.1},{:.1}", scale.x(SLICE * at + SLICE / 2), scale.y(slice.p99)))
        .collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#2f6fb3\" stroke-width=\"1.2\"/>\
         <text x=\"0\" y=\"{}\" fill=\"#2f6fb3\">p99 {}</text>",
        points.join(" "),
        CALLS + GAP + 8.0,
        spoken(scale.longest)
    );
}

fn axis(svg: &mut String, scale: &Scale, height: f64) {
    let seconds = scale.end.as_secs_f64();
    let step = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0].into_iter().find(|step| seconds / step <= 12.0).unwrap_or(60.0);
    let mut at = 0.0;
    while at <= seconds {
        let x = scale.x(Duration::from_secs_f64(at));
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"#67707c\" text-anchor=\"middle\">{at} s</text>",
            height - 6.0
        );
        at += step;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    #[test]
    fn failures_and_faults_are_to_be_seen() {
        let svg = svg(&record("a_kill", 1));
        assert_eq!(svg.matches("fill=\"#c22f2f\"").count(), 1);
        assert_eq!(svg.matches("fill=\"#f6d9b8\"").count(), 1);
        assert_eq!(svg.matches("fill=\"#7fb69b\"").count(), 10);
        assert!(svg.contains(">kill</text>") && svg.contains("1000/s"), "{svg}");
    }

    #[test]
    fn a_scenario_without_calls_has_a_picture_too() {
        let svg = svg(&Record { series: Vec::new(), ..record("a_kill", 0) });
        assert!(svg.contains(">kill</text>") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn longer_times_are_higher_up() {
        let record = record("a_kill", 0);
        let slices = [Slice { fine: 1, failed: 0, p99: Duration::from_secs(1) }];
        let scale = Scale::of(&record, &slices);
        let y = [1000, 100, 1, 0].map(|ms| scale.y(Duration::from_millis(ms)));
        assert!(y.is_sorted() && y[0] == CALLS + GAP && y[3] == CALLS + GAP + TIMES, "{y:?}");
    }
}
