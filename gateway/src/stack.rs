//! The stack of the gateway, top to bottom. It is written here and nowhere else.
//!
//! 1. **Guard** (`ingress/guard.rs`) reads the bytes of HTTP/1.1 before anybody else: what is not plainly one request after
//!    another has no business in anything below.
//! 2. The **server** is `mainstay`'s own, so that versions of HTTP, bounds of connections and the drain are those of every server.
//! 3. The **access log** sees whatever became of a request, also what is refused at once, and so does its **span**, which begins here:
//!    all that is asked below is told to be below it.
//! 4. The **head** is understood or refused, and has one form from here on: what is matched is what is forwarded.
//! 5. **Whose word counts**: the client's address, and which headers are believed. It stands before the route, since routes ask
//!    for headers, and before everything that limits clients.
//! 6. The **deny list** refuses, by address and by whoever the request says it is from: before a route is looked for, and
//!    before anything that costs.
//! 7. The **route** is found in one snapshot of the file; the request keeps that snapshot to its end. A preflight of a script
//!    (CORS) is answered here: it asks for a route and brings nothing that a limit should count.
//! 8. **What the gateway bears** as a whole comes next, and **until when** the answer must have begun: that a request is refused
//!    there costs the least. All that follows is bounded by that one moment.
//! 9. **Who asks** is found out, if the route wants that: by a token, a key, a signature, or the word of another service. It stands
//!    below the route, which says what it wants, and above all that asks for an account; the deny list is asked again.
//! 10. **Risk** counts the request and asks the rules about it: who is not let through has cost no upstream anything, and takes no
//!     place among those that flow control counts. How a request was answered is counted when it is.
//! 11. **Flow control** counts what the route lets in: who may, each client, all together, and at last whether the route is given
//!     up for a while. It stands below everything that refuses for nothing, so that such requests take no place, and above the
//!     kinds, so that what waits or is refused has cost no upstream anything.
//! 12. The **lane** is chosen: the main one, or a canary with its colour. What the route makes of headers and path is made then.
//! 13. **Faults** that operators inject are met here, where those of an upstream would be: all above takes them for such.
//! 14. A user's **own filters** see what the route has taken, in the order in which they were added, and answers in the other.
//! 15. The **kind** of the route answers: plain HTTP, gRPC, JSON or a fixed answer. What may be sent again is sent again below
//!     here, by the upstream; nothing above repeats.
//!
//! What a request is refused for on the way, it is told in its own dialect (`refusal.rs`).

use crate::{
    access::{Line, Log, Logged, Told},
    auth::{Desk, Identity},
    chaos::{Chaos, lost},
    config::{Kind, ListenerConfig},
    deadline::Deadline,
    filter::{Filter, Said, accepts_gzip, compress, preflight_of},
    flow::{self, Asks, Limits},
    handle::{self, Matched},
    ingress::{self, Cidr, Target},
    meters,
    refusal::Refusal,
    risk::{Case, DECISION, Facts, Risk, Who},
    route::{Asked, Capture},
    seen::{Captured, Known, Seen, Wants, peer},
    snapshot::{Route, Snapshot},
    trace::Tracer,
};
use arc_swap::ArcSwap;
use http::{
    HeaderName, Method, Request, Response, StatusCode,
    header::{ALLOW, SET_COOKIE},
};
use mainstay::{
    call::{BoxFuture, Peer},
    edge::Body,
};
use percent_encoding::percent_decode_str;
use std::{
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};
use tokio::time::Instant;
use tower_service::Service;

/// What carries the colour of a canary through all services behind: Dubbo's tag.
const TAG: HeaderName = HeaderName::from_static("dubbo.tag");

/// Under which a request is known to all who see it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest that is kept, in bytes.
const MAX_ID: usize = 128;

/// What answers the requests of one listener. A clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Stack(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    current: Arc<ArcSwap<Snapshot>>,
    trusted: Vec<Cidr>,
    filters: Arc<[Arc<dyn Filter>]>,
    /// `http` or `https`.
    scheme: &'static str,
    limits: Limits,
    risk: Risk,
    chaos: Chaos,
    log: Option<Log>,
    tracer: Option<Tracer>,
    dice: RandomState,
    throws: AtomicU64,
}

impl Stack {
    pub(crate) fn new(
        current: Arc<ArcSwap<Snapshot>>,
        listener: &ListenerConfig,
        filters: Arc<[Arc<dyn Filter>]>,
        (limits, risk, chaos): (Limits, Risk, Chaos),
        (log, tracer): (Option<Log>, Option<Tracer>),
    ) -> Self {
        let (dice, throws) = (RandomState::new(), AtomicU64::new(0));
        let (trusted, scheme) =
            (listener.trusted_proxies.clone(), if listener.tls.is_some() { "https" } else { "http" });
        Self(Arc::new(Inner { current, trusted, filters, scheme, limits, risk, chaos, log, tracer, dice, throws }))
    }
}

impl Service<Request<Body>> for Stack {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move { Ok(inner.logged(request).await) })
    }
}

impl Inner {
    async fn logged(&self, mut request: Request<Body>) -> Response<Body> {
        let began = Instant::now();
        let snapshot = self.current.load_full();
        let method = request.method().clone();
        let span = self.tracer.as_ref().and_then(|tracer| tracer.begin(&method, request.headers_mut()));
        let mut seen = Seen { began, line: Line::default(), route: None, said: None, session: None, gzip: false };
        let wants = Wants::of(request.headers());
        let target = ingress::read(&method, request.uri(), request.headers());
        let answered = match &target {
            Ok(target) => self.answer(&snapshot, target, request, &mut seen).await,
            Err(refused) => {
                seen.line.client = peer(&request);
                Err(refused.clone().into())
            }
        };
        let mut response = match answered {
            Ok(response) => response,
            Err(refusal) => {
                seen.line.reason = Some(refusal.reason.to_string());
                Box::pin(refusal.answer(&wants.headers())).await
            }
        };
        match &seen.route {
            Some(route) => {
                response = self.decorated(&seen, route, (&method, &wants), response);
                route.meters.count(&route.config.name, response.status(), began.elapsed());
            }
            None => meters::count("", response.status(), began.elapsed()),
        }
        if self.log.is_none() && span.is_none() {
            return response;
        }
        let (told, mut line) = (Told { log: self.log.clone(), span }, seen.line);
        line.ended(&response);
        (line.method, line.version) = (method.to_string(), snapshot.version);
        line.route = seen.route.map(|route| route.config.name.clone());
        if let Ok(target) = target {
            (line.host, line.path) = (target.host, target.path);
        }
        response.map(|body| Body::new(Logged::new(body, line, began, told)))
    }

    /// What becomes of an answer on the way back.
    fn decorated(
        &self,
        seen: &Seen,
        route: &Route,
        (method, wants): (&Method, &Wants),
        mut response: Response<Body>,
    ) -> Response<Body> {
        self.filters.iter().rev().for_each(|filter| filter.response(&route.config.name, &mut response));
        let headers = response.headers_mut();
        route.config.response_headers.apply(headers, seen.said.as_ref());
        if let Some(cors) = &route.config.cors {
            cors.decorate(&wants.headers(), headers);
        }
        if let (Some(sticky), Some(session)) = (&route.config.sticky, seen.session.filter(|session| session.is_new)) {
            headers.extend(sticky.cookie(session, self.scheme == "https").map(|cookie| (SET_COOKIE, cookie)));
        }
        if route.config.gzip { compress(seen.gzip, method, response) } else { response }
    }

    async fn answer(
        &self,
        snapshot: &Snapshot,
        target: &Target,
        mut request: Request<Body>,
        seen: &mut Seen,
    ) -> Result<Response<Body>, Refusal> {
        let (peer, how) = (peer(&request), (self.scheme, target.authority.as_str()));
        seen.line.client = ingress::prepare(request.headers_mut(), peer, how, &self.trusted);
        snapshot.desk.strip(request.headers_mut());
        let who = snapshot.config.risk.subjects.who(seen.line.client, request.headers());
        if let Some(refusal) = self.risk.denies(&who, snapshot.version) {
            return Err(refusal);
        }
        seen.line.listed = self.risk.listed(&who);
        let query = target.query.as_deref().unwrap_or_default();
        let asked = Asked {
            host: &target.host,
            path: &target.path,
            query,
            method: request.method(),
            headers: request.headers(),
        };
        if let Some(answer) = preflight(snapshot, asked) {
            return Ok(answer);
        }
        let Some((route, captures)) = snapshot.table.find(asked) else { return Err(nothing(snapshot, asked)) };
        let path = route.config.rewrite.as_ref().map(|rewrite| rewrite.path(&captures));
        let decoded = |one: &Capture<'_>| {
            let value = percent_decode_str(one.value).decode_utf8_lossy();
            (one.name.to_owned(), value.into_owned())
        };
        let asks = matches!(route.config.kind, Kind::Aggregate(_));
        let variables = captures.iter().filter(|_| asks).map(decoded).collect();
        let route = route.clone();
        seen.route = Some(route.clone());
        let captured: Vec<_> = captures.iter().map(Captured::from).collect();
        let entered = self.limits.enter()?;
        let deadline = Deadline::of(&route.config, request.headers(), seen.began)?;
        let when = (target, deadline);
        let Known { mut request, case, account } =
            self.known(snapshot, &route, when, request, (who, &mut seen.line)).await?;
        let captures: Vec<_> = captured.iter().map(Captured::capture).collect();
        let (method, headers) = (request.method(), request.headers());
        let asked = Asked { host: &target.host, path: &target.path, query, method, headers };
        let origin = match &snapshot.config.origin_header {
            Some(name) => headers.get(name).and_then(|value| value.to_str().ok()),
            None => account.as_deref(),
        };
        let asks = Asks { asked, client: seen.line.client, captures: &captures, origin, deadline };
        let places = self.limits.admit(&route.config.name, asks, &snapshot.config.shared_limits, entered).await?;
        let random = self.dice.hash_one(self.throws.fetch_add(1, Relaxed));
        seen.session = route.config.sticky.as_ref().and_then(|sticky| sticky.session(request.headers(), random));
        let draw = seen.session.map_or(random, |session| session.draw(&route.config.name));
        let lane = route.lane(request.headers(), query, draw);
        seen.line.lane.clone_from(&lane.name);
        seen.gzip = route.config.gzip && accepts_gzip(request.headers());
        if route.config.request_headers.asks() || route.config.response_headers.asks() {
            seen.said = Some(self.said(&request, target, &route, seen.line.client));
        }
        if let Some(tag) = &lane.tag {
            request.headers_mut().insert(TAG, tag.clone());
        }
        route.config.request_headers.apply(request.headers_mut(), seen.said.as_ref());
        let asked = Asked {
            host: &target.host,
            path: &target.path,
            query,
            method: request.method(),
            headers: request.headers(),
        };
        let met = match &snapshot.config.chaos[..] {
            [] => Ok(false),
            rules => Box::pin(self.chaos.meet(rules, &route.config.name, asked, deadline.at)).await,
        };
        let matched = Matched { path, variables, session: seen.session, deadline };
        let answer = match met {
            Err(refusal) => Err(refusal),
            Ok(is_lost) => {
                let answer = match self.own(&route.config.name, &mut request).await {
                    Some(answer) => Ok(answer),
                    None => handle::answer((&route, lane), target, &matched, request).await,
                };
                if is_lost { answer.map(lost) } else { answer }
            }
        };
        self.tell(case, &answer);
        flow::hold(places, answer)
    }

    /// Who asks for a route is known from here on, and no rule of risk keeps the request back.
    async fn known(
        &self,
        snapshot: &Snapshot,
        route: &Route,
        (target, deadline): (&Target, Deadline),
        request: Request<Body>,
        (mut who, line): (Who, &mut Line),
    ) -> Result<Known, Refusal> {
        let facts = || Facts::of(request.method(), target, request.headers(), &who);
        let mut case = self.risk.case(&route.config.name, facts);
        let (identity, mut request) = match Desk::is_asked(&route.config) {
            false => (Identity::default(), request),
            // Put away, as all that few requests want: the others carry along no room for it.
            true => match Box::pin(snapshot.desk.admit(&route.config, (target, deadline), request)).await {
                Ok(known) => known,
                Err(refusal) => {
                    // Who tries one secret after the other is counted too.
                    self.risk.answered(case, refusal.status, None);
                    return Err(refusal);
                }
            },
        };
        let said = who.clone();
        snapshot.config.risk.subjects.prove(&mut who, &identity);
        line.account = who.account.as_deref().filter(|_| self.log.is_some()).map(|account| self.risk.hash(account));
        if who != said
            && let Some(refusal) = self.risk.denies(&who, snapshot.version)
        {
            return Err(refusal);
        }
        case.prove(&who, &identity);
        identity.tell(request.headers_mut());
        if let Some(value) = self.risk.judge(&mut case, snapshot.version)?.and_then(|id| id.parse().ok()) {
            request.headers_mut().insert(DECISION, value);
        }
        Ok(Known { request, case, account: identity.account })
    }

    /// Lets the counters of answers know how a request was answered.
    fn tell(&self, case: Case, response: &Result<Response<Body>, Refusal>) {
        let (status, grpc_status) = match response {
            Ok(response) => {
                let code = response.headers().get("grpc-status").and_then(|code| code.to_str().ok()?.parse().ok());
                (response.status(), code)
            }
            Err(refusal) => (refusal.status, None),
        };
        self.risk.answered(case, status, grpc_status);
    }

    /// The answer of a filter of a user's own, if one has any.
    async fn own(&self, route: &str, request: &mut Request<Body>) -> Option<Response<Body>> {
        for filter in self.filters.iter() {
            if let Some(answer) = filter.request(route, request).await {
                return Some(answer);
            }
        }
        None
    }

    /// What a request is, for headers that ask. It keeps the id that it came with.
    fn said(&self, request: &Request<Body>, target: &Target, route: &Route, client: Option<IpAddr>) -> Said {
        let name = |peer: &Peer| peer.names().into_iter().next();
        let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let id = id.filter(|id| (1..=MAX_ID).contains(&id.len()));
        let new = || {
            let turn = self.throws.fetch_add(1, Relaxed);
            format!("{:016x}{:016x}", self.dice.hash_one((turn, 0)), self.dice.hash_one((turn, 1)))
        };
        Said {
            client,
            client_name: request.extensions().get::<Peer>().and_then(name),
            id: id.map_or_else(new, str::to_owned),
            method: request.method().to_string(),
            host: target.host.clone(),
            path: target.path.clone(),
            scheme: self.scheme,
            route: route.config.name.clone(),
        }
    }
}

/// The answer to a script that asks whether it may, where the route that it asks for says something of that.
fn preflight(snapshot: &Snapshot, asked: Asked<'_>) -> Option<Response<Body>> {
    let method = preflight_of(asked.method, asked.headers)?;
    let (route, _) = snapshot.table.find(Asked { method: &method, ..asked })?;
    Some(route.config.cors.as_ref()?.preflight(asked.headers))
}

/// No route takes a request: nothing is there, or not by this method.
fn nothing(snapshot: &Snapshot, asked: Asked<'_>) -> Refusal {
    let allowed = snapshot.table.allowed(asked);
    if allowed.is_empty() {
        return Refusal::new(StatusCode::NOT_FOUND, "NO_ROUTE", format!("nothing is at {}", asked.path));
    }
    let allowed = allowed.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", ");
    let text = format!("{} takes {allowed}", asked.path);
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", text).with(ALLOW, allowed)
}

impl From<ingress::Refused> for Refusal {
    fn from(ingress::Refused { status, reason, why }: ingress::Refused) -> Self {
        Self::new(status, reason, why)
    }
}
