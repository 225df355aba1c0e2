//! Prometheus' text format, version 0.0.4, from the picture and the counters. Pure.

use std::fmt::Write;
use std::time::Duration;

use super::{Tally, Timing};
use crate::history::Outcome;
use crate::view::{InstanceView, MasterView, View};

/// A number of a master in the picture.
type Gauge = (&'static str, &'static str, fn(&MasterView) -> u64);

/// The numbers of each master: name, help, value.
const GAUGES: &[Gauge] = &[
    ("master_sdown", "Held for down here.", |m| u64::from(m.instance.down_since.is_some())),
    ("master_odown", "Held for down by a quorum.", |m| u64::from(m.instance.objectively_down_since.is_some())),
    ("failover_in_progress", "A failover is under way here.", |m| u64::from(m.instance.flags.failover_in_progress)),
    ("acting", "It fails over by itself: neither paused nor observe-only.", |m| {
        u64::from(m.paused.is_none() && !m.settings.observe_only)
    }),
    ("config_epoch", "The epoch of the master's address.", |m| m.config_epoch.0),
    ("quorum", "How many must hold the master for down.", |m| u64::from(m.settings.quorum)),
    ("quorum_reachable", "Quorum and majority can be reached.", |m| u64::from(reachable(m))),
    ("master_link_up", "The link to the master stands.", |m| u64::from(up(&m.instance))),
    ("replicas", "Known replicas.", |m| m.replicas.len() as u64),
    ("replica_links_up", "Links to replicas that stand.", |m| m.replicas.iter().filter(|r| up(r)).count() as u64),
    ("replicas_in_sync", "Replicas whose link to the master stands, by their own word.", |m| {
        m.replicas.iter().filter(|r| r.following().is_some_and(|f| f.link_up)).count() as u64
    }),
    ("peers", "Other sentinels that are known.", |m| m.sentinels.len() as u64),
    ("peer_links_up", "Links to other sentinels that stand.", |m| {
        m.sentinels.iter().filter(|p| up(&p.instance)).count() as u64
    }),
];

/// The whole text.
pub(super) fn text(view: &View, tally: &Tally, saves: &Timing, lag: &Timing) -> String {
    let mut out = Out::default();
    out.head("info", "gauge", "The program.");
    out.line("info", &[("id", view.me.as_str()), ("version", env!("CARGO_PKG_VERSION"))], "1");
    out.head("tilt", "gauge", "The loop stalled: no decisions for a while.");
    out.line("tilt", &[], if view.tilt_since.is_some() { "1" } else { "0" });
    out.head("current_epoch", "gauge", "The greatest epoch seen.");
    out.line("current_epoch", &[], &view.current_epoch.to_string());
    for (name, help, value) in GAUGES {
        out.head(name, "gauge", help);
        for master in view.masters.values() {
            out.line(name, &[("master", master.name.as_str())], &value(master).to_string());
        }
    }
    counters(&mut out, view, tally);
    out.timing("state_save", "Writing the durable state, until the disk has it", saves);
    out.timing("loop_lag", "How late the loop woke", lag);
    out.0
}

fn counters(out: &mut Out, view: &View, tally: &Tally) {
    out.head("events_total", "counter", "Events that are warnings, by name.");
    for ((master, event), count) in &tally.events {
        out.line("events_total", &[("master", master), ("event", event)], &count.to_string());
    }
    out.head("failovers_total", "counter", "Failovers that this sentinel began, by how they ended.");
    for master in view.masters.keys() {
        for outcome in Outcome::ALL {
            let count = tally.failovers.get(&(master.to_string(), outcome)).copied().unwrap_or(0);
            let labels = [("master", master.as_str()), ("result", outcome.name())];
            out.line("failovers_total", &labels, &count.to_string());
        }
    }
    out.head("last_failover_seconds", "gauge", "How long the last failover took that this sentinel led to its end.");
    for (master, took) in &tally.took {
        out.line("last_failover_seconds", &[("master", master)], &seconds(Duration::from_millis(*took)));
    }
}

fn up(instance: &InstanceView) -> bool {
    !instance.flags.disconnected
}

fn reachable(master: &MasterView) -> bool {
    let usable = 1 + master.sentinels.iter().filter(|p| p.instance.down_since.is_none()).count();
    usable >= master.settings.quorum as usize && 2 * usable > master.sentinels.len() + 1
}

fn seconds(time: Duration) -> String {
    format!("{:.6}", time.as_secs_f64())
}

#[derive(Default)]
struct Out(String);

impl Out {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text does not fail.
        let _ = writeln!(self.0, "# HELP mainstay_sentinel_{name} {help}\n# TYPE mainstay_sentinel_{name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: &str) {
        let label = |(key, value): &(&str, &str)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{key}=\"{value}\"")
        };
        let labels: Vec<String> = labels.iter().map(label).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "mainstay_sentinel_{name}{labels} {value}");
    }

    fn timing(&mut self, name: &str, help: &str, timing: &Timing) {
        let (count, together, longest) = timing.take();
        let whole = format!("{name}_seconds");
        self.head(&whole, "summary", &format!("{help}."));
        self.line(&format!("{whole}_sum"), &[], &seconds(together));
        self.line(&format!("{whole}_count"), &[], &count.to_string());
        let longest_name = format!("{name}_longest_seconds");
        self.head(&longest_name, "gauge", &format!("{help}: the longest since the last scrape."));
        self.line(&longest_name, &[], &seconds(longest));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::config::Settings;
    use crate::core::ids::{Address, Millis, RunId};
    use crate::history::{Entry, What};

    fn view() -> View {
        let mut view = View::new(RunId::from_number(7));
        let mut m = MasterView::new("m\"x".into(), Address::new("h", 1), Settings::new(1));
        m.instance.down_since = Some(Millis(5));
        m.replicas.push(InstanceView::new(Address::new("h", 2), crate::core::event::Role::Master));
        m.replicas[0].flags.disconnected = true;
        view.masters.insert(m.name.clone(), Arc::new(m));
        view
    }

    #[test]
    fn the_picture_and_the_counters_become_lines() {
        let mut tally = Tally::default();
        let (code, master, text) = ("+sdown".to_owned(), Some("m\"x".to_owned()), String::new());
        let event = Entry::Event(What { at: 1, code, master, epoch: 3, reason: None, text });
        tally.count(&event);
        tally.count(&event);
        let timing = Timing::default();
        timing.add(Duration::from_millis(12));
        let text = super::text(&view(), &tally, &timing, &Timing::default());
        for line in [
            "mainstay_sentinel_tilt 0",
            "mainstay_sentinel_master_sdown{master=\"m\\\"x\"} 1",
            "mainstay_sentinel_master_odown{master=\"m\\\"x\"} 0",
            "mainstay_sentinel_replica_links_up{master=\"m\\\"x\"} 0",
            "mainstay_sentinel_quorum_reachable{master=\"m\\\"x\"} 1",
            "mainstay_sentinel_events_total{master=\"m\\\"x\",event=\"+sdown\"} 2",
            "mainstay_sentinel_failovers_total{master=\"m\\\"x\",result=\"switched\"} 0",
            "mainstay_sentinel_state_save_seconds_sum 0.012000",
            "mainstay_sentinel_state_save_longest_seconds 0.012000",
            "mainstay_sentinel_loop_lag_seconds_count 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn every_line_is_of_a_family_that_was_announced() {
        let text = super::text(&view(), &Tally::default(), &Timing::default(), &Timing::default());
        let mut families = std::collections::BTreeSet::new();
        for line in text.lines() {
            match line.strip_prefix("# ") {
                Some(comment) => {
                    let mut words = comment.split(' ');
                    let (kind, name) = (words.next().unwrap(), words.next().unwrap().to_owned());
                    assert!(kind != "HELP" || families.insert(name), "announced twice: {line}");
                }
                None => {
                    let name = line.split(['{', ' ']).next().unwrap();
                    let family = name.trim_end_matches("_sum").trim_end_matches("_count");
                    assert!(families.contains(name) || families.contains(family), "{line}");
                }
            }
        }
    }
}
