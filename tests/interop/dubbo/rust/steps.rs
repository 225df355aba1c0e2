//! The consumer: one line for each step.

use std::{collections::BTreeMap, error::Error, fmt::Display, path::Path, time::Duration};

use mainstay::call::{Beside, CallError, CallOptions, Status, Streaming, timeout};
use mainstay::client::Balance;
use mainstay::dubbo::Attachments;
use tokio::time::sleep;

use crate::{DeskApiClient, LevelReply, LevelRequest};

/// As long as the consumer in Java waits.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Between two calls, where many are made.
const PAUSE: Duration = Duration::from_millis(5);

/// Does the steps that follow the group and the version.
pub(crate) async fn run(target: &str, mut args: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let mut said = || args.next().filter(|text| text != "-").unwrap_or_default();
    let (group, version) = (said(), said());
    let builder = DeskApiClient::connect("").group(group).version(version).consumer("asker-rust");
    // Strictly by weight, as the consumer in Java draws.
    // dubbo-go does not say when it began, so one that does would be new beside it for ten minutes.
    let builder = builder.balance(Balance::RoundRobin).warm_up(Duration::ZERO);
    let builder = match target.strip_prefix("tri://") {
        Some(address) => builder.address(address),
        None => builder.registry(target),
    };
    let client = builder.build()?.with(timeout(TIMEOUT));
    println!("READY");
    for step in args {
        let came = do_step(&client, &step).await.unwrap_or_else(|error| failure(&error.into_status()));
        println!("{step}: {came}");
    }
    println!("DONE");
    Ok(())
}

async fn do_step(client: &DeskApiClient, step: &str) -> Result<String, CallError<Status>> {
    let (name, rest) = step.split_once(':').unwrap_or((step, ""));
    Ok(match name {
        "level" => shown(&client.level(request(rest, 7)).await?),
        "attached" => attached(client).await?,
        "watch" => all(client.watch(request(rest, 5)).await?).await,
        "load" => {
            let sum = client.load(Streaming::of((1..=4).map(|i| request("", i)))).await?;
            format!("[{} from {}]", sum.sum, sum.node)
        }
        "chat" => all(client.chat(Streaming::of((1..=3).map(|i| request("", i)))).await?).await,
        "calls" => calls(client, rest).await,
        _ => format!("there is no step {name}"),
    })
}

fn request(mode: &str, count: i32) -> LevelRequest {
    LevelRequest { sku: "a-1".to_owned(), count, mode: mode.to_owned() }
}

fn shown(reply: &LevelReply) -> String {
    let sku = match reply.sku.len() {
        len if len > 20 => format!("{len} characters"),
        _ => reply.sku.clone(),
    };
    format!("{sku} {} from {}", reply.left, reply.node)
}

async fn attached(client: &DeskApiClient) -> Result<String, CallError<Status>> {
    let mut sent = Attachments::new();
    let set = sent.set("tenant", "t-1").and_then(|()| sent.set("camelCase", "Yes"));
    let set = set.and_then(|()| sent.set_bytes("raw", *b"bytes1"));
    set.map_err(|error| CallError::Call(Status::new(mainstay::call::Code::Internal, error.to_string())))?;
    let beside = Beside::new();
    let client = client.with(CallOptions::new().attachments(&sent).beside(&beside));
    let seen: BTreeMap<_, _> = client.level(request("", 7)).await?.seen.into_iter().collect();
    let back = beside.attachments();
    let back: BTreeMap<_, _> = back.texts().collect();
    Ok(format!("seen {} back {}", map(&seen), map(&back)))
}

/// As Java prints a map.
fn map(all: &BTreeMap<impl Display, impl Display>) -> String {
    let pairs: Vec<_> = all.iter().map(|(k, v)| format!("{k}={v}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

async fn all(mut replies: Streaming<LevelReply>) -> String {
    let mut seen = Vec::new();
    let ended = loop {
        match replies.message().await {
            Ok(Some(reply)) => seen.push(shown(&reply)),
            Ok(None) => break String::new(),
            Err(status) => break format!(" then {}", failure(&status)),
        }
    };
    format!("[{}]{ended}", seen.join(", "))
}

/// Calls until there is a file of this name, and says who answered.
async fn calls(client: &DeskApiClient, until: &str) -> String {
    let (mut calls, mut failed, mut last) = (0, 0, String::new());
    let mut nodes = BTreeMap::<String, u32>::new();
    while !Path::new(until).exists() {
        calls += 1;
        match client.level(request("", calls)).await {
            Ok(reply) => *nodes.entry(reply.node).or_default() += 1,
            Err(error) => {
                failed += 1;
                last = failure(&error.into_status());
            }
        }
        if calls % 20 == 0 {
            println!("so far {calls} failed {failed} {}", map(&nodes));
        }
        sleep(PAUSE).await;
    }
    format!("calls {calls} failed {failed} {} {last}", map(&nodes))
}

fn failure(status: &Status) -> String {
    format!("status {} {}", status.code() as i32, status.message())
}
