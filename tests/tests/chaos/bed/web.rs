//! What stands at the web's side: gateways as processes, an nginx in front of them, and requests that each open a
//! connection.

use std::{fs, net::SocketAddr, process::Command, time::Duration};

use testbed::{Place, Process, Scratch, ports, tree};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long a process may take to start.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A gateway.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    _files: Scratch,
}

impl Gateway {
    /// Starts one at a place; `rest` is its file without a listener.
    pub(crate) fn start(place: &Place, rest: &str) -> Self {
        Self::listening(place, &format!("{}:0", place.ip()), rest)
    }

    /// Starts one that listens there.
    pub(crate) fn listening(place: &Place, listen: &str, rest: &str) -> Self {
        Self::by(place.command(tree::built("mainstay-gateway")), listen, rest)
    }

    /// Starts one by this command.
    pub(crate) fn by(mut command: Command, listen: &str, rest: &str) -> Self {
        let files = Scratch::new("gateway").unwrap();
        command.arg(files.write("gateway.yaml", format!("listeners: [{{address: '{listen}'}}]\n{rest}")).unwrap());
        let mut process = Process::spawn("gateway", command).unwrap();
        let address = process.line(SOON, "listening ").parse().unwrap();
        Self { process, address, _files: files }
    }

    /// One in front of the members that it finds there: it hands JSON on to them, and turns it into calls of them.
    pub(crate) fn of_members(registry: &str) -> Self {
        Self::start(&Place::Here, &Self::file(registry))
    }

    /// The file of such a one.
    pub(crate) fn file(registry: &str) -> String {
        format!(
            "upstreams: {{member: {{registry: '{registry}', service: shop.member.v1.MemberApi}}}}
routes:
  - {{name: one, match: {{path: '/v1/member/{{id}}', methods: [GET]}}, http: {{upstream: member}}}}
  - {{name: all, match: {{path: /shop.member.v1.MemberApi/*}}, json: {{upstream: member, services: [shop.member.v1.MemberApi], auto_mapping: true}}}}
"
        )
    }
}

/// nginx with a server of its own that shares requests out to others.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    _process: Process,
    _files: Scratch,
}

impl Nginx {
    /// Starts one in front of these. It asks another where one does not take a connection, or ends it in the midst of what
    /// may be asked again; it tries one that failed again after a second.
    pub(crate) fn before(gateways: &[&Gateway]) -> Self {
        let files = Scratch::new("nginx").unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free().unwrap()));
        let (here, kinds) = (files.path().display(), ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]);
        let temporary: String = kinds.map(|kind| format!("{kind}_temp_path {here}/{kind};")).concat();
        let servers: String =
            gateways.iter().map(|one| format!("server {} max_fails=1 fail_timeout=1s;", one.address)).collect();
        let text = format!(
            "daemon off; master_process off; worker_processes 1; pid {here}/pid; error_log {here}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; {temporary}
  upstream gateways {{ {servers} }}
  server {{ listen {address}; location / {{ proxy_pass http://gateways; proxy_next_upstream error timeout; }} }}
}}
"
        );
        let mut command = Place::Here.command("nginx");
        command.arg("-e").arg(files.join("error.log")).arg("-c").arg(files.write("nginx.conf", text).unwrap());
        let process = Process::spawn("nginx", command).unwrap();
        let said = || fs::read_to_string(files.join("error.log")).unwrap_or_default();
        assert!(ports::wait_open(address, SOON), "nginx does not listen: {}", said());
        Self { address, _process: process, _files: files }
    }
}

/// A request on a connection of its own, which must be answered 200 within this time; answers the body.
pub(crate) async fn ask(address: SocketAddr, head: &str, body: &str, patience: Duration) -> Result<String, String> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nhost: shop.example\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        std::io::Result::Ok(text)
    };
    let text = match timeout(patience, asked).await {
        Ok(text) => text.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("no answer within {patience:?}")),
    };
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => Err(text.lines().next().unwrap_or("an empty answer").to_owned()),
    }
}
