//! The table.

use serde_json::Value;

/// The columns: what stands above, the name in the JSON, and how wide.
const COLUMNS: [(&str, &str, usize); 9] = [
    ("registry", "registry", 10),
    ("instances", "instances", 10),
    ("first list ms", "first_list_ms", 14),
    ("its CPU ms", "first_list_cpu_ms", 11),
    ("push p50 ms", "push_p50_ms", 12),
    ("push p99 ms", "push_p99_ms", 12),
    ("CPU µs a change", "cpu_per_change_us", 16),
    ("idle CPU %", "idle_cpu_percent", 11),
    ("heard", "heard", 8),
];

pub(crate) fn head() -> String {
    COLUMNS.iter().map(|(name, _, width)| format!("{name:>width$}")).collect::<String>() + "\n"
}

pub(crate) fn line(row: &Value) -> String {
    let cell = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    COLUMNS.iter().map(|(_, key, width)| format!("{:>width$}", cell(&row[*key]))).collect::<String>() + "\n"
}
