//! A gateway as a process.

use super::{CUT, NO, args::Order, read};
use crate::{builder::Builder, center::Center, config::Config, gateway::Gateway, reload};
use mainstay::prometheus::Prometheus;
use std::{
    io::{self, Write},
    num::NonZero,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Runs until a signal ends it.
pub(super) fn run(builder: Builder, order: &Order) -> ExitCode {
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
    match runtime() {
        Ok(runtime) => runtime.block_on(serve(builder, order)),
        Err(error) => failed(&error.to_string()),
    }
}

/// With one core there is nobody to share work with: looking for such costs a request some of its time.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut builder = match cores {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

/// Where the file comes from, and what it says at the start; else the exit code, after saying why.
async fn begin(order: &Order) -> Result<(Option<Center>, String, Config), ExitCode> {
    let Some(kept) = &order.center else { return read(&order.file).map(|(text, config)| (None, text, config)) };
    let center = Center::open(&kept.url, kept.key.clone(), &order.file).map_err(|error| failed(&error))?;
    let (text, config) = center.begin().await.map_err(|error| failed(&error.to_string()))?;
    Ok((Some(center), text, config))
}

/// Follows the file, wherever it is.
async fn follow(center: Option<Center>, gateway: Arc<Gateway>, file: PathBuf, read: String) {
    match center {
        Some(center) => center.follow(gateway, read).await,
        None => reload::follow(gateway, file, read).await,
    }
}

async fn serve(builder: Builder, order: &Order) -> ExitCode {
    let signals = (|| {
        let [term, int, hup] = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        Ok::<_, io::Error>((term?, int?, hup?))
    })();
    let (mut term, mut int, mut hup) = match signals {
        Ok(signals) => signals,
        Err(error) => return failed(&error.to_string()),
    };
    let begun = tokio::select! {
        begun = begin(order) => begun,
        _ = term.recv() => return ExitCode::SUCCESS,
        _ = int.recv() => return ExitCode::SUCCESS,
    };
    let (center, text, config) = match begun {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    let metrics = config.has_admin().then(Prometheus::new);
    if let Some(Err(error)) = metrics.as_ref().map(Prometheus::install) {
        return failed(&error.to_string());
    }
    let gateway = match builder.start(config, metrics).await {
        Ok(gateway) => Arc::new(gateway),
        Err(error) => return failed(&error.to_string()),
    };
    gateway.admin_address().iter().for_each(|address| println!("admin {address}"));
    gateway.addresses().for_each(|address| println!("listening {address}"));
    let mut following = tokio::spawn(follow(center.clone(), gateway.clone(), order.file.clone(), text));
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            () = gateway.asked_to_end() => break,
            _ = hup.recv() => {
                // Beginning again from nothing known reads the file at once.
                following.abort();
                following = tokio::spawn(follow(center.clone(), gateway.clone(), order.file.clone(), String::new()));
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
