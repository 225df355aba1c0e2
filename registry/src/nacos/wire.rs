//! Nacos' protocol: one Protobuf message for everything, with JSON inside, over two methods of gRPC. Pure.
//!
//! Read from Nacos 2.5's `nacos_grpc_service.proto` and its request and response classes, and seen on a real server.

use std::collections::BTreeMap;

use prost::bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::text::TextName;

/// A call that is answered once.
pub(super) const UNARY: &str = "/Request/request";
/// The stream that the server asks and tells by; the connection lives as long as it does.
pub(super) const STREAM: &str = "/BiRequestStream/requestBiStream";
/// Largest answer that is taken, in bytes: more than ten thousand instances of one service.
pub(super) const MAX_ANSWER: usize = 32 << 20;
/// The server's code for "it is as you wished".
const OK: i64 = 200;

/// The envelope.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Payload {
    #[prost(message, optional, tag = "2")]
    pub(super) metadata: Option<Metadata>,
    #[prost(message, optional, tag = "3")]
    pub(super) body: Option<Body>,
}

/// What is written on it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Metadata {
    /// The name of the request or response, which says how to read the body.
    #[prost(string, tag = "3")]
    pub(super) kind: String,
    #[prost(btree_map = "string, string", tag = "7")]
    pub(super) headers: BTreeMap<String, String>,
    #[prost(string, tag = "8")]
    pub(super) client_ip: String,
}

/// Protobuf's `Any`, of which Nacos uses the bytes: JSON.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Body {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) value: Bytes,
}

/// A request, by the name that the server knows it under.
pub(super) trait Ask: Serialize {
    /// That name.
    const KIND: &'static str;
    /// What answers it.
    type Answer: DeserializeOwned;
}

/// Why a request had no effect: the server's own code and text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server answered {code}: {text}")]
pub(super) struct Refused {
    pub(super) code: i64,
    pub(super) text: String,
}

/// Where a service is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Service {
    pub(super) namespace: String,
    pub(super) group_name: String,
    pub(super) service_name: String,
}

/// An instance, as it is registered and as it is listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Host {
    pub(super) ip: String,
    pub(super) port: u32,
    #[serde(default = "one")]
    pub(super) weight: f64,
    #[serde(default = "yes")]
    pub(super) healthy: bool,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    #[serde(default = "yes")]
    pub(super) ephemeral: bool,
    #[serde(default)]
    pub(super) cluster_name: Option<String>,
    #[serde(default)]
    pub(super) metadata: BTreeMap<String, Option<String>>,
}

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}

/// A service's instances, as they are told. Each is read on its own: one that is garbage does not hide the others, and one
/// that is known is not read again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listing {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) group_name: String,
    #[serde(default)]
    pub(super) hosts: Option<Vec<Box<RawValue>>>,
}

impl Listing {
    /// Everybody, read as whatever JSON it is.
    pub(super) fn values(&self) -> impl Iterator<Item = serde_json::Value> {
        self.hosts.iter().flatten().map(|text| serde_json::from_str(text.get()).unwrap_or_default())
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ServerCheck {}

#[derive(Debug, Serialize)]
pub(super) struct HealthCheck {}

/// The first word on the stream: from then on the connection has an identity.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Setup<'a> {
    pub(super) client_version: &'a str,
    pub(super) tenant: &'a str,
    pub(super) labels: BTreeMap<&'a str, &'a str>,
}

#[derive(Debug, Serialize)]
pub(super) struct OneInstance<'a> {
    #[serde(flatten)]
    pub(super) service: &'a Service,
    #[serde(rename = "type")]
    pub(super) action: &'static str,
    pub(super) instance: &'a Host,
}

/// All that this connection offers of one service: what is not named is gone.
#[derive(Debug, Serialize)]
pub(super) struct AllInstances<'a> {
    #[serde(flatten)]
    pub(super) service: &'a Service,
    #[serde(rename = "type")]
    pub(super) action: &'static str,
    pub(super) instances: &'a [Host],
}

#[derive(Debug, Serialize)]
pub(super) struct Subscribe<'a> {
    #[serde(flatten)]
    pub(super) service: &'a Service,
    pub(super) subscribe: bool,
    pub(super) clusters: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceNames<'a> {
    pub(super) namespace: &'a str,
    pub(super) group_name: &'a str,
    pub(super) page_no: u32,
    pub(super) page_size: u32,
    pub(super) selector: &'static str,
}

#[derive(Debug, Deserialize)]
pub(super) struct Done {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checked {
    #[serde(default)]
    pub(super) connection_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscribed {
    #[serde(default)]
    pub(super) service_info: Listing,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Names {
    #[serde(default)]
    pub(super) count: u32,
    #[serde(default)]
    pub(super) service_names: Option<Vec<String>>,
}

macro_rules! ask {
    ($($request:ty, $kind:literal, $answer:ty;)*) => {
        $(impl Ask for $request {
            const KIND: &'static str = $kind;
            type Answer = $answer;
        })*
    };
}

pub(super) use ask;

ask! {
    ServerCheck, "ServerCheckRequest", Checked;
    HealthCheck, "HealthCheckRequest", Done;
    Setup<'_>, "ConnectionSetupRequest", Done;
    OneInstance<'_>, "InstanceRequest", Done;
    AllInstances<'_>, "BatchInstanceRequest", Done;
    Subscribe<'_>, "SubscribeServiceRequest", Subscribed;
    ServiceNames<'_>, "ServiceListRequest", Names;
}

/// What the server says on the stream.
#[derive(Debug)]
pub(super) enum Told {
    /// A service changed.
    Service(Listing),
    /// A text changed, came or went.
    Text(TextName),
    /// It wants this connection to go to another server.
    GoAway,
    /// Whether somebody is there, and whatever else only wants an answer.
    Other,
}

/// A request in its envelope.
///
/// # Errors
/// When it cannot be written as JSON, which is a mistake of this crate.
pub(super) fn asked<A: Ask>(request: &A, token: Option<&str>) -> Result<Payload, serde_json::Error> {
    let headers = token.map(|token| ("accessToken".to_owned(), token.to_owned())).into_iter().collect();
    Ok(payload(A::KIND, headers, serde_json::to_vec(request)?))
}

/// The answer out of its envelope.
///
/// # Errors
/// [`Refused`], also when it cannot be read.
pub(super) fn answered<A: Ask>(payload: Payload) -> Result<A::Answer, Refused> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Outcome {
        #[serde(default)]
        result_code: i64,
        #[serde(default)]
        error_code: i64,
        #[serde(default)]
        message: Option<String>,
    }
    let garbled = |error: serde_json::Error| Refused { code: 0, text: format!("what cannot be read: {error}") };
    let body = payload.body.unwrap_or_default().value;
    let outcome: Outcome = serde_json::from_slice(&body).map_err(garbled)?;
    if outcome.result_code == OK {
        return serde_json::from_slice(&body).map_err(garbled);
    }
    let code = if outcome.error_code == 0 { outcome.result_code } else { outcome.error_code };
    let text = outcome.message.filter(|text| !text.is_empty()).unwrap_or_else(|| "no reason".to_owned());
    Err(Refused { code, text: text.chars().take(500).collect() })
}

/// What the server says, and what to answer, if anything.
pub(super) fn told(payload: Payload) -> (Told, Option<Payload>) {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Request {
        request_id: Option<String>,
        service_info: Option<Listing>,
        tenant: Option<String>,
        group: Option<String>,
        data_id: Option<String>,
    }
    let kind = payload.metadata.unwrap_or_default().kind;
    let body = payload.body.unwrap_or_default().value;
    let request: Request = serde_json::from_slice(&body).unwrap_or_default();
    let told = match (kind.as_str(), request.service_info, request.group.zip(request.data_id)) {
        ("NotifySubscriberRequest", Some(listing), _) => Told::Service(listing),
        ("ConfigChangeNotifyRequest", _, Some((group, data_id))) => {
            Told::Text(TextName::told(request.tenant.as_deref(), &group, &data_id))
        }
        ("ConnectResetRequest", ..) => Told::GoAway,
        _ => Told::Other,
    };
    let answer = kind.strip_suffix("Request").filter(|what| *what != "SetupAck").map(|what| {
        let body = serde_json::json!({ "resultCode": OK, "errorCode": 0, "requestId": request.request_id });
        payload_of(&format!("{what}Response"), &body)
    });
    (told, answer)
}

fn payload_of(kind: &str, body: &serde_json::Value) -> Payload {
    payload(kind, BTreeMap::new(), body.to_string().into_bytes())
}

fn payload(kind: &str, headers: BTreeMap<String, String>, body: Vec<u8>) -> Payload {
    let metadata = Metadata { kind: kind.to_owned(), headers, client_ip: String::new() };
    Payload { metadata: Some(metadata), body: Some(Body { type_url: String::new(), value: body.into() }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::nacos::{names, text::Query};

    /// What a server says, to be damaged.
    const DAMAGED: [(&str, &str); 5] = [
        (
            "NotifySubscriberRequest",
            r#"{"requestId":"1","serviceInfo":{"name":"a.B","groupName":"G","hosts":[{"ip":"h","port":1,"weight":1.0,"enabled":true,"metadata":{"protocol":"tri","path":"a.B"}}]}}"#,
        ),
        ("ConfigChangeNotifyRequest", r#"{"requestId":"2","tenant":"n","group":"dubbo","dataId":"x"}"#),
        ("ClientDetectionRequest", r#"{"requestId":"3"}"#),
        (
            "SubscribeServiceResponse",
            r#"{"resultCode":200,"errorCode":0,"serviceInfo":{"hosts":[{"ip":"h","port":1,"metadata":{"weight":"1"}}]}}"#,
        ),
        ("ConfigQueryResponse", r#"{"resultCode":200,"content":"\u00e4\n","md5":"0"}"#),
    ];

    fn look(listing: &Listing) {
        for host in listing.values() {
            let _ = names::offered(&host, "a.B");
        }
    }

    fn said(kind: &str, body: &str) -> Payload {
        payload(kind, BTreeMap::new(), body.as_bytes().to_vec())
    }

    #[test]
    fn a_refusal_has_the_servers_code_and_text() {
        let refused = answered::<HealthCheck>(said(
            "ErrorResponse",
            r#"{"resultCode":500,"errorCode":403,"message":"user not found!"}"#,
        ));
        assert_eq!(refused.unwrap_err().to_string(), "the server answered 403: user not found!");
        let refused = answered::<HealthCheck>(said("HealthCheckResponse", r#"{"resultCode":500}"#)).unwrap_err();
        assert_eq!((refused.code, refused.text.as_str()), (500, "no reason"));
        assert!(answered::<HealthCheck>(said("", "garbage")).is_err());
        answered::<HealthCheck>(said("HealthCheckResponse", r#"{"resultCode":200,"new":1}"#)).unwrap();
    }

    #[test]
    fn what_the_server_asks_is_answered_by_name() {
        let (told, answer) = told(said("ClientDetectionRequest", r#"{"requestId":"7"}"#));
        assert!(matches!(told, Told::Other));
        let answer = answer.unwrap();
        assert_eq!(answer.metadata.unwrap().kind, "ClientDetectionResponse");
        let body: serde_json::Value = serde_json::from_slice(&answer.body.unwrap().value).unwrap();
        assert_eq!((body["requestId"].as_str(), body["resultCode"].as_i64()), (Some("7"), Some(200)));
    }

    #[test]
    fn a_push_is_read_and_acknowledged_and_a_reset_is_heard() {
        let push = r#"{"requestId":"1","serviceInfo":{"name":"a.B","groupName":"G","hosts":[{"ip":"h","port":1}]}}"#;
        let (told_, answer) = told(said("NotifySubscriberRequest", push));
        let Told::Service(listing) = told_ else { panic!("{told_:?}") };
        assert_eq!((listing.name.as_str(), listing.hosts.unwrap().len()), ("a.B", 1));
        assert!(answer.is_some());
        let push = r#"{"requestId":"2","tenant":"n","group":"dubbo","dataId":"x"}"#;
        let (told_, answer) = told(said("ConfigChangeNotifyRequest", push));
        assert!(matches!(told_, Told::Text(name) if name == TextName::new("n", "dubbo", "x").unwrap()));
        assert_eq!(answer.unwrap().metadata.unwrap().kind, "ConfigChangeNotifyResponse");
        assert!(matches!(told(said("ConfigChangeNotifyRequest", "{}")).0, Told::Other));
        assert!(matches!(told(said("ConnectResetRequest", "{}")).0, Told::GoAway));
        assert!(told(said("SetupAckRequest", "{}")).1.is_none());
    }

    #[test]
    fn an_instance_is_written_as_the_server_reads_it() {
        let service =
            Service { namespace: "public".to_owned(), group_name: "G".to_owned(), service_name: "s".to_owned() };
        let host: Host = serde_json::from_str(r#"{"ip":"h","port":1,"unknown":{},"metadata":{"a":null}}"#).unwrap();
        assert!(host.enabled && host.healthy && host.ephemeral);
        let text = serde_json::to_value(OneInstance { service: &service, action: "registerInstance", instance: &host })
            .unwrap();
        assert_eq!((text["serviceName"].as_str(), text["type"].as_str()), (Some("s"), Some("registerInstance")));
        assert_eq!(text["instance"]["weight"], 1.0);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(kind in "(NotifySubscriber|ConfigChangeNotify|ConnectReset|.{0,9})Request", body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = told(payload(&kind, BTreeMap::new(), body.clone()));
            let _ = answered::<Subscribe<'_>>(payload(&kind, BTreeMap::new(), body.clone()));
            let _ = answered::<Query<'_>>(payload(&kind, BTreeMap::new(), body.clone()));
            let _ = <Payload as Message>::decode(&body[..]);
        }

        #[test]
        fn what_is_damaged_on_its_way_does_no_harm(which in 0..DAMAGED.len(), at: prop::sample::Index, byte: u8, cut: bool) {
            let (kind, body) = DAMAGED[which];
            let mut bytes = said(kind, body).encode_to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(if cut { at } else { bytes.len() });
            let Ok(payload) = <Payload as Message>::decode(&bytes[..]) else { return Ok(()) };
            if let Ok(subscribed) = answered::<Subscribe<'_>>(payload.clone()) {
                look(&subscribed.service_info);
            }
            let _ = answered::<Query<'_>>(payload.clone());
            let (told, answer) = told(payload);
            if let Told::Service(listing) = told {
                look(&listing);
            }
            prop_assert!(answer.is_none_or(|answer| Payload::decode(&answer.encode_to_vec()[..]).is_ok()));
        }
    }
}
