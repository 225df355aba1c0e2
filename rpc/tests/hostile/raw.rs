//! Peers below any library: HTTP/2 frames as bytes.

use bytes::{Buf, BytesMut};
use mainstay::transport::BoxIo;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GO_AWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame's bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// What a client says first, with settings.
pub(crate) fn hello(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in settings {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    [PREFACE, &frame(SETTINGS, 0, 0, &payload)].concat()
}

/// SETTINGS_INITIAL_WINDOW_SIZE.
pub(crate) const INITIAL_WINDOW: u16 = 4;

/// The head of a request, each field written out.
pub(crate) fn head(method: &str) -> Vec<u8> {
    let path = format!("/hostile.v1.Desk/{method}");
    let mut block = vec![0x83, 0x86];
    for (name, value) in [(":path", path.as_str()), (":authority", "desk"), ("content-type", "application/grpc")] {
        block.extend(literal(0, name, value));
    }
    block
}

/// One header; `first` 0 leaves it out of the compression's table, 0x40 puts it in. Short texts only.
pub(crate) fn literal(first: u8, name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![first];
    for text in [name, value] {
        assert!(text.len() < 127);
        bytes.push(text.len() as u8);
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// A whole unary request.
pub(crate) fn call(stream: u32, method: &str, body: &[u8]) -> Vec<u8> {
    [frame(HEADERS, END_HEADERS, stream, &head(method)), frame(DATA, END_STREAM, stream, body)].concat()
}

/// One frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection of frames.
pub(crate) struct Raw {
    io: BoxIo,
    read: BytesMut,
}

impl Raw {
    pub(crate) fn new(io: BoxIo) -> Self {
        Self { io, read: BytesMut::new() }
    }

    /// A client that has said hello.
    pub(crate) async fn greet(io: BoxIo, settings: &[(u16, u32)]) -> Self {
        let mut raw = Self::new(io);
        raw.write(&hello(settings)).await.unwrap();
        raw
    }

    /// A server's end that has shaken hands.
    pub(crate) async fn accept(mut io: BoxIo) -> Self {
        let mut preface = [0; PREFACE.len()];
        io.read_exact(&mut preface).await.unwrap();
        let mut raw = Self::new(io);
        raw.write(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        // A client asks first whether anyone is there.
        if let Some(ping) = raw.until(PING).await {
            raw.write(&frame(PING, ACK, 0, &ping.payload)).await.unwrap();
        }
        raw
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await
    }

    /// The next frame; `None` when the connection has ended, however.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if self.read.len() >= 9 {
                let len = u32::from_be_bytes([0, self.read[0], self.read[1], self.read[2]]) as usize;
                if self.read.len() >= 9 + len {
                    let head = self.read.split_to(9);
                    let payload = self.read.split_to(len).to_vec();
                    let stream = (&head[5..9]).get_u32();
                    return Some(Frame { kind: head[3], flags: head[4], stream, payload });
                }
            }
            if self.io.read_buf(&mut self.read).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Reads until a frame of a kind; `None` when the connection ends before.
    pub(crate) async fn until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            match self.next().await {
                Some(frame) if frame.kind == kind => return Some(frame),
                Some(_) => {}
                None => return None,
            }
        }
    }

    /// Reads to the end, and says with which error the connection was given up, if with one.
    pub(crate) async fn end(&mut self) -> Option<u32> {
        let mut error = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GO_AWAY {
                error = Some((&frame.payload[4..8]).get_u32());
            }
        }
        error
    }
}
