//! For `cargo bench-gateway` alone: what it measures below the public interface.

use crate::{
    config::Config,
    route::{Asked, Table},
};
use http::{HeaderMap, Method};

/// The routes of a file, as the gateway looks them up.
#[derive(Debug)]
pub struct Routes(Table<usize>);

impl Routes {
    /// Indexes them.
    pub fn of(config: &Config) -> Self {
        let routes = config.routes.iter().enumerate();
        Self(Table::new(routes.map(|(at, route)| (route.matcher.clone(), at))))
    }

    /// Which of them takes `GET path` for a host.
    pub fn find(&self, host: &str, path: &str) -> Option<usize> {
        let headers = HeaderMap::new();
        let asked = Asked { host, path, query: "", method: &Method::GET, headers: &headers };
        self.0.find(asked).map(|(at, _)| *at)
    }
}
