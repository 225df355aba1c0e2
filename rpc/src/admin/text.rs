//! A document as people read it: names and values in columns, lists of like things as tables. Pure.

use serde_json::{Map, Value};
use std::fmt::Write;

/// The whole document.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 0);
    out
}

fn write(out: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => pairs(out, map, depth),
        Value::Array(all) if all.is_empty() => drop(writeln!(out, "{indent}none")),
        Value::Array(all) if all.iter().all(is_flat) => table(out, all, &indent),
        Value::Array(all) => {
            for (index, one) in all.iter().enumerate() {
                if index > 0 && !is_scalar(one) {
                    out.push('\n');
                }
                write(out, one, depth);
            }
        }
        scalar => drop(writeln!(out, "{indent}{}", word(scalar))),
    }
}

fn pairs(out: &mut String, map: &Map<String, Value>, depth: usize) {
    let indent = "  ".repeat(depth);
    let width = map.iter().filter(|(_, value)| is_scalar(value)).map(|(key, _)| key.len()).max().unwrap_or(0);
    for (key, value) in map {
        if is_scalar(value) {
            let _ = writeln!(out, "{indent}{key:<width$}  {}", word(value));
        } else {
            let _ = writeln!(out, "{indent}{key}");
            write(out, value, depth + 1);
        }
    }
}

/// Objects of scalars, a row each under the names of all their keys.
fn table(out: &mut String, all: &[Value], indent: &str) {
    let mut columns: Vec<&String> = Vec::new();
    for key in all.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !columns.contains(&key) {
            columns.push(key);
        }
    }
    let cell = |row: &Value, column: &str| row.get(column).map(word).unwrap_or_default();
    let head = columns.iter().map(|column| (*column).clone()).collect();
    let rows = all.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect());
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(out, "{indent}{}", line.trim_end());
    }
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

fn is_flat(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.values().all(is_scalar))
}

/// A scalar without quotes; what is not there is a dash.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.replace(char::is_control, " "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_are_tables_and_the_rest_is_pairs() {
        let document = json!({
            "application": "site",
            "ready": true,
            "clients": [
                { "service": "a.B", "instances": [{ "at": "h:1", "calls": 2 }, { "at": "h:22", "why": "NO\nWAY" }] },
                { "service": "a.C", "instances": [] },
            ],
            "services": ["a.B", "a.C"],
        });
        assert_eq!(
            text(&document),
            "application  site\nclients\n  instances\n    at    calls  why\n    h:1   2\n    h:22         NO WAY\n  \
             service  a.B\n\n  instances\n    none\n  service  a.C\nready        true\nservices\n  a.B\n  a.C\n"
        );
    }
}
