//! The rules in force, swapped whole: what they count, how far each is trusted now, and how often each held. What a new set leaves
//! as it was goes on where it was: counters, modes that an operator chose, hits.

use super::{
    rule::{Answer, Decision, Facts, Mode, Rule, RuleSet},
    velocity::Counter,
};
use arc_swap::ArcSwapOption;
use metrics::counter;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Rules that held, by rule and whether they counted.
const HITS: &str = "mainstay_gateway_risk_hits_total";
/// Rules that could not be told.
const ERRORS: &str = "mainstay_gateway_risk_rule_errors_total";
/// Keys that were forgotten to make room, by counter.
const FORGOTTEN: &str = "mainstay_gateway_risk_keys_forgotten_total";

/// The rules. Nothing is asked before there is a set.
#[derive(Debug, Default)]
pub(super) struct Engine {
    live: ArcSwapOption<Live>,
    /// One change at a time. The modes that operators chose, each with the definition of its rule.
    chosen: Mutex<BTreeMap<String, (String, Mode)>>,
    /// Why the last set was refused, if it was.
    refused: Mutex<Option<String>>,
}

/// A set at work.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) set: Arc<RuleSet>,
    counters: Vec<Arc<Mutex<Counter>>>,
    modes: Vec<Mode>,
    tallies: Vec<Arc<Tally>>,
}

/// How often a rule held.
#[derive(Debug, Default)]
struct Tally {
    counted: AtomicU64,
    shadow: AtomicU64,
    errors: AtomicU64,
}

impl Engine {
    /// What is in force.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.live.load_full()
    }

    /// Puts a set into force.
    pub(super) fn take(&self, set: Arc<RuleSet>) {
        let mut chosen = lock(&self.chosen);
        let is_there = |name: &str, definition: &str| {
            set.rules.iter().any(|rule| rule.name == name && rule.definition() == definition)
        };
        chosen.retain(|name, (definition, _)| is_there(name, definition));
        let old = self.live.load_full();
        let counter = |one: &super::rule::CounterRule| {
            let definition = one.definition();
            let of = |live: &Live| live.set.counters.iter().position(|known| known.definition() == definition);
            let kept = old.as_ref().and_then(|old| Some(old.counters[of(old)?].clone()));
            kept.unwrap_or_else(|| Arc::new(Mutex::new(Counter::new(one.shape))))
        };
        let tally = |rule: &Rule| {
            let definition = rule.definition();
            let of = |live: &Live| live.set.rules.iter().position(|known| known.definition() == definition);
            old.as_ref().and_then(|old| Some(old.tallies[of(old)?].clone())).unwrap_or_default()
        };
        let live = Live {
            counters: set.counters.iter().map(counter).collect(),
            modes: modes(&set, &chosen),
            tallies: set.rules.iter().map(tally).collect(),
            set,
        };
        self.live.store(Some(Arc::new(live)));
        *lock(&self.refused) = None;
    }

    /// No set is in force from now on.
    pub(super) fn rest(&self) {
        let _one = lock(&self.chosen);
        self.live.store(None);
    }

    /// A set was refused; what was in force stays so.
    pub(super) fn refuse(&self, why: String) {
        *lock(&self.refused) = Some(why);
    }

    /// Trusts a rule so far from now on; `None`: as its set says. Whether there is such a rule.
    pub(super) fn choose(&self, name: &str, mode: Option<Mode>) -> bool {
        let mut chosen = lock(&self.chosen);
        let Some(live) = self.live.load_full() else { return false };
        let Some(rule) = live.set.rules.iter().find(|rule| rule.name == name) else { return false };
        match mode {
            Some(mode) => drop(chosen.insert(name.to_owned(), (rule.definition(), mode))),
            None => drop(chosen.remove(name)),
        }
        let (counters, tallies) = (live.counters.clone(), live.tallies.clone());
        let new = Live { set: live.set.clone(), modes: modes(&live.set, &chosen), counters, tallies };
        self.live.store(Some(Arc::new(new)));
        true
    }

    /// What is in force, for people.
    pub(super) fn page(&self) -> Value {
        let refused = lock(&self.refused).clone();
        let Some(live) = self.live() else { return json!({ "version": null, "refused": refused }) };
        json!({ "version": live.set.version, "refused": refused, "rules": live.rules(), "counters": live.counted() })
    }
}

impl Live {
    /// Counts a request, and decides about it.
    pub(super) fn judge(&self, facts: &Facts) -> Decision {
        self.count(facts);
        let total = |at: usize, key: &str| lock(&self.counters[at]).total(key, facts.at);
        let totals = self.set.totals(facts, &total);
        let decision = self.set.judge(facts, &totals, &|rule| self.modes[rule]);
        for (at, counted) in &decision.hits {
            let tally = &self.tallies[*at];
            let (tally, word) = if *counted { (&tally.counted, "enforce") } else { (&tally.shadow, "shadow") };
            tally.fetch_add(1, Relaxed);
            counter!(HITS, "rule" => self.set.rules[*at].name.clone(), "mode" => word).increment(1);
        }
        for at in &decision.errors {
            self.tallies[*at].errors.fetch_add(1, Relaxed);
            counter!(ERRORS, "rule" => self.set.rules[*at].name.clone()).increment(1);
        }
        decision
    }

    /// Counts the answer to a request.
    pub(super) fn answered(&self, facts: &mut Facts, answer: Answer, at: Duration) {
        facts.answer = Some(answer);
        facts.at = at;
        self.count(facts);
    }

    /// Counts a request, or its answer where there is one.
    pub(super) fn count(&self, facts: &Facts) {
        for (at, key, what) in self.set.counts(facts) {
            if lock(&self.counters[at]).add(&key, what, facts.at) {
                counter!(FORGOTTEN, "counter" => self.set.counters[at].name.clone()).increment(1);
            }
        }
    }

    fn rules(&self) -> Vec<Value> {
        let rule = |(at, rule): (usize, &Rule)| {
            let (mode, tally) = (self.modes[at], &self.tallies[at]);
            let share = if let Mode::Percentage(share) = mode { Some(share) } else { None };
            json!({
                "name": rule.name, "mode": mode.as_str(), "percentage": share, "mode_of_set": rule.mode.as_str(),
                "score": rule.score, "verdict": rule.verdict.map(|verdict| verdict.as_str()), "routes": rule.routes,
                "reason": rule.reason, "hits": tally.counted.load(Relaxed), "shadow_hits": tally.shadow.load(Relaxed),
                "errors": tally.errors.load(Relaxed),
            })
        };
        self.set.rules.iter().enumerate().map(rule).collect()
    }

    fn counted(&self) -> Vec<Value> {
        let all = self.set.counters.iter().zip(&self.counters);
        all.map(|(rule, counter)| json!({ "name": rule.name, "keys": lock(counter).len() })).collect()
    }
}

/// How far each rule of a set is trusted.
fn modes(set: &RuleSet, chosen: &BTreeMap<String, (String, Mode)>) -> Vec<Mode> {
    set.rules.iter().map(|rule| chosen.get(&rule.name).map_or(rule.mode, |(_, mode)| *mode)).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(count: &str, score: u32, mode: &str) -> Arc<RuleSet> {
        let text = format!(
            "counters: {{seen: {{key: client.ip, window: {count}}}}}
rules: [{{name: often, when: velocity.seen > 2, score: {score}, mode: {mode}}}]
bands: {{default: {{deny: 50}}}}
"
        );
        Arc::new(text.parse().unwrap())
    }

    fn facts() -> Facts {
        let who = super::super::Who { ip: "10.0.0.1".parse().ok(), ..Default::default() };
        Facts { who, at: Duration::from_secs(1000), ..Facts::default() }
    }

    #[test]
    fn a_new_set_keeps_what_it_leaves_as_it_was() {
        let engine = Engine::default();
        let judged = || engine.live().map(|live| live.judge(&facts()).action.as_str());
        assert_eq!(judged(), None);
        engine.take(set("1m", 60, "enforce"));
        assert_eq!((judged(), judged(), judged()), (Some("allow"), Some("allow"), Some("deny")));
        // Of another score: it goes on counting.
        engine.take(set("1m", 40, "enforce"));
        assert_eq!(judged(), Some("allow"));
        engine.take(set("1m", 60, "enforce"));
        assert_eq!(judged(), Some("deny"));
        // Of another window: it begins anew.
        engine.take(set("2m", 60, "enforce"));
        assert_eq!(judged(), Some("allow"));
        engine.refuse("line 1: no".to_owned());
        assert_eq!(engine.page()["refused"], "line 1: no");
        assert_eq!(engine.page()["counters"][0]["keys"], 1);
    }

    #[test]
    fn a_mode_that_was_chosen_stays_while_the_rule_does() {
        let engine = Engine::default();
        assert!(!engine.choose("often", Some(Mode::Off)));
        engine.take(set("1m", 60, "shadow"));
        assert!(engine.choose("often", Some(Mode::Enforce)) && !engine.choose("seldom", None));
        let mode = || engine.page()["rules"][0]["mode"].as_str().map(str::to_owned);
        assert_eq!(mode().as_deref(), Some("enforce"));
        engine.take(set("5m", 60, "shadow"));
        assert_eq!(mode().as_deref(), Some("enforce"));
        engine.take(set("5m", 61, "shadow"));
        assert_eq!(mode().as_deref(), Some("shadow"), "it is another rule");
        engine.choose("often", Some(Mode::Percentage(20)));
        assert_eq!(engine.page()["rules"][0]["percentage"], 20);
        engine.choose("often", None);
        assert_eq!(mode().as_deref(), Some("shadow"));
        for _ in 0..4 {
            engine.live().unwrap().judge(&facts());
        }
        let rule = engine.page()["rules"][0].clone();
        assert_eq!((&rule["hits"], &rule["shadow_hits"]), (&0.into(), &2.into()), "{rule}");
    }
}
