//! The command line of an echo program: `serve [--listen A]`, or `load --addr A` with what to send.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

pub(super) enum Command {
    Serve(SocketAddr),
    Load(Load),
}

/// What to send, and for how long.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) addr: SocketAddr,
    /// Bytes of payload per message.
    pub(super) bytes: usize,
    /// Calls at a time (closed loop), or streams at a time.
    pub(super) in_flight: usize,
    pub(super) connections: usize,
    pub(super) time: Duration,
    pub(super) warm_up: Duration,
    /// Calls per second of an open loop; None is a closed one.
    pub(super) rate: Option<f64>,
    pub(super) stream: bool,
    /// Of so many calls, one computes; 0 is none.
    pub(super) compute_every: u64,
    /// The process whose CPU time is counted too.
    pub(super) server: Option<u32>,
}

pub(super) fn parse(mut args: impl Iterator<Item = String>) -> Result<Command, String> {
    let usage = "usage: serve [--listen ADDR] | load --addr ADDR [--bytes N] [--in-flight N] [--connections N] \
                 [--seconds S] [--warm-up S] [--rate CALLS_PER_S] [--stream] [--compute-every N] [--server-pid PID]";
    match args.next().as_deref() {
        Some("serve") => match (args.next().as_deref(), args.next()) {
            (None, _) => Ok(Command::Serve(super::ANYWHERE)),
            (Some("--listen"), addr) => Ok(Command::Serve(value("--listen", addr)?)),
            _ => Err(usage.to_owned()),
        },
        Some("load") => load(args, usage).map(Command::Load),
        _ => Err(usage.to_owned()),
    }
}

fn load(mut args: impl Iterator<Item = String>, usage: &str) -> Result<Load, String> {
    let mut load = Load {
        addr: super::ANYWHERE,
        bytes: 128,
        in_flight: 64,
        connections: 1,
        time: Duration::from_secs(2),
        warm_up: Duration::from_millis(500),
        rate: None,
        stream: false,
        compute_every: 0,
        server: None,
    };
    while let Some(flag) = args.next() {
        match flag.as_str() {
            "--addr" => load.addr = value(&flag, args.next())?,
            "--bytes" => load.bytes = value(&flag, args.next())?,
            "--in-flight" => load.in_flight = value(&flag, args.next())?,
            "--connections" => load.connections = value(&flag, args.next())?,
            "--seconds" => load.time = Duration::from_secs_f64(value(&flag, args.next())?),
            "--warm-up" => load.warm_up = Duration::from_secs_f64(value(&flag, args.next())?),
            "--rate" => load.rate = Some(value(&flag, args.next())?),
            "--stream" => load.stream = true,
            "--compute-every" => load.compute_every = value(&flag, args.next())?,
            "--server-pid" => load.server = Some(value(&flag, args.next())?),
            other => return Err(format!("unknown option {other}; {usage}")),
        }
    }
    if load.connections == 0 || load.in_flight == 0 || load.rate.is_some_and(|r| r <= 0.0) {
        return Err(format!("--connections, --in-flight and --rate must be above 0; {usage}"));
    }
    Ok(load)
}

fn value<T: FromStr>(flag: &str, text: Option<String>) -> Result<T, String> {
    let text = text.ok_or_else(|| format!("{flag} needs a value"))?;
    text.parse().map_err(|_| format!("{flag} {text}: not understood"))
}
