//! Replies and commands to bytes.

use super::value::Value;
use bytes::{BufMut, BytesMut};

/// Which version a client speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// The one every client knows; every connection begins with it.
    #[default]
    Resp2,
    /// The one with maps, chosen by `HELLO 3`.
    Resp3,
}

impl Version {
    /// Its number.
    pub fn number(self) -> i64 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }
}

impl Value {
    /// Appends the reply to `out`.
    pub fn encode(&self, version: Version, out: &mut BytesMut) {
        let new = version == Version::Resp3;
        match self {
            Self::Simple(text) => line(b'+', text, out),
            Self::Error(text) => line(b'-', text, out),
            Self::Integer(number) => head(b':', *number, out),
            Self::Bulk(text) => string(b'$', text, out),
            Self::Null if new => out.put_slice(b"_\r\n"),
            Self::NullArray if new => out.put_slice(b"_\r\n"),
            Self::Null => out.put_slice(b"$-1\r\n"),
            Self::NullArray => out.put_slice(b"*-1\r\n"),
            Self::Array(items) => list(b'*', items, version, out),
            Self::Set(items) => list(if new { b'~' } else { b'*' }, items, version, out),
            Self::Push(items) => list(if new { b'>' } else { b'*' }, items, version, out),
            Self::Map(pairs) => map(pairs, version, out),
            Self::Double(number) if new => line(b',', double(*number).as_bytes(), out),
            Self::Double(number) => string(b'$', double(*number).as_bytes(), out),
            Self::Boolean(truth) if new => out.put_slice(if *truth { b"#t\r\n" } else { b"#f\r\n" }),
            Self::Boolean(truth) => head(b':', i64::from(*truth), out),
            Self::BigNumber(digits) if new => line(b'(', digits, out),
            Self::BigNumber(digits) => string(b'$', digits, out),
            Self::Verbatim(format, text) if new => {
                head(b'=', len(text.len() + 4), out);
                out.put_slice(format);
                out.put_u8(b':');
                out.put_slice(text);
                out.put_slice(b"\r\n");
            }
            Self::Verbatim(_, text) => string(b'$', text, out),
        }
    }
}

/// Appends a command as a client sends it.
pub fn encode_command<T: AsRef<[u8]>>(words: &[T], out: &mut BytesMut) {
    head(b'*', len(words.len()), out);
    for word in words {
        string(b'$', word.as_ref(), out);
    }
}

fn list(kind: u8, items: &[Value], version: Version, out: &mut BytesMut) {
    head(kind, len(items.len()), out);
    for item in items {
        item.encode(version, out);
    }
}

fn map(pairs: &[(Value, Value)], version: Version, out: &mut BytesMut) {
    match version {
        Version::Resp3 => head(b'%', len(pairs.len()), out),
        Version::Resp2 => head(b'*', len(pairs.len() * 2), out),
    }
    for (key, value) in pairs {
        key.encode(version, out);
        value.encode(version, out);
    }
}

fn string(kind: u8, text: &[u8], out: &mut BytesMut) {
    head(kind, len(text.len()), out);
    out.put_slice(text);
    out.put_slice(b"\r\n");
}

fn line(kind: u8, text: &[u8], out: &mut BytesMut) {
    out.put_u8(kind);
    out.put_slice(text);
    out.put_slice(b"\r\n");
}

fn head(kind: u8, number: i64, out: &mut BytesMut) {
    let (mut digits, mut at) = ([0u8; 20], 20);
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.put_u8(kind);
    if number < 0 {
        out.put_u8(b'-');
    }
    out.put_slice(&digits[at..]);
    out.put_slice(b"\r\n");
}

fn double(number: f64) -> String {
    if number.is_nan() { "nan".into() } else { number.to_string() }
}

fn len(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_in_both_versions() {
        let one = || vec![Value::Integer(1)];
        let table = [
            (Value::OK, "+OK\r\n", "+OK\r\n"),
            (Value::error("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n"),
            (Value::Integer(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
            (Value::bulk("ab"), "$2\r\nab\r\n", "$2\r\nab\r\n"),
            (Value::Null, "$-1\r\n", "_\r\n"),
            (Value::NullArray, "*-1\r\n", "_\r\n"),
            (Value::Array(one()), "*1\r\n:1\r\n", "*1\r\n:1\r\n"),
            (Value::Set(one()), "*1\r\n:1\r\n", "~1\r\n:1\r\n"),
            (Value::Push(one()), "*1\r\n:1\r\n", ">1\r\n:1\r\n"),
            (Value::Map(vec![(Value::bulk("k"), Value::Null)]), "*2\r\n$1\r\nk\r\n$-1\r\n", "%1\r\n$1\r\nk\r\n_\r\n"),
            (Value::Double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"),
            (Value::Double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n"),
            (Value::Boolean(true), ":1\r\n", "#t\r\n"),
            (Value::BigNumber("12".into()), "$2\r\n12\r\n", "(12\r\n"),
            (Value::Verbatim(*b"txt", "hi".into()), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"),
        ];
        for (value, old, new) in table {
            for (version, expected) in [(Version::Resp2, old), (Version::Resp3, new)] {
                let mut out = BytesMut::new();
                value.encode(version, &mut out);
                assert_eq!(out, expected.as_bytes(), "{value:?} {version:?}");
            }
        }
    }
}
