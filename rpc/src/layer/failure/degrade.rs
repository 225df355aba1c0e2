//! What a caller gets instead of an answer: a fixed value, or what a function of the program makes.

use crate::call::{Fault, Frame, Invocation, Method, Payload, Reason, Reply, Status};
use std::{fmt, sync::Arc};

/// What callers get instead of an answer, when a call fails or always: Dubbo's `mock`, as `fail` or as `force`.
///
/// A failure here is one of whoever was to answer, of the way there, or of this program's limits. Errors that a service
/// declares, and what the caller did wrong, are answers.
#[derive(Clone)]
pub struct Degrade {
    pub(super) make: Make,
    /// Nothing is called.
    pub(super) force: bool,
}

#[derive(Clone)]
pub(super) enum Make {
    /// JSON that is still to be read, by the method's own message.
    #[cfg(feature = "server")]
    Json(Arc<str>),
    Frame(Frame),
    Function(Arc<Function>),
}

/// Makes a message of a call that failed.
type Function = dyn Fn(&Fallen<'_>) -> Result<Frame, Status> + Send + Sync;

/// A call that is answered by nobody.
#[derive(Debug)]
pub struct Fallen<'a> {
    method: &'a Method,
    request: Option<&'a Frame>,
    status: Option<&'a Status>,
}

impl Degrade {
    /// This message.
    pub fn value(message: &impl prost::Message) -> Self {
        Self { make: Make::Frame(Frame::encode(message)), force: false }
    }

    /// The message that this JSON is, by proto3's mapping: `{"left": 0}`. It is read when the client is built.
    #[cfg(feature = "server")]
    pub fn json(text: impl Into<Arc<str>>) -> Self {
        Self { make: Make::Json(text.into()), force: false }
    }

    /// What this function makes of it. It is called in the caller's task, and should not take long.
    pub fn function<M: prost::Message>(
        function: impl Fn(&Fallen<'_>) -> Result<M, Status> + Send + Sync + 'static,
    ) -> Self {
        let make = move |fallen: &Fallen<'_>| function(fallen).map(|message| Frame::encode(&message));
        Self { make: Make::Function(Arc::new(make)), force: false }
    }

    /// Always, without a call: for a service that is switched off.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.force = true;
        self
    }

    /// What the caller gets. `status` says why the call failed, if there was one.
    pub(super) fn answer(
        &self,
        method: &Method,
        request: Option<&Frame>,
        status: Option<&Status>,
    ) -> Result<Reply, Status> {
        let frame = match &self.make {
            Make::Frame(frame) => frame.clone(),
            Make::Function(function) => function(&Fallen { method, request, status })?,
            // It was read when the client was built.
            #[cfg(feature = "server")]
            Make::Json(_) => Frame::encode(&()),
        };
        Ok(Reply::new(Payload::One(frame)))
    }
}

impl Fallen<'_> {
    /// What was called.
    pub fn method(&self) -> &Method {
        self.method
    }

    /// Why the call failed; `None` when nothing was called.
    pub fn status(&self) -> Option<&Status> {
        self.status
    }

    /// The request; of a method of several arguments, each is a field, in their order.
    ///
    /// # Errors
    /// INVALID_ARGUMENT, when it is no such message, or a stream.
    pub fn request<M: prost::Message + Default>(&self) -> Result<M, Status> {
        let bad = |text: String| Status::because(Reason::BadRequest, tonic::Code::InvalidArgument, text);
        let frame = self.request.ok_or_else(|| bad("the request is a stream".to_owned()))?;
        let what = std::any::type_name::<M>();
        frame.decode().map_err(|error| bad(format!("the request is no {what}: {error}")))
    }
}

impl fmt::Debug for Degrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let make = match &self.make {
            #[cfg(feature = "server")]
            Make::Json(text) => text,
            Make::Frame(_) => "a message",
            Make::Function(_) => "a function",
        };
        f.debug_struct("Degrade").field("make", &make).field("force", &self.force).finish()
    }
}

/// Whether a failure is one that a caller may be spared: not an answer of the service's own, and not the caller's doing.
pub(super) fn spares(status: &Status) -> bool {
    let bad = crate::policy::Outcome::of(status).is_bad();
    let local = status.fault() == Fault::Local;
    bad || local || matches!(status.reason(), Reason::NoInstance | Reason::BreakerOpen)
}

/// The request of a call, if it is one message.
pub(super) fn request(call: &Invocation) -> Option<Frame> {
    match &call.payload {
        Payload::One(frame) => Some(frame.clone()),
        Payload::Stream(_) => None,
    }
}
