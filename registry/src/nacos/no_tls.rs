//! In place of `tls.rs` in a build without the feature `tls`: a URL that asks for it is refused.

use std::{convert::Infallible, io};

use tokio::net::TcpStream;

use super::dial::{Io, Protocol};

/// There is none.
#[derive(Clone)]
pub(super) struct Tls(Infallible);

impl Tls {
    pub(super) fn of(_: &str) -> Result<Self, String> {
        Err("this build has no TLS, it needs the feature `tls`".to_owned())
    }

    pub(super) async fn over(&self, _: TcpStream, _: &str, _: Protocol) -> io::Result<Box<dyn Io>> {
        match self.0 {}
    }
}
