//! Entries as JSON: on disk, and on the page of operators. Pure.

use super::{
    Subject,
    lists::{Entry, Lists, Name},
};
use mainstay::access::rfc3339;
use serde_json::{Value, json};
use std::time::Duration;

/// Entries as they lie on disk.
pub(super) fn write(lists: &Lists) -> String {
    let entry = |((list, subject), entry): ((Name, &Subject), &Entry)| {
        let (by, at) = entry.by.as_ref().map(|(by, at)| (by, at.as_secs())).unzip();
        json!({
            "list": list.as_str(), "kind": subject.kind(), "value": subject.value(), "until": entry.until.map(|until| until.as_secs()),
            "reason": entry.reason, "by": by, "at": at,
        })
    };
    let all: Vec<_> = lists.all().into_iter().map(entry).collect();
    format!("{:#}\n", json!({ "entries": all }))
}

/// Reads them.
///
/// # Errors
/// What is there instead.
pub(super) fn read(text: &str) -> Result<Lists, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let all = value["entries"].as_array().ok_or("there are no `entries`")?;
    let mut lists = Lists::default();
    for (at, one) in all.iter().enumerate() {
        let wrong = |why: String| format!("entry {at}: {why}");
        let text = |key: &str| one[key].as_str().unwrap_or_default();
        let list = Name::parse(text("list")).ok_or_else(|| wrong(format!("`{}` is no list", text("list"))))?;
        let subject = Subject::parse(text("kind"), text("value")).map_err(wrong)?;
        let seconds = |key: &str| one[key].as_u64().map(Duration::from_secs);
        let by = one["by"].as_str().map(|by| (by.to_owned(), seconds("at").unwrap_or_default()));
        lists.put(
            list,
            subject,
            Entry { until: seconds("until"), reason: one["reason"].as_str().map(str::to_owned), by },
        );
    }
    Ok(lists)
}

/// Entries that are not over, for people.
pub(super) fn page(file: &Lists, written: &Lists, now: Duration) -> Value {
    let list = |name: Name| {
        let all = [file, written].into_iter().flat_map(|lists| lists.all());
        let shown = all.filter(|((list, _), entry)| *list == name && entry.counts(now));
        let one = |((_, subject), entry): ((Name, &Subject), &Entry)| {
            let (by, at) = entry.by.as_ref().map(|(by, at)| (by.as_str(), rfc3339(*at))).unzip();
            json!({
                "kind": subject.kind(), "value": subject.value(), "until": entry.until.map(rfc3339), "reason": entry.reason,
                "by": by.unwrap_or("file"), "at": at,
            })
        };
        shown.map(one).collect::<Value>()
    };
    Name::ALL.into_iter().map(|name| (name.as_str().to_owned(), list(name))).collect::<serde_json::Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut lists = Lists::default();
        let entry =
            Entry { until: None, reason: Some("SPAM".into()), by: Some(("ann".into(), Duration::from_secs(7))) };
        lists.put(Name::Deny, Subject::parse("cidr", "10.0.0.0/8").unwrap(), entry.clone());
        let over = Entry { until: Some(Duration::from_secs(5)), ..entry };
        lists.put(Name::Gray, Subject::Account("joe \"x\"".into()), over);
        let again = read(&write(&lists)).unwrap();
        assert_eq!(again.all(), lists.all());
        for text in ["", "{}", r#"{"entries":[{"list":"deny","kind":"ip","value":"x"}]}"#, r#"{"entries":[{}]}"#] {
            assert!(read(text).is_err(), "{text}");
        }
        let page = page(&Lists::default(), &lists, Duration::from_secs(5));
        assert_eq!((&page["deny"][0]["by"], page["gray"].as_array().map(Vec::len)), (&"ann".into(), Some(0)));
    }
}
