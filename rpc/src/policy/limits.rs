//! The limits that a client or a server is set up with, and the layers that they become.

use super::{Concurrency, ConcurrencyOptions, GuardLayer, Rate, RateLimit};

/// How a limit does: a picture of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitState {
    /// Which policy, as `concurrency`.
    pub policy: &'static str,
    /// What it allows, in words: `50 in 1s, burst 10, by caller, of Hold`.
    pub rule: String,
    /// How many may be under way now, where that is what it counts.
    pub limit: Option<usize>,
    /// How many are.
    pub under_way: Option<usize>,
    /// How many wait to be let in.
    pub line: usize,
}

/// What was said about limits: nothing, mostly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) concurrency: Option<ConcurrencyOptions>,
    pub(crate) rates: Vec<Rate>,
}

/// The layers that limits become. A clone is the same limits.
#[derive(Clone, Debug)]
pub(crate) struct LimitLayers {
    /// The limit of calls at once.
    pub(crate) concurrency: GuardLayer<Concurrency>,
    /// The rates.
    pub(crate) rate: GuardLayer<RateLimit>,
    rules: Vec<String>,
}

impl Limits {
    /// The layers of these limits, with counts of their own.
    pub(crate) fn layers(&self) -> LimitLayers {
        let rate = (!self.rates.is_empty()).then(|| RateLimit::new(self.rates.iter().cloned()));
        LimitLayers {
            concurrency: GuardLayer::maybe(self.concurrency.clone().map(Concurrency::new)),
            rate: GuardLayer::maybe(rate),
            rules: self.rates.iter().map(ToString::to_string).collect(),
        }
    }
}

impl LimitLayers {
    /// There is one.
    pub(crate) fn are_set(&self) -> bool {
        self.concurrency.gate.is_some() || self.rate.gate.is_some()
    }

    /// How each does now.
    pub(crate) fn states(&self) -> Vec<LimitState> {
        let concurrency = self.concurrency.gate.as_deref().map(|gate| LimitState {
            policy: "concurrency",
            rule: gate.policy.rule(),
            limit: Some(gate.policy.limit()),
            under_way: Some(gate.policy.under_way()),
            line: gate.line(),
        });
        let paced = self.rate.gate.as_deref().map_or(0, |gate| gate.line());
        let rates = self.rules.iter().map(|rule| LimitState {
            policy: "rate",
            rule: rule.clone(),
            limit: None,
            under_way: None,
            line: paced,
        });
        concurrency.into_iter().chain(rates).collect()
    }
}
