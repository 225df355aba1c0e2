//! Free ports, below those that the kernel gives to connections: a server that is away for a while must find its own free when
//! it comes back, and no connection that was made meanwhile may have it.
//!
//! A program that can should bind port 0 and say what it got; these are for the many that cannot.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::{fs, io, time::Duration};

use crate::wait::poll;

/// The first port that is drawn.
const FIRST: u16 = 12_000;
/// How often one is drawn before the kernel is asked for any.
const DRAWS: u64 = 200;
/// The ports that Linux gives to connections when nobody says otherwise begin here.
const CONNECTIONS: u16 = 32_768;

/// A TCP port of 127.0.0.1 on which nobody listens now.
///
/// # Errors
/// When the kernel has none.
pub fn free() -> io::Result<u16> {
    Ok(frees::<1>()?[0])
}

/// `N` different free ports: all are held until the last one is found.
///
/// # Errors
/// When the kernel has not as many.
pub fn frees<const N: usize>() -> io::Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = draw()?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn draw() -> io::Result<TcpListener> {
    let many = u64::from(first_of_connections().saturating_sub(FIRST)).max(1);
    let drawn = (0..DRAWS).map(|_| FIRST + (RandomState::new().hash_one(0u8) % many) as u16);
    let found = drawn.map(|port| (Ipv4Addr::LOCALHOST, port)).find_map(|at| TcpListener::bind(at).ok());
    found.map_or_else(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)), Ok)
}

/// The first port that the kernel gives to connections.
pub fn first_of_connections() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(CONNECTIONS)
}

/// Whether something accepts connections at `addr` now.
pub fn accepts(addr: SocketAddr) -> bool {
    std::net::TcpStream::connect_timeout(&addr, Duration::from_millis(200)).is_ok()
}

/// Waits until something accepts connections at `addr`; false when nothing does within `deadline`.
pub fn wait_open(addr: SocketAddr, deadline: Duration) -> bool {
    poll(deadline, || accepts(addr).then_some(())).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_can_be_bound() {
        let mut ports = frees::<16>().unwrap();
        // Not at once: a process that another test is just starting holds copies of the listeners from its fork until its
        // exec. And the kernel may have given one of the ports to another test meanwhile, which ends within the deadline.
        for port in ports {
            let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
            crate::eventually(Duration::from_secs(30), &format!("the free port {port} can be bound"), bind);
        }
        let below = first_of_connections();
        assert!(below <= FIRST || ports.iter().all(|port| *port < below), "{ports:?}, {below}");
        ports.sort_unstable();
        assert!(ports.windows(2).all(|w| w[0] != w[1]), "{ports:?}");
    }

    #[test]
    fn an_open_port_is_told_from_a_closed_one() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        assert!(wait_open(addr, Duration::from_secs(5)));
        drop(listener);
        // Not at once: a process that another test is just starting holds a copy until its exec.
        crate::eventually(Duration::from_secs(5), "the port is closed", || !accepts(addr));
    }
}
