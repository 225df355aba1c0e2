//! What redis-sentinel has no word for: `SENTINEL WHY-NOT`, `STATUS`, `SWITCHOVER`, `PAUSE`, and the force of `FAILOVER`.
//! Pure.

use super::sentinel::{Caller, MYVERSION};
use super::step::Step;
use crate::core::durable::Pause;
use crate::core::event::Request;
use crate::core::ids::{Address, MasterName};
use crate::core::why::Unmet;
use crate::resp::{Value, integer};
use crate::view::{MasterView, View};

/// The longest name of who paused that is kept, in characters.
const LONGEST_NAME: usize = 128;
/// What `WHY-NOT` answers when nothing is unmet.
const NOTHING: (&str, &str) = ("none", "nothing is unmet: this sentinel is about to act");

/// `FAILOVER master [FORCE]`.
pub(super) fn failover(master: &MasterName, words: &[&str]) -> Step {
    match words {
        [] => Step::operate(Request::Failover(master.clone())),
        [word] if word.eq_ignore_ascii_case("force") => Step::operate(Request::ForcedFailover(master.clone())),
        _ => Step::syntax_error(),
    }
}

/// `SWITCHOVER master [host port]`.
pub(super) fn switchover(master: &MasterName, words: &[&str]) -> Step {
    let to = match words {
        [] => None,
        [host, port] => match integer(port.as_bytes()).and_then(|p| u16::try_from(p).ok()).filter(|p| *p > 0) {
            Some(port) => Some(Address::new(host, port)),
            None => return Step::error("ERR Invalid port"),
        },
        _ => return Step::syntax_error(),
    };
    Step::operate(Request::Switchover { master: master.clone(), to })
}

/// `PAUSE master [who]`: who gives the order, in their own words, or as they logged in.
pub(super) fn pause(master: &MasterName, words: &[&str], caller: Caller<'_>) -> Step {
    let by = match words {
        [] => format!("user {} from {}", caller.user, caller.from),
        [who] => who.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect(),
        _ => return Step::syntax_error(),
    };
    Step::operate(Request::Pause(master.clone(), Pause { by, at: caller.today }))
}

/// The answer of `WHY-NOT`: the condition's code, and its sentence.
pub(super) fn unmet(unmet: Option<Unmet>) -> Value {
    match unmet {
        Some(unmet) => Value::bulks([unmet.code(), unmet.to_string().as_str()]),
        None => Value::bulks([NOTHING.0, NOTHING.1]),
    }
}

/// `STATUS master`: names and texts. Names may be added, none is taken away.
pub(super) fn status(master: &MasterView, view: &View) -> Value {
    let yes = |on: bool| String::from(if on { "yes" } else { "no" });
    let mode = match (master.settings.observe_only, &master.paused) {
        (true, _) => "observe-only",
        (false, Some(_)) => "paused",
        (false, None) => "acting",
    };
    let (leader, epoch) = master.vote;
    let paused = master.paused.iter();
    let paused = paused.flat_map(|p| [("paused-by", p.by.clone()), ("paused-at", p.at.to_string())]);
    let pairs = [
        ("id", view.me.to_string()),
        ("version", MYVERSION.to_owned()),
        ("mode", mode.to_owned()),
        ("tilt", yes(view.tilt_since.is_some())),
        ("current-epoch", view.current_epoch.to_string()),
        ("config-epoch", master.config_epoch.to_string()),
        ("voted-leader", leader.map_or_else(|| "?".to_owned(), |id| id.to_string())),
        ("voted-leader-epoch", epoch.to_string()),
        ("fencing", master.settings.fencing.to_string()),
        ("confirmed-writes", master.settings.confirmed_writes.unwrap_or(0).to_string()),
        ("lossless-failover", yes(master.settings.lossless_failover)),
    ];
    Value::Map(pairs.into_iter().chain(paused).map(|(name, text)| (Value::bulk(name), Value::bulk(text))).collect())
}

#[cfg(test)]
mod tests {
    use super::super::step::Work;
    use super::super::testing;
    use super::*;
    use crate::core::ids::Epoch;

    fn asked(step: Step) -> Result<Request, String> {
        match step {
            Step::Work(mut work, reply) if reply == Value::OK => match work.remove(0) {
                Work::Operator(request) => Ok(request),
                other => panic!("{other:?}"),
            },
            Step::Reply(values) => Err(values[0].as_error().unwrap().into_owned()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_operators_ask_for() {
        let m = MasterName::from("m");
        assert_eq!(asked(failover(&m, &[])), Ok(Request::Failover(m.clone())));
        assert_eq!(asked(failover(&m, &["FORCE"])), Ok(Request::ForcedFailover(m.clone())));
        assert_eq!(asked(failover(&m, &["now"])), Err("ERR syntax error".into()));
        assert_eq!(asked(switchover(&m, &[])), Ok(Request::Switchover { master: m.clone(), to: None }));
        let to = Some(Address::new("10.0.0.2", 6380));
        assert_eq!(asked(switchover(&m, &["10.0.0.2", "6380"])), Ok(Request::Switchover { master: m.clone(), to }));
        assert_eq!(asked(switchover(&m, &["10.0.0.2", "0"])), Err("ERR Invalid port".into()));
        assert_eq!(asked(switchover(&m, &["10.0.0.2"])), Err("ERR syntax error".into()));
    }

    #[test]
    fn who_pauses_is_kept_in_bounds() {
        let caller = Caller { user: "default", from: "10.0.0.7:5", today: 7 };
        let by = |words: &[&str]| match asked(pause(&"m".into(), words, caller)) {
            Ok(Request::Pause(_, Pause { by, at: 7 })) => by,
            other => panic!("{other:?}"),
        };
        assert_eq!(by(&[]), "user default from 10.0.0.7:5");
        assert_eq!(by(&["ann\r\n at host"]), "ann at host");
        assert_eq!(by(&["x".repeat(1_000).as_str()]).len(), LONGEST_NAME);
        assert_eq!(asked(pause(&"m".into(), &["a", "b"], caller)), Err("ERR syntax error".into()));
    }

    #[test]
    fn the_first_unmet_condition_has_a_code_and_a_sentence() {
        let shown = unmet(Some(Unmet::NoQuorum { have: 1, need: 2 }));
        let texts: Vec<&str> = shown.as_list().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        assert_eq!(texts, ["no-quorum", "1 of 2 sentinels hold the master for down; more have to lose it"]);
        assert_eq!(unmet(None).as_list().unwrap()[0].as_str(), Some("none"));
    }

    #[test]
    fn the_mode_is_shown_with_what_it_rests_on() {
        let view = testing::view();
        let mut master = (*view.masters[&"mymaster".into()]).clone();
        master.vote.1 = Epoch(3);
        let shown = |master: &MasterView| match status(master, &view) {
            Value::Map(pairs) => {
                let text = |v: &Value| v.as_str().unwrap().to_owned();
                pairs.iter().map(|(k, v)| format!("{}={}", text(k), text(v))).collect::<Vec<_>>().join(" ")
            }
            other => panic!("{other:?}"),
        };
        let said = shown(&master);
        assert!(
            said.contains("mode=acting tilt=no current-epoch=3 config-epoch=3 voted-leader=? voted-leader-epoch=3")
        );
        assert!(said.contains("fencing=none confirmed-writes=0 lossless-failover=yes"), "{said}");
        assert!(!said.contains("paused"), "{said}");
        master.paused = Some(Pause { by: "ann".into(), at: 7 });
        let said = shown(&master);
        assert!(said.contains("mode=paused") && said.ends_with("paused-by=ann paused-at=7"), "{said}");
        master.settings.observe_only = true;
        assert!(shown(&master).contains("mode=observe-only"));
    }
}
