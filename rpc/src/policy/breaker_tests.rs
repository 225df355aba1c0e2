//! Tables of the breaker, and a slow model of it over a list of all calls.

use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn end(breaker: &Breaker, outcome: Outcome, now: Duration) -> Option<Turn> {
    breaker.hear(&Ended::new(outcome, Duration::ZERO), now)
}

/// The turn that the last of so many calls brings about.
fn calls(breaker: &Breaker, good: u32, bad: u32, now: Duration) -> Option<Turn> {
    let mut turn = None;
    for outcome in
        std::iter::repeat_n(Outcome::Success, good as usize).chain(std::iter::repeat_n(Outcome::Failure, bad as usize))
    {
        turn = end(breaker, outcome, now);
    }
    turn
}

#[test]
fn it_opens_by_ratio_by_count_and_by_slowness() {
    let options = BreakerOptions::new;
    for (options, good, bad, opens) in [
        (options(), 2, 18, true),
        (options(), 3, 17, false),
        (options(), 0, 19, false),
        (options().failure_ratio(0.5).at_least(4), 2, 2, true),
        (options().failure_ratio(0.5).at_least(5), 2, 2, false),
        (options().failure_ratio(2.0), 0, 500, false),
        (options().failure_ratio(2.0).failure_count(3), 90, 3, true),
        (options().failure_ratio(2.0).failure_count(3), 90, 2, false),
        (options().over_calls(10).failure_ratio(0.5), 100, 5, true),
        (options().over_calls(10).failure_ratio(0.5), 100, 4, false),
    ] {
        let breaker = Breaker::new(options.clone());
        let turn = calls(&breaker, good, bad, S);
        assert_eq!(turn == Some(Turn::Opened), opens, "{options:?} {good} {bad}");
        assert_eq!(breaker.may_ask(S), !opens);
    }
    let slow = Breaker::new(options().at_least(4).slow_ratio(100 * MS, 0.5));
    let turns = [50, 50, 101, 100, 101, 101].map(|took| slow.hear(&Ended::new(Outcome::Success, took * MS), S));
    assert_eq!(turns, [None, None, None, None, None, Some(Turn::Opened)]);
}

#[test]
fn old_failures_are_forgotten() {
    let breaker = Breaker::new(BreakerOptions::new());
    assert_eq!(calls(&breaker, 0, 19, S), None);
    assert_eq!(calls(&breaker, 0, 19, 11 * S), None);
    assert_eq!(calls(&breaker, 0, 1, 12 * S), Some(Turn::Opened));
}

#[test]
fn a_few_see_whether_it_is_over() {
    let breaker = Breaker::new(BreakerOptions::new().at_least(1).open_for(S, 3 * S));
    assert_eq!(calls(&breaker, 0, 1, S), Some(Turn::Opened));
    assert!(!breaker.may_ask(2 * S - MS) && !breaker.lets_through(2 * S - MS));
    // Three are let through; a good end, and one that is given up, which gives its place back.
    assert!(breaker.may_ask(2 * S));
    assert_eq!([0; 4].map(|_| breaker.lets_through(2 * S)), [true, true, true, false]);
    assert!(!breaker.may_ask(2 * S) && breaker.state() == BreakerState::HalfOpen);
    assert_eq!([end(&breaker, Outcome::Success, 2 * S), end(&breaker, Outcome::Cancelled, 2 * S)], [None, None]);
    assert!(breaker.may_ask(2 * S) && breaker.lets_through(2 * S));
    // One bad, and it is open for twice as long.
    assert_eq!(end(&breaker, Outcome::Overdue, 2 * S), Some(Turn::Opened));
    assert_eq!(end(&breaker, Outcome::Success, 2 * S), None, "what ends while it is open changes nothing");
    assert_eq!((breaker.may_ask(4 * S - MS), breaker.may_ask(4 * S)), (false, true));
    assert_eq!([0; 3].map(|_| breaker.lets_through(4 * S)), [true; 3]);
    assert_eq!(end(&breaker, Outcome::Failure, 4 * S), Some(Turn::Opened));
    assert_eq!((breaker.may_ask(7 * S - MS), breaker.may_ask(7 * S)), (false, true), "3 s at most");
    assert_eq!([0; 3].map(|_| breaker.lets_through(7 * S)), [true; 3]);
    let before = Ended::new(Outcome::Failure, 2 * S);
    assert_eq!(breaker.hear(&before, 7 * S), None, "it began before");
    let turns = [0; 3].map(|_| end(&breaker, Outcome::Success, 7 * S));
    assert_eq!((turns, breaker.state()), ([None, None, Some(Turn::Closed)], BreakerState::Closed));
    assert_eq!(calls(&breaker, 0, 1, 7 * S), Some(Turn::Opened));
    assert!(breaker.may_ask(8 * S), "and it begins with a second again");
}

#[test]
fn probes_that_do_not_end_are_given_up() {
    let breaker = Breaker::new(BreakerOptions::new().at_least(1));
    calls(&breaker, 0, 1, S);
    assert_eq!([0; 4].map(|_| breaker.lets_through(2 * S)), [true, true, true, false]);
    assert!(!breaker.may_ask(3 * S - MS) && breaker.may_ask(3 * S) && breaker.lets_through(3 * S));
}

#[test]
fn who_only_observes_refuses_nothing() {
    let breaker = Breaker::new(BreakerOptions::new().at_least(1).observe());
    assert_eq!(calls(&breaker, 0, 1, S), Some(Turn::Opened));
    assert!(breaker.may_ask(S) && breaker.lets_through(S) && breaker.state() == BreakerState::Open);
}

/// What a model keeps: every call since the last turn, and the state in words.
#[derive(Debug)]
enum Model {
    Closed(Vec<(u64, bool)>),
    Open(u64),
    HalfOpen { since: u64, out: u32, good: u32 },
}

proptest! {
    /// Against the rules in their simplest form, in milliseconds. Calls end at once, so each that is let through is heard
    /// of before the next one asks, unless it is held.
    #[test]
    fn it_is_what_the_rules_say(steps in prop::collection::vec((0u64..900, 0u8..4), 1..200)) {
        let options = BreakerOptions::new().at_least(5).failure_ratio(0.5).probes(2).open_for(S, 2 * S);
        let breaker = Breaker::new(options);
        let (mut model, mut now, mut opened) = (Model::Closed(Vec::new()), 0u64, 0u32);
        for (pause, what) in steps {
            now += pause;
            let at = Duration::from_millis(now);
            let through = match &mut model {
                Model::Closed(_) => true,
                Model::Open(until) if now < *until => false,
                Model::HalfOpen { out, good, since } if *out + *good >= 2 && now < *since + 1000 => false,
                Model::HalfOpen { out, good, .. } if *out + *good < 2 => { *out += 1; true }
                _ => { model = Model::HalfOpen { since: now, out: 1, good: 0 }; true }
            };
            prop_assert_eq!(breaker.may_ask(at), through);
            prop_assert_eq!(through && breaker.lets_through(at), through);
            if !through || what == 3 {
                continue; // A call that does not end.
            }
            let outcome = [Outcome::Success, Outcome::Failure, Outcome::Cancelled][usize::from(what)];
            let open = |opened: &mut u32| { *opened += 1; Model::Open(now + (1000 << (*opened - 1).min(1))) };
            let mut turn = None;
            match (&mut model, outcome) {
                (Model::Closed(_), Outcome::Cancelled) => {}
                (Model::Closed(all), _) => {
                    all.push((now / 1000, outcome == Outcome::Failure));
                    all.retain(|(second, _)| second + 10 > now / 1000);
                    let bad = all.iter().filter(|(_, bad)| *bad).count();
                    if outcome == Outcome::Failure && all.len() >= 5 && bad * 2 >= all.len() {
                        (model, turn) = (open(&mut opened), Some(Turn::Opened));
                    }
                }
                (Model::HalfOpen { out, .. }, Outcome::Cancelled) => *out -= 1,
                (Model::HalfOpen { .. }, Outcome::Failure) => {
                    (model, turn) = (open(&mut opened), Some(Turn::Opened));
                }
                (Model::HalfOpen { out, good, .. }, _) => {
                    (*out, *good) = (*out - 1, *good + 1);
                    if *good == 2 {
                        (model, turn, opened) = (Model::Closed(Vec::new()), Some(Turn::Closed), 0);
                    }
                }
                (Model::Open(_), _) => {}
            }
            prop_assert_eq!(end(&breaker, outcome, at), turn);
        }
    }
}
