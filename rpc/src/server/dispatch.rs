//! Path → handler: the foot of the server stack.
//!
//! A service may be served in several versions and groups on one port. The rule is Dubbo's with its surprise taken
//! out: the exact group and version; else, when the request names no version, the only or first one that is served
//! under its group; else UNIMPLEMENTED. Built once, never changed: readers take no lock.

use super::{
    echo::{self, Echo},
    routes::{Handler, Routes, Serve},
};
use crate::{
    call::{BoxFuture, Cx, Invocation, Kind, Method, Reason, Reply, ServiceDef, Status},
    dubbo,
    layer::Named,
};
use foldhash::fast::RandomState;
use mainstay_registry::ServiceKey;
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
    task::{Context, Poll},
};
use tonic::Code;
use tower_service::Service;

/// The services of a server, by path.
#[derive(Clone, Default)]
pub(crate) struct Dispatch(Arc<Table>);

#[derive(Default)]
struct Table {
    paths: HashMap<String, Vec<Arc<Route>>, RandomState>,
    /// What each service answers to without saying so.
    unsaid: HashMap<String, Vec<Arc<Route>>, RandomState>,
    services: Vec<&'static ServiceDef>,
}

/// The version and the group under which services are served, where that is not for their traits to say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) version: Option<Arc<str>>,
    pub(crate) group: Option<Arc<str>>,
}

impl Place {
    /// Where a service is found: its trait says what nothing else does.
    pub(crate) fn key(&self, definition: &ServiceDef) -> ServiceKey {
        let pick = |set: &Option<Arc<str>>, said: Option<&str>| set.as_deref().or(said).unwrap_or_default().to_owned();
        ServiceKey::new(definition.full_name)
            .with_group(pick(&self.group, definition.group))
            .with_version(pick(&self.version, definition.version))
    }
}

/// One method that is served.
pub(crate) struct Route {
    pub(crate) definition: &'static ServiceDef,
    key: ServiceKey,
    pub(crate) method: Method,
    handler: Arc<dyn Handler>,
    /// Whether its handlers are short enough to run in the connection's task.
    #[cfg(feature = "server")]
    pub(crate) inline: super::inline::Inline,
}

impl Dispatch {
    /// The table of some services.
    pub(crate) fn new<'a>(services: impl IntoIterator<Item = &'a dyn Serve>) -> Self {
        Self::at(&Place::default(), services)
    }

    /// The table of some services, which are served at `place`.
    pub(crate) fn at<'a>(place: &Place, services: impl IntoIterator<Item = &'a dyn Serve>) -> Self {
        let mut table = Table::default();
        for serve in services {
            table.add(Routes::of(serve), place);
        }
        Self(Arc::new(table))
    }

    /// What is served, in the order it was added.
    #[cfg(feature = "server")]
    pub(crate) fn services(&self) -> &[&'static ServiceDef] {
        &self.0.services
    }

    /// Something is served at this path, in whatever version.
    #[cfg(feature = "server")]
    pub(crate) fn knows(&self, path: &str) -> bool {
        self.0.paths.contains_key(path)
    }

    /// The route that a request means.
    ///
    /// # Errors
    /// UNIMPLEMENTED, saying whether it is the service, the version or the method that is not here.
    pub(crate) fn find(&self, path: &str, version: Option<&str>, group: Option<&str>) -> Result<&Arc<Route>, Status> {
        // An empty value says nothing: peers send one for what they were not told.
        let (version, group) = (version.filter(|v| !v.is_empty()), group.filter(|g| !g.is_empty()));
        let entries = self.0.paths.get(path).or_else(|| self.0.unsaid.get(path));
        let Some(entries) = entries else { return Err(self.unknown(path)) };
        let exact = entries.iter().find(|e| e.version() == version && e.group() == group);
        let fallback = || {
            let any_version = version.is_none();
            let any_group = group.is_none();
            entries.iter().find(|e| any_version && (any_group || e.group() == group))
        };
        // Those are the server's, not one version's: who asks under those of a service gets them too.
        let of_the_server = || entries.first().filter(|e| is_of_the_server(e.definition));
        exact.or_else(fallback).or_else(of_the_server).ok_or_else(|| not_in(version, group, entries))
    }

    fn unknown(&self, path: &str) -> Status {
        let (service, method) = path.trim_start_matches('/').rsplit_once('/').unwrap_or((path, ""));
        if self.0.services.iter().any(|known| known.full_name == service) {
            let message = format!("{service} has no method {method}");
            return Status::because(Reason::UnknownMethod, Code::Unimplemented, message);
        }
        Status::because(Reason::UnknownService, Code::Unimplemented, format!("{service} is not served here"))
    }
}

/// Health, reflection, and what Dubbo's consumers ask an application.
fn is_of_the_server(definition: &ServiceDef) -> bool {
    definition.package.starts_with("grpc.") || definition.full_name == dubbo::metadata::NAME
}

fn not_in(version: Option<&str>, group: Option<&str>, entries: &[Arc<Route>]) -> Status {
    let name = |v: Option<&str>, g: Option<&str>| format!("version {}, group {}", v.unwrap_or("-"), g.unwrap_or("-"));
    let here: BTreeSet<_> = entries.iter().map(|e| name(e.version(), e.group())).collect();
    let here = here.into_iter().collect::<Vec<_>>().join("; ");
    let service = entries.first().map_or("", |e| e.definition.full_name);
    let message = format!("{service} is not served in {}; here it is in {here}", name(version, group));
    Status::because(Reason::UnknownVersion, Code::Unimplemented, message)
}

impl Route {
    fn new(definition: &'static ServiceDef, key: ServiceKey, method: Method, handler: Arc<dyn Handler>) -> Self {
        Self {
            definition,
            key,
            method,
            handler,
            #[cfg(feature = "server")]
            inline: Default::default(),
        }
    }

    fn version(&self) -> Option<&str> {
        self.key.version.as_deref()
    }

    fn group(&self) -> Option<&str> {
        self.key.group.as_deref()
    }
}

impl Table {
    fn add(&mut self, routes: Routes, place: &Place) {
        let definition = routes.definition;
        let key = match is_of_the_server(definition) {
            true => Place::default().key(definition),
            false => place.key(definition),
        };
        self.services.push(definition);
        if let (false, Ok(method)) =
            (is_of_the_server(definition), Method::new(definition.full_name, echo::NAME, Kind::Unary))
        {
            let path = method.path().as_str().to_owned();
            let route = Route::new(definition, key.clone(), method.made_idempotent(), Arc::new(Echo));
            self.unsaid.entry(path).or_default().push(Arc::new(route));
        }
        for (index, handler) in routes.handlers {
            let route = Arc::new(Route::new(definition, key.clone(), routes.methods[index].clone(), handler));
            for name in std::iter::once(&definition.methods[index].name).chain(definition.methods[index].aliases) {
                self.paths.entry(format!("/{}/{name}", definition.full_name)).or_default().push(route.clone());
            }
        }
    }
}

impl Service<Invocation> for Dispatch {
    type Response = Reply;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Reply, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut call: Invocation) -> Self::Future {
        let found = self.find(call.method.path().as_str(), call.version.as_deref(), call.group.as_deref());
        match found.map(|route| route.handler.clone()) {
            Ok(handler) => {
                let cx = Cx::of(&mut call);
                handler.call(cx, call.into_parts().payload)
            }
            Err(status) => Box::pin(std::future::ready(Err(status))),
        }
    }
}

impl Named for Dispatch {
    fn names(&self, names: &mut Vec<&'static str>) {
        names.push("dispatch");
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.method.fmt(f)
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.services.iter().map(|service| service.full_name)).finish()
    }
}
