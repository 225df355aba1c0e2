//! What is known of a service before the first call: its name and its methods.
//!
//! Generated code holds these as constants ([`ServiceDef`], [`MethodDef`]); a call carries a [`Method`], which is cheap
//! to clone and may just as well be built at run time, by a gateway that read a descriptor.

use crate::schema::{MessageRef, Types};
use std::{fmt, sync::Arc, time::Duration};

/// Who streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One message in, one out.
    Unary,
    /// One message in, a stream out.
    ServerStreaming,
    /// A stream in, one message out.
    ClientStreaming,
    /// A stream in, a stream out.
    BidiStreaming,
}

impl Kind {
    /// The client sends a stream.
    pub fn client_streams(self) -> bool {
        matches!(self, Self::ClientStreaming | Self::BidiStreaming)
    }

    /// The server answers with a stream.
    pub fn server_streams(self) -> bool {
        matches!(self, Self::ServerStreaming | Self::BidiStreaming)
    }
}

/// A service as its trait declares it. Generated code holds one per trait.
#[derive(Clone, Copy, Debug)]
pub struct ServiceDef {
    /// The protobuf package, as `shop.stock.v1`. May be empty.
    pub package: &'static str,
    /// The service's name inside the package, as `StockApi`.
    pub name: &'static str,
    /// `package.name`, or the name alone without a package: what stands in the path of a call.
    pub full_name: &'static str,
    /// The version that providers announce and consumers ask for, as `1.0.0`.
    pub version: Option<&'static str>,
    /// The group that providers announce and consumers ask for.
    pub group: Option<&'static str>,
    /// The doc comment of the trait.
    pub docs: &'static str,
    /// The methods, in the order of the trait.
    pub methods: &'static [MethodDef],
}

/// A method as its trait declares it.
#[derive(Clone, Copy)]
pub struct MethodDef {
    /// The name on the wire, as `GetStock`.
    pub name: &'static str,
    /// Other names that a server answers to, as `getStock` (Dubbo peers) .
    pub aliases: &'static [&'static str],
    /// Who streams.
    pub kind: Kind,
    /// Calling twice is the same as calling once: a failed call may be sent again.
    pub idempotent: bool,
    /// How long a call may take when the caller says nothing.
    pub timeout: Option<Duration>,
    /// How long one try may take where another may follow, when the caller says nothing.
    pub per_try_timeout: Option<Duration>,
    /// How often a failed call is sent again, at most, when the caller says nothing.
    pub retries: Option<u32>,
    /// Handlers compute for long: run each in a task of its own, never inline in the connection.
    pub spawn: bool,
    /// A path template for HTTP GET, as `/v1/stock/{sku}`.
    pub get: Option<&'static str>,
    /// The doc comment of the method.
    pub docs: &'static str,
    /// Describes the request message.
    pub input: fn(&mut Types) -> MessageRef,
    /// Describes the response message.
    pub output: fn(&mut Types) -> MessageRef,
}

impl MethodDef {
    /// A method of which nothing more is said: not idempotent, no other names, no time of its own.
    pub const fn new(
        name: &'static str,
        kind: Kind,
        input: fn(&mut Types) -> MessageRef,
        output: fn(&mut Types) -> MessageRef,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            kind,
            idempotent: false,
            timeout: None,
            per_try_timeout: None,
            retries: None,
            spawn: false,
            get: None,
            docs: "",
            input,
            output,
        }
    }
}

impl fmt::Debug for MethodDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodDef").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The method of one call. A clone copies a pointer.
#[derive(Clone)]
pub struct Method(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    service: String,
    path: http::uri::PathAndQuery,
    kind: Kind,
    idempotent: bool,
    timeout: Option<Duration>,
    per_try_timeout: Option<Duration>,
    retries: Option<u32>,
    spawn: bool,
}

impl Method {
    /// A unary method of `service`, not idempotent, without a timeout of its own.
    ///
    /// # Errors
    /// When the two names do not make the path of a URI.
    pub fn new(service: &str, name: &str, kind: Kind) -> Result<Self, http::uri::InvalidUri> {
        let path = http::uri::PathAndQuery::from_maybe_shared(format!("/{service}/{name}"))?;
        Ok(Self(Arc::new(Inner {
            service: service.to_owned(),
            path,
            kind,
            idempotent: false,
            timeout: None,
            per_try_timeout: None,
            retries: None,
            spawn: false,
        })))
    }

    /// The same method, known to be idempotent.
    #[must_use]
    pub fn made_idempotent(mut self) -> Self {
        Arc::make_mut(&mut self.0).idempotent = true;
        self
    }

    /// The methods of a definition, in its order.
    ///
    /// # Panics
    /// When a name is not a valid path, which the macro rules out.
    pub fn all(def: &ServiceDef) -> Arc<[Self]> {
        def.methods.iter().map(|m| Self::from_def(def.full_name, m)).collect()
    }

    fn from_def(service: &str, def: &MethodDef) -> Self {
        let path = format!("/{service}/{}", def.name);
        Self(Arc::new(Inner {
            service: service.to_owned(),
            path: http::uri::PathAndQuery::from_maybe_shared(path).expect("the macro checked the names"),
            kind: def.kind,
            idempotent: def.idempotent,
            timeout: def.timeout,
            per_try_timeout: def.per_try_timeout,
            retries: def.retries,
            spawn: def.spawn,
        }))
    }

    /// The full name of the service, as `shop.stock.v1.StockApi`.
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// The name of the method on the wire, as `GetStock`.
    pub fn name(&self) -> &str {
        &self.path().as_str()[self.0.service.len() + 2..]
    }

    /// `/service/method`.
    pub fn path(&self) -> &http::uri::PathAndQuery {
        &self.0.path
    }

    /// Who streams.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// A failed call may be sent again.
    pub fn idempotent(&self) -> bool {
        self.0.idempotent
    }

    /// How long a call may take when the caller says nothing.
    pub fn timeout(&self) -> Option<Duration> {
        self.0.timeout
    }

    /// How long one try may take where another may follow, when the caller says nothing.
    pub fn per_try_timeout(&self) -> Option<Duration> {
        self.0.per_try_timeout
    }

    /// How often a failed call is sent again, at most, when the caller says nothing.
    pub fn retries(&self) -> Option<u32> {
        self.0.retries
    }

    /// Handlers compute for long and want a task of their own.
    pub fn spawn(&self) -> bool {
        self.0.spawn
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path().as_str())
    }
}
