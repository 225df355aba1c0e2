//! `pause`, `resume`, `set`, `reset`: words for one sentinel, or for all that watch the same masters.
//!
//! A pause is for all: a sentinel that did not hear of it would fail over.

use std::fmt;

use serde::Serialize;

use super::door::Door;
use super::group;
use super::remote::Remote;
use super::table::Table;
use super::{OrderError, Show, Verdict};

/// Says the words. No, if one of those that are told refuses or cannot be reached.
pub(super) async fn run(
    remote: &mut Remote,
    door: &Door,
    words: &[String],
    all: bool,
    show: Show,
) -> Result<Verdict, OrderError> {
    let doors = match all {
        true => {
            let names = match words {
                [verb, ..] if verb == "reset" => group::names(remote, None).await?,
                [_, name, ..] => vec![name.clone()],
                _ => Vec::new(),
            };
            group::doors(remote, door, &names).await?
        }
        false => vec![door.clone()],
    };
    let said: Vec<String> = std::iter::once("SENTINEL".to_owned()).chain(words.iter().cloned()).collect();
    let told = group::everywhere(doors, move |mut remote| {
        let said = said.clone();
        async move {
            let words: Vec<&str> = said.iter().map(String::as_str).collect();
            let reply = remote.ask(&words).await?;
            Ok(reply.as_integer().map_or_else(|| reply.as_str().unwrap_or_default().to_owned(), |n| n.to_string()))
        }
    });
    let rows = told.await.into_iter().map(|(at, told)| {
        let (ok, said) = match told {
            Ok(said) => (true, said),
            Err(e) => (false, group::reason(&e)),
        };
        Row { sentinel: at.to_string(), ok, said }
    });
    let report = Told { words: words.to_vec(), sentinels: rows.collect() };
    show.report(&report);
    Ok(if report.sentinels.iter().all(|row| row.ok) { Verdict::Fine } else { Verdict::No })
}

/// Who runs this program, for those who find a pause later: also behind `sudo`.
pub(super) fn whoami() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}@{}", user.as_deref().unwrap_or("somebody"), host.trim())
}

#[derive(Debug, Serialize)]
struct Told {
    words: Vec<String>,
    sentinels: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    sentinel: String,
    ok: bool,
    /// Its answer.
    said: String,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["SENTINEL", "ANSWER"]);
        self.sentinels.iter().for_each(|row| table.row(vec![row.sentinel.clone(), row.said.clone()]));
        write!(f, "{table}")?;
        let verb = self.words.first().map_or("", String::as_str);
        if verb == "pause" && self.sentinels.iter().any(|row| !row.ok) {
            writeln!(f, "  ! those that did not take the pause may still fail over")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_that_not_all_took_says_so() {
        let row = |ok| Row { sentinel: "a:1".into(), ok, said: "OK".into() };
        let told =
            |oks: &[bool]| Told { words: vec!["pause".into()], sentinels: oks.iter().map(|ok| row(*ok)).collect() };
        assert!(told(&[true, false]).to_string().contains("may still fail over"));
        assert!(!told(&[true, true]).to_string().contains("may still fail over"));
    }
}
