//! What was counted, and the line of JSON that says so.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::Failure;

/// Clock ticks per second of `/proc/PID/stat`: fixed in the kernel's interface on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// The calls of one worker, or of all.
pub(super) struct Tally {
    calls: u64,
    /// Of calls that do not compute, in nanoseconds.
    latency: Histogram<u64>,
}

impl Tally {
    pub(super) fn new() -> Result<Tally, Failure> {
        Ok(Tally { calls: 0, latency: Histogram::new_with_bounds(1_000, 60_000_000_000, 3)? })
    }

    pub(super) fn call(&mut self, took: Duration, computes: bool) {
        self.calls += 1;
        if !computes {
            self.latency.saturating_record(took.as_nanos() as u64);
        }
    }

    pub(super) fn messages(&mut self, n: u64) {
        self.calls += n;
    }

    pub(super) fn add(&mut self, other: Tally) -> Result<(), Failure> {
        self.calls += other.calls;
        self.latency.add(other.latency)?;
        Ok(())
    }
}

/// CPU seconds of this process and of the server.
#[derive(Clone, Copy)]
pub(super) struct Cpu {
    client: f64,
    server: f64,
}

pub(super) fn cpu(server: Option<u32>) -> Result<Cpu, Failure> {
    Ok(Cpu { client: seconds("self")?, server: server.map_or(Ok(0.0), |id| seconds(&id.to_string()))? })
}

fn seconds(id: &str) -> Result<f64, Failure> {
    let path = format!("/proc/{id}/stat");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("reading {path}: {e}"))?;
    // The name in brackets may hold spaces: count from the last bracket. Fields 14 and 15 of the whole line.
    let ticks = text.rsplit(')').next().unwrap_or("").split_whitespace().skip(11).take(2);
    let ticks = ticks.map(str::parse::<u64>).sum::<Result<u64, _>>().map_err(|e| format!("reading {path}: {e}"))?;
    Ok(ticks as f64 / TICKS)
}

pub(super) struct Report {
    pub(super) tally: Tally,
    pub(super) seconds: f64,
    pub(super) before: Cpu,
    pub(super) after: Cpu,
    pub(super) layers: Vec<String>,
}

impl Report {
    pub(super) fn json(&self) -> String {
        let (client, server) = (self.after.client - self.before.client, self.after.server - self.before.server);
        let micros = |q| self.tally.latency.value_at_quantile(q) as f64 / 1000.0;
        let layers: Vec<String> = self.layers.iter().map(|l| format!("{l:?}")).collect();
        format!(
            "{{\"calls\":{},\"seconds\":{:.3},\"cpu_s\":{:.2},\"client_cpu_s\":{client:.2},\"server_cpu_s\":{server:.2},\
             \"p50_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1},\"layers\":[{}]}}",
            self.tally.calls,
            self.seconds,
            client + server,
            micros(0.5),
            micros(0.99),
            micros(0.999),
            layers.join(",")
        )
    }
}
