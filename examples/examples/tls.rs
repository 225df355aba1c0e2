//! TLS on both sides: the server shows a certificate, and asks its callers for theirs. Wants the feature `tls`.
//!
//! The certificates are made here. In earnest they are files, `Pem::file("server.pem")`, and `reload` reads them again
//! when they were renewed.

use mainstay::{
    call::Cx,
    prelude::*,
    transport::{ClientAuth, Tls},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Says who is calling.
#[mainstay::service(package = "who.v1")]
trait Who {
    /// By the certificate.
    async fn am_i(&self, cx: &Cx) -> Result<String>;
}

struct Mirror;

impl Who for Mirror {
    async fn am_i(&self, cx: &Cx) -> Result<String> {
        Ok(cx.peer().map(|peer| peer.names().join(", ")).unwrap_or_default())
    }
}

/// A certificate and its key, as PEM.
fn identity(authority: &CertifiedIssuer<'_, KeyPair>, name: &str) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new([name.to_owned()])?.signed_by(&key, authority)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut params = CertificateParams::new([])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let (server, server_key) = identity(&authority, "localhost")?;
    let (me, my_key) = identity(&authority, "caller.shop")?;
    let ca = authority.pem();

    let tls = Tls::server(server, server_key).client_ca(ca.clone(), ClientAuth::Required).build()?;
    let app = App::new("who").registry("memory://").secure(tls).serve(WhoServer::new(Mirror));
    let running = app.start().await?;
    let address = format!("localhost:{}", running.address().port());

    let trusted = Tls::client().ca(ca.clone()).identity(me, my_key);
    let who = WhoClient::connect("who").address(address.clone()).tls(trusted).build()?;
    let name = who.am_i().await?;
    println!("I am {name}");
    assert_eq!(name, "caller.shop");

    let stranger = WhoClient::connect("who").address(address).tls(Tls::client().ca(ca)).build()?;
    println!("without a certificate: {}", stranger.am_i().await.expect_err("strangers are refused"));

    running.drain().await;
    Ok(())
}
