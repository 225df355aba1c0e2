//! A reply, of either version of the protocol.

use bytes::Bytes;

/// A reply. Types that only version 3 has are written in version 2 as Redis does: maps flat, sets as arrays, the rest
/// as strings or numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A short text without line ends.
    Simple(Bytes),
    /// An error; its first word is its kind.
    Error(Bytes),
    /// A whole number.
    Integer(i64),
    /// A string of any bytes.
    Bulk(Bytes),
    /// Nothing, where a string could be.
    Null,
    /// Nothing, where a list could be. Version 3 has one nothing only.
    NullArray,
    /// A list.
    Array(Vec<Value>),
    /// Pairs, in order.
    Map(Vec<(Value, Value)>),
    /// A list whose order means nothing.
    Set(Vec<Value>),
    /// A message that answers no command.
    Push(Vec<Value>),
    /// A number with a fraction.
    Double(f64),
    /// A truth value.
    Boolean(bool),
    /// A whole number of any size, as text.
    BigNumber(Bytes),
    /// A text and its format, three letters.
    Verbatim([u8; 3], Bytes),
}

impl Value {
    /// `+OK`.
    pub const OK: Self = Self::Simple(Bytes::from_static(b"OK"));

    /// An error; line ends become blanks.
    pub fn error(text: impl Into<String>) -> Self {
        Self::Error(one_line(text.into()).into())
    }

    /// A short text; line ends become blanks.
    pub fn simple(text: impl Into<String>) -> Self {
        Self::Simple(one_line(text.into()).into())
    }

    /// A string.
    pub fn bulk(text: impl AsRef<[u8]>) -> Self {
        Self::Bulk(Bytes::copy_from_slice(text.as_ref()))
    }

    /// A list of strings.
    pub fn bulks<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::Array(texts.into_iter().map(Self::bulk).collect())
    }

    /// The text of a string of any type; `None` for everything else.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(text) | Self::Bulk(text) | Self::Verbatim(_, text) | Self::BigNumber(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string of any type, if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// A whole number, also if it came as a string.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            other => super::integer(other.as_bytes()?),
        }
    }

    /// The elements of a list of any type.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The text of an error.
    pub fn as_error(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self {
            Self::Error(text) => Some(String::from_utf8_lossy(text)),
            _ => None,
        }
    }
}

fn one_line(text: String) -> String {
    if text.contains(['\r', '\n']) { text.replace(['\r', '\n'], " ") } else { text }
}
