//! How a server's edge is put together, and the door that a connection knocks at.

use super::{
    Body, Cors, HttpService, Mountable,
    body::Caught,
    errors,
    ours::{Mounts, Ours},
};
use crate::{
    call::Channel,
    server::{Dispatch, Server},
    transport::{Http1Limits, head::is_grpc, panicked},
};
use futures_util::FutureExt;
use http::{Method, Request, Response};
use std::{fmt, panic::AssertUnwindSafe, sync::Arc};
use tower_layer::Layer;

/// What was said of a server's edge before it begins.
#[derive(Default)]
pub(crate) struct Setup {
    mounts: Mounts,
    layers: Vec<Box<dyn FnOnce(HttpService) -> HttpService + Send>>,
    cors: Option<Cors>,
    pub(crate) http1: Http1Limits,
}

impl Setup {
    /// A service of that name is mounted.
    pub(crate) fn mounts_service(&self, name: &str) -> bool {
        self.mounts.is_at(name)
    }

    /// Builds the edge over a server stack.
    pub(crate) fn build(self, dispatch: Dispatch, service: Channel, max_message: usize, gzip: bool) -> Entry {
        let (mounts, patience) = (Arc::new(self.mounts), self.http1.stall_timeout);
        let layered = !self.layers.is_empty();
        let ours = Ours::new(dispatch.clone(), service, (max_message, patience, gzip), self.cors, mounts.clone());
        let http = self.layers.into_iter().fold(HttpService::of(ours), |inner, layer| layer(inner));
        Entry { http, layered, dispatch, mounts }
    }
}

/// Where requests enter the edge.
pub(crate) struct Entry {
    http: HttpService,
    /// Layers of HTTP want to see every request, native gRPC too.
    layered: bool,
    dispatch: Dispatch,
    mounts: Arc<Mounts>,
}

impl Entry {
    /// The request is gRPC that the connection answers itself, without the edge.
    pub(crate) fn is_native<B>(&self, request: &Request<B>) -> bool {
        request.method() == Method::POST && is_grpc(request.headers()) && !self.layered && {
            let path = request.uri().path();
            self.mounts.is_empty() || self.dispatch.knows(path) || self.mounts.find(path).is_none()
        }
    }

    /// Answers a request. A panic is a failure of that request alone.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Caught> {
        let work = AssertUnwindSafe(async { self.http.answer(request).await });
        let response = work.catch_unwind().await.unwrap_or_else(|_| errors::response(&panicked()));
        response.map(Caught::new)
    }

    pub(crate) fn into_service(self) -> HttpService {
        self.http
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("layered", &self.layered).field("mounts", &self.mounts).finish_non_exhaustive()
    }
}

/// What the port answers besides native gRPC.
impl Server {
    /// Mounts any other service of HTTP at a path, or at the name of a service: a tonic service at its name, an
    /// `axum::Router` at `/` for all that nothing else answers. The longest path wins; the path of a request is passed
    /// on whole. What [`serve`](Self::serve) serves comes first.
    ///
    /// Requests are passed with the [`Peer`](crate::call::Peer) among their extensions. Our layers of calls do not see
    /// them; those of [`http_layer`](Self::http_layer) do. Upgrades, such as WebSocket, are not passed on.
    #[must_use]
    pub fn mount(mut self, at: &str, service: impl Mountable) -> Self {
        self.edge.mounts.add(at, HttpService::new(service));
        self
    }

    /// Puts a layer of HTTP, as those of tower-http, around everything on the port. One that is added later sees a
    /// request earlier.
    ///
    /// With such a layer gRPC, too, is answered through `http`'s types, since a layer that guards the port must not be
    /// passed by; that costs the speed of the native way. For gRPC alone take a layer of calls instead.
    #[must_use]
    pub fn http_layer(mut self, layer: impl Layer<HttpService, Service: Mountable> + Send + 'static) -> Self {
        self.edge.layers.push(Box::new(move |inner| HttpService::new(layer.layer(inner))));
        self
    }

    /// Lets scripts of other origins call JSON and gRPC-Web. Off unless this is said.
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Self {
        self.edge.cors = Some(cors);
        self
    }

    /// Bounds what one HTTP/1.1 connection may cost.
    #[must_use]
    pub fn http1_limits(mut self, limits: Http1Limits) -> Self {
        self.edge.http1 = limits;
        self
    }
}
