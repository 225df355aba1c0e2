//! The port over TCP, with a picture that does not change and a runtime that says yes to everything: limits of the
//! listener, and, with the feature `interop`, Redis' own clients.

// What helps a test is a test.
#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay_sentinel::conf;
use mainstay_sentinel::core::config::Settings;
use mainstay_sentinel::core::event::{Answer, Following, Role};
use mainstay_sentinel::core::ids::{Address, Epoch, Millis, RunId};
use mainstay_sentinel::request::{Published, Request};
use mainstay_sentinel::server::{BindError, Identity, Server, Wiring, notices};
use mainstay_sentinel::view::{InstanceView, MasterView, PeerView, View};
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, mpsc};

/// A port that is served as long as this lives.
struct Port {
    address: SocketAddr,
    notices: broadcast::Sender<Published>,
    _runtime: Runtime,
}

fn view() -> View {
    let mut view = View::new(RunId::from_number(20));
    let mut settings = Settings::new(2);
    settings.down_after = 1000;
    let master = Address::new("127.0.0.1", 6379);
    let mut mymaster = MasterView::new("mymaster".into(), master.clone(), settings);
    mymaster.instance.run_id = Some(RunId::from_number(1));
    mymaster.config_epoch = Epoch(3);
    for port in [6380, 6381] {
        let following =
            Following { master: master.clone(), link_up: true, link_down_ms: 0, priority: 100, announced: true };
        let replica = InstanceView::new(Address::new("127.0.0.1", port), Role::Replica(following));
        mymaster.replicas.push(replica);
        let id = RunId::from_number(u64::from(port));
        let instance = InstanceView::new(Address::new("127.0.0.1", port + 20_000), Role::Master);
        mymaster.sentinels.push(PeerView { id, instance, last_hello: Millis(0), vote: None });
    }
    view.masters.insert(mymaster.name.clone(), Arc::new(mymaster));
    view
}

fn start(text: &str) -> Port {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = conf::parse(format!("port 0\nbind 127.0.0.1\n{text}").as_bytes()).unwrap().server;
    let (requests, received) = mpsc::channel(16);
    let begin = Instant::now();
    let notices = notices();
    let wiring = Wiring {
        views: view().shared(),
        requests,
        notices: notices.clone(),
        clock: Arc::new(move || Millis(u64::try_from(begin.elapsed().as_millis()).unwrap())),
        identity: Identity::default(),
    };
    let server = runtime.block_on(async { Server::bind(config) }).unwrap();
    let address = server.addresses()[0];
    runtime.spawn(agree(received));
    runtime.spawn(server.serve(wiring));
    Port { address, notices, _runtime: runtime }
}

async fn agree(mut requests: mpsc::Receiver<Request>) {
    while let Some(request) = requests.recv().await {
        let sent = match request {
            Request::Operator(_, reply) => reply.send(Ok(())).is_ok(),
            Request::Asked(question, reply) => {
                let (leader, leader_epoch) = (question.candidate, question.epoch);
                reply.send(Answer { down: true, leader, leader_epoch }).is_ok()
            }
            Request::Tune(_, reply) | Request::Simulate(_, reply) => reply.send(()).is_ok(),
            _ => true,
        };
        assert!(sent, "the connection waits for its answer");
    }
}

fn heard(mut stream: &TcpStream, length: usize) -> String {
    let mut text = vec![0; length];
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn more_clients_than_allowed_are_told_so() {
    use std::io::Write;
    let port = start("maxclients 1");
    let mut first = TcpStream::connect(port.address).unwrap();
    first.write_all(b"PING\r\n").unwrap();
    assert_eq!(heard(&first, 7), "+PONG\r\n");
    let second = TcpStream::connect(port.address).unwrap();
    assert_eq!(heard(&second, 35), "-ERR max number of clients reached\r");
    drop(first);
    // The place is free again as soon as the port has seen the end of the first.
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let mut next = TcpStream::connect(port.address).unwrap();
        // A refused connection may be closed already.
        let _ = next.write_all(b"PING\r\n");
        if heard(&next, 5) == "+PONG" {
            break;
        }
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn a_notice_reaches_a_subscriber() {
    use std::io::Write;
    let port = start("");
    let mut stream = TcpStream::connect(port.address).unwrap();
    stream.write_all(b"SUBSCRIBE +switch-master\r\n").unwrap();
    let confirmed = "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n";
    assert_eq!(heard(&stream, confirmed.len()), confirmed);
    let payload = "mymaster a 1 b 2".into();
    port.notices.send(Published { channel: "+switch-master", payload }).unwrap();
    let message = "*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$16\r\nmymaster a 1 b 2\r\n";
    assert_eq!(heard(&stream, message.len()), message);
}

#[test]
fn a_port_in_use_is_known_before_anything_begins() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bind = |text: &str| {
        let config = conf::parse(text.as_bytes()).unwrap().server;
        runtime.block_on(async { Server::bind(config) })
    };
    let error = bind(&format!("port {port}\nbind 127.0.0.1")).unwrap_err();
    assert!(matches!(&error, BindError::Listen { address, .. } if address.ends_with(&port.to_string())), "{error}");
    assert!(matches!(bind("bind nonsense"), Err(BindError::Address(_))));
    // An address that this machine has not may be optional (TEST-NET-1, RFC 5737).
    assert!(matches!(bind("port 0\nbind -192.0.2.1"), Err(BindError::Nowhere)));
    assert!(matches!(bind("port 0\nbind 192.0.2.1"), Err(BindError::Listen { .. })));
    assert_eq!(bind("port 0\nbind 127.0.0.1 -192.0.2.1").unwrap().addresses().len(), 1);
}

#[cfg(feature = "interop")]
mod interop {
    use super::*;
    use std::process::{Command, Output};

    fn redis_cli(port: &Port, arguments: &[&str]) -> String {
        let number = port.address.port().to_string();
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &number]).args(arguments);
        let output: Output = command.output().expect("redis-cli, of Debian's redis-tools");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    #[test]
    fn redis_cli_in_both_versions() {
        let port = start("requirepass pw\nsentinel monitor x 127.0.0.1 1 1");
        let run = |arguments: &[&str]| redis_cli(&port, arguments);
        assert_eq!(run(&["ping"]), "NOAUTH Authentication required.");
        for version in ["-2", "-3"] {
            let run = |arguments: &[&str]| run(&[&["--no-auth-warning", "-a", "pw", version], arguments].concat());
            assert_eq!(run(&["ping"]), "PONG");
            assert_eq!(run(&["sentinel", "get-master-addr-by-name", "mymaster"]), "127.0.0.1\n6379");
            assert_eq!(run(&["sentinel", "myid"]), RunId::from_number(20).as_str());
            let masters = run(&["sentinel", "masters"]);
            assert!(masters.contains("mymaster") && masters.contains("num-other-sentinels"), "{masters}");
            assert_eq!(run(&["sentinel", "failover", "mymaster"]), "OK");
            assert_eq!(run(&["sentinel", "set", "mymaster", "quorum", "3"]), "OK");
            assert!(run(&["info", "sentinel"]).contains("master0:name=mymaster,status=ok,address=127.0.0.1:6379"));
            assert!(run(&["sentinel", "help"]).contains("GET-MASTER-ADDR-BY-NAME"));
        }
    }

    /// redis-py of the environment that `MAINSTAY_PYTHON` names, or of the system.
    #[test]
    fn redis_py_resolves_and_listens() {
        let port = start("");
        let script = format!(
            r#"
import redis
from redis.sentinel import Sentinel
for options in [{{}}, {{"protocol": 2}}, {{"protocol": 3}}]:
    try:
        s = Sentinel([("127.0.0.1", {port})], socket_timeout=5, sentinel_kwargs=options)
    except TypeError:
        continue
    assert s.discover_master("mymaster") == ("127.0.0.1", 6379), options
    assert s.discover_slaves("mymaster") == [("127.0.0.1", 6380), ("127.0.0.1", 6381)], options
    try:
        s.discover_master("nosuch")
        raise SystemExit("nosuch was found")
    except redis.sentinel.MasterNotFoundError:
        pass
    r = s.sentinels[0]
    assert r.sentinel_get_master_addr_by_name("mymaster") == (b"127.0.0.1", 6379)
    assert r.sentinel_master("mymaster")["quorum"] == 2
    assert len(r.sentinel_sentinels("mymaster")) == 2
    p = r.pubsub()
    p.psubscribe("*")
    assert p.get_message(timeout=5)["type"] == "psubscribe"
    print("listening", flush=True)
    m = p.get_message(timeout=10)
    assert (m["channel"], m["data"]) == (b"+switch-master", b"mymaster a 1 b 2"), m
print("done", flush=True)
"#,
            port = port.address.port()
        );
        let python = std::env::var("MAINSTAY_PYTHON").unwrap_or_else(|_| "/usr/bin/python3".to_owned());
        let mut command = Command::new(python);
        command.args(["-c", &script]).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().expect("python3 with redis, of Debian's python3-redis");
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let mut last = String::new();
        while let Some(Ok(line)) = lines.next() {
            if line == "listening" {
                let payload = "mymaster a 1 b 2".into();
                port.notices.send(Published { channel: "+switch-master", payload }).unwrap();
            }
            last = line;
        }
        assert_eq!((last.as_str(), child.wait().unwrap().success()), ("done", true));
    }
}
