//! A gateway with filters of a user's own, as a program or inside one.

use crate::{
    cli,
    config::Config,
    filter::Filter,
    gateway::{Gateway, StartError},
};
use mainstay::prometheus::Prometheus;
use std::{process::ExitCode, sync::Arc};

/// A gateway before it starts.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    pub(crate) filters: Vec<Arc<dyn Filter>>,
}

impl Builder {
    /// Puts a filter into the way of every request that a route takes, below those that are there.
    #[must_use]
    pub fn filter(mut self, filter: impl Filter) -> Self {
        self.filters.push(Arc::new(filter));
        self
    }

    /// Listens, as [`Gateway::start`] does.
    ///
    /// # Errors
    /// What cannot be done on this machine.
    pub async fn start(self, config: Config, metrics: Option<Prometheus>) -> Result<Gateway, StartError> {
        Gateway::with(self, config, metrics).await
    }

    /// Is the program `mainstay-gateway`, with these filters: the whole of a `main`.
    pub fn main(self) -> ExitCode {
        cli::run(self, std::env::args().skip(1))
    }
}
