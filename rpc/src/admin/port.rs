//! The port: a server of ours that brings nothing along, so that its bounds, its TLS and its end are those of any server.

use super::{Inside, door::Door, pages::Pages};
use crate::{
    server::{Running, Server},
    transport::TcpAccept,
};
use mainstay_registry::Secret;
use std::{io, net::SocketAddr};

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 64;

/// Listens and answers with `server`, which serves nothing yet and has the application's TLS.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn start(
    server: Server,
    at: SocketAddr,
    token: Option<Secret>,
    inside: Inside,
) -> io::Result<Running> {
    let accept = TcpAccept::bind(at).await?;
    let pages = Pages::new(Door::new(token), inside);
    Ok(server.mount("/", pages).max_connections(CONNECTIONS).start(accept))
}
