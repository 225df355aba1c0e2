//! `switchover` and `failover`: another master, and how it ended.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::sleep;

use super::door::Door;
use super::group::{self, Seen};
use super::order::{Change, How};
use super::remote::{Failed, Remote};
use super::{OrderError, Show, Verdict};

/// The wait between two looks at how it goes.
const LOOK: Duration = Duration::from_millis(25);

/// Asks for the change, and waits for its end if that is wanted. No, if it is refused or fails.
pub(super) async fn run(remote: &mut Remote, door: &Door, change: Change, show: Show) -> Result<Verdict, OrderError> {
    let name = change.master.as_str();
    let before = group::see(remote, name).await?;
    let began = Instant::now();
    ask(remote, &change).await?;
    let mut report = Changed {
        master: name.to_owned(),
        from: before.address.to_string(),
        to: None,
        config_epoch: None,
        result: Ended::Asked,
        why: None,
        ms: None,
        lossless: matches!(change.how, How::Switchover(_)),
    };
    if let Some(within) = change.wait {
        let end = began + within;
        let course = follow(remote, door, name, &before, end, true).await?;
        (report.result, report.to) = (course.result, course.to);
        (report.config_epoch, report.why) = (course.config_epoch, course.why);
        report.ms = Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    }
    show.report(&report);
    Ok(if matches!(report.result, Ended::Asked | Ended::Done) { Verdict::Fine } else { Verdict::No })
}

async fn ask(remote: &mut Remote, change: &Change) -> Result<(), Failed> {
    let name = change.master.as_str();
    let (host, port);
    let words: Vec<&str> = match &change.how {
        How::Forced => vec!["SENTINEL", "FAILOVER", name, "FORCE"],
        How::Switchover(None) => vec!["SENTINEL", "SWITCHOVER", name],
        How::Switchover(Some(to)) => {
            (host, port) = (to.host.to_string(), to.port.to_string());
            vec!["SENTINEL", "SWITCHOVER", name, &host, &port]
        }
    };
    remote.ask(&words).await.map(drop)
}

/// How a change went.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) result: Ended,
    /// The new master.
    pub(super) to: Option<String>,
    pub(super) config_epoch: Option<u64>,
    /// What stood in the way.
    pub(super) why: Option<String>,
}

/// Looks until the asked sentinel is at rest again, and then until its peers see the same. A change that has `begun` can
/// fail; one that is still to come is waited for.
pub(super) async fn follow(
    remote: &mut Remote,
    door: &Door,
    name: &str,
    before: &Seen,
    end: Instant,
    begun: bool,
) -> Result<Course, OrderError> {
    let mut course = Course { result: Ended::Late, to: None, config_epoch: None, why: None };
    let after = loop {
        let seen = group::see(remote, name).await?;
        match ended(before, &seen) {
            Some(true) => break seen,
            Some(false) if begun => {
                (course.result, course.why) = (Ended::Failed, why(remote, name).await);
                return Ok(course);
            }
            _ if Instant::now() >= end => {
                course.why = why(remote, name).await;
                return Ok(course);
            }
            _ => sleep(LOOK).await,
        }
    };
    (course.to, course.config_epoch) = (Some(after.address.to_string()), Some(after.config_epoch()));
    loop {
        let doors = group::doors(remote, door, &[name.to_owned()]).await?;
        let wanted = name.to_owned();
        let looks = group::everywhere(doors, move |mut remote| {
            let name = wanted.clone();
            async move { group::see(&mut remote, &name).await }
        });
        // Who cannot be reached hears of it later; everybody else has to.
        let behind = |seen: &Seen| seen.config_epoch() < after.config_epoch() || seen.in_progress();
        let behind: Vec<String> = looks
            .await
            .into_iter()
            .filter(|(_, s)| s.as_ref().is_ok_and(behind))
            .map(|(at, _)| at.to_string())
            .collect();
        match behind.as_slice() {
            [] => {
                course.result = Ended::Done;
                return Ok(course);
            }
            late if Instant::now() >= end => {
                course.why = Some(format!("not yet seen by {}", late.join(", ")));
                return Ok(course);
            }
            _ => sleep(LOOK).await,
        }
    }
}

/// Whether it is over at this sentinel, and well; `None` while it is under way.
fn ended(before: &Seen, now: &Seen) -> Option<bool> {
    if now.in_progress() {
        return None;
    }
    Some(now.config_epoch() > before.config_epoch() && now.address != before.address)
}

/// What the sentinel says of its reasons.
async fn why(remote: &mut Remote, name: &str) -> Option<String> {
    let reply = remote.call(&["SENTINEL", "WHY-NOT", name]).await.ok()?;
    reply.as_list()?.get(1)?.as_str().map(str::to_owned)
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ended {
    /// It was begun, and not waited for.
    Asked,
    /// All sentinels that answer see the new master.
    Done,
    /// It was given up.
    Failed,
    /// It is not over.
    Late,
}

impl Ended {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Ended::Asked => "asked",
            Ended::Done => "done",
            Ended::Failed => "failed",
            Ended::Late => "late",
        }
    }
}

#[derive(Debug, Serialize)]
struct Changed {
    master: String,
    from: String,
    to: Option<String>,
    config_epoch: Option<u64>,
    result: Ended,
    /// What stood in the way.
    why: Option<String>,
    /// From the request to the end, in milliseconds.
    ms: Option<u64>,
    lossless: bool,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, from, ms) = (&self.master, &self.from, self.ms.unwrap_or_default());
        let why = self.why.as_deref().unwrap_or("see the sentinels' history");
        match self.result {
            Ended::Asked => writeln!(f, "{name}: begun, away from {from}; `status {name}` shows how it goes")?,
            Ended::Done => {
                let (to, epoch) = (self.to.as_deref().unwrap_or("?"), self.config_epoch.unwrap_or_default());
                writeln!(f, "{name}: {from} -> {to} in {ms} ms, epoch {epoch}, and all sentinels see it")?;
            }
            Ended::Failed => writeln!(f, "{name}: given up after {ms} ms, the master is still {from}; {why}")?,
            Ended::Late => writeln!(f, "{name}: not over after {ms} ms; {why}")?,
        }
        if !self.lossless {
            writeln!(f, "  ! forced: writes that no replica had yet are lost; `switchover` loses none")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::group::tests::seen;
    use super::*;

    #[test]
    fn the_end_is_told_from_the_middle() {
        let view = |port, flags, epoch| seen(port, &[("flags", flags), ("config-epoch", epoch)], None);
        let before = view(1, "master", "3");
        let table = [
            (view(1, "master,failover_in_progress", "3"), None),
            // Clients are told of the new one before the others follow it.
            (view(2, "master,failover_in_progress", "4"), None),
            (view(2, "master", "4"), Some(true)),
            (view(1, "master", "3"), Some(false)),
        ];
        for (now, expected) in table {
            assert_eq!(ended(&before, &now), expected, "{now:?}");
        }
    }

    #[test]
    fn a_forced_one_says_that_it_can_lose_writes() {
        let mut report = Changed {
            master: "m".into(),
            from: "a:1".into(),
            to: Some("b:2".into()),
            config_epoch: Some(4),
            result: Ended::Done,
            why: None,
            ms: Some(12),
            lossless: false,
        };
        let text = report.to_string();
        assert!(text.starts_with("m: a:1 -> b:2 in 12 ms, epoch 4, and all sentinels see it\n"), "{text}");
        assert!(text.contains("are lost"), "{text}");
        (report.lossless, report.result, report.why) = (true, Ended::Failed, Some("no replica is known".into()));
        assert_eq!(report.to_string(), "m: given up after 12 ms, the master is still a:1; no replica is known\n");
        assert_eq!(serde_json::to_value(&report).unwrap()["result"], "failed");
    }
}
