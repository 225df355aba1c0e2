//! The untyped stub behind every generated client: encodes once, calls, decodes.

use super::local;
use crate::{
    call::{
        CallError, CallOptions, Channel, Frame, Invocation, Method, Payload, Reason, Reply, ServiceDef, ServiceError,
        Status, Streaming,
    },
    cluster::EndpointState,
    route::RuleState,
    server::{self, Around, Dispatch, Serve},
};
use std::sync::Arc;
use tonic::Code;

/// What a generated client wraps. A clone copies two pointers.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    options: Arc<CallOptions>,
}

#[derive(Debug)]
struct Shared {
    channel: Channel,
    methods: Arc<[Method]>,
    version: Option<Arc<str>>,
    group: Option<Arc<str>>,
}

impl Client {
    /// A stub of a service over a channel.
    pub fn new(definition: &'static ServiceDef, channel: Channel) -> Self {
        Self::asking(definition, definition.version, definition.group, channel)
    }

    /// The same that asks for another version and group than the trait says.
    pub(super) fn asking(
        definition: &'static ServiceDef,
        version: Option<&str>,
        group: Option<&str>,
        channel: Channel,
    ) -> Self {
        let methods = Method::all(definition);
        let shared = Shared { channel, methods, version: version.map(Arc::from), group: group.map(Arc::from) };
        Self { shared: Arc::new(shared), options: Arc::default() }
    }

    /// A stub whose calls are answered inside the process: all the layers and the codec, and no socket.
    pub fn in_process(serve: impl Serve) -> Self {
        let server = server::stack(Dispatch::new([&serve as &dyn Serve]), Around::default());
        Self::new(serve.definition(), Channel::of_stack(local(server)))
    }

    /// The names of the layers that its calls go through, top to bottom; see [`Channel::layers`].
    pub fn layers(&self) -> &[&'static str] {
        self.shared.channel.layers()
    }

    /// Every instance that is known now, and how its connections do; see [`Channel::connectivity`].
    pub fn connectivity(&self) -> Vec<EndpointState> {
        self.shared.channel.connectivity()
    }

    /// How it stands with the rules that the client follows; see [`Channel::rules`].
    pub fn rules(&self) -> Vec<RuleState> {
        self.shared.channel.rules()
    }

    /// The same client with other options for its calls; what they do not say stays as it is.
    #[must_use]
    pub fn with(&self, options: CallOptions) -> Self {
        Self { shared: self.shared.clone(), options: Arc::new(options.over(&self.options)) }
    }

    /// Calls a unary method; `index` is its place in the definition. Dropping the future cancels the call.
    ///
    /// # Errors
    /// The service's own error, or the status of a call that failed otherwise.
    pub async fn unary<Req, Res, E>(&self, index: usize, request: Req) -> Result<Res, CallError<E>>
    where
        Req: prost::Message,
        Res: prost::Message + Default,
        E: ServiceError,
    {
        let call = self.invocation(index, Payload::One(encode(&request)));
        drop(request);
        self.finish(call).await
    }

    /// Calls a method that answers with a stream.
    ///
    /// # Errors
    /// As [`unary`](Self::unary), when the call fails before the stream begins.
    pub async fn server_streaming<Req, Res, E>(
        &self,
        index: usize,
        request: Req,
    ) -> Result<Streaming<Res>, CallError<E>>
    where
        Req: prost::Message,
        Res: prost::Message + Default + 'static,
        E: ServiceError,
    {
        let call = self.invocation(index, Payload::One(encode(&request)));
        drop(request);
        self.begin(call).await
    }

    /// Calls a method that takes a stream.
    ///
    /// # Errors
    /// As [`unary`](Self::unary).
    pub async fn client_streaming<Req, Res, E>(
        &self,
        index: usize,
        request: Streaming<Req>,
    ) -> Result<Res, CallError<E>>
    where
        Req: prost::Message + Default + 'static,
        Res: prost::Message + Default,
        E: ServiceError,
    {
        self.finish(self.invocation(index, Payload::Stream(request.encode()))).await
    }

    /// Calls a method that takes a stream and answers with one.
    ///
    /// # Errors
    /// As [`unary`](Self::unary), when the call fails before the stream begins.
    pub async fn bidi_streaming<Req, Res, E>(
        &self,
        index: usize,
        request: Streaming<Req>,
    ) -> Result<Streaming<Res>, CallError<E>>
    where
        Req: prost::Message + Default + 'static,
        Res: prost::Message + Default + 'static,
        E: ServiceError,
    {
        self.begin(self.invocation(index, Payload::Stream(request.encode()))).await
    }

    fn invocation(&self, index: usize, payload: Payload) -> Invocation {
        let method = self.shared.methods[index].clone();
        let mut call = Invocation::new(method, payload);
        call.version = self.shared.version.clone();
        call.group = self.shared.group.clone();
        call.metadata = self.options.metadata.clone();
        call.deadline = self.options.timeout.and_then(|timeout| call.began.checked_add(timeout));
        call.retries = self.options.retries;
        call.per_try = self.options.per_try;
        call.gzip = self.options.gzip.unwrap_or_default();
        call
    }

    async fn finish<Res, E>(&self, call: Invocation) -> Result<Res, CallError<E>>
    where
        Res: prost::Message + Default,
        E: ServiceError,
    {
        let answered = self.shared.channel.invoke(call).await;
        if let Some(beside) = &self.options.beside {
            beside.note(&answered);
        }
        let frame = match answered {
            Ok(Reply { payload: Payload::One(frame), .. }) => frame,
            Ok(_) => return Err(CallError::Call(bad("a stream answered a call for one message".into()))),
            Err(status) => return Err(CallError::from_status(status)),
        };
        frame.decode().map_err(|error| {
            let what = std::any::type_name::<Res>();
            CallError::Call(bad(format!("the answer is no {what}: {error}")))
        })
    }

    async fn begin<Res, E>(&self, call: Invocation) -> Result<Streaming<Res>, CallError<E>>
    where
        Res: prost::Message + Default + 'static,
        E: ServiceError,
    {
        let Reply { payload, .. } = self.shared.channel.invoke(call).await.map_err(CallError::from_status)?;
        Ok(Streaming::decode(payload.into_stream()))
    }
}

/// The channel that a stub stands on.
impl From<Client> for Channel {
    fn from(client: Client) -> Self {
        client.shared.channel.clone()
    }
}

/// A typed client over a channel.
pub fn from_channel<C: From<Client>>(definition: &'static ServiceDef, channel: Channel) -> C {
    Client::new(definition, channel).into()
}

/// A typed client whose calls are answered inside the process.
pub fn in_process<C: From<Client>>(serve: impl Serve) -> C {
    Client::in_process(serve).into()
}

fn encode(message: &impl prost::Message) -> Frame {
    Frame::encode(message)
}

fn bad(text: String) -> Status {
    Status::because(Reason::BadResponse, Code::Internal, text)
}
