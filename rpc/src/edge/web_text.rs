//! gRPC-Web's text form: a stream in base64 that may be cut anywhere, and padded anywhere.
//!
//! A sender encodes what it has and pads it, then goes on; so padding may stand in the middle, and a group of four
//! characters may come in pieces.
//!
//! Pure: no body, no stream, only bytes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};

/// Why text is no base64.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum BadText {
    #[error("the body is no base64: {0}")]
    Garbled(String),
    #[error("the body ended inside a group of four characters of base64")]
    Truncated,
}

/// Decodes a stream of text.
#[derive(Debug, Default)]
pub(crate) struct TextDecoder {
    /// What has come of a group that is not whole.
    partial: Vec<u8>,
}

impl TextDecoder {
    /// Decodes as much as can be with what came.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<Bytes, BadText> {
        self.partial.extend_from_slice(chunk);
        let whole = self.partial.len() / 4 * 4;
        let mut out = BytesMut::with_capacity(whole / 4 * 3);
        let mut rest = &self.partial[..whole];
        while !rest.is_empty() {
            // Up to the group that is padded, if one is.
            let run = match rest.iter().position(|&byte| byte == b'=') {
                Some(at) => at / 4 * 4 + 4,
                None => rest.len(),
            };
            let (run, after) = rest.split_at(run);
            out.extend_from_slice(&STANDARD.decode(run).map_err(|error| BadText::Garbled(error.to_string()))?);
            rest = after;
        }
        self.partial.drain(..whole);
        Ok(out.freeze())
    }

    /// Nothing more comes.
    pub(crate) fn finish(&self) -> Result<(), BadText> {
        if self.partial.is_empty() { Ok(()) } else { Err(BadText::Truncated) }
    }
}

/// Encodes a piece, padded.
pub(crate) fn encode(piece: &[u8]) -> Bytes {
    STANDARD.encode(piece).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever was encoded piece by piece is found, however the text is cut on its way.
        #[test]
        fn any_pieces_and_any_cuts(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            cuts in prop::collection::vec(0usize..30, 0..60),
        ) {
            let text: Vec<u8> = pieces.iter().flat_map(|piece| encode(piece)).collect();
            let (mut decoder, mut found, mut rest) = (TextDecoder::default(), Vec::new(), text.as_slice());
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (chunk, after) = rest.split_at(cut.min(rest.len()));
                found.extend_from_slice(&decoder.push(chunk).unwrap());
                rest = after;
            }
            prop_assert_eq!(found, pieces.concat());
            prop_assert_eq!(decoder.finish(), Ok(()));
        }

        #[test]
        fn nonsense_is_an_error_and_never_a_panic(chunks in prop::collection::vec("\\PC{0,12}", 0..6)) {
            let mut decoder = TextDecoder::default();
            for chunk in chunks {
                if decoder.push(chunk.as_bytes()).is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(matches!(TextDecoder::default().push(b"a*b="), Err(BadText::Garbled(_))));
        assert!(matches!(TextDecoder::default().push(b"=abc"), Err(BadText::Garbled(_))));
        let mut cut = TextDecoder::default();
        cut.push(b"AAAAA").unwrap();
        assert_eq!(cut.finish(), Err(BadText::Truncated));
    }
}
