//! The provider: it answers as the request's mode says.

use std::{collections::HashMap, error::Error, time::Duration};

use mainstay::App;
use mainstay::call::{Cx, ErrorInfo, Status, Streaming};
use tonic::Code;

use crate::{DeskApi, DeskApiServer, LevelReply, LevelRequest, LoadReply};

/// Replies that may wait for a slow reader.
const AHEAD: usize = 4;

struct Desk {
    node: String,
}

/// Serves until it is told to end.
pub(crate) async fn run(node: String, flags: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let none = std::iter::empty::<(String, String)>();
    let app = App::from_sources("desk-rust", flags, none)?.serve(DeskApiServer::new(Desk { node }));
    Ok(app.run().await?)
}

impl Desk {
    fn reply(&self, request: &LevelRequest, left: i32) -> LevelReply {
        LevelReply { sku: request.sku.clone(), left, node: self.node.clone(), ..LevelReply::default() }
    }
}

impl DeskApi for Desk {
    async fn level(&self, request: LevelRequest) -> Result<LevelReply, Status> {
        let cx = Cx::current().ok_or_else(|| internal("no context"))?;
        for name in ["x-node", "camelNode"] {
            cx.set_attachment(name, self.node.as_str()).map_err(|error| internal(&error.to_string()))?;
        }
        match request.mode.split_once(':') {
            None if request.mode == "fail" => {
                return Err(Status::new(Code::FailedPrecondition, "sold out: 100% + more"));
            }
            None if request.mode == "details" => {
                let info = ErrorInfo::new("SOLD_OUT", "desk");
                return Err(Status::new(Code::FailedPrecondition, "sold out: 100% + more").with_info(info));
            }
            Some(("status", code)) => {
                let text = format!("asked for {code}");
                return Err(Status::new(Code::from(code.parse().unwrap_or(2)), text));
            }
            Some(("slow", millis)) => tokio::time::sleep(Duration::from_millis(millis.parse().unwrap_or(0))).await,
            _ => {}
        }
        let mut reply = self.reply(&request, request.count);
        if let Some(("long", bytes)) = request.mode.split_once(':') {
            reply.sku = "x".repeat(bytes.parse().unwrap_or(0));
        }
        reply.seen = seen(&cx);
        Ok(reply)
    }

    async fn watch(&self, request: LevelRequest) -> Result<Streaming<LevelReply>, Status> {
        let fails = request.mode == "fail";
        let (sender, replies) = Streaming::channel(AHEAD);
        let all: Vec<_> = (1..=request.count).map(|i| self.reply(&request, i)).collect();
        tokio::spawn(async move {
            let last = all.len();
            for (i, reply) in all.into_iter().enumerate() {
                if fails && i + 1 == last {
                    return sender.fail(Status::new(Code::Unknown, format!("watch broke at {last}"))).await;
                }
                if sender.send(reply).await.is_err() {
                    return;
                }
            }
        });
        Ok(replies)
    }

    async fn load(&self, mut requests: Streaming<LevelRequest>) -> Result<LoadReply, Status> {
        let mut sum = 0;
        while let Some(request) = requests.message().await? {
            sum += request.count;
        }
        Ok(LoadReply { sum, node: self.node.clone() })
    }

    async fn chat(&self, requests: Streaming<LevelRequest>) -> Result<Streaming<LevelReply>, Status> {
        let node = self.node.clone();
        let answer = move |request: LevelRequest| LevelReply {
            left: 2 * request.count,
            sku: request.sku,
            node: node.clone(),
            ..LevelReply::default()
        };
        Ok(requests.map(answer))
    }
}

fn seen(cx: &Cx) -> HashMap<String, String> {
    let attachments = cx.attachments();
    let text = |name: &str| match attachments.get_bytes(name) {
        Some(bytes) => format!("bytes:{}", bytes.len()),
        None => attachments.get(name).unwrap_or_default().to_owned(),
    };
    let mut seen: HashMap<String, String> = attachments.names().map(|name| (name.to_owned(), text(name))).collect();
    seen.extend(cx.consumer().map(|name| ("remote.application".to_owned(), name.to_owned())));
    seen
}

fn internal(text: &str) -> Status {
    Status::new(Code::Internal, text.to_owned())
}
