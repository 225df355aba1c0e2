//! What is found out of a request on its way through the stack, and what of it must be kept while others have it.

use crate::{
    access::Line,
    filter::{Said, Session},
    risk::Case,
    route::Capture,
    snapshot::Route,
};
use http::{
    HeaderMap, HeaderValue, Request,
    header::{CONTENT_TYPE, ORIGIN},
};
use mainstay::{call::Peer, edge::Body};
use std::{net::IpAddr, sync::Arc};
use tokio::time::Instant;

/// What is found out of a request on its way.
pub(crate) struct Seen {
    pub(crate) began: Instant,
    pub(crate) line: Line,
    pub(crate) route: Option<Arc<Route>>,
    /// What its headers ask for.
    pub(crate) said: Option<Said>,
    pub(crate) session: Option<Session>,
    /// It takes answers that are compressed.
    pub(crate) gzip: bool,
}

/// What an answer depends on, whatever becomes of the request.
pub(crate) struct Wants {
    content_type: Option<HeaderValue>,
    origin: Option<HeaderValue>,
}

impl Wants {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self { content_type: headers.get(CONTENT_TYPE).cloned(), origin: headers.get(ORIGIN).cloned() }
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        let all = [(CONTENT_TYPE, &self.content_type), (ORIGIN, &self.origin)];
        all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

/// A request of which is known who asks.
pub(crate) struct Known {
    pub(crate) request: Request<Body>,
    pub(crate) case: Case,
    /// The account that was proved.
    pub(crate) account: Option<String>,
}

/// Who is connected.
pub(crate) fn peer(request: &Request<Body>) -> Option<IpAddr> {
    request.extensions().get::<Peer>().and_then(Peer::address).map(|address| address.ip())
}

/// What stands in the place of a variable, kept while the request is read by others.
pub(crate) struct Captured {
    name: String,
    value: String,
    several: bool,
}

impl From<&Capture<'_>> for Captured {
    fn from(Capture { name, value, several }: &Capture<'_>) -> Self {
        Self { name: (*name).to_owned(), value: (*value).to_owned(), several: *several }
    }
}

impl Captured {
    pub(crate) fn capture(&self) -> Capture<'_> {
        Capture { name: &self.name, value: &self.value, several: self.several }
    }
}
