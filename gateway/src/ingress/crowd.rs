//! Connections of one address: so many at once, and no more. One too many is closed before a byte of it is read.
//!
//! Of IPv6 a /64 is one address: whoever has one of them has them all. Proxies that the file trusts bring many clients, and
//! are not counted.

use super::Cidr;
use crate::config::ListenerConfig;
use mainstay::{
    call::BoxFuture,
    transport::{Accept, Accepted, BoxIo},
};
use metrics::counter;
use std::{
    collections::HashMap,
    io::{self, IoSlice},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Connections that were closed, since their address had as many as it may.
const CROWDED: &str = "mainstay_gateway_connections_refused_total";

/// Accepts no more than so many connections of an address.
#[derive(Debug)]
pub(crate) struct CrowdAccept<A> {
    accept: A,
    /// `None`: any number.
    most: Option<usize>,
    spared: Vec<Cidr>,
    crowd: Crowd,
}

/// Connections by address.
#[derive(Clone, Debug, Default)]
struct Crowd(Arc<Mutex<HashMap<Cidr, usize>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
struct Place {
    crowd: Crowd,
    of: Cidr,
}

impl Crowd {
    /// Takes a place; `None` when there is none.
    fn enter(&self, ip: IpAddr, most: usize) -> Option<Place> {
        let of = Cidr::around(ip.to_canonical(), if ip.to_canonical().is_ipv4() { 32 } else { 64 });
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(of).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { crowd: self.clone(), of })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.of);
            }
        }
    }
}

impl<A> CrowdAccept<A> {
    pub(crate) fn new(accept: A, listener: &ListenerConfig) -> Self {
        let most = listener.max_connections_per_ip.map(|most| most as usize);
        Self { accept, most, spared: listener.trusted_proxies.clone(), crowd: Crowd::default() }
    }
}

impl<A: Accept> Accept for CrowdAccept<A> {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async {
            loop {
                let mut accepted = self.accept.accept().await?;
                let (Some(most), Some(address)) = (self.most, accepted.address) else { return Ok(accepted) };
                if self.spared.iter().any(|range| range.holds(address.ip())) {
                    return Ok(accepted);
                }
                if let Some(place) = self.crowd.enter(address.ip(), most) {
                    accepted.io = Box::new(Counted { io: accepted.io, _place: place });
                    return Ok(accepted);
                }
                counter!(CROWDED).increment(1);
            }
        })
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.accept.local_address()
    }
}

/// A connection that has a place.
struct Counted {
    io: BoxIo,
    _place: Place,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_an_address_and_a_whole_64_of_ipv6_is_one() {
        let crowd = Crowd::default();
        let enter = |ip: &str| crowd.enter(ip.parse().unwrap(), 2);
        let (one, _two) = (enter("10.0.0.1").unwrap(), enter("::ffff:10.0.0.1").unwrap());
        assert!(enter("10.0.0.1").is_none() && enter("10.0.0.2").is_some());
        drop(one);
        let _three = enter("10.0.0.1").unwrap();
        let all: Vec<_> = ["fd00::1", "fd00::2", "fd00::3", "fd00:0:0:1::1"].map(enter).into_iter().collect();
        assert_eq!(all.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true]);
        drop(all);
        assert_eq!(crowd.0.lock().unwrap().len(), 1, "who is gone is forgotten");
    }
}
