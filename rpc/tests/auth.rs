//! Who calls, over real connections: by certificate, by signed token, by the token that consumers share.

use mainstay::{
    app::RunningApp,
    auth::{Auth, Credential, Jwt, JwtKey, Proof},
    call::{Reason, Status},
    client::ConnectBuilder,
    policy::{Key, Rate},
    prelude::*,
    server::{Running, Server},
    transport::{ClientAuth, TcpAccept, Tls},
};
use mainstay_registry::{Discover, Hub, Lookup, MemoryRegistry, Registry, ServiceKey};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[mainstay::service(package = "test.auth.v1")]
trait Desk {
    /// Who calls, as the handler sees it.
    async fn who(&self, cx: &Cx) -> Result<String>;
    async fn hold(&self) -> Result<()>;
    async fn open(&self) -> Result<()>;
}

struct Clerk;

impl Desk for Clerk {
    async fn who(&self, cx: &Cx) -> Result<String> {
        Ok(cx.caller().map_or("nobody".to_owned(), |caller| format!("{} {}", caller.name(), caller.proof().as_str())))
    }

    async fn hold(&self) -> Result<()> {
        Ok(())
    }

    async fn open(&self) -> Result<()> {
        Ok(())
    }
}

const SECRET: &str = "a secret of more than thirty-two bytes";

fn place(name: &str, text: &str) -> String {
    let path = std::env::temp_dir().join(format!("mainstay-auth-{name}-{}", std::process::id()));
    std::fs::write(&path, text).expect("a temporary file");
    format!("file:{}", path.display())
}

/// A token for `name` that is good for so long from now.
fn token(name: &str, seconds: i64) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as base64};
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs() as i64;
    let claims = serde_json::json!({ "sub": name, "exp": now + seconds });
    let message = format!("{}.{}", base64.encode(r#"{"alg":"HS256"}"#), base64.encode(claims.to_string()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    format!("{message}.{}", base64.encode(ring::hmac::sign(&key, message.as_bytes())))
}

async fn start(auth: Auth) -> (Running, String) {
    let server =
        Server::new().serve(DeskServer::new(Clerk)).auth(auth).rate(Rate::per(3, LONG).only("Who").by(Key::Caller));
    let running = server.start(TcpAccept::bind("127.0.0.1:0").await.expect("a port"));
    let address = running.address().expect("an address").to_string();
    (running, address)
}

const LONG: Duration = Duration::from_secs(3600);

fn client(address: &str) -> ConnectBuilder<DeskClient> {
    DeskClient::connect("").address(address).credentials_in_clear()
}

fn why<T>(result: Result<T, CallError<Status>>) -> (Reason, Code, String) {
    let status = result.err().expect("it should be refused").into_status();
    // What came over the wire has the server's reason in its words alone.
    (status.reason(), status.code(), status.message().to_owned())
}

#[tokio::test]
async fn a_signed_token_says_who_calls_and_rules_say_what_may_be_called() {
    let jwt = Jwt::new().key(JwtKey::secret(&place("secret", SECRET)).unwrap());
    let auth = Auth::new()
        .tokens(jwt)
        .allow("test.auth.v1.Desk", ["site"])
        .allow_known("test.auth.v1.Desk/Who")
        .allow_anyone("test.auth.v1.Desk/Open");
    let (running, address) = start(auth).await;
    let shows = |token: String| client(&address).bearer(place(&token[token.len() - 8..], &token)).build().unwrap();
    let (site, other) = (shows(token("site", 60)), shows(token("other", 60)));
    assert_eq!(site.who().await.unwrap(), "site token");
    site.hold().await.unwrap();
    assert_eq!(other.who().await.unwrap(), "other token");
    let (_, code, text) = why(other.hold().await);
    assert_eq!((code, &*text), (Code::PermissionDenied, "other may not call /test.auth.v1.Desk/Hold"));
    let (_, code, text) = why(shows(token("site", -60)).hold().await);
    assert_eq!((code, &*text), (Code::Unauthenticated, "its time is over"));
    let nobody = client(&address).build().unwrap();
    nobody.open().await.unwrap();
    let (_, code, text) = why(nobody.hold().await);
    assert_eq!((code, &*text), (Code::Unauthenticated, "it is not known for sure who calls: show a bearer token"));
    // A rate of each caller is of its name: both come from one address.
    assert_eq!((site.who().await.is_ok(), site.who().await.is_ok(), site.who().await.is_ok()), (true, true, false));
    assert_eq!(other.who().await.unwrap(), "other token");
    // Probes have nothing to show.
    let (mut probe, request) =
        (TcpStream::connect(&*address).await.unwrap(), "POST /grpc.health.v1.Health/Check HTTP/1.1");
    let head = "host: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    probe.write_all(format!("{request}\r\n{head}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("SERVING"), "{answer}");
    running.drain(Duration::ZERO).await;
}

#[tokio::test]
async fn a_certificate_says_who_calls() {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let identity = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let ((server, server_key), ca) = (identity("localhost"), authority.pem());
    let tls = Tls::server(server, server_key).client_ca(ca.clone(), ClientAuth::Required).build().unwrap();
    let auth = Auth::new().certificates().allow("test.auth.v1.Desk", ["site.shop"]);
    let server = Server::new().serve(DeskServer::new(Clerk)).tls(tls).auth(auth);
    let running = server.start(TcpAccept::bind("127.0.0.1:0").await.unwrap());
    let address = format!("localhost:{}", running.address().unwrap().port());
    let as_ = |name: &str| {
        let (certificate, key) = identity(name);
        let tls = Tls::client().ca(ca.clone()).identity(certificate, key);
        DeskClient::connect("").address(&*address).tls(tls).build().unwrap()
    };
    assert_eq!(as_("site.shop").who().await.unwrap(), "site.shop certificate");
    assert_eq!(why(as_("other.shop").who().await).1, Code::PermissionDenied);
    running.drain(Duration::ZERO).await;
}

async fn app(hub: &Hub, name: &str) -> RunningApp {
    let app = App::new(name).with_hub(hub.clone()).serve(DeskServer::new(Clerk)).drain(Duration::ZERO, Duration::ZERO);
    let app = app.token(place(name, "sesame")).start().await.expect("it starts");
    app.readiness().registered().await;
    app
}

#[tokio::test]
async fn who_reads_the_registry_knows_the_token_that_consumers_share() {
    let hub = Hub::new(MemoryRegistry::new());
    let app = app(&hub, "desk").await;
    let mut changes = hub.subscribe(Lookup::new(ServiceKey::new("test.auth.v1.Desk")));
    let change = changes.next().await.expect("the registry answers");
    assert!(
        matches!(&change, mainstay_registry::Change::Snapshot(all) if all[0].labels["token"] == "sesame"),
        "{change:?}"
    );
    let found = DeskClient::connect("desk").registry(&hub).build().unwrap();
    assert_eq!(found.who().await.unwrap(), format!(" {}", Proof::SharedToken.as_str()));
    let past_it = client(&app.address().to_string()).build().unwrap();
    let (_, code, text) = why(past_it.who().await);
    assert_eq!((code, text.ends_with("show the service's token")), (Code::Unauthenticated, true), "{text}");
    assert!(!Registry::describe(&hub).contains("sesame"));
    app.drain().await;
}

#[tokio::test]
async fn credentials_are_fetched_once_for_all_and_are_not_sent_in_the_clear_unasked() {
    let jwt = Jwt::new().key(JwtKey::secret(&place("once", SECRET)).unwrap());
    let (running, address) = start(Auth::new().tokens(jwt)).await;
    let fetches = Arc::new(AtomicUsize::new(0));
    let count = fetches.clone();
    let fetch = move || {
        count.fetch_add(1, SeqCst);
        let fetched = Credential::bearer(&token("site", 60)).map(|one| one.lasting(Duration::from_secs(60)));
        async move { Ok(fetched?) }
    };
    let site = client(&address).credentials(fetch).build().unwrap();
    let calls: Vec<_> =
        (0..20).map(|_| site.clone()).map(|site| tokio::spawn(async move { site.hold().await })).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(fetches.load(SeqCst), 1);
    let away = || async { Err("the server of tokens is away".into()) };
    let status = client(&address).credentials(away).build().unwrap().hold().await.unwrap_err().into_status();
    assert_eq!((status.reason(), status.reached_server()), (Reason::NothingToShow, false));
    let error = DeskClient::connect("").address(&*address).bearer("env:HOME").build().unwrap_err().to_string();
    assert!(error.contains("in the clear"), "{error}");
    running.drain(Duration::ZERO).await;
}
