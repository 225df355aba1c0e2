//! A connection to a server that speaks RESP: made within a time limit, logged in, one command at a time.

use std::fmt::Debug;
use std::io;

use bytes::BytesMut;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::door::Door;
use crate::core::config::Secret;
use crate::core::ids::Address;
use crate::resp::{ReplyDecoder, Value, encode_command};

trait Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Unpin> Stream for S {}

/// A connection that is logged in.
#[derive(Debug)]
pub(super) struct Remote {
    door: Door,
    stream: Box<dyn Stream>,
    decoder: ReplyDecoder,
    buffer: BytesMut,
}

/// Why there is none, or none any more.
#[derive(Debug, Error)]
pub(super) enum Unreachable {
    #[error("{at} cannot be reached: {source}")]
    Connect { at: Address, source: io::Error },
    #[error("{at} lets nobody in: {said}")]
    Login { at: Address, said: String },
    #[error("{at} broke off: {source}")]
    Lost { at: Address, source: io::Error },
}

/// Why a command was not carried out.
#[derive(Debug, Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error("{at} says: {said}")]
    Said { at: Address, said: String },
}

impl Remote {
    /// Connects and logs in.
    pub(super) async fn connect(door: &Door) -> Result<Remote, Unreachable> {
        let at = door.address.clone();
        let failed = |source| Unreachable::Connect { at: at.clone(), source };
        let stream = timeout(door.patience, open(door)).await.map_err(|e| failed(e.into()))?.map_err(failed)?;
        let (decoder, buffer) = Default::default();
        let mut remote = Remote { door: door.clone(), stream, decoder, buffer };
        if let Some(Secret(pass)) = &door.pass {
            let words: Vec<&str> = ["AUTH"].into_iter().chain(door.user.as_deref()).chain([pass.as_str()]).collect();
            let reply = remote.call(&words).await?;
            // One that has no password is served all the same.
            if let Some(said) = reply.as_error().filter(|e| e.starts_with("WRONGPASS") || e.starts_with("NOPERM")) {
                return Err(Unreachable::Login { at, said: said.into_owned() });
            }
        }
        Ok(remote)
    }

    /// Where it goes.
    pub(super) fn at(&self) -> &Address {
        &self.door.address
    }

    /// Sends a command and waits for its reply; an error reply is a reply.
    pub(super) async fn call(&mut self, words: &[&str]) -> Result<Value, Unreachable> {
        let patience = self.door.patience;
        let exchanged = timeout(patience, self.exchange(words)).await.map_err(io::Error::from).flatten();
        let reply = exchanged.map_err(|source| Unreachable::Lost { at: self.at().clone(), source })?;
        match reply.as_error().filter(|e| e.starts_with("NOAUTH")) {
            Some(said) => Err(Unreachable::Login { at: self.at().clone(), said: said.into_owned() }),
            None => Ok(reply),
        }
    }

    /// The same; an error reply is a failure.
    pub(super) async fn ask(&mut self, words: &[&str]) -> Result<Value, Failed> {
        let reply = self.call(words).await?;
        match reply.as_error() {
            Some(said) => Err(Failed::Said { at: self.at().clone(), said: said.into_owned() }),
            None => Ok(reply),
        }
    }

    async fn exchange(&mut self, words: &[&str]) -> io::Result<Value> {
        let mut out = BytesMut::new();
        encode_command(words, &mut out);
        self.stream.write_all(&out).await?;
        self.stream.flush().await?;
        loop {
            let decoded = self.decoder.next(&mut self.buffer);
            if let Some(value) = decoded.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))? {
                return Ok(value);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

async fn open(door: &Door) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect((&*door.address.host, door.address.port)).await?;
    stream.set_nodelay(true)?;
    match &door.tls {
        Some(tls) => Ok(Box::new(tls.connect(stream).await?)),
        None => Ok(Box::new(stream)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    async fn door(pass: Option<&str>) -> (TcpListener, Door) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let address = Address::new(&at.ip().to_string(), at.port());
        let pass = pass.map(|p| Secret(p.to_owned()));
        (listener, Door { address, user: None, pass, tls: None, patience: Duration::from_secs(5) })
    }

    async fn serve(listener: TcpListener, replies: &'static [&'static str]) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = BytesMut::new();
        for reply in replies {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    #[tokio::test]
    async fn it_logs_in_and_asks() {
        let (listener, door) = door(Some("secret")).await;
        let server = tokio::spawn(serve(listener, &["+OK\r\n", "+PONG\r\n", "-ERR no\r\n"]));
        let mut remote = Remote::connect(&door).await.unwrap();
        assert_eq!(remote.ask(&["PING"]).await.unwrap(), Value::simple("PONG"));
        assert!(matches!(remote.ask(&["X"]).await, Err(Failed::Said { said, .. }) if said == "ERR no"));
        assert!(server.await.unwrap().contains("AUTH\r\n$6\r\nsecret\r\n"));
    }

    #[tokio::test]
    async fn what_keeps_it_out_is_said() {
        let (listener, wrong) = door(Some("wrong")).await;
        let _server = tokio::spawn(serve(listener, &["-WRONGPASS no\r\n"]));
        assert!(matches!(Remote::connect(&wrong).await, Err(Unreachable::Login { .. })));
        let (listener, nobody) = door(None).await;
        drop(listener);
        assert!(matches!(Remote::connect(&nobody).await, Err(Unreachable::Connect { .. })));
        let (listener, silent) = door(None).await;
        let server = tokio::spawn(serve(listener, &[""]));
        let mut remote = Remote::connect(&silent).await.unwrap();
        assert!(matches!(remote.ask(&["PING"]).await, Err(Failed::Unreachable(Unreachable::Lost { .. }))));
        server.await.unwrap();
    }
}
