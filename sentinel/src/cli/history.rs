//! `history`: what happened, from the state directory of a sentinel on this machine, whether it runs or not.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::args::{Args, ArgsError};
use super::time::utc;
use super::words::Words;
use super::{UNREACHED, show, start};
use crate::history::{Entry, Failover, What, read};

/// What is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The file and the state directory, as they were given.
    place: Args,
    master: Option<String>,
    events: bool,
    last: Option<u64>,
    json: bool,
}

impl Wanted {
    /// Reads the words after `history`.
    pub(super) fn parse(words: Vec<String>) -> Result<Wanted, ArgsError> {
        let mut words = Words::new(words);
        let (state, conf) = (words.value("--state")?.map(PathBuf::from), words.value("--conf")?.map(PathBuf::from));
        let wanted = Wanted {
            place: Args { state, conf: conf.unwrap_or_default(), ..Args::default() },
            last: words.number("--last")?,
            events: words.flag("--events"),
            json: words.flag("--json"),
            master: words.next(),
        };
        words.end()?;
        Ok(wanted)
    }
}

/// Reads the history and shows it.
pub(super) fn run(wanted: &Wanted) -> ExitCode {
    let systemd = std::env::var_os("STATE_DIRECTORY");
    if wanted.place.state.is_none() && wanted.place.conf.as_os_str().is_empty() && systemd.is_none() {
        eprintln!("`--state DIR` or `--conf FILE` says whose history it is");
        return ExitCode::from(UNREACHED);
    }
    let dir = start::state_directory(&wanted.place, systemd);
    if !dir.is_dir() {
        eprintln!("{}: no state directory", dir.display());
        return ExitCode::from(UNREACHED);
    }
    match read(&dir) {
        Ok(entries) => {
            show(wanted.json, &report(entries, wanted));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(UNREACHED)
        }
    }
}

/// The whole answer, oldest first.
#[derive(Debug, Serialize)]
struct Report {
    failovers: Vec<Failover>,
    /// Beginnings whose end is not recorded: it is under way, or the sentinel ended meanwhile.
    unfinished: Vec<What>,
    /// With `--events`.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<What>>,
}

fn report(entries: Vec<Entry>, wanted: &Wanted) -> Report {
    let about = |entry: &Entry| wanted.master.as_deref().is_none_or(|name| entry.master() == Some(name));
    let (mut failovers, mut events) = (Vec::new(), Vec::new());
    for entry in entries.into_iter().filter(about) {
        match entry {
            Entry::Failover(failover) => failovers.push(failover),
            Entry::Event(what) => events.push(what),
        }
    }
    let ended: BTreeSet<(&str, u64)> = failovers.iter().map(|f| (f.master.as_str(), f.started)).collect();
    let begins = |e: &&What| e.code == "+try-failover" && !ended.contains(&(e.master.as_deref().unwrap_or(""), e.at));
    let mut unfinished: Vec<What> = events.iter().filter(begins).cloned().collect();
    let last = wanted.last.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    keep_last(&mut failovers, last);
    keep_last(&mut unfinished, last);
    keep_last(&mut events, last);
    Report { failovers, unfinished, events: wanted.events.then_some(events) }
}

fn keep_last<T>(list: &mut Vec<T>, last: usize) {
    list.drain(..list.len().saturating_sub(last));
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failovers.is_empty() && self.unfinished.is_empty() {
            writeln!(f, "no failover is recorded")?;
        }
        for over in &self.failovers {
            let Failover { started, took, master, epoch, reason, from, to, outcome, ended_by, stages, .. } = over;
            let (at, to) = (utc(*started), to.as_deref().unwrap_or("nobody"));
            let outcome = outcome.name();
            writeln!(f, "{at}  {master}  {outcome}  {from} -> {to}  {reason}, epoch {epoch}, {took} ms, {ended_by}")?;
            let stages: Vec<String> = stages.iter().map(|s| format!("{} {} ms", s.code, s.after)).collect();
            writeln!(f, "    {}", stages.join(", "))?;
        }
        for begun in &self.unfinished {
            let (master, reason) = (begun.master.as_deref().unwrap_or(""), begun.reason.as_deref().unwrap_or(""));
            writeln!(f, "{}  {master}  begun ({reason}, epoch {}), no end is recorded", utc(begun.at), begun.epoch)?;
        }
        for event in self.events.iter().flatten() {
            writeln!(f, "{}  {} {} (epoch {})", utc(event.at), event.code, event.text, event.epoch)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Outcome, Stage};

    fn wanted(line: &str) -> Wanted {
        Wanted::parse(line.split_whitespace().map(str::to_owned).collect()).unwrap()
    }

    fn begun(at: u64, master: &str) -> Entry {
        let (code, text) = ("+try-failover".to_owned(), format!("master {master} h 1"));
        Entry::Event(What {
            at,
            code,
            master: Some(master.to_owned()),
            epoch: 4,
            reason: Some("down".to_owned()),
            text,
        })
    }

    fn ended(started: u64, master: &str) -> Entry {
        Entry::Failover(Failover {
            at: started + 60,
            started,
            took: 60,
            master: master.to_owned(),
            epoch: 4,
            reason: "down".to_owned(),
            from: "h:1".to_owned(),
            to: Some("h:2".to_owned()),
            outcome: Outcome::Switched,
            ended_by: "+switch-master".to_owned(),
            stages: vec![Stage { code: "+elected-leader".to_owned(), after: 20 }],
        })
    }

    #[test]
    fn its_words() {
        let all = wanted("m --state /var/s --events --last 3 --json");
        assert_eq!((all.place.state, all.master), (Some("/var/s".into()), Some("m".into())));
        assert_eq!((all.events, all.last, all.json), (true, Some(3), true));
        assert_eq!(wanted("--conf s.conf").place.conf, PathBuf::from("s.conf"));
        assert_eq!(Wanted::parse(vec!["--last".into()]), Err(ArgsError::NoValue("--last")));
        assert_eq!(Wanted::parse(vec!["a".into(), "b".into()]), Err(ArgsError::TooMuch("b".into())));
    }

    #[test]
    fn what_began_and_has_no_end_is_told_apart() {
        let entries = vec![begun(1_000, "m"), ended(1_000, "m"), begun(2_000, "m"), begun(1_000, "n")];
        let all = report(entries.clone(), &wanted(""));
        assert_eq!((all.failovers.len(), all.unfinished.len(), all.events.is_none()), (1, 2, true));
        let one = report(entries, &wanted("m --events --last 1"));
        assert_eq!((one.failovers.len(), one.unfinished.len(), one.events.as_ref().unwrap().len()), (1, 1, 1));
        let text = one.to_string();
        assert!(
            text.starts_with("1970-01-01T00:00:01.000Z  m  switched  h:1 -> h:2  down, epoch 4, 60 ms, +switch"),
            "{text}"
        );
        assert!(text.contains("    +elected-leader 20 ms\n"), "{text}");
        assert!(text.contains("1970-01-01T00:00:02.000Z  m  begun (down, epoch 4), no end is recorded"), "{text}");
    }
}
