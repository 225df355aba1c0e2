//! Replies as a client reads them, of both versions at once.
//!
//! Lists are kept on a stack of their own, not on the call stack, so depth is a limit and not a crash, and a reply that
//! comes in pieces is never read twice. Attributes of version 3 are read and dropped.

use super::error::ReplyError;
use super::integer;
use super::value::Value;
use bytes::{Buf, Bytes, BytesMut};

/// What a reply may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplyLimits {
    /// Bytes of a line.
    pub line: usize,
    /// Bytes of a string.
    pub string: usize,
    /// Bytes of all strings together.
    pub reply: usize,
    /// Elements over all depths.
    pub elements: usize,
    /// Depth of lists in lists.
    pub depth: usize,
}

impl Default for ReplyLimits {
    /// Ample for what a sentinel asks for: INFO of a big server is some ten kilobytes.
    fn default() -> Self {
        Self { line: 64 * 1024, string: 4 * 1024 * 1024, reply: 8 * 1024 * 1024, elements: 100_000, depth: 16 }
    }
}

/// Takes replies out of a stream of bytes.
#[derive(Debug, Default)]
pub struct ReplyDecoder {
    limits: ReplyLimits,
    open: Vec<Open>,
    elements: usize,
    bytes: usize,
    string: Option<(StringKind, usize)>,
    scanned: usize,
}

/// A list whose elements are not all there.
#[derive(Debug)]
struct Open {
    kind: ListKind,
    missing: usize,
    items: Vec<Value>,
}

#[derive(Debug, Clone, Copy)]
enum ListKind {
    Array,
    Map,
    Set,
    Push,
    Attribute,
}

#[derive(Debug, Clone, Copy)]
enum StringKind {
    Bulk,
    Verbatim,
    Error,
}

impl ReplyDecoder {
    /// A decoder with these limits.
    pub fn new(limits: ReplyLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The next reply or push, or `None` if it is not whole yet.
    ///
    /// # Errors
    /// If the bytes are no reply, or exceed a limit. The decoder is of no more use then.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Value>, ReplyError> {
        loop {
            let value = match self.string {
                Some((kind, length)) => match take_string(buffer, kind, length)? {
                    None => return Ok(None),
                    Some(value) => {
                        self.string = None;
                        Some(value)
                    }
                },
                None => match self.line(buffer)? {
                    None => return Ok(None),
                    Some(line) => self.element(line)?,
                },
            };
            if let Some(whole) = value.and_then(|value| self.close(value)) {
                (self.elements, self.bytes) = (0, 0);
                return Ok(Some(whole));
            }
        }
    }

    /// A line without its end, which is not counted as an element yet.
    fn line(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, ReplyError> {
        let from = self.scanned.min(buffer.len());
        let Some(end) = buffer[from..].iter().position(|b| *b == b'\n').map(|at| from + at) else {
            self.scanned = buffer.len();
            return if buffer.len() > self.limits.line {
                Err(ReplyError::LongLine(self.limits.line))
            } else {
                Ok(None)
            };
        };
        self.scanned = 0;
        if end > self.limits.line {
            return Err(ReplyError::LongLine(self.limits.line));
        }
        let mut line = buffer.split_to(end + 1);
        if !line.ends_with(b"\r\n") {
            return Err(ReplyError::LineEnd);
        }
        line.truncate(end - 1);
        self.count(end)?;
        Ok(Some(line.freeze()))
    }

    /// What a line stands for: a value, or `None` if it opened a list or a string.
    fn element(&mut self, line: Bytes) -> Result<Option<Value>, ReplyError> {
        let Some(kind) = line.first().copied() else { return Err(ReplyError::UnknownType(b'\r')) };
        let rest = line.slice(1..);
        let value = match kind {
            b'+' => Value::Simple(rest),
            b'-' => Value::Error(rest),
            b':' => Value::Integer(integer(&rest).ok_or(ReplyError::Number)?),
            b'_' if rest.is_empty() => Value::Null,
            b'#' if *rest == *b"t" => Value::Boolean(true),
            b'#' if *rest == *b"f" => Value::Boolean(false),
            b',' => Value::Double(double(&rest).ok_or(ReplyError::Number)?),
            b'(' if is_whole_number(&rest) => Value::BigNumber(rest),
            b'_' | b'#' | b'(' => return Err(ReplyError::Number),
            b'$' if *rest == *b"-1" => Value::Null,
            b'*' if *rest == *b"-1" => Value::NullArray,
            b'$' => return self.open_string(StringKind::Bulk, &rest),
            b'=' => return self.open_string(StringKind::Verbatim, &rest),
            b'!' => return self.open_string(StringKind::Error, &rest),
            b'*' => return self.open_list(ListKind::Array, &rest),
            b'%' => return self.open_list(ListKind::Map, &rest),
            b'~' => return self.open_list(ListKind::Set, &rest),
            b'>' => return self.open_list(ListKind::Push, &rest),
            b'|' => return self.open_list(ListKind::Attribute, &rest),
            other => return Err(ReplyError::UnknownType(other)),
        };
        Ok(Some(value))
    }

    fn open_string(&mut self, kind: StringKind, length: &[u8]) -> Result<Option<Value>, ReplyError> {
        let length = natural(length).ok_or(ReplyError::Number)?;
        if length > self.limits.string {
            return Err(ReplyError::LongString(self.limits.string));
        }
        self.bytes += length;
        if self.bytes > self.limits.reply {
            return Err(ReplyError::LongReply(self.limits.reply));
        }
        self.string = Some((kind, length));
        Ok(None)
    }

    fn open_list(&mut self, kind: ListKind, count: &[u8]) -> Result<Option<Value>, ReplyError> {
        let count = natural(count).ok_or(ReplyError::Number)?;
        let missing = match kind {
            ListKind::Map | ListKind::Attribute => count.checked_mul(2).ok_or(ReplyError::Number)?,
            _ => count,
        };
        if missing > self.limits.elements {
            return Err(ReplyError::ManyElements(self.limits.elements));
        }
        if self.open.len() >= self.limits.depth {
            return Err(ReplyError::Deep(self.limits.depth));
        }
        let open = Open { kind, missing, items: Vec::with_capacity(missing.min(64)) };
        if missing > 0 {
            self.open.push(open);
            return Ok(None);
        }
        Ok(open.into_value())
    }

    /// Puts a value where it belongs; `Some` when that made the whole reply complete.
    fn close(&mut self, mut value: Value) -> Option<Value> {
        loop {
            let Some(open) = self.open.last_mut() else { return Some(value) };
            open.items.push(value);
            open.missing -= 1;
            if open.missing > 0 {
                return None;
            }
            value = self.open.pop()?.into_value()?;
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), ReplyError> {
        self.elements += 1;
        self.bytes += bytes;
        if self.elements > self.limits.elements {
            return Err(ReplyError::ManyElements(self.limits.elements));
        }
        if self.bytes > self.limits.reply {
            return Err(ReplyError::LongReply(self.limits.reply));
        }
        Ok(())
    }
}

impl Open {
    /// The list; `None` for an attribute, which stands for nothing.
    fn into_value(self) -> Option<Value> {
        Some(match self.kind {
            ListKind::Array => Value::Array(self.items),
            ListKind::Set => Value::Set(self.items),
            ListKind::Push => Value::Push(self.items),
            ListKind::Map => {
                let mut items = self.items.into_iter();
                Value::Map(std::iter::from_fn(|| items.next().zip(items.next())).collect())
            }
            ListKind::Attribute => return None,
        })
    }
}

fn take_string(buffer: &mut BytesMut, kind: StringKind, length: usize) -> Result<Option<Value>, ReplyError> {
    if buffer.len() < length + 2 {
        return Ok(None);
    }
    let text = buffer.split_to(length).freeze();
    if !buffer.starts_with(b"\r\n") {
        return Err(ReplyError::LineEnd);
    }
    buffer.advance(2);
    Ok(Some(match kind {
        StringKind::Bulk => Value::Bulk(text),
        StringKind::Error => Value::Error(text),
        StringKind::Verbatim => match text[..] {
            [a, b, c, b':', ..] => Value::Verbatim([a, b, c], text.slice(4..)),
            _ => return Err(ReplyError::LineEnd),
        },
    }))
}

fn natural(text: &[u8]) -> Option<usize> {
    integer(text).and_then(|number| usize::try_from(number).ok())
}

fn is_whole_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn double(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::Version;
    use super::*;
    use proptest::prelude::*;

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: ReplyLimits) -> (Vec<Value>, Option<ReplyError>) {
        let (mut decoder, mut buffer, mut values) = (ReplyDecoder::new(limits), BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match decoder.next(&mut buffer) {
                    Ok(Some(value)) => values.push(value),
                    Ok(None) => break,
                    Err(error) => return (values, Some(error)),
                }
            }
        }
        (values, None)
    }

    #[test]
    fn limits_and_malformed_replies() {
        let limits = ReplyLimits { line: 24, string: 10, reply: 60, elements: 6, depth: 2 };
        let table: &[(&str, ReplyError)] = &[
            ("?\r\n", ReplyError::UnknownType(b'?')),
            ("HTTP/1.1 400\r\n", ReplyError::UnknownType(b'H')),
            ("\r\n", ReplyError::UnknownType(b'\r')),
            (":1x\r\n", ReplyError::Number),
            ("#x\r\n", ReplyError::Number),
            ("_x\r\n", ReplyError::Number),
            ("(1x\r\n", ReplyError::Number),
            ("$-2\r\n", ReplyError::Number),
            ("+OK\n", ReplyError::LineEnd),
            ("$2\r\nabc\r\n", ReplyError::LineEnd),
            ("=2\r\nab\r\n", ReplyError::LineEnd),
            ("+aaaaaaaaaaaaaaaaaaaaaaaaa", ReplyError::LongLine(24)),
            ("$11\r\n", ReplyError::LongString(10)),
            ("*7\r\n", ReplyError::ManyElements(6)),
            ("*3\r\n*3\r\n:1\r\n:1\r\n:1\r\n:2\r\n:3\r\n", ReplyError::ManyElements(6)),
            ("*1\r\n*1\r\n*1\r\n", ReplyError::Deep(2)),
            ("%4611686018427387904\r\n", ReplyError::ManyElements(6)),
            (
                "*5\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n$10\r\n",
                ReplyError::LongReply(60),
            ),
        ];
        for (bytes, error) in table {
            assert_eq!(decode([bytes.as_bytes()], limits).1.as_ref(), Some(error), "{bytes:?}");
        }
    }

    #[test]
    fn attributes_are_dropped_wherever_they_stand() {
        let bytes = b"|1\r\n+a\r\n:1\r\n*2\r\n|1\r\n+b\r\n*1\r\n:2\r\n:3\r\n|0\r\n:4\r\n";
        let expected = Value::Array(vec![Value::Integer(3), Value::Integer(4)]);
        assert_eq!(decode([&bytes[..]], ReplyLimits::default()), (vec![expected], None));
    }

    fn text() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..12).prop_map(Bytes::from)
    }

    fn line() -> impl Strategy<Value = Bytes> {
        text().prop_map(|t| t.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect())
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            line().prop_map(Value::Simple),
            line().prop_map(Value::Error),
            any::<i64>().prop_map(Value::Integer),
            text().prop_map(Value::Bulk),
            Just(Value::Null),
            (-1e9f64..1e9).prop_map(Value::Double),
            any::<bool>().prop_map(Value::Boolean),
            any::<u64>().prop_map(|n| Value::BigNumber(n.to_string().into())),
            text().prop_map(|t| Value::Verbatim(*b"txt", t)),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            let items = || prop::collection::vec(inner.clone(), 0..4);
            prop_oneof![
                items().prop_map(Value::Array),
                items().prop_map(Value::Set),
                items().prop_map(Value::Push),
                prop::collection::vec((inner.clone(), inner.clone()), 0..3).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_reply_reads_back_at_every_cut(values in prop::collection::vec(value(), 1..3)) {
            let mut bytes = BytesMut::new();
            values.iter().for_each(|v| v.encode(Version::Resp3, &mut bytes));
            for cut in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(cut);
                prop_assert_eq!(decode([head, tail], ReplyLimits::default()), (values.clone(), None));
            }
            prop_assert_eq!(decode(bytes.chunks(1), ReplyLimits::default()), (values, None));
        }

        #[test]
        fn what_is_written_for_version_2_needs_version_2_only(value in value()) {
            let mut bytes = BytesMut::new();
            value.encode(Version::Resp2, &mut bytes);
            let (values, error) = decode([&bytes[..]], ReplyLimits::default());
            prop_assert_eq!(error, None);
            prop_assert_eq!(values.len(), 1);
            let mut again = BytesMut::new();
            values[0].encode(Version::Resp2, &mut again);
            prop_assert_eq!(again, bytes);
        }

        #[test]
        fn garbage_means_the_same_however_it_is_cut(bytes in prop::collection::vec(prop::sample::select(b"*$+-:%~>|=!#_,(0123\r\ntf.:\xff".to_vec()), 0..48)) {
            let whole = decode([bytes.as_slice()], ReplyLimits::default());
            let single = decode(bytes.chunks(1), ReplyLimits::default());
            // Not-a-number is not equal to itself.
            prop_assert_eq!(format!("{whole:?}"), format!("{single:?}"));
        }
    }
}
