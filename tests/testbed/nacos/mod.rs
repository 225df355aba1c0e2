//! Nacos under test: a real server from `tests/interop/nacos`, which `cargo suite` installs under `target/peers`.
//!
//! It takes about 400 MB and 5 to 30 s to start, so tests share one where no fault needs its own.

mod cluster;
mod http;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use cluster::Cluster;
pub use http::Answer;

use crate::wait::{eventually, poll};
use crate::{Process, Scratch, ports, tree};

/// How long a server may take to be ready, on a machine that has much else to do.
const START: Duration = Duration::from_secs(120);
/// How often ports are chosen before there are none.
const TRIES: usize = 50;
/// How often one that ended while it started is started on other ports.
const STARTS: usize = 4;
/// Who starts one.
static STARTING: Mutex<()> = Mutex::new(());
/// The user that a server with authentication knows.
pub const USER: &str = "nacos";

/// A standalone Nacos server of one's own on free ports: HTTP, and gRPC 1 000 above it.
#[derive(Debug)]
pub struct Nacos {
    process: Process,
    name: String,
    port: u16,
    password: Option<String>,
    /// Whether it is no member of a cluster.
    alone: bool,
    home: Scratch,
}

impl Nacos {
    /// Starts one that asks nobody who he is.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    #[track_caller]
    pub fn start(name: &str) -> Nacos {
        Nacos::with(name, None)
    }

    /// Starts one that wants to know who asks: [`USER`] with this password.
    ///
    /// # Panics
    /// As [`Nacos::start`].
    #[track_caller]
    pub fn guarded(name: &str, password: &str) -> Nacos {
        Nacos::with(name, Some(password))
    }

    /// One that has its ports and does not run until it is started [again](Nacos::again).
    ///
    /// # Panics
    /// As [`Nacos::start`].
    #[track_caller]
    pub fn absent(name: &str) -> Nacos {
        let mut nacos = Nacos::launched(name, None, free(name), &[]);
        nacos.process.kill().unwrap_or_else(|e| panic!("{name}: {e}"));
        nacos
    }

    #[track_caller]
    fn with(name: &str, password: Option<&str>) -> Nacos {
        // Some of a machine's ports are taken while it starts, and of several that start at once some wait too long for
        // their own database.
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ended = String::new();
        for _ in 0..STARTS {
            let mut nacos = Nacos::launched(name, password, free(name), &[]);
            if nacos.comes_up() {
                nacos.wait();
                return nacos;
            }
            ended = nacos.process.stdout();
        }
        panic!("{name} ended {STARTS} times while it started:\n{ended}");
    }

    /// One on this port, alone or a member of the cluster of these.
    #[track_caller]
    fn launched(name: &str, password: Option<&str>, port: u16, members: &[u16]) -> Nacos {
        let (home, alone) = (Scratch::new(name).unwrap_or_else(|e| panic!("{e}")), members.is_empty());
        let properties = properties(port, password.is_some(), members);
        home.write("application.properties", properties).unwrap_or_else(|e| panic!("{e}"));
        let process = launch(name, &home, alone);
        Nacos { process, name: name.to_owned(), port, password: password.map(str::to_owned), alone, home }
    }

    /// The port of its HTTP API, which is the one that clients are told.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its HTTP API is.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where its clients keep their connections.
    pub fn grpc_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port + 1000).into()
    }

    /// The process, to be killed or stopped.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Starts it again on its ports with the data that it had, once its process has ended, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn again(&mut self) {
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..STARTS {
            self.process = launch(&self.name, &self.home, self.alone);
            if self.comes_up() {
                return self.wait();
            }
        }
        panic!("{} ended {STARTS} times while it started:\n{}", self.name, self.process.stdout());
    }

    /// Starts it again on its ports without data, once its process has ended, and waits until it is ready.
    ///
    /// # Panics
    /// As [`Nacos::again`].
    #[track_caller]
    pub fn afresh(&mut self) {
        for entry in fs::read_dir(self.home.path()).into_iter().flatten().flatten() {
            if entry.file_name() != "application.properties" {
                let path = entry.path();
                let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.unwrap_or_else(|e| panic!("removing {}: {e}", path.display()));
            }
        }
        self.again();
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// When it is not within 2 minutes.
    #[track_caller]
    pub fn wait(&mut self) {
        let address = self.address();
        self.process.ready(START, "the server to be up", |_| is_up(address));
        if let Some(password) = &self.password {
            let form = [("password", password.as_str())];
            // 409 when it has its data from before.
            let set = http::ask(address, "POST", "/nacos/v1/auth/users/admin", &form);
            let set = set.unwrap_or_else(|e| panic!("{}: setting the password: {e}", self.name));
            assert!(matches!(set.status, 200 | 409), "setting the password: {set:?}");
            // It reads its users every 15 s.
            eventually(START, "the user to be known", || self.token().is_ok_and(|token| token.is_some()));
        }
    }

    /// Whether it is up, or false when it has ended before; also true when it takes too long, which the wait then tells.
    fn comes_up(&mut self) -> bool {
        let address = self.address();
        let came = || self.process.ended().is_some().then_some(false).or_else(|| is_up(address).then_some(true));
        poll(START, came).unwrap_or(true)
    }

    /// Asks its HTTP API, as its user when it wants to know who asks.
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        let asked = self.token().and_then(|token| {
            let token: Vec<_> = token.iter().map(|token| ("accessToken", token.as_str())).collect();
            http::ask(self.address(), method, path, &[form, &token].concat())
        });
        asked.unwrap_or_else(|e| panic!("{}: {method} {path}: {e}", self.name))
    }

    /// The instances that it lists of a service in its default namespace and group: address and metadata.
    pub fn instances(&self, service: &str) -> Vec<(String, serde_json::Value)> {
        let list = self.ask("GET", "/nacos/v1/ns/instance/list", &[("serviceName", service)]).json();
        let hosts = list["hosts"].as_array().cloned().unwrap_or_default();
        let one = |host: &serde_json::Value| {
            let ip = host["ip"].as_str().unwrap_or_default();
            (format!("{ip}:{}", host["port"]), host["metadata"].clone())
        };
        hosts.iter().map(one).collect()
    }

    /// The services of its default namespace and group.
    pub fn services(&self) -> BTreeSet<String> {
        let list = self.ask("GET", "/nacos/v1/ns/service/list", &[("pageNo", "1"), ("pageSize", "1000")]).json();
        let names = list["doms"].as_array().cloned().unwrap_or_default();
        names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    /// Writes a config, and waits until it can be read.
    ///
    /// # Panics
    /// When it refuses.
    #[track_caller]
    pub fn publish(&self, data_id: &str, group: &str, content: &str) {
        let form = [("dataId", data_id), ("group", group), ("content", content)];
        let answer = self.ask("POST", "/nacos/v1/cs/configs", &form);
        assert_eq!((answer.status, answer.body.as_str()), (200, "true"), "{}: {data_id}", self.name);
        eventually(START, &format!("{data_id} to be readable"), || self.config(data_id, group) == Some(content.into()));
    }

    /// Reads a config; none when there is none.
    pub fn config(&self, data_id: &str, group: &str) -> Option<String> {
        let answer = self.ask("GET", "/nacos/v1/cs/configs", &[("dataId", data_id), ("group", group)]);
        (answer.status == 200).then_some(answer.body)
    }

    fn token(&self) -> io::Result<Option<String>> {
        let Some(password) = &self.password else { return Ok(None) };
        let form = [("username", USER), ("password", password.as_str())];
        let login = http::ask(self.address(), "POST", "/nacos/v1/auth/login", &form)?;
        Ok(login.json()["accessToken"].as_str().map(str::to_owned))
    }
}

#[track_caller]
fn free(name: &str) -> u16 {
    free_ports().unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A port whose neighbours, which the server takes too, are free as well.
fn free_ports() -> io::Result<u16> {
    // The highest neighbour is below the ports of connections too, where there is room.
    let highest =
        Some(ports::first_of_connections()).filter(|first| *first > 20_000).map_or(64_000, |first| first - 1001);
    for _ in 0..TRIES {
        let port = ports::free()?;
        let all = [1000, 1001, -1000].map(|offset| next((Ipv4Addr::LOCALHOST, port).into(), offset));
        if port < highest && all.iter().all(|address| std::net::TcpListener::bind(address).is_ok()) {
            return Ok(port);
        }
    }
    Err(io::Error::other("no free ports"))
}

fn is_up(address: SocketAddr) -> bool {
    let up = http::ask(address, "GET", "/nacos/v1/ns/operator/metrics", &[]).is_ok_and(|a| a.status == 200);
    up && ports::accepts(next(address, 1000))
}

fn next(address: SocketAddr, offset: i16) -> SocketAddr {
    (address.ip(), address.port().wrapping_add_signed(offset)).into()
}

fn properties(port: u16, guarded: bool, members: &[u16]) -> String {
    let members = members.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
    format!(
        "server.port={port}\n\
         server.servlet.contextPath=/nacos\n\
         spring.sql.init.platform=derby\n\
         nacos.core.auth.enabled={guarded}\n\
         nacos.core.auth.system.type=nacos\n\
         nacos.core.auth.plugin.nacos.token.secret.key=bm90IGEgc2VjcmV0LCB0aGUgc2VydmVyIGlzIGEgdGVzdCdz\n\
         nacos.core.auth.server.identity.key=mainstay\n\
         nacos.core.auth.server.identity.value=mainstay\n\
         nacos.member.list={members}\n"
    )
}

#[track_caller]
fn launch(name: &str, home: &Scratch, alone: bool) -> Process {
    let dir = home.path();
    let mut java = Command::new("java");
    java.args(["-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
    java.arg(format!("-Dnacos.standalone={alone}")).arg("-DembeddedStorage=true");
    java.arg("-Dnacos.inetutils.ip-address=127.0.0.1");
    for (property, value) in [
        ("nacos.home", dir.to_path_buf()),
        ("user.home", dir.to_path_buf()),
        ("java.io.tmpdir", dir.join("tmp")),
        ("nacos.logs.path", dir.join("logs")),
    ] {
        java.arg(format!("-D{property}={}", value.display()));
    }
    fs::create_dir_all(dir.join("tmp")).unwrap_or_else(|e| panic!("{name}: {e}"));
    java.arg(format!("-Dspring.config.additional-location=file:{}/", dir.display()));
    java.arg("-cp").arg(class_path()).arg("NacosServer").current_dir(dir);
    Process::spawn(name, java).unwrap_or_else(|e| panic!("{e}"))
}

/// Its own class, then Caucho's Hessian before Alipay's, then the rest.
#[track_caller]
fn class_path() -> String {
    let place = tree::peers().join("nacos");
    let jars = fs::read_dir(place.join("jars"));
    let jars = jars.unwrap_or_else(|e| panic!("no Nacos in {} ({e}): `cargo suite` installs it", place.display()));
    let mut jars: Vec<PathBuf> = jars.flatten().map(|entry| entry.path()).collect();
    jars.sort_by_key(|jar| (!jar.ends_with("hessian-4.0.63.jar"), jar.clone()));
    let all = [place.join("classes")].into_iter().chain(jars);
    all.map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_takes_configs_and_lists_services_and_comes_back_with_its_data_or_without() {
        let mut nacos = Nacos::guarded("nacos", "open sesame");
        assert_eq!(http::ask(nacos.address(), "GET", "/nacos/v1/cs/configs", &[]).unwrap().status, 403);
        nacos.publish("greeting", "dubbo", "hello");
        let form = [("serviceName", "a.B"), ("ip", "127.0.0.1"), ("port", "7001"), ("ephemeral", "false")];
        assert_eq!(nacos.ask("POST", "/nacos/v1/ns/instance", &form).body, "ok");
        eventually(START, "the service", || nacos.services().contains("a.B"));
        assert_eq!(nacos.instances("a.B")[0].0, "127.0.0.1:7001");
        nacos.process().kill().unwrap();
        assert!(!ports::accepts(nacos.address()));
        nacos.again();
        eventually(START, "the config", || nacos.config("greeting", "dubbo").as_deref() == Some("hello"));
        nacos.process().kill().unwrap();
        nacos.afresh();
        assert_eq!(nacos.config("greeting", "dubbo"), None);
        assert!(nacos.services().is_empty());
    }
}
