//! The Redis serialization protocol, versions 2 and 3, both ways, without IO.
//!
//! Decoders take bytes as they come and remember how far they are, so a message in a thousand pieces costs no more than
//! one in a single piece. Whatever a peer sends is bounded: length of a line, of a string, of a list, of the whole
//! message, and depth. After an error the stream cannot be understood any more: answer if you like, and close.
//!
//! | file | what it is |
//! |---|---|
//! | `request` | commands as a server reads them: arrays of bulk strings, or a line of words |
//! | `words` | the quoting rules of such a line, which `sentinel.conf` shares |
//! | `value` | a reply, of either version |
//! | `encode` | replies and commands to bytes |
//! | `reply` | replies as a client reads them |

mod encode;
mod error;
mod reply;
mod request;
mod value;
mod words;

pub use encode::{Version, encode_command};
pub use error::{ProtocolError, ReplyError};
pub use reply::{ReplyDecoder, ReplyLimits};
pub use request::{RequestDecoder, RequestLimits};
pub use value::Value;
pub use words::{UnbalancedQuotes, quote, split_words};

/// A whole number as Redis reads it in a protocol and in arguments: no plus sign, no leading zero, no blank.
pub fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if canonical { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_as_redis_reads_them() {
        for (text, number) in [("0", 0), ("7", 7), ("-7", -7), ("9223372036854775807", i64::MAX)] {
            assert_eq!(integer(text.as_bytes()), Some(number), "{text}");
        }
        for text in ["", "-", "+1", "01", "-0", " 1", "1 ", "1a", "9223372036854775808", "0x1"] {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
        assert_eq!(integer(i64::MIN.to_string().as_bytes()), Some(i64::MIN));
    }
}
