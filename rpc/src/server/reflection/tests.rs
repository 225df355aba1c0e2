//! Reflection over the wire, as a client sees it that has no file.

use super::*;
use crate as mainstay;
use crate::{
    call::CallError,
    client::{Client, connect},
    server::{Running, Server},
    transport::memory,
};
use prost_reflect::{DynamicMessage, Value};
use std::time::Duration;
use tonic::Code;
use v1::{server_reflection_request::MessageRequest, server_reflection_response::MessageResponse};

/// A member of the shop.
#[derive(mainstay::Message, Clone, Debug)]
struct Member {
    /// What mails begin with.
    name: String,
    since: prost_types::Timestamp,
}

#[mainstay::service(package = "shop.member.v1", version = "1.0.0")]
trait MemberApi {
    /// Looks a member up.
    async fn find(&self, id: u64) -> Result<Member, Status>;
    async fn all(&self) -> Result<Streaming<Member>, Status>;
}

#[mainstay::service(package = "shop.member.v1", name = "MemberApi", version = "2.0.0")]
trait MemberApi2 {
    async fn other(&self, id: u64) -> Result<u64, Status>;
}

/// A message of somebody else's, which says nothing of itself.
#[derive(Clone, PartialEq, prost::Message)]
struct Foreign {
    #[prost(string, tag = "1")]
    text: String,
}

#[mainstay::service(package = "foreign")]
trait ForeignApi {
    async fn echo(&self, foreign: Foreign) -> Result<Foreign, Status>;
}

/// Wants the name of another message.
mod clash {
    #[derive(mainstay::Message, Clone, Debug)]
    #[message(package = "shop.member.v1", name = "Member")]
    pub(super) struct Imposter {
        pub(super) number: u64,
    }
}

#[mainstay::service(package = "clash")]
trait ClashApi {
    async fn take(&self, imposter: clash::Imposter) -> Result<u64, Status>;
}

struct Shop;

impl MemberApi for Shop {
    async fn find(&self, id: u64) -> Result<Member, Status> {
        Ok(Member { name: format!("member {id}"), since: prost_types::Timestamp::default() })
    }

    async fn all(&self) -> Result<Streaming<Member>, Status> {
        Ok(Streaming::of([]))
    }
}

impl MemberApi2 for Shop {
    async fn other(&self, id: u64) -> Result<u64, Status> {
        Ok(id)
    }
}

impl ForeignApi for Shop {
    async fn echo(&self, foreign: Foreign) -> Result<Foreign, Status> {
        Ok(foreign)
    }
}

impl ClashApi for Shop {
    async fn take(&self, imposter: clash::Imposter) -> Result<u64, Status> {
        Ok(imposter.number)
    }
}

fn start(server: Server, definition: &'static ServiceDef) -> (Running, Client) {
    let (network, accept) = memory();
    (server.start(accept), connect(definition, "").address("memory:1").connector(network).build().unwrap())
}

fn shop() -> Server {
    Server::new().serve(MemberApiServer::new(Shop)).serve(MemberApi2Server::new(Shop))
}

async fn ask(client: &Client, requests: Vec<MessageRequest>) -> Vec<MessageResponse> {
    let requests = requests
        .into_iter()
        .map(|request| ServerReflectionRequest { host: "here".to_owned(), message_request: Some(request) });
    let answers: Result<Streaming<ServerReflectionResponse>, CallError<Status>> =
        client.bidi_streaming(0, Streaming::of(requests)).await;
    let answers = answers.unwrap().collect().await.unwrap();
    assert!(answers.iter().all(|answer| answer.valid_host == "here" && answer.original_request.is_some()));
    answers.into_iter().filter_map(|answer| answer.message_response).collect()
}

fn symbol(name: &str) -> MessageRequest {
    MessageRequest::FileContainingSymbol(name.to_owned())
}

fn files(answer: &MessageResponse) -> Vec<FileDescriptorProto> {
    let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("{answer:?}") };
    files.file_descriptor_proto.iter().map(|file| FileDescriptorProto::decode(&**file).unwrap()).collect()
}

fn names(answer: &MessageResponse) -> Vec<String> {
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    list.service.iter().map(|service| service.name.clone()).collect()
}

/// A pool of all files in the answers, which only works when nothing is missing.
fn pool(answers: &[MessageResponse]) -> DescriptorPool {
    let mut all: Vec<FileDescriptorProto> = answers.iter().flat_map(files).collect();
    let mut seen = HashSet::new();
    all.retain(|file| seen.insert(file.name().to_owned()));
    DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file: all }).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_service_is_listed_and_described_by_both_versions() {
    for definition in [&V1, &V1ALPHA] {
        let (_running, client) = start(shop(), definition);
        let listed = names(&ask(&client, vec![MessageRequest::ListServices(String::new())]).await[0]);
        assert_eq!(
            listed,
            [
                "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection",
                "shop.member.v1.MemberApi",
            ]
        );
        let answers = ask(&client, listed.iter().map(|name| symbol(name)).collect()).await;
        let pool = pool(&answers);
        for name in &listed {
            assert!(pool.get_service_by_name(name).is_some(), "{name}");
        }
        let list = pool.get_service_by_name("grpc.health.v1.Health").unwrap().methods().last().unwrap();
        assert_eq!(list.name(), "List");
        assert!(list.output().get_field_by_name("statuses").unwrap().is_map());
    }
}

#[tokio::test(start_paused = true)]
async fn v1alpha_is_the_same_bytes_under_another_name() {
    use v1alpha::{ServerReflectionRequest, ServerReflectionResponse, server_reflection_request::MessageRequest};
    let (_running, client) = start(shop(), &V1ALPHA);
    let wanted = MessageRequest::FileContainingSymbol("shop.member.v1.MemberApi.Find".to_owned());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(wanted) };
    let answers: Result<Streaming<ServerReflectionResponse>, CallError<Status>> =
        client.bidi_streaming(0, Streaming::of([request.clone()])).await;
    let answers = answers.unwrap().collect().await.unwrap();
    assert_eq!(answers[0].original_request, Some(request));
    let Some(v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(found)) =
        &answers[0].message_response
    else {
        panic!("{answers:?}")
    };
    assert_eq!(found.file_descriptor_proto.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_made_from_the_descriptors_alone_and_understood() {
    let (_running, client) = start(shop(), &V1);
    let answers = ask(&client, vec![symbol("shop.member.v1.MemberApi")]).await;
    let sent: Vec<_> = files(&answers[0]).iter().map(|file| file.name().to_owned()).collect();
    assert_eq!(sent, ["shop.member.v1.proto", "google/protobuf/empty.proto", "google/protobuf/timestamp.proto"]);
    let pool = pool(&answers);
    let find = pool.get_service_by_name("shop.member.v1.MemberApi").unwrap().methods().next().unwrap();
    assert_eq!((find.name(), find.is_server_streaming()), ("Find", false));
    let mut request = DynamicMessage::new(find.input());
    request.set_field_by_name("id", Value::U64(7));
    let find_client = MemberApiClient::in_process(Shop);
    let member = find_client.find(7).await.unwrap();
    let encoded = DynamicMessage::decode(find.output(), &*member.encode_to_vec()).unwrap();
    assert_eq!(encoded.get_field_by_name("name").unwrap().as_str(), Some("member 7"));
    assert_eq!(request.encode_to_vec(), [8, 7]);
    // Of the two versions the first is described.
    assert!(pool.get_service_by_name("shop.member.v1.MemberApi").unwrap().methods().all(|m| m.name() != "Other"));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_an_answer_and_the_stream_goes_on() {
    let (_running, client) = start(shop(), &V1);
    let extension = v1::ExtensionRequest { containing_type: "shop.member.v1.Member".to_owned(), extension_number: 7 };
    let answers = ask(
        &client,
        vec![
            symbol("shop.member.v1.Nobody"),
            MessageRequest::FileByFilename("nothing.proto".to_owned()),
            MessageRequest::FileContainingExtension(extension),
            MessageRequest::AllExtensionNumbersOfType("shop.member.v1.Nobody".to_owned()),
            MessageRequest::AllExtensionNumbersOfType("shop.member.v1.Member".to_owned()),
            symbol("google.rpc.ErrorInfo"),
            MessageRequest::FileByFilename("grpc/health/v1/health.proto".to_owned()),
        ],
    )
    .await;
    for answer in &answers[..4] {
        let MessageResponse::ErrorResponse(error) = answer else { panic!("{answer:?}") };
        assert_eq!(error.error_code, i32::from(Code::NotFound), "{error:?}");
    }
    let MessageResponse::AllExtensionNumbersResponse(numbers) = &answers[4] else { panic!("{answers:?}") };
    assert!(numbers.extension_number.is_empty());
    assert_eq!(files(&answers[5])[0].name(), "google/rpc/error_details.proto");
    assert!(pool(&answers[5..6]).get_message_by_name("google.rpc.ErrorInfo").is_some());
    assert_eq!(files(&answers[6])[0].package(), "grpc.health.v1");
}

#[tokio::test(start_paused = true)]
async fn a_request_for_nothing_is_an_answer_too() {
    let (_running, client) = start(Server::new(), &V1);
    let answers: Result<Streaming<ServerReflectionResponse>, CallError<Status>> =
        client.bidi_streaming(0, Streaming::of([ServerReflectionRequest::default()])).await;
    let answer = answers.unwrap().message().await.unwrap().unwrap();
    let Some(MessageResponse::ErrorResponse(error)) = answer.message_response else { panic!("{answer:?}") };
    assert_eq!(error.error_code, i32::from(Code::InvalidArgument));
}

#[tokio::test(start_paused = true)]
async fn one_service_that_cannot_be_described_does_not_hide_the_others() {
    let server = shop().serve(ForeignApiServer::new(Shop)).serve(ClashApiServer::new(Shop));
    let (running, client) = start(server, &V1);
    let list = MessageRequest::ListServices(String::new());
    let wanted = vec![list, symbol("shop.member.v1.MemberApi"), symbol("foreign.ForeignApi"), symbol("clash.ClashApi")];
    let answers = ask(&client, wanted).await;
    assert_eq!(names(&answers[0]).len(), 6);
    let described = |answer| matches!(answer, &MessageResponse::FileDescriptorResponse(_));
    // What an existing prost type is made of is not known; its name is.
    assert!(described(&answers[2]));
    // Two services that contradict each other: one of them is described.
    let pair = [&answers[1], &answers[3]];
    assert_eq!(pair.iter().filter(|answer| described(answer)).count(), 1, "{pair:?}");
    assert!(running.proto_text("foreign.ForeignApi").unwrap().unwrap().contains("rpc Echo(Foreign)"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_for_its_next_question_does_not_hold_a_drain() {
    let (running, client) = start(shop(), &V1);
    let (questions, requests) = Streaming::channel(1);
    let answers: Result<Streaming<ServerReflectionResponse>, CallError<Status>> =
        client.bidi_streaming(0, requests).await;
    let mut answers = answers.unwrap();
    questions.send(ServerReflectionRequest::default()).await.unwrap();
    assert!(answers.message().await.unwrap().is_some());
    let began = tokio::time::Instant::now();
    let drained = running.drain(Duration::from_secs(60)).await;
    assert_eq!((drained.cut_calls, began.elapsed() < Duration::from_secs(1)), (0, true));
    assert_eq!(answers.message().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn it_can_be_turned_off() {
    let (running, client) = start(shop().reflection(false), &V1);
    let answers: Result<Streaming<ServerReflectionResponse>, CallError<Status>> =
        client.bidi_streaming(0, Streaming::of([ServerReflectionRequest::default()])).await;
    let refused = match answers {
        Ok(mut answers) => answers.message().await.unwrap_err(),
        Err(error) => error.into_status(),
    };
    assert_eq!(refused.code(), Code::Unimplemented);
    let text = running.proto_text("shop.member.v1.MemberApi").unwrap().unwrap();
    assert!(text.contains("// Looks a member up.") && text.contains("rpc Find("), "{text}");
    assert_eq!(running.proto_text("shop.member.v1.Nobody").unwrap(), None);
}
