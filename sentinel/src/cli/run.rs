//! A sentinel as a process: background, signals, exit code.
//!
//! Exit codes are redis-sentinel's: 0 after SIGTERM, SIGINT or SHUTDOWN, 1 when it cannot start, 99 for a simulated
//! failure.

use std::fs;
use std::io::{self, Write};
use std::process::{Command, ExitCode, Stdio};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::Args;
use super::kept::Kept;
use super::log;
use super::notify::Notify;
use super::start::{self, StartError};
use crate::conf::ServerConfig;
use crate::core::ids::Millis;
use crate::metrics::Admin;
use crate::runtime::{End, Runtime};
use crate::server::{Identity, Server, Wiring};

/// Set for the process in the background, so that it does not go there again.
const IN_BACKGROUND: &str = "MAINSTAY_SENTINEL_IN_BACKGROUND";
/// What a simulated failure ends with.
const SIMULATED: u8 = 99;

/// Runs a sentinel until it is told to end.
pub(super) fn run(args: &Args) -> ExitCode {
    let (config, kept) = match start::read_changed(args) {
        Ok(read) => read,
        Err(e) => return failed(&e),
    };
    if config.server.daemonize && std::env::var_os(IN_BACKGROUND).is_none() {
        return in_background();
    }
    if let Err(e) = log::open(&config.server) {
        eprintln!("the log cannot be opened: {e}");
        return ExitCode::FAILURE;
    }
    config.warnings.iter().for_each(|w| tracing::warn!("{}: {w}", args.conf.display()));
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(tokio) => tokio.block_on(serve(args, config, kept)),
        Err(e) => failed(&e),
    }
}

async fn serve(args: &Args, config: crate::conf::Config, kept: Option<Kept>) -> ExitCode {
    let (terminate, interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(e), _) | (_, Err(e)) => return failed(&e),
    };
    let server = match Server::bind(config.server.clone()) {
        Ok(server) => server,
        Err(e) => return failed(&e),
    };
    let port = server.announced_port();
    let admin = match config.server.metrics_bind.map(|at| (at, Admin::bind(at))) {
        None => None,
        Some((_, Ok(admin))) => Some(admin),
        Some((at, Err(source))) => return failed(&StartError::Metrics { at, source }),
    };
    let setup = match start::set_up(args, (&config, kept), port, rand::random()) {
        Ok(setup) => setup,
        Err(e) => return failed(&e),
    };
    let publication = match start::publication(&config) {
        Ok(publication) => publication,
        Err(e) => return failed(&e),
    };
    if let Err(e) = enter(&config.server) {
        return failed(&e);
    }
    let me = setup.durable.me;
    let (runtime, handles) = Runtime::new(setup);
    let (clock, meters) = (handles.clock.clone(), handles.meters.clone());
    let notify = Notify::new(|name| std::env::var_os(name), std::process::id());
    let publishing = publication.map(|p| tokio::spawn(p.follow(handles.views.clone(), handles.published.subscribe())));
    let identity = Identity {
        executable: std::env::current_exe().map(|p| p.display().to_string()).unwrap_or_default(),
        config_file: std::path::absolute(&args.conf).unwrap_or_else(|_| args.conf.clone()).display().to_string(),
        started: clock.now(),
    };
    let now = clock.clone();
    let wiring = Wiring {
        views: handles.views,
        requests: handles.requests,
        notices: handles.published,
        clock: std::sync::Arc::new(move || -> Millis { now.now() }),
        identity,
    };
    tracing::warn!("sentinel {me} listens on port {port}, process {}", std::process::id());
    let views = wiring.views.clone();
    let serving = tokio::spawn(server.serve(wiring));
    let scrapes = admin.map(|admin| tokio::spawn(admin.serve(views, meters.clone())));
    notify.ready(&format!("port {port}, {} masters", config.masters.len()));
    let end = tokio::select! {
        end = runtime.run(told_to_end(terminate, interrupt)) => end,
        () = notify.keep_watchdog(|| meters.lag.count()) => End::Told,
    };
    notify.stopping();
    serving.abort();
    if let Some(scrapes) = scrapes {
        scrapes.abort();
    }
    if let Some(publishing) = publishing {
        publishing.abort();
    }
    if let Some(pidfile) = &config.server.pidfile {
        // It may have been removed already.
        let _ = fs::remove_file(pidfile);
    }
    tracing::warn!("the sentinel ends");
    match end {
        End::Told => ExitCode::SUCCESS,
        End::Simulated => ExitCode::from(SIMULATED),
    }
}

async fn told_to_end(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => tracing::warn!("SIGTERM: ending"),
        _ = interrupt.recv() => tracing::warn!("SIGINT: ending"),
    }
}

/// Changes to the directory of the file, and leaves the process id where it says.
fn enter(server: &ServerConfig) -> Result<(), StartError> {
    if let Some(dir) = &server.dir {
        std::env::set_current_dir(dir).map_err(|source| StartError::Directory { path: dir.into(), source })?;
    }
    if let Some(pidfile) = &server.pidfile {
        let written = fs::write(pidfile, format!("{}\n", std::process::id()));
        // As redis-sentinel does: worth a line, not the service.
        if let Err(e) = written {
            tracing::warn!("the process id cannot be written to {pidfile}: {e}");
        }
    }
    Ok(())
}

/// Starts this program again, detached, and ends. The file was read already: its mistakes were seen in the foreground.
fn in_background() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let started = std::env::current_exe().and_then(|exe| {
        let mut command = Command::new(exe);
        command.args(words).env(IN_BACKGROUND, "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn()
    });
    match started {
        Ok(_) => ExitCode::SUCCESS,
        Err(e) => failed(&e),
    }
}

fn failed(error: &dyn std::fmt::Display) -> ExitCode {
    // Nothing more can be done when even this fails.
    let _ = writeln!(io::stderr(), "{error}");
    ExitCode::FAILURE
}
