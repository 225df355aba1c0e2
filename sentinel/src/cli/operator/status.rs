//! `status`: what each sentinel of the group sees, and whether they agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::super::time::utc;
use super::door::Door;
use super::group::{self, Seen};
use super::remote::{Failed, Remote};
use super::table::Table;
use super::{OrderError, Show, Verdict};
use crate::core::ids::Address;

/// Asks all and shows what they say. No, if something is wrong.
pub(super) async fn run(
    remote: &mut Remote,
    door: &Door,
    master: Option<&str>,
    show: Show,
) -> Result<Verdict, OrderError> {
    let names = group::names(remote, master).await?;
    // A name that nobody knows is told before its peers are looked for.
    if let Some(name) = master {
        group::see(remote, name).await?;
    }
    let doors = group::doors(remote, door, &names).await?;
    let wanted = names.clone();
    let told = group::everywhere(doors, move |remote| look(remote, wanted.clone())).await;
    let masters = names.iter().enumerate().map(|(i, name)| master_of(name, i, &told)).collect();
    let status = Status { sentinel: remote.at().to_string(), masters };
    show.report(&status);
    Ok(if status.masters.iter().all(|m| m.problems.is_empty()) { Verdict::Fine } else { Verdict::No })
}

/// What a sentinel sees of each master; `None` of one that it does not monitor.
async fn look(mut remote: Remote, names: Vec<String>) -> Result<Vec<Option<Seen>>, Failed> {
    let mut seen = Vec::with_capacity(names.len());
    for name in names {
        seen.push(match group::see(&mut remote, &name).await {
            Ok(view) => Some(view),
            Err(Failed::Said { .. }) => None,
            Err(e) => return Err(e),
        });
    }
    Ok(seen)
}

/// The whole answer.
#[derive(Debug, Serialize)]
struct Status {
    /// Who was asked.
    sentinel: String,
    masters: Vec<Master>,
}

/// One master.
#[derive(Debug, Serialize, PartialEq)]
struct Master {
    name: String,
    /// As most of those with the greatest epoch see it.
    address: String,
    config_epoch: u64,
    /// All that answered see the same address in the same epoch.
    agree: bool,
    /// What is wrong, a sentence each.
    problems: Vec<String>,
    sentinels: Vec<Row>,
}

/// A master in the eyes of one sentinel.
#[derive(Debug, Default, Serialize, PartialEq)]
struct Row {
    sentinel: String,
    /// Why it tells nothing.
    error: Option<String>,
    address: String,
    config_epoch: u64,
    current_epoch: u64,
    state: String,
    mode: String,
    /// Who paused it, and when.
    paused_by: Option<String>,
    paused_at: Option<u64>,
    fencing: String,
    replicas: u64,
    sentinels: u64,
    quorum: u64,
    /// The program; empty for a redis-sentinel.
    version: String,
}

type Told = (Address, Result<Vec<Option<Seen>>, Failed>);

fn master_of(name: &str, index: usize, told: &[Told]) -> Master {
    let rows: Vec<Row> = told.iter().filter_map(|one| row(index, one)).collect();
    let answered: Vec<&Row> = rows.iter().filter(|row| row.error.is_none()).collect();
    let newest = answered.iter().max_by_key(|row| row.config_epoch);
    let views: BTreeSet<(&str, u64)> = answered.iter().map(|row| (row.address.as_str(), row.config_epoch)).collect();
    let (address, config_epoch) = newest.map_or((String::new(), 0), |row| (row.address.clone(), row.config_epoch));
    let agree = views.len() <= 1;
    let problems = problems(&rows, &views);
    Master { name: name.to_owned(), address, config_epoch, agree, problems, sentinels: rows }
}

fn row(index: usize, (at, told): &Told) -> Option<Row> {
    let sentinel = at.to_string();
    let seen = match told {
        Ok(seen) => seen.get(index)?.as_ref()?,
        Err(e) => return Some(Row { sentinel, error: Some(group::reason(e)), ..Row::default() }),
    };
    let status = |name: &str| seen.status.as_ref().map_or("", |s| s.text(name)).to_owned();
    Some(Row {
        sentinel,
        error: None,
        address: seen.address.to_string(),
        config_epoch: seen.config_epoch(),
        current_epoch: seen.status.as_ref().map_or(0, |s| s.number("current-epoch")),
        state: seen.state(),
        mode: seen.mode().to_owned(),
        paused_by: Some(status("paused-by")).filter(|by| !by.is_empty()),
        paused_at: seen.status.as_ref().map(|s| s.number("paused-at")).filter(|at| *at > 0),
        fencing: status("fencing"),
        replicas: seen.master.number("num-slaves"),
        sentinels: seen.master.number("num-other-sentinels"),
        quorum: seen.master.number("quorum"),
        version: status("version"),
    })
}

fn problems(rows: &[Row], views: &BTreeSet<(&str, u64)>) -> Vec<String> {
    let mut problems = Vec::new();
    if views.len() > 1 {
        let views: Vec<String> = views.iter().map(|(at, epoch)| format!("{at} in epoch {epoch}")).collect();
        problems.push(format!("the sentinels disagree about the master: {}", views.join(", ")));
    }
    let among = |what: &str, which: &dyn Fn(&Row) -> bool| {
        let found: Vec<&str> = rows.iter().filter(|row| which(row)).map(|row| row.sentinel.as_str()).collect();
        (!found.is_empty()).then(|| format!("{what}: {}", found.join(", ")))
    };
    let answers = |row: &Row| row.error.is_none();
    problems.extend(among("cannot be reached", &|row| !answers(row)));
    problems.extend(among("held for down by", &|row| row.state.starts_with("down")));
    problems.extend(among("no link to the master", &|row| row.state == "disconnected"));
    problems.extend(among("a failover is under way at", &|row| row.state.starts_with("failover")));
    problems.extend(among("no replica is known at", &|row| answers(row) && row.replicas == 0));
    problems.extend(among("only observing, as its file says", &|row| row.mode == "observe-only"));
    // One order reaches each of them at a moment of its own.
    let mut pauses: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows {
        let Some(by) = row.paused_by.as_deref() else { continue };
        let at = row.paused_at.unwrap_or(0);
        pauses.entry(by).and_modify(|first| *first = at.min(*first)).or_insert(at);
    }
    for (by, at) in pauses {
        let this = |row: &Row| row.paused_by.as_deref() == Some(by);
        problems.extend(among(&format!("paused by {by} at {}", utc(at)), &this));
    }
    if rows.iter().any(|row| row.mode == "paused") {
        problems.extend(among("may fail over all the same, not paused", &|row| row.mode == "acting"));
    }
    let quorums: BTreeSet<u64> = rows.iter().filter(|row| answers(row)).map(|row| row.quorum).collect();
    if quorums.len() > 1 {
        problems.push(format!("the sentinels have different quorums: {quorums:?}"));
    }
    problems
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.masters.is_empty() {
            writeln!(f, "{} monitors no master", self.sentinel)?;
        }
        for master in &self.masters {
            let agree = if master.agree { "all agree" } else { "they disagree" };
            writeln!(f, "{}  {}  epoch {}  {agree}", master.name, master.address, master.config_epoch)?;
            let heads = ["SENTINEL", "SEES", "EPOCH", "STATE", "REPLICAS", "SENTINELS", "MODE", "FENCING"];
            let mut table = Table::new(heads);
            for row in &master.sentinels {
                table.row(match &row.error {
                    Some(why) => vec![row.sentinel.clone(), format!("cannot be reached: {why}")],
                    None => cells(row),
                });
            }
            write!(f, "{table}")?;
            for problem in &master.problems {
                writeln!(f, "  ! {problem}")?;
            }
        }
        Ok(())
    }
}

fn cells(row: &Row) -> Vec<String> {
    let number = |n: u64| n.to_string();
    vec![
        row.sentinel.clone(),
        row.address.clone(),
        number(row.config_epoch),
        row.state.clone(),
        number(row.replicas),
        number(row.sentinels + 1),
        row.mode.clone(),
        row.fencing.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::group::tests::seen;
    use super::super::remote::Unreachable;
    use super::*;

    const WELL: &[(&str, &str)] = &[
        ("flags", "master"),
        ("config-epoch", "3"),
        ("num-slaves", "2"),
        ("num-other-sentinels", "2"),
        ("quorum", "2"),
    ];
    const ACTING: &[(&str, &str)] = &[("mode", "acting"), ("current-epoch", "3"), ("fencing", "none")];

    fn told(views: Vec<Option<Seen>>) -> Vec<Told> {
        let at = |i: usize| Address::new("127.0.0.1", 26379 + u16::try_from(i).unwrap());
        let gone = |i| Failed::from(Unreachable::Lost { at: at(i), source: std::io::ErrorKind::TimedOut.into() });
        let one = |(i, view): (usize, Option<Seen>)| (at(i), view.map(|v| vec![Some(v)]).ok_or_else(|| gone(i)));
        views.into_iter().enumerate().map(one).collect()
    }

    #[test]
    fn a_healthy_group_has_no_problem() {
        let told = told(vec![Some(seen(6379, WELL, Some(ACTING))), Some(seen(6379, WELL, None))]);
        let master = master_of("m", 0, &told);
        assert_eq!((master.agree, master.problems.len(), master.config_epoch), (true, 0, 3));
        assert_eq!((master.sentinels[0].current_epoch, master.sentinels[1].version.as_str()), (3, ""));
        let text = Status { sentinel: "s".into(), masters: vec![master] }.to_string();
        assert!(text.starts_with("m  127.0.0.1:6379  epoch 3  all agree\n  SENTINEL "), "{text}");
        assert!(
            text.contains("127.0.0.1:26379  127.0.0.1:6379  3      up     2         3          acting  none"),
            "{text}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_in_sentences() {
        let paused: &[(&str, &str)] = &[("mode", "paused"), ("paused-by", "ann"), ("paused-at", "7")];
        let older = [("flags", "s_down,master"), ("config-epoch", "2"), ("quorum", "1")];
        let told = told(vec![Some(seen(6379, WELL, Some(paused))), Some(seen(6380, &older, None)), None]);
        let master = master_of("m", 0, &told);
        assert!(!master.agree);
        assert_eq!((master.address.as_str(), master.config_epoch), ("127.0.0.1:6379", 3));
        let expected = [
            "the sentinels disagree about the master: 127.0.0.1:6379 in epoch 3, 127.0.0.1:6380 in epoch 2",
            "cannot be reached: 127.0.0.1:26381",
            "held for down by: 127.0.0.1:26380",
            "no replica is known at: 127.0.0.1:26380",
            "paused by ann at 1970-01-01T00:00:00.007Z: 127.0.0.1:26379",
            "may fail over all the same, not paused: 127.0.0.1:26380",
            "the sentinels have different quorums: {1, 2}",
        ];
        assert_eq!(master.problems, expected);
        let json = serde_json::to_value(&master).unwrap();
        assert_eq!(json["sentinels"][2]["error"], "timed out");
        assert_eq!(json["agree"], false);
    }
}
