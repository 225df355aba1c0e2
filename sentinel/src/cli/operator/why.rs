//! `why-not`: the first condition that keeps each sentinel from promoting a replica now, and what would change it.

use std::fmt;

use serde::Serialize;

use super::door::Door;
use super::group;
use super::remote::{Failed, Remote};
use super::table::Table;
use super::{OrderError, Show, Verdict};

/// Asks the sentinel and its peers. Fine, if the asked one has an answer.
pub(super) async fn run(remote: &mut Remote, door: &Door, master: &str, show: Show) -> Result<Verdict, OrderError> {
    // The asked one first: what it does not know or understand is the answer to all.
    remote.ask(&["SENTINEL", "WHY-NOT", master]).await?;
    let doors = group::doors(remote, door, &[master.to_owned()]).await?;
    let name = master.to_owned();
    let told = group::everywhere(doors, move |remote| ask(remote, name.clone())).await;
    let answers = told.into_iter().map(|(at, told)| {
        let sentinel = at.to_string();
        match told {
            Ok((code, why)) => Answer { sentinel, code: Some(code), why: Some(why), error: None },
            Err(e) => Answer { sentinel, code: None, why: None, error: Some(group::reason(&e)) },
        }
    });
    show.report(&WhyNot { master: master.to_owned(), asked: remote.at().to_string(), sentinels: answers.collect() });
    Ok(Verdict::Fine)
}

async fn ask(mut remote: Remote, master: String) -> Result<(String, String), Failed> {
    let reply = remote.ask(&["SENTINEL", "WHY-NOT", &master]).await?;
    let text = |i: usize| reply.as_list().and_then(|l| l.get(i)?.as_str()).unwrap_or_default().to_owned();
    Ok((text(0), text(1)))
}

/// The whole answer.
#[derive(Debug, Serialize)]
struct WhyNot {
    master: String,
    asked: String,
    sentinels: Vec<Answer>,
}

#[derive(Debug, Serialize)]
struct Answer {
    sentinel: String,
    /// The condition's name; `none`: it is about to act.
    code: Option<String>,
    /// The condition and what would change it.
    why: Option<String>,
    /// Why it tells nothing.
    error: Option<String>,
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["SENTINEL", "CODE", "WHY"]);
        for answer in &self.sentinels {
            let cell = |text: &Option<String>| text.clone().unwrap_or_default();
            table.row(match &answer.error {
                Some(error) => vec![answer.sentinel.clone(), format!("has no answer: {error}")],
                None => vec![answer.sentinel.clone(), cell(&answer.code), cell(&answer.why)],
            });
        }
        write!(f, "{}: why no replica is promoted now\n{table}", self.master)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_for_people_and_for_programs() {
        let answer = |sentinel: &str, code: Option<&str>, error: Option<&str>| Answer {
            sentinel: sentinel.into(),
            code: code.map(str::to_owned),
            why: code.map(|_| "the master answers".to_owned()),
            error: error.map(str::to_owned),
        };
        let sentinels = vec![answer("a:1", Some("master-up"), None), answer("b:2", None, Some("refused"))];
        let report = WhyNot { master: "m".into(), asked: "a:1".into(), sentinels };
        let text = report.to_string();
        assert!(text.contains("a:1       master-up  the master answers"), "{text}");
        assert!(text.contains("b:2       has no answer: refused"), "{text}");
        assert_eq!(serde_json::to_value(&report).unwrap()["sentinels"][0]["code"], "master-up");
    }
}
