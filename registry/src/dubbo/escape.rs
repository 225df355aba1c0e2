//! The dialect of percent-encoding that Dubbo writes names of nodes in: `java.net.URLEncoder`'s, UTF-8. Pure.
//!
//! Letters, digits and `.-*_` stay, a space becomes `+`, every other byte `%XX`. The digits must be in upper case: Dubbo
//! Java's parser looks for the very texts `%3F`, `%26` and `%3D`.

/// Why a text cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Garbled {
    /// It is longer than what is taken.
    #[error("it is longer than what is taken")]
    TooLong,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("a `%` is not followed by two hexadecimal digits")]
    Percent,
    /// The bytes are not UTF-8.
    #[error("the bytes are not UTF-8")]
    NotUtf8,
}

/// `text` as `java.net.URLEncoder` writes it.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            byte if byte.is_ascii_alphanumeric() || b".-*_".contains(&byte) => out.push(char::from(byte)),
            byte => percent(&mut out, byte),
        }
    }
    out
}

/// What [`encode`] made `text` of, with hexadecimal digits in either case.
///
/// # Errors
/// A text of more than `limit` bytes, a bad `%`, bytes that are not UTF-8.
pub fn decode(text: &str, limit: usize) -> Result<String, Garbled> {
    if text.len() > limit {
        return Err(Garbled::TooLong);
    }
    bytes_of(text, true)
}

/// A value inside a URL that is encoded as a whole afterwards: what no reader can mistake stays, every other byte becomes
/// `%XX`. Peers decode once and split then, so `&`, `=`, `%` and `+` must not stand there.
pub(crate) fn encode_value(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"._,:/-*".contains(&byte) => out.push(char::from(byte)),
            byte => percent(&mut out, byte),
        }
    }
    out
}

/// What [`encode_value`] made `text` of. Peers do not encode values, so one that cannot be decoded is taken as it is, and
/// a `+` is a plus.
pub(crate) fn decode_value(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    bytes_of(text, false).unwrap_or_else(|_| text.to_owned())
}

pub(super) fn percent(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

fn bytes_of(text: &str, plus_is_space: bool) -> Result<String, Garbled> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' if plus_is_space => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let pair = digit().and_then(|high| Some(high * 16 + digit()?));
                pair.and_then(|pair| u8::try_from(pair).ok()).ok_or(Garbled::Percent)?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| Garbled::NotUtf8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_what_java_writes() {
        for (plain, encoded) in [
            ("tri://10.0.0.5:50051/a.B?x=1&y=*", "tri%3A%2F%2F10.0.0.5%3A50051%2Fa.B%3Fx%3D1%26y%3D*"),
            ("a b", "a+b"),
            ("a+b~", "a%2Bb%7E"),
            ("grün", "gr%C3%BCn"),
            ("-_.", "-_."),
            ("", ""),
        ] {
            assert_eq!(encode(plain), encoded);
            assert_eq!(decode(encoded, 100).as_deref(), Ok(plain));
        }
    }

    #[test]
    fn what_is_garbled_is_refused() {
        for (text, why) in
            [("%", Garbled::Percent), ("%4", Garbled::Percent), ("%4x", Garbled::Percent), ("%FF", Garbled::NotUtf8)]
        {
            assert_eq!(decode(text, 100), Err(why), "{text}");
        }
        assert_eq!(decode("abcd", 3), Err(Garbled::TooLong));
        assert_eq!(decode("%3f%3F", 100).as_deref(), Ok("??"));
    }

    #[test]
    fn values_of_peers_that_do_not_encode_them_stay() {
        for (text, value) in [("50%", "50%"), ("a+b", "a+b"), ("a%20b", "a b"), ("%FF", "%FF")] {
            assert_eq!(decode_value(text), value);
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text in any::<String>()) {
            prop_assert_eq!(decode(&encode(&text), usize::MAX), Ok(text.clone()));
            let value = encode_value(&text);
            prop_assert!(!value.contains(['&', '=', '+', '?', ' ']));
            prop_assert_eq!(decode_value(&value), text);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = String::from_utf8_lossy(&bytes);
            let _ = decode(&text, 100);
            let _ = decode_value(&text);
        }
    }
}
