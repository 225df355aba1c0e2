//! What a client is told of its instances: how one is chosen, when one is spared, and how it is connected to.

use super::{Balance, ConnectBuilder};
use crate::policy::{BreakerOptions, ConcurrencyOptions, Key, OutlierOptions};
use std::{ops::RangeInclusive, sync::Arc, time::Duration};

impl<C> ConnectBuilder<C> {
    /// How one of several instances is chosen.
    #[must_use]
    pub fn balance(mut self, balance: Balance) -> Self {
        self.settings.balance = balance;
        self
    }

    /// What calls are told apart by when the balance is [`Balance::ConsistentHash`]. Default: the first field of the request.
    #[must_use]
    pub fn hash_by(mut self, key: Key) -> Self {
        self.settings.hash_by = key;
        self
    }

    /// Stays with the instance that was picked as long as it can be used. Default: no.
    #[must_use]
    pub fn sticky(mut self, sticky: bool) -> Self {
        self.settings.sticky = sticky;
        self
    }

    /// Prefers instances of this zone. As fewer of them can be used, more calls go elsewhere: a quarter when it is half of
    /// them. Default: zones do not count.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<Arc<str>>) -> Self {
        self.settings.zone = Some(zone.into());
        self
    }

    /// How long a new instance grows to its whole share, from when it says that it began to serve. It is held against the
    /// one that has run the longest: where all are new, none is held back. Default 10 minutes; zero switches it off.
    #[must_use]
    pub fn warm_up(mut self, warm_up: Duration) -> Self {
        self.settings.warm_up = warm_up;
        self
    }

    /// How long an instance grows to its whole share after it was left out. Default 10 s.
    #[must_use]
    pub fn slow_start(mut self, slow_start: Duration) -> Self {
        self.settings.slow_start = slow_start;
        self
    }

    /// When an instance that fails most of its calls gets none for a while, whatever the others do; `None` for never.
    #[must_use]
    pub fn breaker(mut self, options: impl Into<Option<BreakerOptions>>) -> Self {
        self.settings.health.breaker = options.into();
        self
    }

    /// The same for one method at each instance, by its name on the wire, as `Hold`. Its calls count for the breaker of the
    /// instance too. Not set by default; slowness belongs here, since what is slow depends on the method.
    #[must_use]
    pub fn method_breaker(mut self, method: impl Into<Arc<str>>, options: BreakerOptions) -> Self {
        self.settings.health.methods.push((method.into(), options));
        self
    }

    /// How many calls each instance has at once, as this client counts them: others are picked over one that is full. When all
    /// are, calls stand in one line, as long as those of the full ones together, for at most the [`patience`](Self::patience), and take
    /// the first place that comes free. Default: any number.
    #[must_use]
    pub fn endpoint_concurrency(mut self, options: ConcurrencyOptions) -> Self {
        self.settings.concurrency = Some(options);
        self
    }

    /// When an instance that does worse than the others is left out for a while; `None` for never.
    #[must_use]
    pub fn outliers(mut self, options: impl Into<Option<OutlierOptions>>) -> Self {
        self.settings.health.outliers = options.into();
        self
    }

    /// How many connections an instance gets: the first number when it is used at all, more as calls pile up.
    /// Default `1..=4`.
    #[must_use]
    pub fn connections(mut self, connections: RangeInclusive<usize>) -> Self {
        self.settings.connections = connections;
        self
    }

    /// Bounds one attempt to connect. Default 3 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// How long a call waits for an instance to be there and connected, and for a place there, within its deadline. Default 2 s:
    /// long enough for a restart, short enough to say soon that there is nobody.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }
}
