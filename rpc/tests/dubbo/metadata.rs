//! `MetadataServiceV2`, asked as dubbo-go asks it.

use crate::bed::{Desk, DeskApiServer, send};
use mainstay::{App, call::Code};
use std::{collections::BTreeMap, time::Duration};

/// `MetadataInfoV2`, as Dubbo's `.proto` numbers it.
#[derive(Clone, PartialEq, prost::Message)]
struct Info {
    #[prost(string, tag = "1")]
    app: String,
    #[prost(string, tag = "2")]
    version: String,
    #[prost(btree_map = "string, message", tag = "3")]
    services: BTreeMap<String, Service>,
}

/// `ServiceInfoV2`.
#[derive(Clone, PartialEq, prost::Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    group: String,
    #[prost(string, tag = "3")]
    version: String,
    #[prost(string, tag = "4")]
    protocol: String,
    #[prost(int32, tag = "5")]
    port: i32,
    #[prost(string, tag = "6")]
    path: String,
    #[prost(btree_map = "string, string", tag = "7")]
    params: BTreeMap<String, String>,
}

#[tokio::test]
async fn metadata_is_told_as_the_peers_ask_for_it() {
    let app = App::new("desk").registry("memory://").listen("127.0.0.1:0").drain(Duration::ZERO, Duration::ZERO);
    let app = app.serve(DeskApiServer::new(Desk("r1"))).start().await.unwrap();
    let io = tokio::net::TcpStream::connect(app.address()).await.unwrap();
    let (peer, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let base = [
        ("timeout", "5s"),
        ("user-agent", "grpc-go-triple/0.1.0 (go1.26.8)"),
        ("content-type", "application/grpc+proto"),
        ("accept-encoding", "identity"),
        ("grpc-accept-encoding", "gzip"),
        ("retries", "2"),
        ("interface", "org.apache.dubbo.metadata.MetadataServiceV2"),
        ("te", "trailers"),
        ("grpc-timeout", "4999992u"),
    ];
    let asked = ["0000000022", "0a203232636638376266326362363064666536663834306666373537386439346131643064"];
    let body = [asked[0], &asked[1][..68], ""];
    for method in ["GetMetadataInfo", "getMetadataInfo"] {
        let path = format!("/org.apache.dubbo.metadata.MetadataServiceV2/{method}");
        let mine = [("tri-service-group", "desk"), ("tri-service-version", "2.0.0")];
        let strange = [("tri-service-group", "other"), ("tri-service-version", "1.0.0")];
        for under in [&mine[..], &strange, &[]] {
            let answer = send(&peer, &path, &[&base, under].concat(), &body).await;
            assert_eq!((answer.http.as_u16(), answer.code()), (200, Code::Ok), "{under:?}");
            let info: Info = prost::Message::decode(&answer.body[5..]).unwrap();
            assert_eq!((info.app.as_str(), info.version.len()), ("desk", 32));
            let service = &info.services["shop.desk.v1.DeskApi:tri"];
            assert_eq!(
                (service.name.as_str(), service.path.as_str()),
                ("shop.desk.v1.DeskApi", "shop.desk.v1.DeskApi")
            );
            assert_eq!((service.protocol.as_str(), service.port), ("tri", 0), "its instance says the port");
            assert_eq!((service.group.as_str(), service.version.as_str()), ("", ""));
            assert!(service.params.contains_key("methods"), "dubbo-go needs it");
        }
    }
    app.drain().await;
}
