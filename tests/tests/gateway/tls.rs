//! TLS at both edges: certificates by name, read again while connections stay, clients that show their own, and upstreams that
//! are encrypted. curl is the client of some, so that it is not rustls on both sides.

use super::{
    bed::{Gateway, Mirror, SOON, Stock},
    grpc::RUNTIME,
};
use rcgen::{CertificateParams, IsCa, Issuer, KeyPair};
use std::{process::Command, sync::Arc};
use testbed::{Scratch, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// An authority, and the files that it made.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    files: Arc<Scratch>,
    name: &'static str,
}

impl Authority {
    fn new(name: &'static str, files: &Arc<Scratch>) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        files.write(format!("{name}.pem"), &pem).unwrap();
        Self { issuer: Issuer::new(params, key), pem, files: files.clone(), name }
    }

    /// Writes `{file}.pem` and `{file}.key`: a certificate for these names. Each file takes the place of the one before at once.
    fn vouch(&self, file: &str, names: &[&str]) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        for (end, text) in [("key", key.serialize_pem()), ("pem", signed.pem())] {
            let new = self.files.write("new", text).unwrap();
            std::fs::rename(new, self.files.join(format!("{file}.{end}"))).unwrap();
        }
    }

    fn path(&self) -> String {
        self.files.join(format!("{}.pem", self.name)).display().to_string()
    }

    /// A connection to a gateway that trusts this authority.
    async fn connect(&self, gateway: &Gateway, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(&gateway.address).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

fn identity(files: &Scratch, name: &str) -> String {
    let at = |end| files.join(format!("{name}.{end}")).display().to_string();
    format!("cert: {}, key: {}", at("pem"), at("key"))
}

/// What curl gets: the version of HTTP and the status, then the body.
fn curl(gateway: &Gateway, host: &str, path: &str, more: &[&str]) -> Result<String, String> {
    let port = gateway.address.rsplit(':').next().unwrap();
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "20", "--resolve", &format!("{host}:{port}:127.0.0.1")]);
    command.args(["-w", "%{http_version} %{http_code}", &format!("https://{host}:{port}{path}")]).args(more);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(said) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

async fn get(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    stream.write_all(b"GET /kept HTTP/1.1\r\nhost: shop.example\r\n\r\n").await?;
    let mut said = String::new();
    // The body is the head of the request: with its end the answer is whole.
    while said.matches("\r\n\r\n").count() < 2 {
        let mut piece = [0; 4096];
        let n = timeout(SOON, stream.read(&mut piece)).await??;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        said.push_str(&String::from_utf8_lossy(&piece[..n]));
    }
    Ok(said)
}

fn pages(mirror: &Mirror) -> String {
    format!(
        "upstreams: {{m: {{endpoints: ['{}']}}}}\nroutes: [{{name: all, match: {{}}, http: {{upstream: m}}}}]\n",
        mirror.address
    )
}

#[test]
fn certificates_are_shown_by_name_and_read_again_while_connections_stay() {
    let files = Arc::new(Scratch::new("certificates").unwrap());
    let (old, new) = (Authority::new("old", &files), Authority::new("new", &files));
    old.vouch("shop", &["shop.example"]);
    old.vouch("api", &["*.api.example"]);
    let mirror = Mirror::start();
    let [shop, api] = ["shop", "api"].map(|name| identity(&files, name));
    let gateway = Gateway::listening(&format!("tls: {{certificates: [{{{shop}}}, {{{api}}}]}}"), &pages(&mirror));
    for (host, arguments, version) in [
        ("shop.example", &["--http2"][..], "2"),
        ("a.api.example", &["--http2"], "2"),
        ("shop.example", &["--http1.1"], "1.1"),
    ] {
        let said = curl(&gateway, host, "/a", &[&["--cacert", &old.path()][..], arguments].concat()).unwrap();
        assert!(said.ends_with(&format!("{version} 200")) && said.contains("x-forwarded-proto: https"), "{said}");
    }
    let refused = curl(&gateway, "other.example", "/a", &["--cacert", &old.path()]).unwrap_err();
    assert!(refused.contains("certificate subject name"), "{refused}");
    RUNTIME.block_on(async {
        let mut kept = old.connect(&gateway, "shop.example").await.unwrap();
        assert!(get(&mut kept).await.unwrap().contains("200 OK"));
        // A file that is no certificate changes nothing.
        let shop = std::fs::read_to_string(files.join("shop.pem")).unwrap();
        files.write("shop.pem", "nothing").unwrap();
        eventually(SOON, "the refusal", || gateway.process.stderr().contains("the certificates are refused"));
        assert!(old.connect(&gateway, "shop.example").await.is_ok());
        files.write("shop.pem", shop).unwrap();
        new.vouch("shop", &["shop.example"]);
        timeout(SOON, async {
            while new.connect(&gateway, "shop.example").await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        assert!(get(&mut kept).await.unwrap().contains("200 OK"), "the old connection goes on");
        assert!(old.connect(&gateway, "a.api.example").await.is_ok());
    });
}

#[test]
fn clients_show_a_certificate_and_so_does_the_gateway_to_its_upstreams() {
    let files = Arc::new(Scratch::new("mutual").unwrap());
    let (ours, theirs) = (Authority::new("ours", &files), Authority::new("theirs", &files));
    ours.vouch("inner", &["inner.example"]);
    ours.vouch("me", &["edge.example"]);
    theirs.vouch("stranger", &["edge.example"]);
    let stock = Stock::start();
    let services = "services: [shop.stock.v1.StockApi]";
    // Behind: a gateway that speaks TLS alone, and asks for certificates.
    let inner = Gateway::listening(
        &format!("tls: {{certificates: [{{{}}}], client_ca: {}}}", identity(&files, "inner"), ours.path()),
        &format!(
            "upstreams: {{stock: {{endpoints: ['{}']}}}}
routes:
  - {{name: grpc, match: {{path: /**, headers: {{content-type: {{prefix: application/grpc}}}}}},
     grpc: {{upstream: stock, services: [shop.stock.v1.StockApi, grpc.reflection.v1.ServerReflection]}}}}
  - {{name: http, match: {{path: /**}}, http: {{upstream: stock}}}}
",
            stock.address
        ),
    );
    let trusted = ["--cacert", &ours.path()];
    assert!(curl(&inner, "inner.example", "/v1/stock/a-7", &trusted).is_err(), "no certificate was shown");
    let shown = |name: &str| {
        ["--cert", "--key"]
            .into_iter()
            .zip(["pem", "key"])
            .flat_map(|(option, end)| [option.to_owned(), files.join(format!("{name}.{end}")).display().to_string()])
            .collect::<Vec<_>>()
    };
    for (name, let_in) in [("me", true), ("stranger", false)] {
        let shown = shown(name);
        let shown: Vec<&str> = trusted.iter().copied().chain(shown.iter().map(String::as_str)).collect();
        let said = curl(&inner, "inner.example", "/v1/stock/a-7", &shown);
        assert_eq!(said.is_ok_and(|said| said.contains("\"left\":7")), let_in, "{name}");
    }
    let outer = Gateway::start(&format!(
        "upstreams:
  inner:
    endpoints: ['{0}']
    tls: {{ca: {1}, server_name: inner.example, {2}}}
    health_check: {{kind: http, path: /v1/stock/a-1, interval: 100ms}}
  unknown: {{endpoints: ['{0}'], tls: {{ca: {1}, server_name: inner.example}}}}
routes:
  - {{name: json, match: {{path: /shop.stock.v1.StockApi/*}}, json: {{upstream: inner, {services}, auto_mapping: true}}}}
  - {{name: unknown, match: {{path: /unknown/**}}, http: {{upstream: unknown}}}}
  - {{name: http, match: {{path: /**}}, http: {{upstream: inner}}}}
",
        inner.address,
        ours.path(),
        identity(&files, "me")
    ));
    assert_eq!(outer.ask("GET /v1/stock/a-9", "").json()["left"], 9);
    assert_eq!(outer.post("/shop.stock.v1.StockApi/Level", "{\"sku\":\"a-8\"}").json()["left"], 8);
    assert!(outer.ask("GET /unknown/x", "").code >= 502, "it shows no certificate there");
}
