//! gRPC-Web: binary and text, one message and streams, over both versions of HTTP.

use crate::{
    bed::{BOTH, Bed, framed, frames, request},
    shop::Article,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mainstay::Message;
use prost::Message as _;

#[derive(Message, Clone)]
struct LevelRequest {
    sku: String,
}

#[derive(Message, Clone)]
struct WatchRequest {
    skus: Vec<String>,
}

const TRAILERS: u8 = 0x80;

fn trailers(frames: &[(u8, Vec<u8>)]) -> String {
    let (flag, text) = frames.last().unwrap();
    assert_eq!(*flag, TRAILERS);
    String::from_utf8(text.clone()).unwrap()
}

/// Calls in binary and in text, and gives the frames of the answer.
async fn call(bed: &Bed, path: &str, message: &[u8]) -> Vec<Vec<(u8, Vec<u8>)>> {
    let mut all = Vec::new();
    for over in BOTH {
        let binary = bed.send(over, request("POST", path, "application/grpc-web+proto", message.to_vec())).await;
        assert_eq!((binary.status().as_u16(), binary.headers().contains_key("grpc-status")), (200, false));
        assert_eq!(binary.headers()["content-type"], "application/grpc-web+proto");
        all.push(frames(binary.body()));
        // Two pieces, each padded for itself.
        let (head, tail) = message.split_at(message.len() / 2);
        let text = format!("{}{}", STANDARD.encode(head), STANDARD.encode(tail));
        let text = bed.send(over, request("POST", path, "application/grpc-web-text", text)).await;
        assert_eq!(text.headers()["content-type"], "application/grpc-web-text+proto");
        let groups = text.body().chunks(4).flat_map(|group| STANDARD.decode(group).unwrap());
        all.push(frames(&groups.collect::<Vec<u8>>()));
    }
    all
}

#[tokio::test]
async fn one_message() {
    let bed = Bed::start().await;
    for frames in call(&bed, "/shop.v1.Shop/Level", &framed(&LevelRequest { sku: "a".into() })).await {
        assert_eq!(frames.len(), 2);
        assert_eq!(Article::decode(frames[0].1.as_slice()).unwrap().left, 3);
        let trailers = trailers(&frames);
        assert!(trailers.contains("grpc-status: 0\r\n") && trailers.contains("x-cost: 2\r\n"), "{trailers}");
    }
    bed.settled().await;
}

#[tokio::test]
async fn a_stream() {
    let bed = Bed::start().await;
    let ask = WatchRequest { skus: vec!["a".into(), "b".into()] };
    for frames in call(&bed, "/shop.v1.Shop/Watch", &framed(&ask)).await {
        // Ready messages may share a piece of the body, but each is a frame of its own.
        let skus: Vec<_> =
            frames[..2].iter().map(|(_, bytes)| Article::decode(bytes.as_slice()).unwrap().sku).collect();
        assert_eq!((skus, frames.len()), (ask.skus.clone(), 3));
        assert!(trailers(&frames).contains("grpc-status: 0"));
    }
    bed.settled().await;
}

#[tokio::test]
async fn failures_are_in_the_body_too() {
    let bed = Bed::start().await;
    for (path, message, part) in [
        ("/shop.v1.Shop/Level", framed(&LevelRequest { sku: "none".into() }), "grpc-status: 5\r\n"),
        ("/shop.v1.Shop/Level", vec![0, 0, 0, 0, 9, 1], "grpc-status: 13\r\n"),
        ("/shop.v1.Shop/Level", vec![0, 0, 1, 0, 0, 1], "grpc-status: 8\r\n"),
        ("/shop.v1.Shop/Nope", Vec::new(), "grpc-status: 12\r\n"),
        ("/nope.Nope/Nope", Vec::new(), "grpc-status: 12\r\n"),
        ("/shop.v1.Shop/Fail", framed(&()), "grpc-status: 13\r\n"),
    ] {
        for frames in call(&bed, path, &message).await {
            let trailers = trailers(&frames);
            assert!(frames.len() == 1 && trailers.contains(part), "{path}: {trailers}");
        }
    }
    bed.settled().await;
}

#[tokio::test]
async fn text_that_is_no_base64_is_the_caller_s_fault() {
    let bed = Bed::start().await;
    for text in ["AAAA*", "AAAAA"] {
        let answer = bed.send(BOTH[0], request("POST", "/shop.v1.Shop/Level", "application/grpc-web-text", text)).await;
        let frames = frames(&STANDARD.decode(answer.body()).unwrap());
        assert!(trailers(&frames).contains("grpc-status: 3"), "{text}");
    }
}
