//! Stands in for `tls` in a program that is built without the feature: there is no encryption, and who asks for it is
//! told so.

use std::io;

use tokio::net::TcpStream;

use crate::conf::TlsConfig;

/// Would encrypt links. There is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connector {}

impl Connector {
    /// None, as long as `tls-replication` is off.
    ///
    /// # Errors
    /// If it is on.
    pub fn new(config: &TlsConfig) -> Result<Option<Self>, String> {
        if config.replication {
            return Err("`tls-replication`: this program was built without the feature `tls`".to_owned());
        }
        Ok(None)
    }

    /// Never called.
    pub(crate) async fn connect(&self, _: TcpStream) -> io::Result<TcpStream> {
        match *self {}
    }
}
