//! How things are shown: tables, ages, addresses. Pure.

use std::time::Duration;

use mainstay_registry::Instance;

/// Rows in columns, under a head, each indented. Columns in which no row has anything are left out. What comes from peers
/// may hold anything: control characters are shown as dots, so that nobody writes on the reader's terminal.
pub(crate) fn table(indent: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let cell = |row: &[String], column: usize| row.get(column).map(|text| clean(text)).unwrap_or_default();
    let used: Vec<usize> =
        (0..head.len()).filter(|&column| rows.iter().any(|row| !cell(row, column).is_empty())).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| cell(row, column).chars().count());
        cells.max().unwrap_or(0).max(head[column].chars().count())
    };
    let widths: Vec<usize> = used.iter().map(|&column| width(column)).collect();
    let line = |cells: Vec<String>| {
        let padded = cells.into_iter().zip(&widths).map(|(text, width)| format!("{text:<width$}", width = *width));
        format!("{indent}{}", padded.collect::<Vec<_>>().join("  ")).trim_end().to_owned() + "\n"
    };
    let mut text = line(used.iter().map(|&column| head[column].to_owned()).collect());
    text.extend(rows.iter().map(|row| line(used.iter().map(|&column| cell(row, column)).collect())));
    text
}

/// A text of a peer as it may be shown.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}

/// A time as people say it: `12 s`, `3 min`, `5 h`, `2 d`.
pub(crate) fn age(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// How long an instance has served, at `now` (milliseconds since the Unix epoch); `None` when it does not say. One that began
/// in the future, by its clock, began now.
pub(crate) fn served(instance: &Instance, now: u64) -> Option<Duration> {
    (instance.started_at > 0).then(|| Duration::from_millis(now.saturating_sub(instance.started_at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_nobody_fills_are_left_out_and_nobody_writes_on_the_terminal() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["a", "", "x\u{1b}[31m"]), row(["long", "", ""])];
        assert_eq!(table("  ", &["ONE", "TWO", "THREE"], &rows), "  ONE   THREE\n  a     x·[31m\n  long\n");
    }

    #[test]
    fn ages_are_rough() {
        for (seconds, text) in [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
        let mut instance = Instance::new("a", "h", 1);
        instance.started_at = 1000;
        assert_eq!(served(&instance, 5000), Some(Duration::from_secs(4)));
        assert_eq!(served(&instance, 500), Some(Duration::ZERO));
        instance.started_at = 0;
        assert_eq!(served(&instance, 500), None);
    }
}
