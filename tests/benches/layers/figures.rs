//! The table, and the line of JSON.

use crate::{SIZES, stack::Stacks};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What was measured. What was not asked for is not there.
pub(crate) struct Figures {
    pub(crate) stacks: Option<Stacks>,
    pub(crate) layers: Vec<(&'static str, f64)>,
    pub(crate) picks: Option<Picks>,
    /// What a client grows by that knows 10 000 instances, in megabytes.
    pub(crate) known_mb: Option<f64>,
}

/// What directories of many instances cost.
pub(crate) struct Picks {
    /// By balancer, then by size.
    pub(crate) by: Vec<(&'static str, [f64; SIZES.len()])>,
    /// By p2c under a canary.
    pub(crate) ruled: [f64; SIZES.len()],
    pub(crate) update_us: f64,
}

impl Figures {
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let mut line = |what: &str, value: f64, unit| {
            let _ = writeln!(text, "{what:<44} {value:>9.0} {unit}");
        };
        if let Some(stacks) = &self.stacks {
            line("a call on bare connections, over memory", stacks.bare, "ns");
            line("the full stack adds", stacks.full, "ns");
            line("the full stack without a rule adds", stacks.unruled, "ns");
            line("the default stack, without limits, adds", stacks.default, "ns");
            line("the same with nobody's health watched", stacks.unwatched, "ns");
            line("no stack, but a deadline on the wire, adds", stacks.told, "ns");
        }
        self.layers.iter().for_each(|(what, ns)| line(&format!("  alone: {what}"), *ns, "ns"));
        if let Some(picks) = &self.picks {
            for (balancer, picks) in &picks.by {
                let cells = SIZES.iter().zip(picks);
                cells.for_each(|(size, ns)| line(&format!("a pick of {size} by {balancer}"), *ns, "ns"));
            }
            let cells = SIZES.iter().zip(&picks.ruled);
            cells.for_each(|(size, ns)| line(&format!("a pick of {size} by p2c under a canary"), *ns, "ns"));
            line("one of 10 000 instances changes", picks.update_us, "µs");
        }
        if let Some(known_mb) = self.known_mb {
            line("10 000 instances are known, none is called", known_mb, "MB");
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let round = |value: f64| (value * 10.0).round() / 10.0;
        let of_stacks = |value: fn(&Stacks) -> f64| self.stacks.as_ref().map(|stacks| round(value(stacks)));
        let layers = self.layers.iter().map(|(what, ns)| json!({"what": what, "ns": round(*ns)}));
        let cells = |picks: &[f64]| -> Value {
            SIZES.iter().zip(picks).map(|(size, ns)| (size.to_string(), json!(round(*ns)))).collect()
        };
        let picks = self.picks.as_ref();
        let by: Option<Value> =
            picks.map(|picks| picks.by.iter().map(|(name, ns)| ((*name).to_owned(), cells(ns))).collect());
        json!({
            "full_stack_ns": of_stacks(|stacks| stacks.full),
            "unruled_stack_ns": of_stacks(|stacks| stacks.unruled),
            "default_stack_ns": of_stacks(|stacks| stacks.default),
            "unwatched_stack_ns": of_stacks(|stacks| stacks.unwatched),
            "deadline_on_the_wire_ns": of_stacks(|stacks| stacks.told),
            "bare_ns": of_stacks(|stacks| stacks.bare),
            "layers": layers.collect::<Vec<_>>(),
            "update_one_of_10000_us": picks.map(|picks| round(picks.update_us)),
            "pick_ns": picks.and_then(|picks| picks.by.first()).map(|(_, ns)| cells(ns)),
            "pick_ns_by_balancer": by,
            "pick_ns_under_a_canary": picks.map(|picks| cells(&picks.ruled)),
            "known_10000_mb": self.known_mb.map(round),
        })
    }
}
