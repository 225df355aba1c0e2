//! What reflection answers to one request. Pure.
//!
//! What is not there is an answer, not the end of the stream: clients ask on, for other symbols.

use super::index::Index;
use std::collections::HashSet;
use tonic::Code;
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse, server_reflection_request::MessageRequest,
    server_reflection_response::MessageResponse,
};

/// What can be asked for.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// The names of all services, described or not.
    pub(super) services: Vec<&'static str>,
    pub(super) index: Index,
}

impl Catalog {
    /// Answers a request; `sent` are the files that went out on this stream.
    pub(super) fn answer(
        &self,
        request: ServerReflectionRequest,
        sent: &mut HashSet<usize>,
    ) -> ServerReflectionResponse {
        let answered = match &request.message_request {
            None => Err((Code::InvalidArgument, "the request asks for nothing".to_owned())),
            Some(MessageRequest::ListServices(_)) => Ok(self.list()),
            Some(MessageRequest::FileByFilename(name)) => {
                self.file(self.index.file_named(name), sent, || format!("no file is called {name:?}"))
            }
            Some(MessageRequest::FileContainingSymbol(symbol)) => {
                self.file(self.index.file_declaring(symbol), sent, || self.no_symbol(symbol))
            }
            Some(MessageRequest::FileContainingExtension(wanted)) => {
                let (message, number) = (&wanted.containing_type, wanted.extension_number);
                let found = self.index.file_extending(message, number);
                self.file(found, sent, || format!("{message:?} has no extension {number}"))
            }
            Some(MessageRequest::AllExtensionNumbersOfType(message)) => self.extensions(message),
        };
        ServerReflectionResponse {
            valid_host: request.host.clone(),
            message_response: Some(answered.unwrap_or_else(|(code, error_message)| {
                MessageResponse::ErrorResponse(ErrorResponse { error_code: code.into(), error_message })
            })),
            original_request: Some(request),
        }
    }

    fn list(&self) -> MessageResponse {
        let service = self.services.iter().map(|&name| ServiceResponse { name: name.to_owned() }).collect();
        MessageResponse::ListServicesResponse(ListServiceResponse { service })
    }

    fn file(&self, found: Option<usize>, sent: &mut HashSet<usize>, missing: impl FnOnce() -> String) -> Answered {
        let file = found.ok_or_else(|| (Code::NotFound, missing()))?;
        let file_descriptor_proto = self.index.with_imports(file, sent);
        Ok(MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto }))
    }

    fn extensions(&self, message: &str) -> Answered {
        let found = self.index.extension_numbers(message);
        let extension_number = found.ok_or_else(|| (Code::NotFound, self.no_symbol(message)))?;
        let base_type_name = message.to_owned();
        Ok(MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse { base_type_name, extension_number }))
    }

    fn no_symbol(&self, symbol: &str) -> String {
        if self.services.contains(&symbol) {
            return format!(
                "{symbol} is served here, but its types do not make valid descriptors; the server's log says why"
            );
        }
        format!("nothing here is called {symbol:?}")
    }
}

type Answered = Result<MessageResponse, (Code, String)>;
