//! The table, and the line of JSON.

use crate::{SIZES, stack::Stacks};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What was measured.
pub(crate) struct Figures {
    pub(crate) stacks: Stacks,
    pub(crate) layers: Vec<(&'static str, f64)>,
    /// By balancer, then by size.
    pub(crate) picks: Vec<(&'static str, [f64; SIZES.len()])>,
    pub(crate) update_us: f64,
}

impl Figures {
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let mut line = |what: &str, value: f64, unit| {
            let _ = writeln!(text, "{what:<44} {value:>9.0} {unit}");
        };
        line("a call on bare connections, over memory", self.stacks.bare, "ns");
        line("the full stack adds", self.stacks.full, "ns");
        line("the default stack, without limits, adds", self.stacks.default, "ns");
        line("the same with nobody's health watched", self.stacks.unwatched, "ns");
        self.layers.iter().for_each(|(what, ns)| line(&format!("  alone: {what}"), *ns, "ns"));
        for (balancer, picks) in &self.picks {
            let cells = SIZES.iter().zip(picks);
            cells.for_each(|(size, ns)| line(&format!("a pick of {size} by {balancer}"), *ns, "ns"));
        }
        line("one of 10 000 instances changes", self.update_us, "µs");
        text
    }

    pub(crate) fn json(&self) -> Value {
        let round = |value: f64| (value * 10.0).round() / 10.0;
        let layers = self.layers.iter().map(|(what, ns)| json!({"what": what, "ns": round(*ns)}));
        let picks = |picks: &[f64]| -> Value {
            SIZES.iter().zip(picks).map(|(size, ns)| (size.to_string(), json!(round(*ns)))).collect()
        };
        let by: Value = self.picks.iter().map(|(name, ns)| ((*name).to_owned(), picks(ns))).collect();
        json!({
            "full_stack_ns": round(self.stacks.full),
            "default_stack_ns": round(self.stacks.default),
            "unwatched_stack_ns": round(self.stacks.unwatched),
            "bare_ns": round(self.stacks.bare),
            "layers": layers.collect::<Vec<_>>(),
            "update_one_of_10000_us": round(self.update_us),
            "pick_ns": self.picks.first().map(|(_, ns)| picks(ns)),
            "pick_ns_by_balancer": by,
        })
    }
}
