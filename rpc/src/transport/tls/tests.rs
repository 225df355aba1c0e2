//! TLS between the two halves, with certificates made here.

use super::*;
use crate as mainstay;
use crate::{
    call::{CallError, Cx, Peer, Reason, Status},
    client::connect,
    server::{Running, Server},
    transport::{Connect, Memory, Target, Tcp, TcpAccept, memory},
};
use rcgen::{CertificateParams, IsCa, Issuer, KeyPair};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;

#[mainstay::service(package = "tls")]
trait WhoApi {
    /// The names of who calls.
    async fn who(&self, cx: &Cx) -> Result<Vec<String>, Status>;
}

struct Who;

impl WhoApi for Who {
    async fn who(&self, cx: &Cx) -> Result<Vec<String>, Status> {
        Ok(cx.peer().map(Peer::names).unwrap_or_default())
    }
}

/// An authority that vouches for whatever it is asked to.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn vouch(&self, names: &[&str]) -> Identity {
        self.vouch_with(names, |_| {})
    }

    fn vouch_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        Identity { certificate: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

impl Identity {
    fn server(&self) -> ServerTlsBuilder {
        Tls::server(self.certificate.as_str(), self.key.as_str())
    }
}

fn start(tls: ServerTls) -> (Running, Memory) {
    let (network, accept) = memory();
    (Server::new().serve(WhoApiServer::new(Who)).tls(tls).start(accept), network)
}

async fn who(network: &Memory, tls: ClientTls) -> Result<Vec<String>, Status> {
    let client: WhoApiClient = connect(WhoApiClient::definition(), "")
        .address("stock.local:1")
        .connector(network.clone())
        .tls(tls)
        .build()
        .unwrap();
    client.who().await.map_err(CallError::into_status)
}

/// Waits until a condition holds; fails when it does not within ten seconds.
async fn until(condition: impl Fn() -> bool) {
    let held = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), held).await.unwrap();
}

#[tokio::test]
async fn both_sides_know_each_other() {
    let ca = Authority::new("ours");
    let server = ca.vouch(&["stock.local"]).server().client_ca(ca.pem.as_str(), ClientAuth::Required).build().unwrap();
    let (running, network) = start(server);
    let me = ca.vouch_with(&["site.local"], |params| {
        params.subject_alt_names.push(rcgen::SanType::URI("spiffe://shop/site".try_into().unwrap()));
    });
    let tls = Tls::client().ca(ca.pem.as_str()).identity(me.certificate.as_str(), me.key.as_str());
    assert_eq!(who(&network, tls).await.unwrap(), ["site.local", "spiffe://shop/site"]);
    // No certificate, or one of an authority that the server does not know: refused, and told why.
    let stranger = Authority::new("theirs").vouch(&["site.local"]);
    let none = Tls::client().ca(ca.pem.as_str());
    let strange = none.clone().identity(stranger.certificate.as_str(), stranger.key.as_str());
    for (tls, alert) in [(none, "CertificateRequired"), (strange, "UnknownCA")] {
        let refused = who(&network, tls).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        assert!(refused.to_string().contains(alert), "{refused}");
    }
    until(|| running.connections() == 0).await;
}

#[tokio::test]
async fn a_certificate_may_be_left_to_the_client() {
    let ca = Authority::new("ours");
    let server = ca.vouch(&["stock.local"]).server().client_ca(ca.pem.as_str(), ClientAuth::Optional).build().unwrap();
    let (_running, network) = start(server);
    assert_eq!(who(&network, Tls::client().ca(ca.pem.as_str())).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_server_that_is_somebody_else_is_not_talked_to() {
    let (ca, other) = (Authority::new("ours"), Authority::new("theirs"));
    let (_running, network) = start(ca.vouch(&["stock.local"]).server().build().unwrap());
    let right = Tls::client().ca(ca.pem.as_str());
    for (tls, why) in [
        (Tls::client().ca(other.pem.as_str()), "UnknownIssuer"),
        (right.clone().server_name("member.local"), "member.local"),
    ] {
        let refused = who(&network, tls).await.unwrap_err();
        assert_eq!((refused.code(), refused.reason()), (Code::Unavailable, Reason::ConnectFailed));
        let text = refused.to_string();
        assert!(text.contains("TLS with stock.local:1") && text.contains(why), "{text}");
    }
    assert!(who(&network, right.clone().ca(other.pem.as_str())).await.is_ok());
    // The name may be another than that of the host.
    let (_running, network) = start(ca.vouch(&["member.local"]).server().build().unwrap());
    assert!(who(&network, right.clone()).await.is_err());
    assert!(who(&network, right.server_name("member.local")).await.is_ok());
}

#[tokio::test]
async fn over_tcp_by_address() {
    let ca = Authority::new("ours");
    let tls = ca.vouch(&["127.0.0.1"]).server().build().unwrap();
    let running =
        Server::new().serve(WhoApiServer::new(Who)).tls(tls).start(TcpAccept::bind("127.0.0.1:0").await.unwrap());
    let address = running.address().unwrap().to_string();
    let client: WhoApiClient = connect(WhoApiClient::definition(), "")
        .address(address)
        .tls(Tls::client().ca(ca.pem.as_str()))
        .build()
        .unwrap();
    assert!(client.who().await.unwrap().is_empty());
}

#[tokio::test]
async fn one_side_alone_is_a_clear_failure() {
    let ca = Authority::new("ours");
    let (running, network) = start(ca.vouch(&["stock.local"]).server().build().unwrap());
    let plain: WhoApiClient =
        connect(WhoApiClient::definition(), "").address("stock.local:1").connector(network).build().unwrap();
    let refused = plain.who().await.unwrap_err().into_status();
    assert_eq!((refused.code(), refused.reason()), (Code::Unavailable, Reason::ConnectFailed));
    assert!(refused.to_string().contains("does it want TLS at this port?"), "{refused}");
    until(|| running.connections() == 0).await;

    let (network, accept) = memory();
    let _running = Server::new().serve(WhoApiServer::new(Who)).start(accept);
    let refused = who(&network, Tls::client().ca(ca.pem.as_str())).await.unwrap_err();
    assert_eq!((refused.code(), refused.reason()), (Code::Unavailable, Reason::ConnectFailed));
    assert!(refused.to_string().contains("does it speak TLS at this port?"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn half_a_handshake_holds_neither_the_server_nor_its_drain() {
    let ca = Authority::new("ours");
    let (running, network) = start(ca.vouch(&["stock.local"]).server().build().unwrap());
    let target = Target::new("stock.local", 1);
    // The first says nothing, the second stops in the middle of a record.
    let mut halves = [network.connect(&target).await.unwrap(), network.connect(&target).await.unwrap()];
    halves[1].write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
    until(|| running.connections() == 2).await;
    let began = tokio::time::Instant::now();
    assert_eq!(running.drain(Duration::from_secs(60)).await.cut_calls, 0);
    assert!(began.elapsed() < Duration::from_secs(1));
    for half in &mut halves {
        assert_eq!(half.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }
    // Without a drain, the time for a handshake ends it.
    let (running, network) = start(ca.vouch(&["stock.local"]).server().build().unwrap());
    let _half = network.connect(&target).await.unwrap();
    until(|| running.connections() == 1).await;
    tokio::time::advance(crate::transport::Http2Limits::default().handshake_timeout + Duration::from_secs(1)).await;
    until(|| running.connections() == 0).await;
}

#[tokio::test]
async fn a_server_without_http2_is_named() {
    let ca = Authority::new("ours");
    let server = ca.vouch(&["stock.local"]).server().build().unwrap();
    let (network, accept) = memory();
    let old = Without { inner: server };
    let _running = Server::new().serve(WhoApiServer::new(Who)).secure(old).start(accept);
    let refused = who(&network, Tls::client().ca(ca.pem.as_str())).await.unwrap_err();
    assert!(refused.to_string().contains("ALPN"), "{refused}");
}

/// TLS without ALPN.
#[derive(Debug)]
struct Without {
    inner: ServerTls,
}

impl crate::transport::Secure for Without {
    fn secure(
        &self,
        accepted: crate::transport::Accepted,
    ) -> crate::call::BoxFuture<'static, std::io::Result<(crate::transport::BoxIo, Peer)>> {
        let mut config = (*self.inner.config()).clone();
        config.alpn_protocols.clear();
        Box::pin(async move {
            let stream = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(accepted.io).await?;
            Ok((Box::new(stream) as crate::transport::BoxIo, Peer::new(None, Vec::new())))
        })
    }
}

#[tokio::test]
async fn certificates_are_renewed_without_a_restart() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = tempfile();
    let (certificate, key) = (folder.0.join("server.pem"), folder.0.join("server.key"));
    let write = |identity: &Identity| {
        std::fs::write(&certificate, &identity.certificate).unwrap();
        std::fs::write(&key, &identity.key).unwrap();
    };
    write(&old.vouch(&["stock.local"]));
    let tls = Tls::server(Pem::file(&certificate), Pem::file(&key)).build().unwrap();
    let (_running, network) = start(tls.clone());
    assert!(who(&network, Tls::client().ca(old.pem.as_str())).await.is_ok());
    // Half a renewal changes nothing.
    std::fs::write(&certificate, new.vouch(&["stock.local"]).certificate).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::KeyMismatch { .. })));
    assert!(who(&network, Tls::client().ca(old.pem.as_str())).await.is_ok());
    write(&new.vouch(&["stock.local"]));
    tls.reload().unwrap();
    assert!(who(&network, Tls::client().ca(old.pem.as_str())).await.is_err());
    assert!(who(&network, Tls::client().ca(new.pem.as_str())).await.is_ok());
}

/// A directory that goes with its owner.
struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tempfile() -> Folder {
    let path = std::env::temp_dir().join(format!("mainstay-tls-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    Folder(path)
}

#[test]
fn what_is_wrong_is_said_and_no_key_is_shown() {
    let ca = Authority::new("ours");
    let (one, two) = (ca.vouch(&["a"]), ca.vouch(&["a"]));
    let old = ca.vouch_with(&["a"], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let cut = &one.certificate[..one.certificate.len() / 2];
    let secret = one.key.lines().nth(1).unwrap();
    for (server, text) in [
        (Tls::server("", one.key.as_str()), "server certificate: there is none in the text given (0 bytes)"),
        (Tls::server(one.key.as_str(), one.key.as_str()), "must hold `-----BEGIN CERTIFICATE-----`"),
        (Tls::server(one.certificate.as_str(), one.certificate.as_str()), "private key: there is none in"),
        (Tls::server(cut, one.key.as_str()), "a section does not end"),
        (Tls::server(one.certificate.as_str(), two.key.as_str()), "does not fit the certificate in"),
        (old.server(), "expired"),
        (Tls::server(Pem::file("/nowhere/server.pem"), one.key.as_str()), "cannot read /nowhere/server.pem"),
        (one.server().client_ca("", ClientAuth::Required), "client authorities: there is none in"),
    ] {
        let error = server.build().unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(!format!("{error:?}").contains(secret));
    }
    let client = Tls::client().identity(one.certificate.as_str(), one.key.as_str());
    let shown = format!("{:?} {client:?} {:?}", one.server(), one.server().build().unwrap());
    assert!(!shown.contains(secret) && shown.contains("text given"), "{shown}");
    assert!(matches!(client.clone().over(Tcp), Err(TlsError::NoAuthority)));
    assert!(matches!(client.ca(ca.pem.as_str()).server_name("no name!").over(Tcp), Err(TlsError::BadName { .. })));
}

#[tokio::test]
async fn a_server_shows_the_certificate_of_the_name_that_is_asked_for() {
    let ca = Authority::new("ours");
    let (first, second) = (ca.vouch(&["stock.local"]), ca.vouch(&["*.site.local"]));
    let server = first.server().certificate(second.certificate.as_str(), second.key.as_str()).build().unwrap();
    let (_running, network) = start(server);
    for (name, shown) in [("stock.local", true), ("a.site.local", true), ("elsewhere.local", false)] {
        let tls = Tls::client().ca(ca.pem.as_str()).server_name(name);
        let said = who(&network, tls).await;
        assert_eq!(said.is_ok(), shown, "{name}: {said:?}");
    }
}

#[tokio::test]
async fn connections_for_http1_say_so() {
    let ca = Authority::new("ours");
    let (_running, network) = start(ca.vouch(&["stock.local"]).server().build().unwrap());
    let connect = Tls::client().ca(ca.pem.as_str()).http1().over(network).unwrap();
    let mut io = connect.connect(&Target::new("stock.local", 1)).await.unwrap();
    io.write_all(b"GET /none HTTP/1.1\r\nhost: stock.local\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut said = String::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), io.read_to_string(&mut said)).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 404"), "{said}");
}
