//! A set of rules that may be in force, and what it makes of a request. Pure: the facts, what counters say and the modes come in.

use super::{
    expression::{Expression, Ground, Said},
    facts::{Facts, Total, View},
    verdict::{Action, Bands, Mode, Replies},
};
use crate::risk::velocity::{Kind, Shape, What};
use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    time::Duration,
};

/// A set of rules.
#[derive(Debug)]
pub(crate) struct RuleSet {
    /// Changes with every change of the text.
    pub(crate) version: String,
    pub(crate) counters: Vec<CounterRule>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) bands: BTreeMap<String, Bands>,
    pub(crate) replies: Replies,
    pub(crate) ground: Ground,
    /// What counts for a route by its name, and for all others.
    plans: HashMap<String, Plan>,
    rest: Plan,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) when: Expression,
    pub(crate) score: i64,
    /// What is done whatever the score.
    pub(crate) verdict: Option<Action>,
    pub(crate) mode: Mode,
    pub(crate) reason: String,
    /// For requests of these routes alone; of all where none is named.
    pub(crate) routes: Vec<String>,
}

/// One counter.
#[derive(Debug)]
pub(crate) struct CounterRule {
    pub(crate) name: String,
    /// Counted when an answer is there; else when the request is.
    pub(crate) on_answer: bool,
    pub(crate) when: Option<Expression>,
    pub(crate) key: Expression,
    /// What is told apart, or added up.
    pub(crate) of: Option<Expression>,
    pub(crate) shape: Shape,
    pub(crate) routes: Vec<String>,
}

/// What counts for the requests of a route.
#[derive(Clone, Debug, Default)]
struct Plan {
    rules: Vec<usize>,
    counters: Vec<usize>,
}

/// What a set makes of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The rules that hold, by their places, and whether each counts.
    pub(crate) hits: Vec<(usize, bool)>,
    /// Those that could not be told.
    pub(crate) errors: Vec<usize>,
    pub(crate) score: i64,
    pub(crate) action: Action,
    /// What it would be if those in shadow counted.
    pub(crate) shadow_score: i64,
    pub(crate) shadow_action: Action,
}

impl RuleSet {
    pub(crate) fn new(
        version: String,
        (counters, rules): (Vec<CounterRule>, Vec<Rule>),
        (bands, replies): (BTreeMap<String, Bands>, Replies),
        ground: Ground,
    ) -> Self {
        let named = rules.iter().flat_map(|rule| &rule.routes).chain(counters.iter().flat_map(|one| &one.routes));
        let plan = |route: Option<&str>| {
            let counts = |routes: &[String]| routes.is_empty() || routes.iter().any(|one| Some(one.as_str()) == route);
            Plan {
                rules: (0..rules.len()).filter(|at| counts(&rules[*at].routes)).collect(),
                counters: (0..counters.len()).filter(|at| counts(&counters[*at].routes)).collect(),
            }
        };
        let plans = named.map(|route| (route.clone(), plan(Some(route)))).collect();
        let rest = plan(None);
        Self { version, counters, rules, bands, replies, ground, plans, rest }
    }

    fn plan(&self, route: &str) -> &Plan {
        self.plans.get(route).unwrap_or(&self.rest)
    }

    /// Nothing is asked of the requests of a route.
    pub(crate) fn is_idle(&self, route: &str) -> bool {
        let plan = self.plan(route);
        plan.rules.is_empty() && plan.counters.is_empty()
    }

    /// What is to be counted of a request, or of its answer, by the places of counters: for which key, and what.
    pub(crate) fn counts(&self, facts: &Facts) -> Vec<(usize, String, What)> {
        let on_answer = facts.answer.is_some();
        let counters = &self.plan(&facts.route).counters;
        if !counters.iter().any(|at| self.counters[*at].on_answer == on_answer) {
            return Vec::new();
        }
        let view = View::new(facts, &[]);
        let context = self.ground.with(&view);
        let count = |at: &usize| {
            let counter = &self.counters[*at];
            if counter.on_answer != on_answer
                || counter.when.as_ref().is_some_and(|when| when.holds(&context) != Some(true))
            {
                return None;
            }
            let key = key(counter.key.execute(&context)?)?;
            let what = match (&counter.of, counter.shape.kind) {
                (Some(of), Kind::Distinct) => What::Value(hash(&of.execute(&context)?.text())),
                (Some(of), Kind::Sum) => match of.execute(&context)? {
                    Said::Number(amount) => What::Amount(amount),
                    _ => return None,
                },
                _ => What::Once,
            };
            Some((*at, key, what))
        };
        counters.iter().filter_map(count).collect()
    }

    /// What the counters of a route say, for the keys of this request. `total` knows what was counted.
    pub(crate) fn totals(&self, facts: &Facts, total: &dyn Fn(usize, &str) -> f64) -> Vec<(String, Total)> {
        let asked = &self.plan(&facts.route).rules;
        let wanted =
            |counter: &CounterRule| asked.iter().any(|at| self.rules[*at].when.counters.contains(&counter.name));
        let view = View::new(facts, &[]);
        let context = self.ground.with(&view);
        let one = |(at, counter): (usize, &CounterRule)| {
            let key = counter.key.execute(&context).and_then(key);
            let total = key.map_or(0.0, |key| total(at, &key));
            let total = match counter.shape.kind {
                Kind::Sum => Total::Amount(total),
                Kind::Count | Kind::Distinct => Total::Times(total as i64),
            };
            (counter.name.clone(), total)
        };
        self.counters.iter().enumerate().filter(|(_, counter)| wanted(counter)).map(one).collect()
    }

    /// What becomes of a request. `mode` says how far each rule is trusted now.
    pub(crate) fn judge(&self, facts: &Facts, totals: &[(String, Total)], mode: &dyn Fn(usize) -> Mode) -> Decision {
        let view = View::new(facts, totals);
        let context = self.ground.with(&view);
        let (mut decision, mut hard, mut shadow_hard) = (Decision::default(), Action::Allow, Action::Allow);
        for at in self.plan(&facts.route).rules.iter().copied() {
            let (rule, mode) = (&self.rules[at], mode(at));
            if mode == Mode::Off {
                continue;
            }
            match rule.when.holds(&context) {
                Some(false) => {}
                None => decision.errors.push(at),
                Some(true) => {
                    let counts = mode.counts(draw(&rule.name, facts));
                    decision.hits.push((at, counts));
                    decision.shadow_score = decision.shadow_score.saturating_add(rule.score);
                    shadow_hard = shadow_hard.max(rule.verdict.unwrap_or_default());
                    if counts {
                        decision.score = decision.score.saturating_add(rule.score);
                        hard = hard.max(rule.verdict.unwrap_or_default());
                    }
                }
            }
        }
        let bands = self.bands.get(&facts.route).or_else(|| self.bands.get("default")).copied().unwrap_or_default();
        decision.action = bands.action(decision.score).max(hard);
        decision.shadow_action = bands.action(decision.shadow_score).max(shadow_hard);
        decision
    }
}

impl RuleSet {
    /// Executes all expressions of rules alone, so many times, in one context. For what measures.
    pub(crate) fn bare(&self, facts: &Facts, times: u32) {
        let view = View::new(facts, &[]);
        let context = self.ground.with(&view);
        for _ in 0..times {
            for rule in &self.rules {
                std::hint::black_box(rule.when.holds(&context));
            }
        }
    }
}

impl CounterRule {
    /// It adds up, and so says an amount.
    pub(crate) fn says_amounts(&self) -> bool {
        self.shape.kind == Kind::Sum
    }

    /// What it is by its definition: one that is the same in two sets goes on counting.
    pub(crate) fn definition(&self) -> String {
        let sources = [self.when.as_ref(), Some(&self.key), self.of.as_ref()].map(|one| one.map(Expression::source));
        format!("{} {sources:?} {} {:?} {:?}", self.name, self.on_answer, self.shape, self.routes)
    }
}

impl Rule {
    /// What it is by its definition, but for its mode.
    pub(crate) fn definition(&self) -> String {
        format!("{} {:?} {} {:?} {:?}", self.name, self.when.source(), self.score, self.verdict, self.routes)
    }
}

/// The longest key of a counter that is kept as it is, in bytes.
const LONGEST_KEY: usize = 64;

/// The key that something is counted for. An empty one is nobody's.
fn key(said: Said) -> Option<String> {
    let text = said.text();
    match text.len() {
        0 => None,
        1..=LONGEST_KEY => Some(text),
        _ => {
            let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
            Some(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
        }
    }
}

/// By which values are told apart: nobody finds two that look the same.
fn hash(text: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref()[..8]);
    u64::from_be_bytes(first)
}

/// The number that whoever asks draws for a rule: the same each time.
fn draw(rule: &str, facts: &Facts) -> u64 {
    let who = &facts.who;
    let named = who.account.as_ref().or(who.device.as_ref()).or(who.key.as_ref());
    let mut hasher = DefaultHasher::new();
    (rule, named, named.is_none().then_some(who.ip)).hash(&mut hasher);
    hasher.finish()
}

/// How long a counter may look back.
pub(crate) const MOST_WINDOW: Duration = Duration::from_secs(31 * 24 * 3600);
