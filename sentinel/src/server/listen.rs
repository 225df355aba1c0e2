//! Where the port listens, and accepting.
//!
//! Binding is apart from serving, so that a port in use is known before anything else has begun.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::clients::Client;
use super::users::Users;
use super::{Port, Wiring, connection, limits};
use crate::conf::{ServerConfig, TlsConfig};

/// A port that listens and serves nobody yet: connections wait.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<(TcpListener, Layer)>,
    config: ServerConfig,
    users: Users,
}

/// What is between TCP and the protocol.
#[derive(Clone)]
enum Layer {
    Nothing,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// Why the port cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// A word of `bind` is no address.
    #[error("`bind {0}`: an IP address, `*` or `::*` expected")]
    Address(String),
    /// The users cannot be read.
    #[error("{0}")]
    Users(String),
    /// Certificates, key or authorities cannot be used.
    #[error("{0}")]
    Tls(String),
    /// All addresses were optional and none is there, or there are none.
    #[error("there is nothing to listen at: set `port` or `tls-port`, and an address with `bind`")]
    Nowhere,
}

impl Server {
    /// Listens at the addresses of the configuration, which must be called within a tokio runtime.
    ///
    /// # Errors
    /// If an address that is not optional cannot be listened at, or the users cannot be read.
    pub fn bind(config: ServerConfig) -> Result<Self, BindError> {
        let users = Users::new(&config).map_err(BindError::Users)?;
        let mut listeners = Vec::new();
        let mut config = config;
        // With TLS a port of 0 means none; alone it means one that the kernel chooses.
        if config.tls.port == 0 || config.port != 0 {
            config.port = open(&config, config.port, &Layer::Nothing, &mut listeners)?;
        }
        if config.tls.port != 0 {
            config.tls.port = open(&config, config.tls.port, &encryption(&config.tls)?, &mut listeners)?;
        }
        if listeners.is_empty() {
            return Err(BindError::Nowhere);
        }
        Ok(Self { listeners, config, users })
    }

    /// That the files it needs can be used: users, certificates, keys.
    ///
    /// # Errors
    /// What [`bind`](Self::bind) would say of them.
    pub fn usable(config: &ServerConfig) -> Result<(), BindError> {
        Users::new(config).map_err(BindError::Users)?;
        match config.tls.port {
            0 => Ok(()),
            _ => encryption(&config.tls).map(drop),
        }
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|(listener, _)| listener.local_addr().ok()).collect()
    }

    /// The port that other sentinels are told: that of TLS if they come by TLS, or if there is no other.
    pub fn announced_port(&self) -> u16 {
        let (plain, tls) = (self.config.port, self.config.tls.port);
        if tls != 0 && (plain == 0 || self.config.tls.replication) { tls } else { plain }
    }

    /// Accepts and serves connections. Never ends by itself; dropping it closes the port and all connections.
    pub async fn serve(self, wiring: Wiring) {
        let port = Arc::new(Port::new(self.config, self.users, wiring));
        let mut accepting = JoinSet::new();
        for (listener, layer) in self.listeners {
            accepting.spawn(accept(listener, layer, port.clone()));
        }
        while accepting.join_next().await.is_some() {}
    }
}

/// Listens at every address of `bind`, at this port; the port, which the kernel may have chosen.
fn open(
    config: &ServerConfig,
    mut port: u16,
    layer: &Layer,
    listeners: &mut Vec<(TcpListener, Layer)>,
) -> Result<u16, BindError> {
    for word in &config.bind {
        let (address, optional) = match word.strip_prefix('-') {
            Some(address) => (address, true),
            None => (word.as_str(), false),
        };
        let ip = match address {
            "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            other => other.parse().map_err(|_| BindError::Address(word.clone()))?,
        };
        match listen(SocketAddr::new(ip, port), config.tcp_backlog) {
            Ok(listener) => {
                // A port chosen by the kernel is one for all addresses.
                port = listener.local_addr().map_or(port, |address| address.port());
                listeners.push((listener, layer.clone()));
            }
            Err(error) if optional && is_missing(&error) => {}
            Err(source) => return Err(BindError::Listen { address: format!("{address}:{port}"), source }),
        }
    }
    Ok(port)
}

#[cfg(feature = "tls")]
fn encryption(config: &TlsConfig) -> Result<Layer, BindError> {
    crate::tls::acceptor(config).map(Layer::Tls).map_err(BindError::Tls)
}

#[cfg(not(feature = "tls"))]
fn encryption(_: &TlsConfig) -> Result<Layer, BindError> {
    Err(BindError::Tls("`tls-port`: this program was built without the feature `tls`".to_owned()))
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        // Else it would take the port of IPv4, too, which is bound on its own.
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    socket.bind(address)?;
    socket.listen(backlog)
}

/// This machine has no such address, or not this kind of addresses.
fn is_missing(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    error.kind() == io::ErrorKind::AddrNotAvailable
        || [rustix::io::Errno::AFNOSUPPORT, rustix::io::Errno::PROTONOSUPPORT]
            .iter()
            .any(|e| code == Some(e.raw_os_error()))
}

async fn accept(listener: TcpListener, layer: Layer, port: Arc<Port>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => admit(stream, peer, &layer, &port, &mut connections),
            Err(_) => sleep(limits::ACCEPT_AGAIN).await,
        }
    }
}

fn admit(stream: TcpStream, peer: SocketAddr, layer: &Layer, port: &Arc<Port>, connections: &mut JoinSet<()>) {
    // Both only make things better; a connection that refuses them is about to end.
    let _ = stream.set_nodelay(true);
    let _ = keep_alive(&stream, port.config.tcp_keepalive);
    if port.config.protected_mode && port.users.open() && !peer.ip().is_loopback() {
        let text = "DENIED protected mode is on and the default user has no password: only connections from the loopback \
             interface are taken. Set `requirepass`, or `protected-mode no`.";
        return refuse(stream, text, layer, connections);
    }
    let local = stream.local_addr().map(|address| address.to_string()).unwrap_or_default();
    match port.clients.open(peer.to_string(), local, (port.clock)(), port.config.max_clients) {
        Some(client) => {
            connections.spawn(secure(stream, layer.clone(), client, port.clone()));
        }
        None => refuse(stream, "ERR max number of clients reached", layer, connections),
    }
}

/// Serves a connection once its encryption stands.
async fn secure(stream: TcpStream, layer: Layer, client: Arc<Client>, port: Arc<Port>) {
    match layer {
        Layer::Nothing => connection::serve(stream, client, port).await,
        #[cfg(feature = "tls")]
        Layer::Tls(acceptor) => {
            let _place = connection::Place { id: client.id, port: port.clone() };
            if let Ok(Ok(stream)) = tokio::time::timeout(limits::LOGIN, acceptor.accept(stream)).await {
                connection::serve(stream, client, port).await;
            }
        }
    }
}

/// Says why, without waiting for whether it is heard; before encryption stands there is no way to say anything.
fn refuse(mut stream: TcpStream, text: &'static str, layer: &Layer, connections: &mut JoinSet<()>) {
    if !matches!(layer, Layer::Nothing) {
        return;
    }
    connections.spawn(async move {
        let line = format!("-{text}\r\n");
        let _ = tokio::time::timeout(limits::GOODBYE, stream.write_all(line.as_bytes())).await;
    });
}

fn keep_alive(stream: &TcpStream, seconds: u64) -> io::Result<()> {
    use rustix::net::sockopt;
    if seconds > 0 {
        let period = std::time::Duration::from_secs(seconds.min(32_767));
        sockopt::set_socket_keepalive(stream, true)?;
        sockopt::set_tcp_keepidle(stream, period)?;
        sockopt::set_tcp_keepintvl(stream, (period / 3).max(std::time::Duration::from_secs(1)))?;
        sockopt::set_tcp_keepcnt(stream, 3)?;
    }
    Ok(())
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            #[cfg(feature = "tls")]
            Self::Tls(_) => "Tls",
        })
    }
}
