//! `topology`: a master with its replicas and sentinels, as one sentinel sees them.

use std::fmt;

use serde::Serialize;

use super::group::{self, Fields};
use super::remote::Remote;
use super::table::Table;
use super::{OrderError, Show, Verdict};

/// Shows the tree of each master. No, if a master is down.
pub(super) async fn run(remote: &mut Remote, master: Option<&str>, show: Show) -> Result<Verdict, OrderError> {
    let mut groups = Vec::new();
    for name in group::names(remote, master).await? {
        let seen = group::see(remote, &name).await?;
        let replicas = group::list(remote, "REPLICAS", &name).await?;
        let sentinels = group::list(remote, "SENTINELS", &name).await?;
        groups.push(Group {
            address: seen.address.to_string(),
            state: seen.state(),
            config_epoch: seen.config_epoch(),
            replicas: replicas.iter().map(|r| replica(r, &replicas)).collect(),
            sentinels: sentinels.iter().map(sentinel).collect(),
            name,
        });
    }
    let topology = Topology { sentinel: remote.at().to_string(), masters: groups };
    show.report(&topology);
    Ok(if topology.masters.iter().any(|g| g.state.starts_with("down")) { Verdict::No } else { Verdict::Fine })
}

/// The whole answer.
#[derive(Debug, Serialize)]
struct Topology {
    sentinel: String,
    masters: Vec<Group>,
}

#[derive(Debug, Serialize)]
struct Group {
    name: String,
    address: String,
    state: String,
    config_epoch: u64,
    replicas: Vec<Replica>,
    sentinels: Vec<Sentinel>,
}

#[derive(Debug, Serialize, PartialEq)]
struct Replica {
    address: String,
    /// `in sync`, or what keeps it from that.
    state: String,
    offset: u64,
    /// Bytes behind the replica that is furthest.
    behind: u64,
    priority: u64,
    /// Whom it follows.
    follows: String,
}

#[derive(Debug, Serialize, PartialEq)]
struct Sentinel {
    address: String,
    id: String,
    state: String,
}

fn replica(fields: &Fields, all: &[Fields]) -> Replica {
    let offset = fields.number("slave-repl-offset");
    let furthest = all.iter().map(|f| f.number("slave-repl-offset")).max().unwrap_or(0);
    let state = if fields.flag("s_down") {
        "down".to_owned()
    } else if fields.flag("disconnected") {
        "disconnected".to_owned()
    } else if fields.text("master-host") == "?" {
        "has not reported yet".to_owned()
    } else if fields.text("master-link-status") == "ok" {
        "in sync".to_owned()
    } else {
        format!("no link to its master for {} ms", fields.number("master-link-down-time"))
    };
    Replica {
        address: fields.address().to_string(),
        state,
        offset,
        behind: furthest.saturating_sub(offset),
        priority: fields.number("slave-priority"),
        follows: format!("{}:{}", fields.text("master-host"), fields.text("master-port")),
    }
}

fn sentinel(fields: &Fields) -> Sentinel {
    let state = if fields.flag("s_down") || fields.flag("disconnected") { "down" } else { "up" };
    Sentinel { address: fields.address().to_string(), id: fields.text("runid").to_owned(), state: state.to_owned() }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in &self.masters {
            writeln!(f, "{}  {}  {}, epoch {}", group.name, group.address, group.state, group.config_epoch)?;
            let mut table = Table::new(["", "REPLICA", "STATE", "OFFSET", "BEHIND", "PRIORITY"]);
            let last = group.replicas.len().saturating_sub(1);
            for (i, r) in group.replicas.iter().enumerate() {
                let twig = if i == last { "└─" } else { "├─" };
                let numbers = [r.offset, r.behind, r.priority].map(|n| n.to_string());
                table.row([[twig.to_owned(), r.address.clone(), r.state.clone()].as_slice(), &numbers].concat());
            }
            write!(f, "{table}")?;
            let sentinels: Vec<String> = group.sentinels.iter().map(|s| format!("{} {}", s.address, s.state)).collect();
            writeln!(f, "  sentinels: {} (asked), {}", self.sentinel, sentinels.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Value;

    fn fields(line: &str) -> Fields {
        Fields::of(&Value::bulks(line.split_whitespace()))
    }

    #[test]
    fn a_replica_is_in_sync_or_says_why_not() {
        let at = "ip h port 1 slave-priority 100 master-host m master-port 6";
        let table = [
            ("flags slave master-link-status ok slave-repl-offset 7", "in sync", 3),
            ("flags slave master-link-status err master-link-down-time 12", "no link to its master for 12 ms", 10),
            ("flags s_down,slave,disconnected master-link-status ok slave-repl-offset 10", "down", 0),
            ("flags slave,disconnected master-link-status ok", "disconnected", 10),
        ];
        let all = table.map(|(line, ..)| fields(&format!("{at} {line}")));
        for (fields, (line, state, behind)) in all.iter().zip(table) {
            let shown = replica(fields, &all);
            assert_eq!((shown.state.as_str(), shown.behind, shown.follows.as_str()), (state, behind, "m:6"), "{line}");
        }
    }

    #[test]
    fn a_replica_that_has_told_nothing_says_so() {
        let silent = fields("ip h port 1 flags slave master-link-status err master-host ? master-port 0");
        assert_eq!(replica(&silent, &[]).state, "has not reported yet");
    }

    #[test]
    fn the_tree_for_people() {
        let replicas = ["1", "2"].map(|p| fields(&format!("ip h port {p} flags slave master-link-status ok")));
        let group = Group {
            name: "m".into(),
            address: "h:6".into(),
            state: "up".into(),
            config_epoch: 3,
            replicas: replicas.iter().map(|r| replica(r, &replicas)).collect(),
            sentinels: vec![sentinel(&fields("ip h port 9 runid x flags sentinel"))],
        };
        let text = Topology { sentinel: "h:8".into(), masters: vec![group] }.to_string();
        assert!(text.starts_with("m  h:6  up, epoch 3\n"), "{text}");
        assert!(text.contains("├─  h:1") && text.contains("└─  h:2"), "{text}");
        assert!(text.ends_with("  sentinels: h:8 (asked), h:9 up\n"), "{text}");
    }
}
