//! Messages as bytes: one, or a stream of them.
//!
//! A [`Frame`] keeps the five bytes that gRPC puts before a message in place, because then the transport sends what
//! the stub encoded without copying it again, and a retry clones a pointer.

use super::Status;
use bytes::{BufMut, Bytes, BytesMut};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};
use tonic::metadata::MetadataMap;

/// The flag byte and the big-endian length that gRPC puts before each message.
pub(crate) const PREFIX: usize = 5;

/// One message with its gRPC prefix in place, uncompressed. A clone copies a pointer.
#[derive(Clone)]
pub struct Frame(Bytes);

impl Frame {
    /// Encodes a message.
    pub fn encode<M: prost::Message>(message: &M) -> Self {
        let len = message.encoded_len();
        let mut buf = Vec::with_capacity(PREFIX + len);
        put(message, len, &mut buf);
        Self(Bytes::from(buf))
    }

    /// Puts the prefix before bytes that are a message already. Copies.
    pub fn from_message(message: &[u8]) -> Self {
        let mut buf = Vec::with_capacity(PREFIX + message.len());
        buf.put_u8(0);
        buf.put_u32(message.len() as u32);
        buf.extend_from_slice(message);
        Self(Bytes::from(buf))
    }

    /// Takes bytes that begin with the prefix of an uncompressed message and hold nothing but that message.
    pub(crate) fn from_framed(bytes: Bytes) -> Self {
        debug_assert!(bytes.len() >= PREFIX && bytes[0] == 0);
        Self(bytes)
    }

    /// The message without its prefix.
    pub fn message(&self) -> Bytes {
        self.0.slice(PREFIX..)
    }

    /// The message with its prefix: what goes out.
    pub fn framed(&self) -> &Bytes {
        &self.0
    }

    /// The length of the message in bytes, its prefix not counted.
    pub fn len(&self) -> usize {
        self.0.len() - PREFIX
    }

    /// The message is empty, as one of default values is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Decodes the message.
    ///
    /// # Errors
    /// When the bytes are not such a message.
    pub fn decode<M: prost::Message + Default>(&self) -> Result<M, prost::DecodeError> {
        M::decode(self.message())
    }
}

/// Writes a message with its prefix.
pub(crate) fn put<M: prost::Message>(message: &M, len: usize, buf: &mut impl BufMut) {
    buf.put_u8(0);
    buf.put_u32(len as u32);
    message.encode_raw(buf);
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.len())
    }
}

/// A stream of messages that may end with metadata.
///
/// Dropping it before its end cancels the call. Polling it is cancel safe: no message is lost between polls.
pub trait Frames: Send {
    /// The next message; `None` after the last. After an error or `None` it is not polled again.
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>>;

    /// The next message, written with its prefix behind what is in `buf` already. A stream that makes its messages
    /// writes each in place; the result is that of [`poll_frame`](Self::poll_frame).
    fn poll_encode(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<Option<Result<(), Status>>> {
        self.poll_frame(cx).map_ok(|frame| buf.extend_from_slice(frame.framed()))
    }

    /// The metadata that came after the last message. Empty before that.
    fn take_trailers(self: Pin<&mut Self>) -> MetadataMap {
        MetadataMap::new()
    }
}

/// A boxed stream of messages.
pub type FrameStream = Pin<Box<dyn Frames>>;

/// What one side of a call sends.
pub enum Payload {
    /// One message, which may be sent again.
    One(Frame),
    /// A stream, which may not.
    Stream(FrameStream),
}

impl Payload {
    /// A second payload of the same message; `None` for a stream.
    pub fn try_clone(&self) -> Option<Self> {
        match self {
            Self::One(frame) => Some(Self::One(frame.clone())),
            Self::Stream(_) => None,
        }
    }

    /// The payload as a stream.
    pub fn into_stream(self) -> FrameStream {
        match self {
            Self::One(frame) => Box::pin(Once(Some(frame))),
            Self::Stream(stream) => stream,
        }
    }
}

impl Payload {
    /// Puts something around a stream; one message stays as it is.
    pub(crate) fn wrap(&mut self, wrap: impl FnOnce(FrameStream) -> FrameStream) {
        if let Self::Stream(stream) = self {
            // A box of nothing is no allocation.
            let empty: FrameStream = Box::pin(Empty);
            *stream = wrap(std::mem::replace(stream, empty));
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(frame) => write!(f, "One({} bytes)", frame.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// A stream of nothing.
pub(crate) struct Empty;

impl Frames for Empty {
    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        Poll::Ready(None)
    }
}

struct Once(Option<Frame>);

impl Frames for Once {
    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame, Status>>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_keeps_its_prefix_in_place() {
        let frame = Frame::encode(&"abc".to_owned());
        assert_eq!(frame.framed().as_ref(), [0, 0, 0, 0, 5, 10, 3, b'a', b'b', b'c']);
        assert_eq!(frame.decode::<String>().unwrap(), "abc");
        assert_eq!(Frame::from_message(&frame.message()).framed(), frame.framed());
    }

    #[test]
    fn an_empty_message_is_a_prefix() {
        let frame = Frame::encode(&());
        assert!(frame.is_empty());
        assert_eq!(frame.framed().as_ref(), [0; 5]);
    }
}
