//! Finds messages in the bytes that a peer sends.
//!
//! A message that came in one piece is not copied. One that came in several is gathered, growing with what has really
//! arrived, so a peer that announces much and sends nothing costs nothing.

use crate::call::Frame;
use crate::transport::gzip;
use bytes::{Buf, Bytes, BytesMut};

const PREFIX: usize = 5;

/// Why the bytes are no messages.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum DeframeError {
    #[error("a message of {len} bytes is larger than the limit of {limit}")]
    TooLarge { len: usize, limit: usize },
    #[error("the first byte of a message is {0}, not 0 or 1")]
    BadFlag(u8),
    #[error("a message is compressed, but no encoding was named")]
    NoEncoding,
    #[error("a message is no gzip: {0}")]
    Gzip(String),
    #[error("the stream ended inside a message")]
    Truncated,
}

/// Cuts a stream of bytes into messages.
#[derive(Debug)]
pub(crate) struct Deframer {
    /// What has come and was not used; the common case.
    chunk: Bytes,
    /// The beginning of a message that did not come in one piece.
    partial: BytesMut,
    limit: usize,
    gzip: bool,
}

impl Deframer {
    /// Takes messages of up to `limit` bytes, counted after decompression.
    pub(crate) fn new(limit: usize, gzip: bool) -> Self {
        Self { chunk: Bytes::new(), partial: BytesMut::new(), limit, gzip }
    }

    /// Adds what came.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if !self.chunk.is_empty() {
            self.partial.extend_from_slice(&self.chunk);
        }
        self.chunk = chunk;
    }

    /// The next whole message; `None` until more has come.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, DeframeError> {
        if self.partial.is_empty() {
            let Some(len) = self.length(&self.chunk)? else { return Ok(None) };
            if self.chunk.len() >= len {
                let framed = self.chunk.split_to(len);
                return self.unpack(framed).map(Some);
            }
        }
        self.gather()
    }

    /// Nothing more comes.
    pub(crate) fn finish(&self) -> Result<(), DeframeError> {
        if self.chunk.is_empty() && self.partial.is_empty() { Ok(()) } else { Err(DeframeError::Truncated) }
    }

    fn gather(&mut self) -> Result<Option<Frame>, DeframeError> {
        loop {
            let want = self.length(&self.partial)?.unwrap_or(PREFIX);
            let take = want.saturating_sub(self.partial.len()).min(self.chunk.len());
            self.partial.extend_from_slice(&self.chunk[..take]);
            self.chunk.advance(take);
            if self.partial.len() < want {
                return Ok(None);
            }
            if self.length(&self.partial)?.is_some_and(|len| len == self.partial.len()) {
                let framed = std::mem::take(&mut self.partial).freeze();
                return self.unpack(framed).map(Some);
            }
        }
    }

    /// How long the message that begins here is, its prefix counted.
    fn length(&self, bytes: &[u8]) -> Result<Option<usize>, DeframeError> {
        let Some((prefix, _)) = bytes.split_first_chunk::<PREFIX>() else { return Ok(None) };
        match prefix[0] {
            0 => {}
            1 if self.gzip => {}
            1 => return Err(DeframeError::NoEncoding),
            flag => return Err(DeframeError::BadFlag(flag)),
        }
        let len = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        if len > self.limit {
            return Err(DeframeError::TooLarge { len, limit: self.limit });
        }
        Ok(Some(PREFIX + len))
    }

    fn unpack(&self, framed: Bytes) -> Result<Frame, DeframeError> {
        if framed[0] == 0 {
            return Ok(Frame::from_framed(framed));
        }
        let message = gzip::decompress(&framed[PREFIX..], self.limit)?;
        Ok(Frame::from_message(&message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(deframer: &mut Deframer) -> Result<Vec<Bytes>, DeframeError> {
        let mut found = Vec::new();
        while let Some(frame) = deframer.next()? {
            found.push(frame.message());
        }
        Ok(found)
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            packed in any::<u8>(),
            cuts in prop::collection::vec(1usize..30, 0..40),
        ) {
            let mut wire = BytesMut::new();
            for (i, message) in messages.iter().enumerate() {
                let frame = Frame::from_message(message);
                match packed >> (i % 8) & 1 {
                    0 => wire.extend_from_slice(frame.framed()),
                    _ => wire.extend_from_slice(&gzip::compress(&frame)),
                }
            }
            let mut wire = wire.freeze();
            let mut deframer = Deframer::new(100, true);
            let mut found = Vec::new();
            let mut cuts = cuts.into_iter();
            while !wire.is_empty() {
                let n = cuts.next().unwrap_or(usize::MAX).min(wire.len());
                deframer.push(wire.split_to(n));
                found.extend(all(&mut deframer).unwrap());
            }
            prop_assert_eq!(found, messages);
            prop_assert_eq!(deframer.finish(), Ok(()));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases: [(&[u8], DeframeError); 4] = [
            (&[0, 0, 0, 0, 11], DeframeError::TooLarge { len: 11, limit: 10 }),
            (&[0, 255, 255, 255, 255], DeframeError::TooLarge { len: u32::MAX as usize, limit: 10 }),
            (&[1, 0, 0, 0, 1, 0], DeframeError::NoEncoding),
            (&[7, 0, 0, 0, 1, 0], DeframeError::BadFlag(7)),
        ];
        for (bytes, error) in cases {
            let mut whole = Deframer::new(10, false);
            whole.push(Bytes::copy_from_slice(bytes));
            assert_eq!(all(&mut whole), Err(error));
        }
        let mut cut = Deframer::new(10, false);
        cut.push(Bytes::from_static(&[0, 0, 0, 0, 2, 1]));
        assert_eq!(all(&mut cut), Ok(vec![]));
        assert_eq!(cut.finish(), Err(DeframeError::Truncated));
    }

    #[test]
    fn a_small_message_that_unpacks_into_a_large_one_is_refused() {
        let bomb = gzip::compress(&Frame::from_message(&vec![0; 100_000]));
        let mut deframer = Deframer::new(10_000, true);
        deframer.push(bomb);
        assert_eq!(deframer.next().unwrap_err(), DeframeError::TooLarge { len: 10_001, limit: 10_000 });
    }
}
