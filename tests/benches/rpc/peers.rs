//! The candidates: how each is built, served and loaded. All have the same command line (`load/load.rs`).

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testbed::{Process, cargo};

use crate::rows::{Kind, Row};

#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    /// Whether it can stream.
    pub(crate) streams: bool,
    /// The manifest it is built from, and which target of it.
    manifest: &'static str,
    target: [&'static str; 2],
}

const PEERS: &str = "tests/benches/peers/Cargo.toml";

/// tonic comes first: it is what the others are compared with.
pub(crate) const CANDIDATES: &[Candidate] = &[
    Candidate { name: "tonic", streams: true, manifest: PEERS, target: ["--package", "echo-tonic"] },
    Candidate { name: "mainstay", streams: true, manifest: "tests/Cargo.toml", target: ["--example", "echo-mainstay"] },
    Candidate { name: "tarpc", streams: false, manifest: PEERS, target: ["--package", "echo-tarpc"] },
];

/// One measurement.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) calls_per_s: f64,
    pub(crate) cpu_s_per_100k: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) layers: Vec<String>,
}

/// Builds a candidate and says where its program is.
pub(crate) fn build(candidate: &Candidate) -> Result<PathBuf, String> {
    eprintln!("building {}", candidate.name);
    cargo::bench_build(candidate.manifest, &candidate.target)
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    program: PathBuf,
    process: Process,
    addr: String,
}

impl Server {
    pub(crate) fn start(candidate: &Candidate, program: &PathBuf) -> Result<Server, String> {
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        let process = Process::spawn(candidate.name, command);
        let mut process = process.map_err(|e| format!("serving {}: {e}", candidate.name))?;
        let addr = process.line(Duration::from_secs(30), "listening ");
        Ok(Server { name: candidate.name, program: program.clone(), process, addr })
    }

    /// Loads it as the row says, from a process of its own.
    pub(crate) fn load(&self, row: &Row, seconds: f64, rate: Option<f64>) -> Result<Figures, String> {
        let mut command = Command::new(&self.program);
        command.args(["load", "--addr", &self.addr]).args(["--server-pid", &self.process.id().to_string()]);
        command.args(["--bytes", &row.bytes.to_string(), "--in-flight", &row.in_flight.to_string()]);
        command.args(["--connections", &row.connections.to_string(), "--seconds", &seconds.to_string()]);
        match (row.kind, rate) {
            (Kind::Unary, _) => {}
            (Kind::Stream, _) => drop(command.arg("--stream")),
            (Kind::Compute, _) => drop(command.args(["--compute-every", "100"])),
            (Kind::Open, Some(rate)) => drop(command.args(["--rate", &rate.to_string()])),
            (Kind::Open, None) => return Err("the open loop has no rate".to_owned()),
        }
        let output = command.output().map_err(|e| format!("loading {}: {e}", self.name))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let figures = said.lines().last().and_then(|line| figures(&serde_json::from_str(line).ok()?));
        figures.ok_or_else(|| {
            let error = String::from_utf8_lossy(&output.stderr);
            format!("{} {}: {} {}", self.name, row.label(), said.trim(), error.trim())
        })
    }
}

fn figures(line: &Value) -> Option<Figures> {
    let (calls, seconds) = (line["calls"].as_f64()?, line["seconds"].as_f64()?);
    if calls <= 0.0 || seconds <= 0.0 {
        return None;
    }
    let layers = line["layers"].as_array().into_iter().flatten().filter_map(|l| l.as_str());
    Some(Figures {
        calls_per_s: calls / seconds,
        cpu_s_per_100k: line["cpu_s"].as_f64()? * 100_000.0 / calls,
        p50_us: line["p50_us"].as_f64()?,
        p99_us: line["p99_us"].as_f64()?,
        p999_us: line["p999_us"].as_f64()?,
        layers: layers.map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_figures_is_read_and_nothing_is_no_figure() {
        let line = serde_json::json!({"calls": 50_000, "seconds": 2.0, "cpu_s": 1.5, "p50_us": 80.0, "p99_us": 200.0,
            "p999_us": 300.0, "layers": ["trace"]});
        let read = figures(&line).unwrap();
        assert_eq!((read.calls_per_s, read.cpu_s_per_100k, read.layers.len()), (25_000.0, 3.0, 1));
        assert!(figures(&serde_json::json!({"calls": 0, "seconds": 2.0})).is_none());
    }
}
