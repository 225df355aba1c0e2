//! `grpc.health.v1.Health` of every server: Check, Watch and List, and the handle that says what they answer.
//!
//! The messages are those of `tonic-health`; the service is an ordinary one. A drain says NOT_SERVING first of all, so
//! that peers which watch (Dubbo's Go consumers do, for each provider) leave before anything else changes, and then ends
//! the watches, which would otherwise keep the drain waiting to its last second.

mod descriptor;
mod table;
#[cfg(test)]
mod tests;

use super::{Phase, Routes, Serve, Shutdown, builtin::method};
use crate::call::{Kind, Reason, ServiceDef, Status, Streaming};
use mainstay_registry::ServiceKey;
use std::{collections::HashMap, fmt, sync::Arc};
use table::Table;
use tokio::sync::watch;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus};

/// The health of a server, to be told and asked. A clone is the same.
///
/// Everything is up unless something else is said; names are those of the health service: the empty one for the server,
/// `package.Service` for a service in all its versions, and `[group/]package.Service[:version]` for one of them.
#[derive(Clone)]
pub struct Health(Arc<watch::Sender<Table>>);

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Table::default())))
    }
}

impl Health {
    /// Says whether the server takes calls. While it does not, none of its services does.
    pub fn set_server(&self, serving: bool) {
        self.0.send_modify(|table| table.set_server(serving));
    }

    /// Says whether a service takes calls. A name that is not served may be given too: it answers from then on.
    pub fn set_service(&self, name: &str, serving: bool) {
        self.0.send_modify(|table| table.set(name, serving));
    }

    /// Whether a name takes calls; `None` when nothing has that name.
    pub fn is_serving(&self, name: &str) -> Option<bool> {
        Some(self.0.borrow().status(name)? == ServingStatus::Serving)
    }

    /// Says that nothing takes calls, for good: the first step of going away. Calls are still answered.
    pub fn stop(&self) {
        self.0.send_modify(Table::stop);
    }

    pub(super) fn declare(&self, key: &ServiceKey) {
        self.0.send_modify(|table| table.declare(key));
    }

    fn check(&self, name: &str) -> Result<HealthCheckResponse, Status> {
        let status = self.0.borrow().status(name);
        status.map(response).ok_or_else(|| Status::new(Code::NotFound, format!("{name} is not served here")))
    }

    fn list(&self) -> Result<HealthListResponse, Status> {
        let table = self.0.borrow();
        let names = table.names();
        if names.len() > MAX_LISTED {
            let message = format!("{} services are more than the {MAX_LISTED} that are listed", names.len());
            return Err(Status::because(Reason::MessageTooLarge, Code::ResourceExhausted, message));
        }
        let answer = |name: &str| Some((name.to_owned(), response(table.status(name)?)));
        Ok(HealthListResponse { statuses: names.into_iter().filter_map(answer).collect() })
    }

    /// The status of a name now, and whenever it changes, until the server drains.
    fn watch(&self, name: String, shutdown: Shutdown) -> Streaming<HealthCheckResponse> {
        let watching = Watching { table: self.0.subscribe(), name, shutdown, last: None };
        Streaming::new(futures_util::stream::unfold(watching, async |mut watching| {
            let next = watching.next().await;
            Some((next.map(response), watching))
        }))
    }
}

/// Names in one answer of List, at most; gRPC's own servers hold the same.
const MAX_LISTED: usize = 100;

struct Watching {
    table: watch::Receiver<Table>,
    name: String,
    shutdown: Shutdown,
    last: Option<ServingStatus>,
}

impl Watching {
    async fn next(&mut self) -> Result<ServingStatus, Status> {
        loop {
            let found = self.table.borrow_and_update().status(&self.name);
            let status = found.unwrap_or(ServingStatus::ServiceUnknown);
            if self.last != Some(status) {
                self.last = Some(status);
                return Ok(status);
            }
            tokio::select! {
                biased;
                // Its sender lives in the server's own handle: an end of it is an end of the server.
                Ok(()) = self.table.changed() => {}
                () = self.shutdown.reached(Phase::Draining) => return Err(super::builtin::draining()),
            }
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.0.borrow();
        f.debug_map().entries(table.names().into_iter().map(|name| (name, table.status(name)))).finish()
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

/// Asks for every name.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct HealthListRequest {}

/// Every name with its status.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthListResponse {
    #[prost(map = "string, message", tag = "1")]
    statuses: HashMap<String, HealthCheckResponse>,
}

/// The service over a [`Health`].
pub(super) struct HealthService {
    pub(super) health: Health,
    pub(super) shutdown: Shutdown,
}

pub(super) static DEFINITION: ServiceDef = ServiceDef {
    package: "grpc.health.v1",
    name: "Health",
    full_name: "grpc.health.v1.Health",
    version: None,
    group: None,
    docs: "Whether a server, and each of its services, takes calls.",
    methods: &[
        method("Check", Kind::Unary, descriptor::check_request, descriptor::check_response),
        method("Watch", Kind::ServerStreaming, descriptor::check_request, descriptor::check_response),
        method("List", Kind::Unary, descriptor::list_request, descriptor::list_response),
    ],
};

impl Serve for HealthService {
    fn definition(&self) -> &'static ServiceDef {
        &DEFINITION
    }

    fn routes(&self, routes: &mut Routes) {
        let health = self.health.clone();
        routes.unary(0, move |_, request: HealthCheckRequest| std::future::ready(health.check(&request.service)));
        let (health, shutdown) = (self.health.clone(), self.shutdown.clone());
        routes.server_streaming(1, move |_, request: HealthCheckRequest| {
            std::future::ready(Ok::<_, Status>(health.watch(request.service, shutdown.clone())))
        });
        let health = self.health.clone();
        routes.unary(2, move |_, _: HealthListRequest| std::future::ready(health.list()));
    }
}
