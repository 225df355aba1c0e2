//! What rules cost beside executing their expressions bare: for the benchmark.

use super::{Facts, Mode, RuleSet, Who};
use std::{fmt::Write, hint::black_box, time::Instant};

/// What a set of rules costs a request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RuleCost {
    /// How many rules there are.
    pub rules: usize,
    /// A decision by all of them, in nanoseconds.
    pub decision_ns: f64,
    /// Their expressions alone, in a context that is ready, in nanoseconds.
    pub bare_ns: f64,
}

impl RuleCost {
    /// How much more a decision costs than its expressions.
    pub fn ratio(&self) -> f64 {
        self.decision_ns / self.bare_ns
    }
}

/// Measures so many rules over so many rounds, each of both kinds one after the other; the median round counts. The rules have
/// three clauses each, on method, path and a header.
pub fn rule_cost(rules: usize, rounds: usize) -> Option<RuleCost> {
    let set: RuleSet = text(rules).parse().ok()?;
    let header = |name: &'static str, value: &'static str| {
        (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
    };
    let headers = [header("user-agent", "Mozilla/5.0"), header("accept", "*/*"), header("x-device", "d-1")];
    let facts = Facts {
        method: "POST".to_owned(),
        path: "/login".to_owned(),
        headers: headers.into_iter().collect(),
        who: Who { ip: "10.0.0.1".parse().ok(), account: Some("joe".to_owned()), ..Who::default() },
        ..Facts::default()
    };
    const EACH: u32 = 20;
    let time = |run: &mut dyn FnMut()| {
        let began = Instant::now();
        (0..EACH).for_each(|_| run());
        began.elapsed().as_nanos() as f64 / f64::from(EACH)
    };
    let (mut decisions, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        decisions.push(time(&mut || drop(black_box(set.judge(black_box(&facts), &[], &|_| Mode::Enforce)))));
        let began = Instant::now();
        set.bare(&facts, EACH);
        bare.push(began.elapsed().as_nanos() as f64 / f64::from(EACH));
    }
    let median = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Some(RuleCost { rules, decision_ns: median(decisions), bare_ns: median(bare) })
}

fn text(rules: usize) -> String {
    let mut text = "rules:\n".to_owned();
    for n in 0..rules {
        let when =
            format!("request.method == 'POST' && request.path == '/login' && request.headers['x-device'] == 'd-{n}'");
        let _ = writeln!(text, "  - {{name: r{n}, when: \"{when}\", score: 1, mode: enforce}}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rules_cost_can_be_measured() {
        let cost = rule_cost(5, 3).unwrap();
        assert!(cost.rules == 5 && cost.bare_ns > 0.0 && cost.ratio() > 0.0, "{cost:?}");
    }
}
