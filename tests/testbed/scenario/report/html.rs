//! The page: for each scenario what was done, a picture over time, and what was looked at.

use std::fmt::Write as _;

use super::{Versions, nines, picture, spoken, sum, words};
use crate::scenario::Record;

const STYLE: &str = "
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1000px; padding: 0 1em; color: #1d2733; }
h1 { font-size: 1.5em; } h2 { font-size: 1.1em; margin: 2.2em 0 .2em; }
p { margin: .3em 0; } small, .dim { color: #67707c; }
table { border-collapse: collapse; } td, th { padding: .15em .8em .15em 0; text-align: left; vertical-align: top; }
.good { color: #1a7f4b; } .bad { color: #c22f2f; font-weight: 600; }
svg { display: block; width: 100%; height: auto; margin: .4em 0; }
";

/// The whole page.
pub(super) fn page(records: &[Record], versions: &Versions) -> String {
    let (calls, failed) = sum(records);
    let bad = records.iter().filter(|record| !record.problems().is_empty()).count();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>What was done, and what became of it</title>\n<style>{STYLE}</style>\n\
         <h1>What was done, and what became of it</h1>\n<p>{} scenarios, <span class=\"{}\">{bad} with problems</span>; \
         {calls} calls, {failed} failed: {}.</p>\n<table>",
        records.len(),
        class(bad == 0),
        nines(calls, failed)
    );
    for record in records {
        let (calls, failed) = record.calls();
        let _ = write!(
            page,
            "<tr><td><a class=\"{}\" href=\"#{2}\">{}</a><td>{calls} calls<td>{failed} failed",
            class(record.problems().is_empty()),
            escaped(&words(&record.name)),
            escaped(&record.name),
        );
    }
    page += "</table>\n";
    records.iter().for_each(|record| scenario(&mut page, record));
    page += "<h2>What was tested</h2>\n<table>";
    for (what, version) in versions {
        let _ = write!(page, "<tr><td>{}<td>{}", escaped(what), escaped(version));
    }
    page + "</table>\n</html>\n"
}

fn scenario(page: &mut String, record: &Record) {
    let (calls, failed) = record.calls();
    let _ = write!(
        page,
        "<h2 id=\"{}\">{}</h2>\n<p>{}</p>\n<p class=\"dim\">{calls} calls, {failed} failed: {}; last failure {}; \
         p99 {}; took {}; <code>MAINSTAY_SEED={}</code></p>\n",
        escaped(&record.name),
        escaped(&words(&record.name)),
        escaped(&record.about),
        nines(calls, failed),
        record.recovered().map_or("none".to_owned(), |time| format!("{} after the fault began", spoken(time))),
        record.p99().map_or("–".to_owned(), spoken),
        spoken(record.lasted),
        record.seed,
    );
    *page += &picture::svg(record);
    *page += "<table>";
    for fault in &record.faults {
        let _ = write!(
            page,
            "<tr><td class=\"{}\">fault<td>{}, for {}<td>met by {} {}",
            class(fault.met > 0),
            escaped(&fault.what),
            spoken(fault.to.saturating_sub(fault.from)),
            fault.met,
            escaped(&fault.unit)
        );
    }
    for check in &record.checks {
        let word = if check.holds() { "holds" } else { "fails" };
        let _ = write!(
            page,
            "<tr><td class=\"{}\">{word}<td colspan=\"2\">{}",
            class(check.holds()),
            escaped(&check.to_string())
        );
    }
    *page += "</table>\n";
    if record.broke_off {
        *page += "<p class=\"bad\">It broke off.</p>\n";
    }
}

fn class(good: bool) -> &'static str {
    if good { "good" } else { "bad" }
}

/// As text of the page.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    #[test]
    fn each_scenario_is_there_and_nothing_is_taken_for_markup() {
        let page = page(&[record("a_kill", 1), record("two_kills", 2)], &vec![("redis".into(), "<7>".into())]);
        assert_eq!(page.matches("<h2 id=").count(), 2);
        assert!(page.contains("one is &lt;killed>") && page.contains("&lt;7>"), "{page}");
        assert!(page.contains("<td class=\"bad\">fails<td colspan=\"2\">failed: 2 (at most 1)"), "{page}");
        assert!(page.contains("class=\"bad\">1 with problems"), "{page}");
    }
}
