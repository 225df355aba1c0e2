//! What operators see of an application and may tell it: the admin port, as the application sets it up.

use super::{App, AppError, Readiness, builder::secured, report, running::Plan, sources::Resolved};
use crate::{
    admin::{self, Console, Inside, LogFilter},
    prometheus::Prometheus,
    route::RuleBoard,
    server::Running,
};
use mainstay_registry::Secret;
use serde_json::json;
use std::fmt::Display;

/// What the program gives operators to see.
#[derive(Debug, Default)]
pub(super) struct Desk {
    console: Console,
    metrics: Option<Prometheus>,
    log: Option<LogFilter>,
}

/// What operators see and may do.
impl App {
    /// Answers operators on this address: `9901`, or `0.0.0.0:9901` with a [token](Self::admin_token). On loopback unless a
    /// host is said. Default: nowhere.
    #[must_use]
    pub fn admin(self, address: impl Display) -> Self {
        self.set("admin", address)
    }

    /// Asks operators for the token that is at this place: `env:NAME` or `file:/path`.
    #[must_use]
    pub fn admin_token(self, place: impl Display) -> Self {
        self.set("admin-token", place)
    }

    /// The clients that operators see: [`ConnectBuilder::console`](crate::client::ConnectBuilder::console) puts one in.
    pub fn console(&self) -> Console {
        self.desk.console()
    }

    /// Shows this recorder at `/metrics`. [`run`](Self::run) installs one of its own when operators are answered, the program
    /// gave none and the process has none.
    #[must_use]
    pub fn metrics(mut self, metrics: &Prometheus) -> Self {
        self.desk.metrics = Some(metrics.clone());
        self
    }

    /// Lets operators see and change what is logged.
    #[must_use]
    pub fn log_filter(mut self, log: LogFilter) -> Self {
        self.desk.log = Some(log);
        self
    }

    /// Records metrics if somebody is to see them: what the owner of a process may do, and who is embedded may not.
    pub(super) fn recording(mut self) -> Self {
        let asked = self.resolve().is_ok_and(|resolved| resolved.settings.admin().is_some());
        if asked && self.desk.metrics.is_none() {
            let metrics = Prometheus::new();
            self.desk.metrics = metrics.install().is_ok().then_some(metrics);
        }
        self
    }
}

impl Desk {
    /// The clients that are shown.
    pub(super) fn console(&self) -> Console {
        self.console.clone()
    }

    /// Opens the port, if the settings want one.
    pub(super) async fn open(
        self,
        resolved: &Resolved,
        readiness: &Readiness,
        server: &Running,
        rules: &RuleBoard,
        plan: &Plan,
    ) -> Result<Option<Running>, AppError> {
        let Some(at) = resolved.settings.admin() else { return Ok(None) };
        let token = resolved.settings.admin_token.as_deref().map(Secret::read).transpose();
        let token = token.map_err(|why| AppError::Admin { why })?;
        let inside = Inside {
            readiness: readiness.clone(),
            console: self.console,
            limits: server.limit_layers(),
            rules: rules.clone(),
            metrics: self.metrics,
            log: self.log,
            facts: json!({
                "application": plan.application,
                "services": plan.services,
                "listening": plan.listening.to_string(),
                "advertised": plan.advertised.to_string(),
                "advertised_by": plan.advertised.rule.to_string(),
                "registry": plan.registry,
            }),
            settings: report::rows(resolved),
        };
        let server = secured(crate::server::Server::bare(), &resolved.settings)?;
        let opened = admin::start(server, at, token, inside).await;
        opened.map(Some).map_err(|error| AppError::Admin { why: format!("cannot listen on {at}: {error}") })
    }
}
