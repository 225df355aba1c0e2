//! A gateway as a process.

use super::{CUT, NO, args::Order, read};
use crate::{config::Config, gateway::Gateway, reload};
use mainstay::prometheus::Prometheus;
use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Runs until a signal ends it.
pub(super) fn run(order: &Order) -> ExitCode {
    let filter = match EnvFilter::try_new(&order.log) {
        Ok(filter) => filter,
        Err(error) => return failed(&format!("--log: {error}")),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(false)
        .init();
    let (text, config) = match read(&order.file) {
        Ok(read) => read,
        Err(code) => return code,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(serve(order, text, config)),
        Err(error) => failed(&error.to_string()),
    }
}

async fn serve(order: &Order, text: String, config: Config) -> ExitCode {
    let signals = (|| {
        let [term, int, hup] = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        Ok::<_, io::Error>((term?, int?, hup?))
    })();
    let (mut term, mut int, mut hup) = match signals {
        Ok(signals) => signals,
        Err(error) => return failed(&error.to_string()),
    };
    let metrics = config.has_admin().then(Prometheus::new);
    if let Some(Err(error)) = metrics.as_ref().map(Prometheus::install) {
        return failed(&error.to_string());
    }
    let gateway = match Gateway::start(config, metrics).await {
        Ok(gateway) => Arc::new(gateway),
        Err(error) => return failed(&error.to_string()),
    };
    gateway.admin_address().iter().for_each(|address| println!("admin {address}"));
    gateway.addresses().for_each(|address| println!("listening {address}"));
    let mut following = tokio::spawn(reload::follow(gateway.clone(), order.file.clone(), text));
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => {
                // Beginning again from nothing known reads the file at once.
                following.abort();
                following = tokio::spawn(reload::follow(gateway.clone(), order.file.clone(), String::new()));
            }
        }
    }
    following.abort();
    // Who read it may be gone: that is why it ends.
    let _ = writeln!(io::stdout(), "draining");
    let cut = tokio::select! {
        cut = gateway.drain(order.grace) => cut,
        _ = term.recv() => return ExitCode::from(CUT),
        _ = int.recv() => return ExitCode::from(CUT),
    };
    if cut == 0 { ExitCode::SUCCESS } else { ExitCode::from(CUT) }
}

fn failed(why: &str) -> ExitCode {
    eprintln!("mainstay-gateway: {why}");
    ExitCode::from(NO)
}
