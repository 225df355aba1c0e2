//! The one compression that every peer knows.

use super::deframe::DeframeError;
use crate::call::Frame;
use bytes::{BufMut, Bytes};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use std::io::{Read, Write};

/// Below this a message only grows: gzip's own head and tail are 18 bytes, and small messages hold few repetitions.
pub(crate) const WORTH_IT: usize = 512;

/// A message with its prefix, compressed.
pub(crate) fn compress(frame: &Frame) -> Bytes {
    let mut out = Vec::with_capacity(frame.len() / 2 + 32);
    out.put_bytes(0, 5);
    let mut encoder = GzEncoder::new(out, Compression::fast());
    // Writing into memory does not fail.
    let mut out = match encoder.write_all(&frame.message()).and_then(|()| encoder.finish()) {
        Ok(out) => out,
        Err(_) => return frame.framed().clone(),
    };
    let len = (out.len() - 5) as u32;
    out[0] = 1;
    out[1..5].copy_from_slice(&len.to_be_bytes());
    out.into()
}

/// Unpacks a message of at most `limit` bytes, and not one byte more of a longer one.
pub(crate) fn decompress(packed: &[u8], limit: usize) -> Result<Vec<u8>, DeframeError> {
    let mut out = Vec::with_capacity(packed.len().saturating_mul(2).min(limit));
    let mut decoder = GzDecoder::new(packed).take(limit as u64 + 1);
    decoder.read_to_end(&mut out).map_err(|error| DeframeError::Gzip(error.to_string()))?;
    if out.len() > limit {
        return Err(DeframeError::TooLarge { len: out.len(), limit });
    }
    Ok(out)
}
