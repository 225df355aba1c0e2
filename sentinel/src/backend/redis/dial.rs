//! A connection to a server or sentinel: its name resolved, TCP, and the login.
//!
//! Every step has a time limit of its own. The login is waited for, since a stopped process still accepts connections:
//! its kernel does that for it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::commands::Words;
use crate::core::config::Secret;
use crate::core::event::Cause;
use crate::core::ids::{Address, RunId};
use crate::resp::{ReplyDecoder, Value, encode_command};
use crate::tls::Connector;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// The longest wait for a name.
const RESOLVE: Duration = Duration::from_secs(2);
/// The longest wait for encryption to stand.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// The longest wait for a reply of the login, and for a single command.
pub(super) const REPLY: Duration = Duration::from_secs(2);

/// Room for what is read at once: a hello is some hundred bytes, INFO some thousand.
const READ: usize = 4 * 1024;

/// Commands that have another name at a server: upper case name to the name there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// From the setting `rename-command`.
    pub fn new(renamed: BTreeMap<String, String>) -> Names {
        Names(renamed)
    }

    /// A command as this server knows it.
    pub(super) fn words(&self, command: &str, args: &[&str]) -> Words {
        let name = self.0.get(command).map_or(command, String::as_str);
        std::iter::once(name).chain(args.iter().copied()).map(str::to_owned).collect()
    }
}

/// How to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Where it listens.
    pub address: Address,
    /// A host name is resolved; otherwise only an IP literal is tried.
    pub resolve: bool,
    /// The user to log in as.
    pub user: Option<String>,
    /// The password; none: no login.
    pub pass: Option<Secret>,
    /// Commands that have another name there.
    pub names: Names,
    /// Encrypts the connection.
    pub tls: Option<Connector>,
    /// Who connects.
    pub me: RunId,
}

/// Which of the two connections of a link: it is shown by `CLIENT LIST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Commands,
    Subscription,
}

/// TCP, or TLS over it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin> Stream for S {}

/// A connection that has passed its login.
#[derive(Debug)]
pub(super) struct Dialled {
    stream: Box<dyn Stream>,
    pub(super) decoder: ReplyDecoder,
    pub(super) buffer: BytesMut,
    /// The address of the other end.
    pub(super) ip: IpAddr,
    /// The address of this end.
    pub(super) local: Option<IpAddr>,
}

/// Connects and logs in.
///
/// Cancel safe: dropping it drops the connection.
pub(super) async fn dial(access: &Access, kind: Kind) -> Result<Dialled, Cause> {
    let ip = resolve(access).await.ok_or(Cause::Unreachable)?;
    let connected = timeout(CONNECT, TcpStream::connect(SocketAddr::new(ip, access.address.port))).await;
    let stream = connected.map_err(|_| Cause::Unreachable)?.map_err(|e| refused(&e))?;
    // A reply that waits for more to send would cost detection up to 40 ms.
    stream.set_nodelay(true).map_err(|_| Cause::Unreachable)?;
    let local = stream.local_addr().ok().map(|a| a.ip());
    let stream = encrypt(stream, access.tls.as_ref()).await?;
    let mut dialled = Dialled { stream, decoder: ReplyDecoder::default(), buffer: BytesMut::new(), ip, local };
    let replies = dialled.ask(&login(access, kind)).await.map_err(|e| lost(&e))?;
    if replies.iter().any(denied) { Err(Cause::Denied) } else { Ok(dialled) }
}

impl Dialled {
    /// Sends commands and waits for a reply to each.
    pub(super) async fn ask(&mut self, commands: &[Words]) -> io::Result<Vec<Value>> {
        let mut out = BytesMut::new();
        commands.iter().for_each(|words| encode_command(words, &mut out));
        timeout(REPLY, self.write(&out)).await??;
        let mut replies = Vec::with_capacity(commands.len());
        while replies.len() < commands.len() {
            replies.push(timeout(REPLY, self.next()).await??);
        }
        Ok(replies)
    }

    /// Sends bytes whole, also through a layer of encryption that keeps some back.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The next reply or message.
    ///
    /// Cancel safe: what was read stays in the buffer.
    pub(super) async fn next(&mut self) -> io::Result<Value> {
        loop {
            let decoded = self.decoder.next(&mut self.buffer);
            if let Some(value) = decoded.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))? {
                return Ok(value);
            }
            // Without room for a whole message each would be read in pieces of 64 bytes.
            self.buffer.reserve(READ);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// A server that shows a certificate of nobody known, or wants one that is not shown, does not let us in.
async fn encrypt(stream: TcpStream, tls: Option<&Connector>) -> Result<Box<dyn Stream>, Cause> {
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    match timeout(HANDSHAKE, tls.connect(stream)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            tracing::debug!(%error, "no TLS");
            Err(Cause::Denied)
        }
        Ok(Err(error)) => Err(lost(&error)),
        Err(_) => Err(Cause::Unreachable),
    }
}

fn login(access: &Access, kind: Kind) -> Vec<Words> {
    let mut commands = Vec::new();
    if let Some(Secret(pass)) = &access.pass {
        let args: Vec<&str> = access.user.as_deref().into_iter().chain([pass.as_str()]).collect();
        commands.push(access.names.words("AUTH", &args));
    }
    let what = if kind == Kind::Commands { "cmd" } else { "pubsub" };
    let name = format!("sentinel-{}-{what}", &access.me.as_str()[..8]);
    commands.push(access.names.words("CLIENT", &["SETNAME", &name]));
    commands
}

/// A wrong password. A server that has none, or forbids the name of a connection, is served all the same.
fn denied(reply: &Value) -> bool {
    reply.as_error().is_some_and(|e| e.starts_with("WRONGPASS") || e.starts_with("ERR invalid password"))
}

async fn resolve(access: &Access) -> Option<IpAddr> {
    let host = &*access.address.host;
    if let Ok(ip) = host.parse() {
        return Some(ip);
    }
    if !access.resolve || access.address.port == 0 {
        return None;
    }
    let found = timeout(RESOLVE, tokio::net::lookup_host((host, access.address.port))).await.ok()?.ok()?;
    let mut found: Vec<IpAddr> = found.map(|a| a.ip()).collect();
    // One family first, so that a name of both gives the same address each time.
    found.sort_by_key(|ip| (ip.is_ipv6(), *ip));
    found.first().copied()
}

fn refused(error: &io::Error) -> Cause {
    if error.kind() == io::ErrorKind::ConnectionRefused { Cause::Refused } else { Cause::Unreachable }
}

/// Why a standing connection is no more.
pub(super) fn lost(error: &io::Error) -> Cause {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error.kind() {
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => Cause::Closed,
        _ => Cause::Unreachable,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Access to a listener of a test.
    pub(in super::super) fn access(listener: &TcpListener) -> Access {
        let at = listener.local_addr().unwrap();
        Access {
            address: Address::new(&at.ip().to_string(), at.port()),
            resolve: false,
            user: Some("watch".into()),
            pass: Some(Secret("hunter2".into())),
            names: Names::default(),
            tls: None,
            me: RunId::from_number(7),
        }
    }

    /// Serves one connection: a line of replies for each read.
    async fn serve(listener: TcpListener, replies: &'static str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains("SETNAME") {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
        }
        stream.write_all(replies.as_bytes()).await.unwrap();
        String::from_utf8(seen).unwrap()
    }

    #[tokio::test]
    async fn the_login_is_sent_and_judged() {
        let table = [
            ("+OK\r\n+OK\r\n", None),
            ("-ERR Client sent AUTH, but no password is set\r\n+OK\r\n", None),
            ("-WRONGPASS invalid username-password pair\r\n-NOAUTH\r\n", Some(Cause::Denied)),
            ("HTTP/1.1 400\r\n\r\n", Some(Cause::Unreachable)),
            ("", Some(Cause::Closed)),
        ];
        for (replies, cause) in table {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let access = access(&listener);
            let server = tokio::spawn(serve(listener, replies));
            let dialled = dial(&access, Kind::Commands).await;
            assert_eq!(dialled.err(), cause, "{replies}");
            let seen = server.await.unwrap();
            assert!(seen.contains("watch") && seen.contains("hunter2") && seen.contains("sentinel-00000000-cmd"));
        }
    }

    #[tokio::test]
    async fn nobody_there_is_told_from_nowhere() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut access = access(&listener);
        drop(listener);
        assert_eq!(dial(&access, Kind::Commands).await.err(), Some(Cause::Refused));
        access.address = Address::new("no-such-host.invalid", 1);
        assert_eq!(dial(&access, Kind::Commands).await.err(), Some(Cause::Unreachable));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert_eq!(dial(&access(&listener), Kind::Commands).await.err(), Some(Cause::Unreachable));
    }

    #[test]
    fn secrets_are_not_shown() {
        let access = Access {
            address: Address::new("h", 1),
            resolve: false,
            user: None,
            pass: Some(Secret("hunter2".into())),
            names: Names::default(),
            tls: None,
            me: RunId::from_number(1),
        };
        assert!(!format!("{access:?}").contains("hunter2"));
    }
}
