//! Who is measured: nginx, haproxy and the gateway as one process on one core each, in front of the same servers on the other
//! core, where the load is made too. What each is told is below, whole.
//!
//! All of them tell the upstream who asked (X-Forwarded-For, X-Real-IP, X-Forwarded-Proto and the host), keep connections to it,
//! and log nothing.

use crate::{args::Load, load::PAYLOAD};
use serde_json::Value;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use testbed::{Process, Scratch, cargo, ports};

const SOON: Duration = Duration::from_secs(30);
/// The core of the proxy, and the one of all others.
const PROXY: &str = "0";
const OTHERS: &str = "1";

/// What is built for it.
#[derive(Debug)]
pub(crate) struct Programs {
    gateway: PathBuf,
    echo: PathBuf,
}

impl Programs {
    pub(crate) fn build() -> Result<Self, String> {
        eprintln!("building the gateway and the service");
        Ok(Self {
            gateway: cargo::bench_build("gateway/Cargo.toml", &["--package", "mainstay-gateway"])?,
            echo: cargo::bench_build("tests/Cargo.toml", &["--example", "echo-mainstay"])?,
        })
    }
}

/// A process of one of them.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    pub(crate) address: SocketAddr,
    _files: Scratch,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Nginx,
    Haproxy,
    /// With these filters.
    Mainstay(&'static [&'static str]),
}

/// What a route of the default chain has, in the order of the file below.
pub(crate) const CHAIN: &[&str] = &["flow", "request_headers", "response_headers", "cors", "canary", "metrics"];

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Nginx => "nginx",
            Peer::Haproxy => "haproxy",
            Peer::Mainstay(_) => "mainstay",
        }
    }

    pub(crate) fn filters(self) -> &'static [&'static str] {
        match self {
            Peer::Mainstay(filters) => filters,
            _ => &[],
        }
    }
}

/// The servers behind: plain HTTP by nginx, and a service of gRPC.
#[derive(Debug)]
pub(crate) struct Backends {
    plain: Server,
    service: Server,
}

impl Backends {
    pub(crate) fn start(programs: &Programs) -> Result<Self, String> {
        let answer = "x".repeat(PAYLOAD);
        let http = format!(
            "server {{ listen {{address}}; keepalive_requests 1000000000; \
             location / {{ default_type text/plain; return 200 {answer}; }} }}"
        );
        let mut echo = pinned(OTHERS, &programs.echo);
        echo.args(["serve", "--listen", "127.0.0.1:0"]);
        let mut process = Process::spawn("echo", echo).map_err(|e| e.to_string())?;
        let address = process.line(SOON, "listening ").parse().map_err(|e| format!("the service: {e}"))?;
        let files = Scratch::new("echo").map_err(|e| e.to_string())?;
        Ok(Self { plain: nginx(OTHERS, &http)?, service: Server { process, address, _files: files } })
    }
}

impl Server {
    /// Starts one; `grpc` says in front of which of the servers.
    pub(crate) fn start(peer: Peer, grpc: bool, behind: &Backends, programs: &Programs) -> Result<Self, String> {
        let (plain, service) = (behind.plain.address, behind.service.address);
        match (peer, grpc) {
            (Peer::Nginx, false) => nginx(PROXY, &NGINX_HTTP.replace("{upstream}", &plain.to_string())),
            (Peer::Nginx, true) => nginx(PROXY, &NGINX_GRPC.replace("{upstream}", &service.to_string())),
            (Peer::Haproxy, false) => haproxy(&HAPROXY_HTTP.replace("{upstream}", &plain.to_string())),
            (Peer::Haproxy, true) => haproxy(&HAPROXY_GRPC.replace("{upstream}", &service.to_string())),
            (Peer::Mainstay(filters), _) => gateway(&programs.gateway, !filters.is_empty(), plain, service),
        }
    }

    /// Loads it from a process of its own.
    pub(crate) fn load(&self, load: &Load) -> Result<Figures, String> {
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut command = pinned(OTHERS, &program);
        command.args(["load", load.ask.word(), &self.address.to_string()]);
        command.args(["--connections", &load.connections.to_string(), "--seconds", &load.seconds.to_string()]);
        let output = command.args(["--server-pid", &self.process.id().to_string()]).output();
        let output = output.map_err(|e| format!("starting the load: {e}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let figures = said.lines().last().and_then(|line| Figures::read(&serde_json::from_str(line).ok()?));
        figures.ok_or_else(|| format!("{} {}", said.trim(), String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) requests_per_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) cpu_us: f64,
}

impl Figures {
    fn read(line: &Value) -> Option<Self> {
        let (requests, seconds) = (line["requests"].as_f64()?, line["seconds"].as_f64()?);
        (requests > 0.0 && seconds > 0.0).then_some(Self {
            requests_per_s: requests / seconds,
            p50_us: line["p50_us"].as_f64()?,
            p99_us: line["p99_us"].as_f64()?,
            cpu_us: line["cpu_s"].as_f64()? * 1e6 / requests,
        })
    }
}

const NGINX_HTTP: &str = "
upstream behind { server {upstream}; keepalive 64; keepalive_requests 1000000000; }
server {
  listen {address}; keepalive_requests 1000000000;
  location / {
    proxy_pass http://behind; proxy_http_version 1.1;
    proxy_set_header Connection ''; proxy_set_header Host $host; proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
  }
}";

const NGINX_GRPC: &str = "
upstream behind { server {upstream}; keepalive 64; keepalive_requests 1000000000; }
server {
  listen {address} http2; keepalive_requests 1000000000;
  location / {
    grpc_pass grpc://behind;
    grpc_set_header X-Real-IP $remote_addr; grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    grpc_set_header X-Forwarded-Proto $scheme; grpc_set_header X-Forwarded-Host $http_host;
  }
}";

const HAPROXY_HTTP: &str = "
frontend in
  bind {address}
  option forwardfor
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend behind
backend behind
  http-reuse always
  server one {upstream}
";

const HAPROXY_GRPC: &str = "
frontend in
  bind {address} proto h2
  option forwardfor
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend behind
backend behind
  http-reuse always
  server one {upstream} proto h2
";

const GATEWAY: &str = "
listeners: [{address: '127.0.0.1:0'}]
upstreams:
  plain: {endpoints: ['{plain}']}
  service: {endpoints: ['{service}']}
routes:
  - name: grpc
    match: {path: /bench.v1.Echo/*, headers: {content-type: {prefix: application/grpc}}}
    grpc: {upstream: service, services: [bench.v1.Echo]}
  - name: json
    match: {path: /bench.v1.Echo/*, methods: [POST]}
    json: {upstream: service, services: [bench.v1.Echo], auto_mapping: true}
  - name: plain
    match: {path: /**}
    http: {upstream: plain}
";

/// What the last route of the file has more, and the file, with the default chain.
const GATEWAY_CHAIN: &str = "    request_headers: {set: {x-from: edge}, remove: [x-debug]}
    response_headers: {set: {x-served-by: edge}, remove: [server]}
    cors: {allow_origins: ['https://shop.example']}
    canaries: [{name: tenth, weight: 10, tag: gray}]
flow_rules: {file: '{rules}'}
admin: {address: '127.0.0.1:0'}
";

/// More than any of them can do.
const RULES: &str = r#"[{"resource": "plain", "count": 10000000}, {"resource": "grpc", "count": 10000000}]"#;

fn pinned(core: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program);
    command
}

/// nginx as one process, with this inside `http`; `{address}` is where it listens.
fn nginx(core: &str, http: &str) -> Result<Server, String> {
    let files = Scratch::new("nginx").map_err(|e| e.to_string())?;
    let address = free()?;
    let here = files.path().display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|name| format!("{name}_temp_path {here}/{name};")).concat();
    let text = format!(
        "daemon off; master_process off; worker_processes 1; pid {here}/pid; error_log {here}/error.log;\n\
         events {{ worker_connections 4096; }}\nhttp {{ access_log off; {temporary}\n{} }}\n",
        http.replace("{address}", &address.to_string())
    );
    let config = files.write("nginx.conf", text).map_err(|e| e.to_string())?;
    let mut command = pinned(core, Path::new("nginx"));
    command.arg("-e").arg(files.join("error.log")).arg("-c").arg(config);
    ready("nginx", command, address, files)
}

/// haproxy as one process with one thread.
fn haproxy(sections: &str) -> Result<Server, String> {
    let files = Scratch::new("haproxy").map_err(|e| e.to_string())?;
    let address = free()?;
    let text = format!(
        "global\n  nbthread 1\n  maxconn 4096\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  \
         timeout server 60s\n{}",
        sections.replace("{address}", &address.to_string())
    );
    let config = files.write("haproxy.cfg", text).map_err(|e| e.to_string())?;
    let mut command = pinned(PROXY, Path::new("haproxy"));
    command.args(["-db", "-f"]).arg(config);
    ready("haproxy", command, address, files)
}

fn gateway(program: &Path, chain: bool, plain: SocketAddr, service: SocketAddr) -> Result<Server, String> {
    let files = Scratch::new("gateway").map_err(|e| e.to_string())?;
    let rules = files.write("rules.json", RULES).map_err(|e| e.to_string())?;
    let text = GATEWAY.replace("{plain}", &plain.to_string()).replace("{service}", &service.to_string());
    let more = if chain { GATEWAY_CHAIN.replace("{rules}", &rules.display().to_string()) } else { String::new() };
    let config = files.write("gateway.yaml", text + &more).map_err(|e| e.to_string())?;
    let mut command = pinned(PROXY, program);
    command.arg(config).args(["--log", "warn"]);
    let mut process = Process::spawn("gateway", command).map_err(|e| e.to_string())?;
    let address = process.line(SOON, "listening ").parse().map_err(|e| format!("the gateway: {e}"))?;
    Ok(Server { process, address, _files: files })
}

fn free() -> Result<SocketAddr, String> {
    Ok((Ipv4Addr::LOCALHOST, ports::free().map_err(|e| e.to_string())?).into())
}

fn ready(name: &str, command: Command, address: SocketAddr, files: Scratch) -> Result<Server, String> {
    let mut process = Process::spawn(name, command).map_err(|e| e.to_string())?;
    process.ready(SOON, "it listens", |_| ports::accepts(address));
    Ok(Server { process, address, _files: files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_figures_is_read_and_nothing_is_no_figure() {
        let line =
            serde_json::json!({"requests": 50_000, "seconds": 2.0, "cpu_s": 1.0, "p50_us": 80.0, "p99_us": 200.0});
        let read = Figures::read(&line).unwrap();
        assert_eq!((read.requests_per_s, read.cpu_us), (25_000.0, 20.0));
        assert!(Figures::read(&serde_json::json!({"requests": 0, "seconds": 2.0})).is_none());
    }
}
