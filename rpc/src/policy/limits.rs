//! The limits that a client or a server is set up with, and the layers that they become.

use super::{Concurrency, ConcurrencyOptions, GuardLayer, Rate, RateLimit};

/// What was said about limits: nothing, mostly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) concurrency: Option<ConcurrencyOptions>,
    pub(crate) rates: Vec<Rate>,
}

impl Limits {
    /// The layer of the limit of calls at once.
    pub(crate) fn concurrency(&self) -> GuardLayer<Concurrency> {
        GuardLayer::maybe(self.concurrency.clone().map(Concurrency::new))
    }

    /// The layer of the rates.
    pub(crate) fn rate(&self) -> GuardLayer<RateLimit> {
        GuardLayer::maybe((!self.rates.is_empty()).then(|| RateLimit::new(self.rates.iter().cloned())))
    }
}
