//! Descriptors, asked of a service by gRPC's server reflection: v1, else v1alpha.
//!
//! What a peer answers is bounded: so many files, so many bytes. Files that its own does not bring along are asked for by
//! their names; those of protobuf itself are known here.

use super::undescribed;
use mainstay::call::{Channel, Code, Frame, Invocation, Kind, Method, Payload, Status};
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;
use std::{collections::BTreeMap, future::poll_fn, time::Duration};
use tokio::time::Instant;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse, server_reflection_request::MessageRequest,
    server_reflection_response::MessageResponse,
};

/// Files of one service, and all their bytes, at most.
const MAX_FILES: usize = 500;
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The two versions of one service: their messages are the same.
const SERVICES: [&str; 2] = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// Who answers, and in which version.
pub(super) struct Asking<'a> {
    channel: &'a Channel,
    service: &'static str,
}

/// The descriptors of a service and of all that it uses.
///
/// # Errors
/// Why it cannot be described.
pub(super) async fn describe(channel: &Channel, service: &str) -> Result<DescriptorPool, Status> {
    let (asking, files) = Asking::of(channel, MessageRequest::FileContainingSymbol(service.to_owned())).await?;
    let mut all = BTreeMap::new();
    let (mut todo, mut bytes) = (files, 0);
    while let Some(file) = todo.pop() {
        bytes += file.len();
        let read = FileDescriptorProto::decode(file.as_slice());
        let read = read.map_err(|error| undescribed(format!("{service} answered no descriptor: {error}")))?;
        let name = read.name().to_owned();
        if all.contains_key(&name) {
            continue;
        }
        if all.len() >= MAX_FILES || bytes > MAX_BYTES {
            return Err(undescribed(format!(
                "{service} has more than {MAX_FILES} files or {MAX_BYTES} bytes of descriptors"
            )));
        }
        all.insert(name, (file, read.dependency.clone()));
        for wanted in read.dependency.iter().filter(|wanted| !wanted.starts_with("google/protobuf/")) {
            let there = all.contains_key(wanted) || todo.iter().any(|file| is_named(file, wanted));
            if !there {
                todo.extend(asking.ask(MessageRequest::FileByFilename(wanted.clone())).await?);
            }
        }
    }
    pool(service, &all)
}

/// The names of all services that a peer has.
///
/// # Errors
/// When it does not say.
pub(super) async fn list(channel: &Channel) -> Result<Vec<String>, Status> {
    let mut last = undescribed("nobody was asked".to_owned());
    for service in SERVICES {
        match (Asking { channel, service }).once(MessageRequest::ListServices(String::new())).await {
            Ok(MessageResponse::ListServicesResponse(all)) => {
                return Ok(all.service.into_iter().map(|one| one.name).take(MAX_FILES).collect());
            }
            Ok(other) => last = refused(&other),
            Err(status) if status.code() == Code::Unimplemented => last = status,
            Err(status) => return Err(status),
        }
    }
    Err(last)
}

impl<'a> Asking<'a> {
    /// Asks in the first version that the peer has.
    async fn of(channel: &'a Channel, first: MessageRequest) -> Result<(Self, Vec<Vec<u8>>), Status> {
        let mut last = undescribed("nobody was asked".to_owned());
        for service in SERVICES {
            let asking = Self { channel, service };
            match asking.ask(first.clone()).await {
                Ok(files) => return Ok((asking, files)),
                Err(status) if status.code() == Code::Unimplemented => last = status,
                Err(status) => return Err(status),
            }
        }
        Err(last)
    }

    async fn ask(&self, request: MessageRequest) -> Result<Vec<Vec<u8>>, Status> {
        match self.once(request).await? {
            MessageResponse::FileDescriptorResponse(files) => Ok(files.file_descriptor_proto),
            other => Err(refused(&other)),
        }
    }

    async fn once(&self, request: MessageRequest) -> Result<MessageResponse, Status> {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        let method = Method::new(self.service, "ServerReflectionInfo", Kind::BidiStreaming);
        let method = method.map_err(|error| undescribed(error.to_string()))?;
        let mut call = Invocation::new(method, Payload::One(Frame::encode(&request)));
        call.deadline = Instant::now().checked_add(PATIENCE);
        let mut answers = self.channel.invoke(call).await?.payload.into_stream();
        let answer = poll_fn(|cx| answers.as_mut().poll_frame(cx)).await;
        let answer = answer.ok_or_else(|| undescribed("reflection answered nothing".to_owned()))??;
        let answer: ServerReflectionResponse =
            answer.decode().map_err(|error| undescribed(format!("reflection answered nonsense: {error}")))?;
        answer.message_response.ok_or_else(|| undescribed("reflection answered nothing".to_owned()))
    }
}

fn refused(answer: &MessageResponse) -> Status {
    undescribed(match answer {
        MessageResponse::ErrorResponse(error) => format!("reflection: {}", error.error_message),
        _ => "reflection answered something else than it was asked for".to_owned(),
    })
}

fn is_named(file: &[u8], name: &str) -> bool {
    FileDescriptorProto::decode(file).is_ok_and(|file| file.name() == name)
}

/// A pool of the files, each after those that it needs.
fn pool(service: &str, all: &BTreeMap<String, (Vec<u8>, Vec<String>)>) -> Result<DescriptorPool, Status> {
    let mut pool = DescriptorPool::global();
    let mut left: Vec<_> = all.keys().collect();
    while !left.is_empty() {
        let before = left.len();
        let mut failed = None;
        left.retain(|name| {
            let (file, needs) = &all[*name];
            if pool.get_file_by_name(name).is_some() {
                return false;
            }
            if needs.iter().any(|need| pool.get_file_by_name(need).is_none()) {
                return true;
            }
            failed = pool.decode_file_descriptor_proto(file.as_slice()).err().or(failed.take());
            false
        });
        if let Some(error) = failed {
            return Err(undescribed(format!("{service} is described badly: {error}")));
        }
        if left.len() == before {
            return Err(undescribed(format!("{service} is described in part: {} is missing something", left[0])));
        }
    }
    Ok(pool)
}
