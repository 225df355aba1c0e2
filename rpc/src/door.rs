//! The one door through which generated code reaches this crate.
//!
//! Whatever a macro writes into a user's crate is named `::mainstay::__private::…`, so that nothing in the user's scope
//! can stand in for it, and so that what may be renamed freely is everything else. Not part of the public interface.

// The macros themselves: they also write code for each other.
pub use ::mainstay_codegen::{Message, service};

// Messages: `#[derive(Message)]`.
pub use ::prost;
pub use ::prost::bytes::{Buf, BufMut};
pub use ::prost::encoding::{DecodeContext, WireType, skip_field};

// Messages of `include_proto!`.
pub use ::prost_types;

pub use crate::{
    __enum_element as enum_element, __message_element as message_element, __oneof_element as oneof_element,
};

pub use crate::message::{
    Element, Enumeration, Field, ForeignField, NoZero, OneOf, Probe, ProbeOpaque, Value, Zero, codec,
};
pub use crate::schema::{Describe, MessageBuilder, MessageRef, TypeRef, Types};

// Calls: `#[service]` and `#[derive(ServiceError)]`.
pub use crate::call::{
    BoxFuture, CallError, CallOptions, Cx, ErrorField, ErrorInfo, Kind, MethodDef, Outcome, ServiceDef, ServiceError,
    Status, Streaming,
};
pub use ::std::time::Duration;
pub use ::tonic::Code;

// Mocks.
pub use crate::mock::{Expect, Mock, Shown, ShownByDebug, ShownByType};

// Both ends of a service: `#[service]`.
pub use crate::call::Channel;
pub use crate::client::{Client, ConnectBuilder, EndpointState, connect, from_channel, in_process};
pub use crate::server::{Routes, Serve};

// The lock: the test of `#[service(lock)]`.
pub use crate::schema::assert_lock as check_lock;

// The types of methods.
pub use crate::signature::{Signature, call, serve};
