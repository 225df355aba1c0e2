//! The types of a method under one name, for generated code.
//!
//! A macro cannot see whether the user's type is a message. Where it is not, every function that wants one would complain
//! of it, a dozen times over. So a method's types are bound once, by its [`Signature`], and the functions here ask for
//! that: a missing derive is told once, at the user's own type. [`WholeMessage`] therefore has no supertraits, of which
//! each would be one complaint more; what a message can do comes through [`WholeMessage::Itself`], and the conversions
//! between the two are nothing.

use crate::call::{ServiceError, Streaming};
use prost::Message;

/// The types of a method.
pub trait Signature: 'static {
    /// What is sent.
    type Request: WholeMessage;
    /// What is answered.
    type Response: WholeMessage;
    /// How it fails.
    type Error: ServiceError;
}

/// What may be a whole request or response: any [`prost::Message`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "not a request or response type",
    note = "a type of your own: add `#[derive(mainstay::Message)]` to it",
    note = "an enum is no message by itself: `#[rpc(wrap)]` on the method makes one that holds it"
)]
pub trait WholeMessage: Sized + 'static {
    /// The same type, known to be a message.
    type Itself: Message + Default + 'static;

    /// The same value.
    fn into_itself(self) -> Self::Itself;

    /// The same value.
    fn from_itself(itself: Self::Itself) -> Self;

    /// The same stream.
    fn into_stream(stream: Streaming<Self>) -> Streaming<Self::Itself>;

    /// The same stream.
    fn from_stream(stream: Streaming<Self::Itself>) -> Streaming<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Message + Default + 'static> WholeMessage for T {
    type Itself = T;

    fn into_itself(self) -> T {
        self
    }

    fn from_itself(itself: T) -> T {
        itself
    }

    fn into_stream(stream: Streaming<T>) -> Streaming<T> {
        stream
    }

    fn from_stream(stream: Streaming<T>) -> Streaming<T> {
        stream
    }
}

/// The caller's end of each kind of method.
pub mod call {
    use super::{Signature, WholeMessage};
    use crate::{
        call::{CallError, Streaming},
        client::Client,
    };

    type One<M> = Result<<M as Signature>::Response, CallError<<M as Signature>::Error>>;
    type Many<M> = Result<Streaming<<M as Signature>::Response>, CallError<<M as Signature>::Error>>;

    /// One message in, one out.
    pub fn unary<M: Signature>(
        client: &Client,
        index: usize,
        request: M::Request,
    ) -> impl Future<Output = One<M>> + Send {
        let request = request.into_itself();
        async move { client.unary(index, request).await.map(M::Response::from_itself) }
    }

    /// One message in, a stream out.
    pub fn server_streaming<M: Signature>(
        client: &Client,
        index: usize,
        request: M::Request,
    ) -> impl Future<Output = Many<M>> + Send {
        let request = request.into_itself();
        async move { client.server_streaming(index, request).await.map(M::Response::from_stream) }
    }

    /// A stream in, one message out.
    pub fn client_streaming<M: Signature>(
        client: &Client,
        index: usize,
        request: Streaming<M::Request>,
    ) -> impl Future<Output = One<M>> + Send {
        let request = M::Request::into_stream(request);
        async move { client.client_streaming(index, request).await.map(M::Response::from_itself) }
    }

    /// A stream in, a stream out.
    pub fn bidi_streaming<M: Signature>(
        client: &Client,
        index: usize,
        request: Streaming<M::Request>,
    ) -> impl Future<Output = Many<M>> + Send {
        let request = M::Request::into_stream(request);
        async move { client.bidi_streaming(index, request).await.map(M::Response::from_stream) }
    }
}

/// The server's end of each kind of method.
pub mod serve {
    use super::{Signature, WholeMessage};
    use crate::{
        call::{Cx, Streaming},
        server::Routes,
    };

    type One<M> = Result<<M as Signature>::Response, <M as Signature>::Error>;
    type Many<M> = Result<Streaming<<M as Signature>::Response>, <M as Signature>::Error>;

    /// One message in, one out.
    pub fn unary<M: Signature, F, Fut>(routes: &mut Routes, index: usize, function: F)
    where
        F: Fn(Cx, M::Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = One<M>> + Send + 'static,
    {
        routes.unary(index, move |cx, request| {
            let answer = function(cx, M::Request::from_itself(request));
            async move { answer.await.map(M::Response::into_itself) }
        });
    }

    /// One message in, a stream out.
    pub fn server_streaming<M: Signature, F, Fut>(routes: &mut Routes, index: usize, function: F)
    where
        F: Fn(Cx, M::Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Many<M>> + Send + 'static,
    {
        routes.server_streaming(index, move |cx, request| {
            let answer = function(cx, M::Request::from_itself(request));
            async move { answer.await.map(M::Response::into_stream) }
        });
    }

    /// A stream in, one message out.
    pub fn client_streaming<M: Signature, F, Fut>(routes: &mut Routes, index: usize, function: F)
    where
        F: Fn(Cx, Streaming<M::Request>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = One<M>> + Send + 'static,
    {
        routes.client_streaming(index, move |cx, request| {
            let answer = function(cx, M::Request::from_stream(request));
            async move { answer.await.map(M::Response::into_itself) }
        });
    }

    /// A stream in, a stream out.
    pub fn bidi_streaming<M: Signature, F, Fut>(routes: &mut Routes, index: usize, function: F)
    where
        F: Fn(Cx, Streaming<M::Request>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Many<M>> + Send + 'static,
    {
        routes.bidi_streaming(index, move |cx, request| {
            let answer = function(cx, M::Request::from_stream(request));
            async move { answer.await.map(M::Response::into_stream) }
        });
    }
}
