//! HTTP/2 by hand: frames as an attacker writes them, well formed or not.

use super::bed::{Gateway, SOON};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const ACK: u8 = 1;

/// A connection of HTTP/2.
pub(crate) struct Raw(TcpStream);

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code of an error that the frame brings, if it is one that ends a stream or the connection.
    pub(crate) fn error(&self) -> Option<u32> {
        let at = match self.kind {
            RST_STREAM => 0,
            GOAWAY => 4,
            _ => return None,
        };
        Some(u32::from_be_bytes(self.payload.get(at..at + 4)?.try_into().ok()?))
    }
}

impl Raw {
    /// Connects and says that it speaks HTTP/2, with these settings.
    pub(crate) fn open(gateway: &Gateway, settings: &[(u16, u32)]) -> Self {
        let mut stream = gateway.connect();
        stream.set_write_timeout(Some(SOON)).expect("a timeout");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("the preface");
        let mut raw = Self(stream);
        let settings: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        assert!(raw.send(SETTINGS, 0, 0, &settings));
        raw
    }

    /// Gives up soon what nobody takes.
    pub(crate) fn shorten(&self) {
        self.0.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    }

    /// Sends a frame; false when nobody takes it any more.
    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.0.write_all(&frame(kind, flags, stream, payload)).is_ok()
    }

    /// Sends many at once; false when nobody takes them any more.
    pub(crate) fn send_all(&mut self, frames: &[u8]) -> bool {
        self.0.write_all(frames).is_ok()
    }

    /// The connection has ended: nothing more comes.
    pub(crate) fn is_over(&mut self) -> bool {
        while self.next().is_some() {}
        true
    }

    /// The next frame; `None` when the connection has ended.
    ///
    /// # Panics
    /// When neither comes.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        if let Err(error) = self.0.read_exact(&mut head) {
            let waited = matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
            assert!(!waited, "neither a frame nor an end has come");
            return None;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        Some(Frame { kind: head[3], stream, payload })
    }

    /// The first frame that is wanted, if one comes before the end.
    pub(crate) fn find(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(wanted)
    }
}

/// A frame's bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A block of headers, each spelt out (HPACK: literal without indexing). No name and no value is longer than 126 bytes.
pub(crate) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8][..], text.as_bytes()].concat();
    headers.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// The head of `GET path`, with more headers.
pub(crate) fn get(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let head = [(":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", path)];
    block(&[&head[..], more].concat())
}
