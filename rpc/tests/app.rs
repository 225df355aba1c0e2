//! An application from start to end: it is found, it drains in its order, and a rolling restart loses nothing.

use mainstay::{
    app::{RunningApp, Stage},
    prelude::*,
};
use mainstay_registry::{Change, Discover, DownCause, Hub, Lookup, MemoryRegistry, ServiceKey};
use std::{
    future::ready,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, mpsc},
    task::yield_now,
    time::timeout,
};

#[mainstay::service(package = "test.v1", version = "1.0.0")]
trait Desk {
    #[rpc(idempotent)]
    async fn who(&self) -> Result<String>;
    async fn hold(&self) -> Result<String>;
    /// The name, and then nothing for ever.
    async fn watch(&self) -> Result<Streaming<String>>;
}

#[derive(Clone, Default)]
struct Clerk {
    name: String,
    release: Arc<Notify>,
}

impl Desk for Clerk {
    async fn who(&self) -> Result<String> {
        Ok(self.name.clone())
    }

    async fn hold(&self) -> Result<String> {
        self.release.notified().await;
        Ok("held".to_owned())
    }

    async fn watch(&self) -> Result<Streaming<String>> {
        let (told, stream) = Streaming::channel(1);
        let name = self.name.clone();
        tokio::spawn(async move {
            if told.send(name).await.is_ok() {
                told.closed().await;
            }
        });
        Ok(stream)
    }
}

const LONG: Duration = Duration::from_secs(30);

fn app(clerk: &Clerk, hub: &Hub) -> App {
    App::new("desk").with_hub(hub.clone()).serve(DeskServer::new(clerk.clone()))
}

fn hub() -> Hub {
    Hub::new(MemoryRegistry::new())
}

fn client(hub: &Hub) -> DeskClient {
    DeskClient::connect("desk").registry(hub).build().expect("a client of a registry in memory")
}

/// A call that the clerk holds, once the server has it.
async fn held(app: &RunningApp, hub: &Hub) -> tokio::task::JoinHandle<Result<String, CallError<Status>>> {
    app.readiness().registered().await;
    let client = client(hub);
    let call = tokio::spawn(async move { client.with(mainstay::call::timeout(LONG)).hold().await });
    let arrived = async {
        while app.server().calls() == 0 {
            yield_now().await;
        }
    };
    timeout(LONG, arrived).await.expect("the call should arrive");
    call
}

/// What a probe is answered.
async fn probe(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the port is open");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("the request is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer comes");
    answer
}

#[tokio::test]
async fn the_drain_follows_its_order() {
    let (hub, clerk) = (hub(), Clerk::default());
    let (stages, mut seen) = mpsc::unbounded_channel();
    let app = app(&clerk, &hub)
        .drain(Duration::from_secs(2), LONG)
        .on_stage(move |stage| stages.send(stage).unwrap())
        .start()
        .await
        .unwrap();
    let call = held(&app, &hub).await;
    let key = ServiceKey::new("test.v1.Desk").with_version("1.0.0");
    let mut changes = hub.subscribe(Lookup::new(key));
    assert!(matches!(changes.next().await, Some(Change::Snapshot(all)) if all.len() == 1));
    assert_eq!(app.readiness().check(), Ok(()));
    assert!(probe(app.address(), "/readyz").await.starts_with("HTTP/1.1 200"));
    let (readiness, app_address) = (app.readiness().clone(), app.address());
    let address = app_address.to_string();
    let drained = tokio::spawn(app.drain());

    for stage in [Stage::Serving, Stage::Unready, Stage::NotServing, Stage::Deregistered] {
        assert_eq!(seen.recv().await, Some(stage));
    }
    assert_eq!(readiness.check(), Err("draining".to_owned()));
    let gone = timeout(LONG / 6, changes.next()).await.expect("consumers hear of it while it still serves");
    assert!(matches!(gone, Some(Change::Down(_, DownCause::Withdrawn))));
    let late = DeskClient::connect("desk").address(address.clone()).build().unwrap();
    late.who().await.expect("whoever has not heard yet is still served");
    assert!(probe(app_address, "/readyz").await.starts_with("HTTP/1.1 503"));
    assert!(probe(app_address, "/livez").await.starts_with("HTTP/1.1 200"));
    assert_eq!(seen.recv().await, Some(Stage::Propagated));
    assert_eq!(seen.recv().await, Some(Stage::GoAway));
    assert!(!drained.is_finished(), "what is under way goes on");
    clerk.release.notify_one();
    assert_eq!(call.await.unwrap().unwrap(), "held");
    assert_eq!(seen.recv().await, Some(Stage::Closed));
    assert_eq!(drained.await.unwrap().cut_calls, 0);
    let refused = TcpStream::connect(address).await;
    assert!(refused.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut() {
    let (hub, clerk) = (hub(), Clerk::default());
    let app = app(&clerk, &hub).drain(Duration::ZERO, Duration::from_millis(1)).start().await.unwrap();
    let call = held(&app, &hub).await;
    assert_eq!(app.drain().await.cut_calls, 1);
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn a_stream_that_is_cut_is_told_so() {
    let (hub, clerk) = (hub(), Clerk { name: "a".to_owned(), ..Clerk::default() });
    let app = app(&clerk, &hub).drain(Duration::ZERO, Duration::from_millis(1)).start().await.unwrap();
    app.readiness().registered().await;
    let mut names = client(&hub).watch().await.unwrap();
    assert_eq!(names.message().await.unwrap().as_deref(), Some("a"));
    assert_eq!(app.drain().await.cut_calls, 1);
    let cut = names.message().await.unwrap_err();
    assert_eq!((cut.code(), cut.message()), (Code::Unavailable, "the server is shutting down"));
}

#[tokio::test]
async fn who_is_in_a_hurry_cuts_at_once() {
    let (hub, clerk) = (hub(), Clerk::default());
    let app = app(&clerk, &hub).drain(LONG, LONG).start().await.unwrap();
    let call = held(&app, &hub).await;
    let drained = timeout(LONG / 2, app.drain_until(ready(()))).await.unwrap();
    assert_eq!(drained.cut_calls, 1);
    assert!(call.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_loses_nothing() {
    let hub = hub();
    let start = |name: &str| {
        let clerk = Clerk { name: name.to_owned(), ..Clerk::default() };
        app(&clerk, &hub).drain(Duration::from_millis(20), LONG).start()
    };
    let mut old = vec![start("a").await.unwrap(), start("b").await.unwrap()];
    for app in &old {
        app.readiness().registered().await;
    }
    let (done, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let client = client(&hub);
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (client, done, calls) = (client.clone(), done.clone(), calls.clone());
            tokio::spawn(async move {
                while !done.load(SeqCst) {
                    client.who().await?;
                    calls.fetch_add(1, SeqCst);
                }
                Ok::<_, CallError<Status>>(())
            })
        })
        .collect();
    for name in ["c", "d", "e", "f"] {
        let new = start(name).await.unwrap();
        new.readiness().registered().await;
        let before = calls.load(SeqCst);
        assert_eq!(old.remove(0).drain().await.cut_calls, 0);
        while calls.load(SeqCst) < before + 100 {
            assert!(load.iter().all(|task| !task.is_finished()), "a call was lost while {name} came");
            yield_now().await;
        }
        old.push(new);
    }
    done.store(true, SeqCst);
    for task in load {
        task.await.unwrap().unwrap();
    }
    for app in old {
        app.drain().await;
    }
}

#[tokio::test]
async fn an_application_of_nothing_and_a_taken_port_are_refused() {
    let error = App::new("desk").start().await.unwrap_err();
    assert_eq!(error.to_string(), "`desk` serves nothing: add a service with `App::serve`");
    let (hub, clerk) = (hub(), Clerk::default());
    let first = app(&clerk, &hub).start().await.unwrap();
    let error = app(&clerk, &hub).listen(first.address()).start().await.unwrap_err().to_string();
    assert!(error.contains(&format!("cannot listen on {}", first.address())), "{error}");
    first.drain().await;
}

/// A client of another version and group of the same interface.
#[mainstay::service(package = "test.v1", name = "Desk", version = "2.0.0", group = "blue")]
trait BlueDesk {
    async fn who(&self) -> Result<String>;
}

#[tokio::test]
async fn settings_choose_the_version_and_group_that_everything_is_served_in() {
    let hub = hub();
    let variables = [("MAINSTAY_SERVICE_VERSION", "2.0.0"), ("MAINSTAY_SERVICE_GROUP", "blue")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let clerk = Clerk { name: "blue".to_owned(), ..Clerk::default() };
    let app = App::from_sources("desk", [], variables).unwrap().with_hub(hub.clone());
    // What the program says is weaker.
    let app = app.service_version("3.0.0").serve(DeskServer::new(clerk)).start().await.unwrap();
    app.readiness().registered().await;
    let blue: BlueDeskClient = BlueDeskClient::connect("desk").registry(&hub).build().unwrap();
    assert_eq!(blue.who().await.unwrap(), "blue");
    // In the version of its trait it is neither found nor answered.
    let patience = Duration::from_millis(10);
    let lost = DeskClient::connect("desk").registry(&hub).patience(patience).build().unwrap().who().await.unwrap_err();
    assert!(lost.to_string().contains("no instance of test.v1.Desk 1.0.0"), "{lost}");
    let direct = DeskClient::connect("desk").address(app.address().to_string()).build().unwrap();
    let refused = direct.who().await.unwrap_err().to_string();
    assert!(refused.contains("here it is in version 2.0.0, group blue"), "{refused}");
    app.drain().await;
}

#[tokio::test]
async fn two_services_cannot_be_served_in_one_version_by_a_setting() {
    struct Blue;
    impl BlueDesk for Blue {
        async fn who(&self) -> Result<String> {
            Ok("blue".to_owned())
        }
    }
    let app = app(&Clerk::default(), &hub()).serve(BlueDeskServer::new(Blue));
    let error = app.service_version("1.0.0").service_group("x").start().await.unwrap_err().to_string();
    assert!(error.contains("x/test.v1.Desk:1.0.0 would be served twice"), "{error}");
}

#[cfg(test)]
#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use mainstay::transport::{Pem, Tls};
    use std::path::PathBuf;

    /// A directory with an authority and what it vouches for: a server's certificate, and a client's.
    struct Files(PathBuf);

    impl Files {
        fn new() -> Self {
            let dir = std::env::temp_dir().join(format!("mainstay-app-tls-{}", std::process::id()));
            std::fs::create_dir_all(&dir).unwrap();
            let mut params = rcgen::CertificateParams::new([]).unwrap();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let key = rcgen::KeyPair::generate().unwrap();
            std::fs::write(dir.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
            let ca = rcgen::Issuer::new(params, key);
            for (name, host) in [("server", "127.0.0.1"), ("client", "site.local")] {
                let key = rcgen::KeyPair::generate().unwrap();
                let params = rcgen::CertificateParams::new([host.to_owned()]).unwrap();
                let certificate = params.signed_by(&key, &ca).unwrap();
                std::fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
                std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
            }
            Self(dir)
        }

        fn path(&self, name: &str) -> String {
            self.0.join(name).display().to_string()
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn settings_secure_the_port_with_tls_and_mutual_tls() {
        let (files, hub) = (Files::new(), hub());
        let flags = [
            format!("--tls-cert={}", files.path("server.pem")),
            format!("--tls-key={}", files.path("server.key")),
            format!("--tls-client-ca={}", files.path("ca.pem")),
        ];
        let clerk = Clerk { name: "safe".to_owned(), ..Clerk::default() };
        let app = App::from_sources("desk", flags, []).unwrap().with_hub(hub.clone());
        let app = app.serve(DeskServer::new(clerk)).start().await.unwrap();
        app.readiness().registered().await;
        let trusting = Tls::client().ca(Pem::file(files.path("ca.pem")));
        let known = trusting.clone().identity(Pem::file(files.path("client.pem")), Pem::file(files.path("client.key")));
        let connect =
            |tls| DeskClient::connect("desk").registry(&hub).patience(Duration::from_secs(1)).tls(tls).build();
        assert_eq!(connect(known).unwrap().who().await.unwrap(), "safe");
        let stranger = connect(trusting).unwrap().who().await.unwrap_err();
        assert!(stranger.to_string().contains("CertificateRequired"), "{stranger}");
        let plain = DeskClient::connect("desk").registry(&hub).patience(Duration::from_secs(1)).build().unwrap();
        let plain = plain.who().await.unwrap_err().to_string();
        assert!(plain.contains("does it want TLS at this port?"), "{plain}");
        app.drain().await;
    }

    #[tokio::test]
    async fn tls_that_cannot_be_had_is_told_before_anything_is_served() {
        let variables = [("MAINSTAY_TLS_CERT".to_owned(), "/nowhere/desk.pem".to_owned())];
        let error = App::from_sources("desk", [], variables).unwrap_err().to_string();
        assert!(error.contains("MAINSTAY_TLS_CERT: `tls-cert` wants `tls-key` too"), "{error}");
        let flags = ["--tls-cert=/nowhere/desk.pem", "--tls-key=/nowhere/desk.key"].map(str::to_owned);
        let app = App::from_sources("desk", flags, []).unwrap().with_hub(hub());
        let error = app.serve(DeskServer::new(Clerk::default())).start().await.unwrap_err().to_string();
        assert!(error.contains("cannot read /nowhere/desk.pem") && error.contains("`tls-cert`"), "{error}");
    }
}
