//! The provider and the consumer of Dubbo's peers, in Rust: the same service, the same steps, the same lines.
//!
//! `dubbo-desk provider NODE [--listen … --registry … and the other flags of an application]` serves. `dubbo-desk consumer
//! TARGET GROUP|- VERSION|- STEP…` calls: the target is `tri://HOST:PORT` or the URL of a registry, and each step prints
//! one line, `STEP: what came`, as the consumer in Java does.

mod provider;
mod steps;

use std::process::ExitCode;

mainstay::include_proto!("interop/dubbo/desk.proto");

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let ended = match (args.next().as_deref(), args.next()) {
        (Some("provider"), Some(node)) => provider::run(node, args).await,
        (Some("consumer"), Some(target)) => steps::run(&target, args).await,
        _ => Err("dubbo-desk provider NODE … | consumer TARGET GROUP VERSION STEP…".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}
