//! The command line of `cargo bench-gateway`, and of the process that makes the load.

use std::net::SocketAddr;
use testbed::words::{Only, Words};

const USAGE: &str = "\
cargo bench-gateway [--rounds N] [--seconds S] [--only PART]… [--json]

  --rounds N   alternating rounds (5)
  --seconds S  measured per row, peer and round (3)
  --only PART  only rows whose label holds PART, such as `http1_proxy`, `grpc_pass`, `transcode`, `match` or `cel`
  --json       one line of JSON at the end";

const LOAD: &str = "load http1|json|grpc ADDR --connections N --seconds S --server-pid PID";

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
    pub(crate) json: bool,
    only: Only,
}

impl Args {
    pub(crate) fn wants(&self, label: &str) -> bool {
        self.only.wants(label)
    }
}

/// # Errors
/// The usage, when it was asked for or nothing else is understood.
pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut parsed = Args { rounds: 5, seconds: 3.0, json: false, only: Only::default() };
    let mut words = Words::new(args, USAGE);
    while let Some(option) = words.option()? {
        match option.as_str() {
            "--json" => parsed.json = true,
            "--only" => parsed.only.add(words.value()?),
            "--rounds" => parsed.rounds = words.number()?,
            "--seconds" => parsed.seconds = words.number()?,
            _ => return Err(words.unknown()),
        }
    }
    if parsed.rounds == 0 || !(0.05..=600.0).contains(&parsed.seconds) {
        return Err(format!("--rounds is 1 or more, --seconds from 0.05 to 600\n\n{USAGE}"));
    }
    Ok(parsed)
}

/// What the load asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// `GET /` over HTTP/1.1.
    Http1,
    /// JSON for a method of gRPC, over HTTP/1.1.
    Json,
    /// The same method, by gRPC over HTTP/2.
    Grpc,
}

impl Ask {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Ask::Http1 => "http1",
            Ask::Json => "json",
            Ask::Grpc => "grpc",
        }
    }
}

/// A closed loop: each connection has one request under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) ask: Ask,
    pub(crate) at: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) seconds: f64,
    pub(crate) server: u32,
}

/// # Errors
/// What is not understood.
pub(crate) fn load(args: impl Iterator<Item = String>) -> Result<Load, String> {
    let mut words = args;
    let mut next = || words.next().ok_or_else(|| LOAD.to_owned());
    let ask = match next()?.as_str() {
        "http1" => Ask::Http1,
        "json" => Ask::Json,
        "grpc" => Ask::Grpc,
        other => return Err(format!("`{other}`: {LOAD}")),
    };
    let at = next()?.parse().map_err(|e| format!("{e}: {LOAD}"))?;
    let mut load = Load { ask, at, connections: 32, seconds: 3.0, server: 0 };
    while let Some(option) = words.next() {
        let value = words.next().ok_or_else(|| LOAD.to_owned())?;
        let wrong = || format!("{option} {value}: {LOAD}");
        match option.as_str() {
            "--connections" => load.connections = value.parse().map_err(|_| wrong())?,
            "--seconds" => load.seconds = value.parse().map_err(|_| wrong())?,
            "--server-pid" => load.server = value.parse().map_err(|_| wrong())?,
            _ => return Err(wrong()),
        }
    }
    Ok(load)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> impl Iterator<Item = String> {
        line.split_whitespace().map(str::to_owned)
    }

    #[test]
    fn options_and_one_leading_dash_pair() {
        let args = parse(words("-- --rounds 7 --seconds 0.5 --only grpc --json")).unwrap();
        assert_eq!((args.rounds, args.seconds, args.json), (7, 0.5, true));
        assert!(args.wants("grpc_pass") && !args.wants("http1_proxy"));
        for line in ["--round 7", "--rounds", "--rounds 0", "--rounds x", "--seconds 0"] {
            assert!(parse(words(line)).is_err(), "{line}");
        }
    }

    #[test]
    fn what_a_load_is_told() {
        let told = load(words("grpc 127.0.0.1:7 --connections 1 --seconds 2 --server-pid 9")).unwrap();
        assert_eq!((told.ask, told.connections, told.seconds, told.server), (Ask::Grpc, 1, 2.0, 9));
        for line in ["", "udp 127.0.0.1:7", "grpc", "grpc x", "grpc 127.0.0.1:7 --connections", "grpc 127.0.0.1:7 -x 1"]
        {
            assert!(load(words(line)).is_err(), "{line}");
        }
    }
}
