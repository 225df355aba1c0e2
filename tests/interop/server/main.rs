//! The server of the gRPC project's interoperability tests, written with our macros: the traits come from the `.proto`
//! file, and nothing here knows gRPC.
//!
//! `interop-server [--listen ADDR] [--cert FILE --key FILE]`

mod service;

use std::error::Error;
use std::process::ExitCode;

use mainstay::server::Server;
use mainstay::transport::{Pem, TcpAccept, Tls};

use service::{TestServiceServer, Tests};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (mut listen, mut cert, mut key) = ("127.0.0.1:0".to_owned(), None, None);
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--listen" => listen = value,
            "--cert" => cert = Some(value),
            "--key" => key = Some(value),
            _ => return Err(format!("unknown option {flag}").into()),
        }
    }
    let accept = TcpAccept::bind(listen).await?;
    let mut server = Server::new().serve(TestServiceServer::new(Tests));
    if let (Some(cert), Some(key)) = (cert, key) {
        server = server.tls(Tls::server(Pem::file(cert), Pem::file(key)).build()?);
    }
    let mut running = server.start(accept);
    println!("listening {}", running.address().ok_or("no address")?);
    Ok(running.ended().await?)
}
