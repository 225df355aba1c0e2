//! The server as a service of HTTP inside an axum program: all kinds of gRPC, JSON, gRPC-Web.

use crate::{
    bed::{BOTH, LONG, json_of, request, try_send},
    shop::{Article, Counter, ShopClient, ShopServer},
};
use mainstay::{prelude::*, server::Server};
use std::net::SocketAddr;
use tokio::{net::TcpListener, time::timeout};

async fn axum_with_the_shop() -> SocketAddr {
    let shop = Server::new().serve(ShopServer::new(Counter::default())).into_service();
    let router = axum::Router::new().route("/hello", axum::routing::get(|| async { "hello" })).fallback_service(shop);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn article(sku: &str, left: u32) -> Article {
    Article { sku: sku.into(), left, ..Article::default() }
}

#[tokio::test]
async fn all_four_kinds_through_axum() {
    let client = ShopClient::connect("").address(axum_with_the_shop().await.to_string()).build().unwrap();
    assert_eq!(client.level("a".into(), 9).await.unwrap().left, 9);
    assert_eq!(client.level("none".into(), 0).await.unwrap_err().app().unwrap().to_string(), "no article none");
    let watched = client.watch(vec!["a".into(), "b".into()]).await.unwrap().collect().await.unwrap();
    assert_eq!(watched.len(), 2);
    assert_eq!(client.load(Streaming::of([article("a", 1), article("b", 2)])).await.unwrap(), 2);
    let (sender, articles) = Streaming::channel(1);
    let mut chat = client.chat(articles).await.unwrap();
    for left in 0..3 {
        sender.send(article("a", left)).await.unwrap();
        assert_eq!(chat.message().await.unwrap().unwrap().left, left + 1);
    }
    drop(sender);
    assert_eq!(chat.message().await.unwrap(), None);
    let panicked = client.fail().await.unwrap_err();
    assert_eq!(panicked.status().unwrap().code(), Code::Internal);
    let late = client.with(mainstay::call::timeout(std::time::Duration::from_millis(5))).wait().await.unwrap_err();
    assert_eq!(late.status().unwrap().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn json_and_the_host_s_own_routes() {
    let address = axum_with_the_shop().await;
    for over in BOTH {
        let send = |request| async move { timeout(LONG, try_send(address, over, request)).await.unwrap().unwrap() };
        let got = send(request("GET", "/v1/stock/a", "", "")).await;
        assert_eq!(json_of(&got)["left"], 3);
        assert_eq!(send(request("GET", "/hello", "", "")).await.body(), "hello");
        assert_eq!(send(request("GET", "/nothing", "", "")).await.status(), 404);
    }
}
