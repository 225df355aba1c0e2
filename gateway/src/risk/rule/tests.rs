//! Whole sets: what is told of those that are refused, and what the others make of requests.

use super::*;
use crate::risk::Who;
use std::time::Duration;

const SET: &str = "
counters:
  failed: {key: client.ip, on: response, when: response.status == 401, window: 10m, routes: [login]}
  accounts: {key: client.ip, distinct: account.id, window: 10m}
  spent: {key: account.id, sum: 'double(request.query.amount)', window: 1h}
patterns: {bot: '(?i)bot|curl'}
rules:
  - {name: stuffing, when: velocity.failed > 5, score: 60, mode: enforce, reason: STUFFING, routes: [login]}
  - {name: spray, when: velocity.accounts >= 3, score: 40, mode: enforce}
  - {name: robot, when: \"pattern('bot', request.headers['user-agent'])\", score: 30, mode: shadow}
  - {name: spends, when: velocity.spent > 100, verdict: challenge, mode: enforce}
  - {name: trusted, when: account.claims.tier == 'gold', relief: 50, mode: enforce}
bands:
  default: {challenge: 40, deny: 90}
  login: {challenge: 20, throttle: 60, deny: 100}
tests:
  - name: many failures are slowed down
    request: {route: login, ip: 10.0.0.1}
    velocity: {failed: 6}
    expect: {action: throttle, score: 60, rules: [stuffing]}
  - name: a gold account is forgiven
    request: {route: login, claims: {tier: gold}}
    velocity: {failed: 6, accounts: 3}
    expect: {action: challenge, score: 50, rules: [spray, stuffing, trusted]}
";

fn set() -> RuleSet {
    SET.parse().unwrap_or_else(|refused| panic!("{refused}"))
}

fn facts(route: &str) -> Facts {
    let who = Who { ip: "10.0.0.1".parse().ok(), account: Some("joe".into()), ..Who::default() };
    Facts { route: route.into(), who, query: "amount=30.5".into(), at: Duration::from_secs(9), ..Facts::default() }
}

fn counted(facts: &Facts) -> Vec<(String, String)> {
    let set = set();
    let counts = set.counts(facts).into_iter();
    counts.map(|(at, key, what)| (format!("{} {key}", set.counters[at].name), format!("{what:?}"))).collect()
}

#[test]
fn requests_and_answers_are_counted_for_their_keys() {
    let names = |facts: &Facts| counted(facts).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&facts("login")), ["accounts 10.0.0.1", "spent joe"]);
    assert_eq!(counted(&facts("login"))[1].1, "Amount(30.5)");
    let answer = |status, route| {
        let answer = Some(Answer { status, grpc_status: None });
        names(&Facts { answer, ..facts(route) })
    };
    assert_eq!(answer(401, "login"), ["failed 10.0.0.1"]);
    assert!(answer(200, "login").is_empty() && answer(401, "pages").is_empty());
    // Who is nobody is counted for nobody, and what is not there is not added.
    let nobody = Facts { who: Who::default(), query: String::new(), ..facts("login") };
    assert!(names(&nobody).is_empty());
    let long = Facts { who: Who { account: Some("x".repeat(200)), ..Who::default() }, ..facts("login") };
    assert_eq!(names(&long)[0].len(), "spent ".len() + 64);
}

#[test]
fn totals_are_those_that_the_rules_of_a_route_ask() {
    let set = set();
    let totals = |route| set.totals(&facts(route), &|at, key| if at == 2 && key == "joe" { 70.0 } else { 7.0 });
    let names: Vec<_> = totals("pages").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["accounts", "spent"]);
    assert_eq!(totals("login")[0], ("failed".to_owned(), Total::Times(7)));
    assert_eq!(totals("login")[2], ("spent".to_owned(), Total::Amount(70.0)));
}

#[test]
fn scores_add_up_to_an_action_and_shadow_changes_nothing() {
    let set = set();
    let judge = |facts: &Facts, failed, accounts, spent: f64| {
        let totals = [
            ("failed".to_owned(), Total::Times(failed)),
            ("accounts".to_owned(), Total::Times(accounts)),
            ("spent".to_owned(), Total::Amount(spent)),
        ];
        set.judge(facts, &totals, &|rule| set.rules[rule].mode)
    };
    let curl = [("user-agent".parse().unwrap(), "curl/8".parse().unwrap())].into_iter().collect();
    let robot = Facts { headers: curl, ..facts("login") };
    let decision = judge(&robot, 0, 0, 0.0);
    assert_eq!((decision.score, decision.action), (0, Action::Allow));
    assert_eq!(
        (decision.shadow_score, decision.shadow_action, &decision.hits[..]),
        (30, Action::Challenge, &[(2, false)][..])
    );
    let decision = judge(&robot, 6, 3, 0.0);
    assert_eq!((decision.score, decision.action, decision.shadow_action), (100, Action::Deny, Action::Deny));
    assert_eq!(decision.errors, [4], "no claim is there");
    assert_eq!(judge(&facts("pages"), 6, 0, 0.0).action, Action::Allow, "the rule is not of this route");
    assert_eq!(judge(&facts("pages"), 0, 3, 0.0).action, Action::Challenge);
    assert_eq!(judge(&facts("pages"), 0, 0, 100.5).action, Action::Challenge, "whatever the score");
    assert!(judge(&facts("pages"), 9, 0, 0.0).errors.contains(&2), "there is no such header");
}

#[test]
fn a_share_is_of_the_same_ones_each_time() {
    let text = "
rules: [{name: some, when: 'true', score: 50, mode: percentage, percentage: 30}]
bands: {default: {deny: 50}}
";
    let set: RuleSet = text.parse().unwrap();
    let denied = |account: String| {
        let who = Who { account: Some(account), ..Who::default() };
        set.judge(&Facts { who, ..Facts::default() }, &[], &|rule| set.rules[rule].mode).action == Action::Deny
    };
    let all: Vec<_> = (0..1000).map(|n| denied(n.to_string())).collect();
    let hit = all.iter().filter(|denied| **denied).count();
    assert!((200..400).contains(&hit), "{hit}");
    assert_eq!(all, (0..1000).map(|n| denied(n.to_string())).collect::<Vec<_>>());
    let off = set.judge(&Facts::default(), &[], &|_| Mode::Off);
    assert_eq!(off, Decision::default());
}

#[test]
fn a_set_is_refused_whole_with_all_that_is_wrong() {
    let text = "
counters:
  a-b: {key: client.ip, window: 1m}
  seen: {key: client.ipp, window: 1m}
  both: {key: client.ip, distinct: account.id, sum: request.size, window: 1m}
  long: {key: client.ip, window: 400d}
  early: {key: string(response.status), on: response, window: 1m}
patterns: {bad: '('}
rules:
  - {name: one, when: velocity.sean > 1, score: 1}
  - {name: one, when: request.metod == 'GET' || request.pth == '', score: 1, mode: shdow}
  - {name: three, when: 'true'}
  - {name: four, when: request.size, score: 1, percentage: 10}
bands: {default: {challenge: 50, deny: 20}}
replies: {deny: {status: 200}}
";
    let told = text.parse::<RuleSet>().map(|_| ()).unwrap_err().to_string();
    for what in [
        "line 3: counters.a-b: `a-b` cannot be asked as velocity.a-b",
        "line 4: counters.seen.key: `client.ipp` is no field: did you mean `client.ip`?",
        "line 5: counters.both: `distinct` and `sum` are two counters",
        "line 6: counters.long.window: it should be a time of at most 366d",
        "line 7: counters.early.key: `response.status` is no field",
        "line 8: patterns.bad:",
        "line 10: rules[0].when: there is no counter `sean` here: did you mean `velocity.seen`?",
        "line 11: rules[1].when: `request.metod` is no field: did you mean `request.method`?",
        "line 11: rules[1].when: `request.pth` is no field: did you mean `request.path`?",
        "line 11: rules[1].mode: `shdow` is not known here: did you mean `shadow`?",
        "line 12: rules[2]: nothing comes of it",
        "line 13: rules[3].when: it should be true or false",
        "line 13: rules[3]: `percentage` says something of the mode percentage, not of shadow",
        "line 14: bands.default: a harder band begins before a milder one",
        "line 15: replies.deny.status: it should be a whole number from 300 to 499",
    ] {
        assert!(told.contains(what), "{what} is not in\n{told}");
    }
}

#[test]
fn a_set_that_fails_a_test_of_its_own_is_refused() {
    for (from, to, why) in [
        ("action: throttle", "action: deny", "the action is throttle, and deny is expected"),
        (
            "score: 50, rules",
            "score: 51, rules",
            "the test `a gold account is forgiven` fails: the score is 50, and 51",
        ),
        ("rules: [stuffing]", "rules: []", "what holds is [stuffing], and [] is expected"),
        ("velocity: {failed: 6}", "velocity: {fail: 6}", "there is no such counter"),
        ("window: 10m, routes: [login]", "window: 10m, route: [login]", "did you mean `routes`?"),
    ] {
        let told = SET.replace(from, to).parse::<RuleSet>().map(|_| ()).unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
    }
    assert_ne!(set().version, SET.replace("score: 30", "score: 31").parse::<RuleSet>().unwrap().version);
}
