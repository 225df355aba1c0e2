//! Attachments: what Dubbo sends beside a message, as metadata whose names may have capitals. Pure.
//!
//! HTTP/2 has lower-case names only. Dubbo's Java sends each name in lower case and, when it had capitals, the pair of both
//! spellings in one more header, `tri-header-convert`, as JSON in the encoding of URLs. Bytes go under the name with
//! `-bin`, in base64. Names that steer a call never travel as attachments (`TripleHeaderEnum` of Dubbo Java 3.3). An
//! answer's attachments are in its trailers: Java reads no others.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::{borrow::Cow, collections::BTreeMap};
use tonic::metadata::{Ascii, Binary, KeyAndValueRef, MetadataKey, MetadataMap, MetadataValue};

/// Where both spellings of names stand.
const CONVERT: &str = "tri-header-convert";

/// What Java's `URLEncoder` encodes.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'_').remove(b'.');

/// Names that Dubbo keeps for itself: never sent as attachments, never read as such.
const KEPT: &[&str] = &[
    "application",
    "group",
    "http-status",
    "interface",
    "path",
    "remote.application",
    "rest-service-group",
    "rest-service-version",
    "serialization",
    "tri-consumer-appname",
    "tri-exception-code",
    CONVERT,
    "tri-service-group",
    "tri-service-timeout",
    "tri-service-version",
];

/// Names of HTTP and gRPC. Java would show some of them to a handler; nobody could send them.
const HTTP: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "user-agent",
];

/// Text and bytes beside a message, under names that may have capitals.
///
/// ```
/// # use mainstay::dubbo::Attachments;
/// let mut attachments = Attachments::new();
/// attachments.set("tenantId", "t-1")?;
/// assert_eq!(attachments.get("tenantId"), Some("t-1"));
/// # Ok::<_, mainstay::dubbo::AttachmentError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachments(BTreeMap<String, Value>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    Bytes(Vec<u8>),
}

/// Why something cannot be an attachment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// HTTP has no header of this name.
    #[error("`{name}` cannot be the name of an attachment: letters, digits, `-`, `_` and `.` can")]
    Name {
        /// The name.
        name: String,
    },
    /// The name steers a call.
    #[error("`{name}` cannot be the name of an attachment: it belongs to HTTP, gRPC or Dubbo itself")]
    Kept {
        /// The name.
        name: String,
    },
    /// Java writes and reads visible ASCII only.
    #[error("the value of the attachment `{name}` is not visible ASCII; bytes can go with `set_bytes`")]
    Value {
        /// The name.
        name: String,
    },
}

impl Attachments {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those in metadata: of a request, or in the trailers of an answer. Of a name that is there several times, the
    /// first counts, as for Java. A spelling or bytes that cannot be read are left as they came.
    pub fn of(metadata: &MetadataMap) -> Self {
        let spellings = spellings(metadata);
        let mut all = BTreeMap::new();
        for entry in metadata.iter() {
            let (name, value) = match entry {
                KeyAndValueRef::Ascii(name, value) if !is_kept(name.as_str()) => {
                    (name.as_str(), Value::Text(String::from_utf8_lossy(value.as_encoded_bytes()).into_owned()))
                }
                KeyAndValueRef::Binary(name, value) if !is_kept(name.as_str()) => match value.to_bytes() {
                    Ok(bytes) => (name.as_str().trim_end_matches("-bin"), Value::Bytes(bytes.to_vec())),
                    Err(_) => continue,
                },
                _ => continue,
            };
            let name = spellings.get(name).map_or(name, String::as_str);
            all.entry(name.to_owned()).or_insert(value);
        }
        Self(all)
    }

    /// The text under a name, with its capitals.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            Value::Text(text) => Some(text),
            Value::Bytes(_) => None,
        }
    }

    /// The bytes under a name, with its capitals and without `-bin`.
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        match self.0.get(name)? {
            Value::Bytes(bytes) => Some(bytes),
            Value::Text(_) => None,
        }
    }

    /// Every name, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Every text with its name, in order.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.keys().filter_map(|name| Some((name.as_str(), self.get(name)?)))
    }

    /// Sets a text.
    ///
    /// # Errors
    /// A name that HTTP cannot carry or that is not free, or a value that is not visible ASCII.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> Result<(), AttachmentError> {
        let value = value.into();
        free(name)?;
        if value.parse::<MetadataValue<Ascii>>().is_err() {
            return Err(AttachmentError::Value { name: name.to_owned() });
        }
        self.0.insert(name.to_owned(), Value::Text(value));
        Ok(())
    }

    /// Sets bytes. Dubbo's Go reads them as the base64 text that they travel as.
    ///
    /// # Errors
    /// A name that HTTP cannot carry or that is not free.
    pub fn set_bytes(&mut self, name: &str, value: impl Into<Vec<u8>>) -> Result<(), AttachmentError> {
        free(name)?;
        self.0.insert(name.to_owned(), Value::Bytes(value.into()));
        Ok(())
    }

    /// Adds them to metadata, in the place of what has the same names there.
    pub fn write_to(&self, metadata: &mut MetadataMap) {
        let mut spellings = spellings(metadata);
        for (name, value) in &self.0 {
            let lower = name.to_ascii_lowercase();
            match value {
                Value::Text(text) => write_text(metadata, &lower, text),
                Value::Bytes(bytes) => write_bytes(metadata, &lower, bytes),
            }
            // A name that has lost its capitals is no longer to be given those of the one before.
            spellings.remove(&lower);
            if lower != *name {
                spellings.insert(lower, name.clone());
            }
        }
        write_spellings(metadata, &spellings);
    }
}

/// Adds `more` to metadata, its values in the place of those that have the same names, and keeps the spellings of both.
pub(crate) fn merge(metadata: &mut MetadataMap, more: MetadataMap) {
    if more.is_empty() {
        return;
    }
    let mut both = spellings(metadata);
    both.extend(spellings(&more));
    let mut headers = std::mem::take(metadata).into_headers();
    headers.extend(more.into_headers());
    *metadata = MetadataMap::from_headers(headers);
    write_spellings(metadata, &both);
}

fn write_text(metadata: &mut MetadataMap, name: &str, text: &str) {
    // Both were looked at when they were set.
    if let (Ok(name), Ok(text)) = (name.parse::<MetadataKey<Ascii>>(), text.parse::<MetadataValue<Ascii>>()) {
        metadata.insert(name, text);
    }
}

fn write_bytes(metadata: &mut MetadataMap, name: &str, bytes: &[u8]) {
    if let Ok(name) = format!("{name}-bin").parse::<MetadataKey<Binary>>() {
        metadata.insert_bin(name, MetadataValue::from_bytes(bytes));
    }
}

/// The spellings that metadata tells of: lower case → as it was. Nonsense tells of none.
fn spellings(metadata: &MetadataMap) -> BTreeMap<String, String> {
    let Some(text) = metadata.get(CONVERT).and_then(|value| value.to_str().ok()) else { return BTreeMap::new() };
    // Java's encoder writes a space as `+`.
    let text: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    let text = percent_decode_str(&text).decode_utf8_lossy();
    let told: BTreeMap<String, String> = serde_json::from_str(&text).unwrap_or_default();
    told.into_iter().filter(|(lower, name)| name.to_lowercase() == *lower).collect()
}

fn write_spellings(metadata: &mut MetadataMap, spellings: &BTreeMap<String, String>) {
    if spellings.is_empty() {
        metadata.remove(CONVERT);
        return;
    }
    let text = serde_json::to_string(spellings).unwrap_or_default();
    write_text(metadata, CONVERT, &utf8_percent_encode(&text, ENCODED).to_string());
}

fn free(name: &str) -> Result<(), AttachmentError> {
    let lower = name.to_ascii_lowercase();
    let fits = !lower.is_empty() && lower.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    match () {
        () if !fits => Err(AttachmentError::Name { name: name.chars().take(100).collect() }),
        () if is_kept(&lower) || lower.ends_with("-bin") => Err(AttachmentError::Kept { name: name.to_owned() }),
        () => Ok(()),
    }
}

fn is_kept(lower: &str) -> bool {
    lower.starts_with("grpc-") || KEPT.contains(&lower) || HTTP.contains(&lower)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn metadata(headers: &[(&'static str, &str)]) -> MetadataMap {
        let pairs = headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        MetadataMap::from_headers(pairs.collect())
    }

    /// The headers of a call as Dubbo Java 3.3.6 sent them.
    fn of_java() -> MetadataMap {
        metadata(&[
            ("content-type", "application/grpc+proto"),
            ("te", "trailers"),
            ("grpc-timeout", "3000000u"),
            ("tri-consumer-appname", "asker-java"),
            ("grpc-accept-encoding", "gzip,snappy"),
            ("x-trace", "t1"),
            ("camelcase", "Yes"),
            ("bin-bin", "Ynl0ZXMx"),
            ("timeout", "3000"),
            ("tri-header-convert", "%7B%22camelcase%22%3A%22camelCase%22%7D"),
        ])
    }

    #[test]
    fn those_of_java_come_with_their_capitals() {
        let read = Attachments::of(&of_java());
        assert_eq!(read.names().collect::<Vec<_>>(), ["bin", "camelCase", "timeout", "x-trace"]);
        assert_eq!((read.get("camelCase"), read.get("camelcase")), (Some("Yes"), None));
        assert_eq!(read.get_bytes("bin"), Some(b"bytes1".as_slice()));
        assert_eq!((read.get("bin"), read.get_bytes("timeout")), (None, None));
    }

    #[test]
    fn those_of_go_come_though_some_are_empty() {
        let read = Attachments::of(&metadata(&[
            ("retries", ""),
            ("camelcase", "Yes"),
            ("timeout", "3s"),
            ("accept-encoding", "identity"),
            ("interface", "mainstay.dubbo.v1.DeskApi"),
            ("user-agent", "grpc-go-triple/0.1.0 (go1.26.8)"),
        ]));
        assert_eq!(read.texts().collect::<Vec<_>>(), [("camelcase", "Yes"), ("retries", ""), ("timeout", "3s")]);
    }

    #[test]
    fn what_is_written_is_what_java_writes() {
        let mut attachments = Attachments::new();
        attachments.set("x-trace", "t1").unwrap();
        attachments.set("camelCase", "Yes").unwrap();
        attachments.set_bytes("bin", *b"bytes1").unwrap();
        let mut written = MetadataMap::new();
        attachments.write_to(&mut written);
        let written = written.into_headers();
        assert_eq!(written.len(), 4);
        for name in ["x-trace", "camelcase", "bin-bin", "tri-header-convert"] {
            assert_eq!(written[name], of_java().into_headers()[name], "{name}");
        }
    }

    #[test]
    fn spellings_add_up_and_go_with_their_names() {
        let one = |name: &str| {
            let mut attachments = Attachments::new();
            attachments.set(name, "1").unwrap();
            attachments
        };
        let mut both = MetadataMap::new();
        one("tenantId").write_to(&mut both);
        one("userId").write_to(&mut both);
        assert_eq!(Attachments::of(&both).names().collect::<Vec<_>>(), ["tenantId", "userId"]);
        one("tenantid").write_to(&mut both);
        assert_eq!(Attachments::of(&both).names().collect::<Vec<_>>(), ["tenantid", "userId"]);
        one("userid").write_to(&mut both);
        assert!(both.get(CONVERT).is_none());
        let mut more = MetadataMap::new();
        one("shopId").write_to(&mut more);
        one("tenantId").write_to(&mut both);
        merge(&mut both, more);
        assert_eq!(Attachments::of(&both).names().collect::<Vec<_>>(), ["shopId", "tenantId", "userid"]);
    }

    #[test]
    fn names_that_steer_a_call_are_refused_and_never_read() {
        for name in KEPT.iter().chain(HTTP).chain(&["grpc-timeout", "Content-Type", "TRI-Service-Group", "raw-bin"]) {
            let refused = Attachments::new().set(name, "x").unwrap_err();
            assert_eq!(refused, AttachmentError::Kept { name: (*name).to_owned() });
        }
        for name in ["", "a b", ":path", "größe", "a\n", "a:b"] {
            assert!(matches!(Attachments::new().set(name, "x"), Err(AttachmentError::Name { .. })), "{name}");
        }
        assert!(matches!(Attachments::new().set("a", "grün\n"), Err(AttachmentError::Value { .. })));
        let read =
            Attachments::of(&metadata(&[("tri-exception-code", "3"), ("path", "/x"), ("rest-service-group", "g")]));
        assert_eq!(read, Attachments::new());
    }

    #[test]
    fn spellings_that_are_nonsense_change_nothing() {
        for text in ["%7B", "{", "[]", "%7B%22a%22%3A1%7D", "%FF", "%7B%22tenant%22%3A%22other%22%7D", "+"] {
            let read = Attachments::of(&metadata(&[("tenant", "t"), ("tri-header-convert", text)]));
            assert_eq!(read.texts().collect::<Vec<_>>(), [("tenant", "t")], "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_set_comes_back(all in proptest::collection::btree_map("[a-zA-Z][a-zA-Z0-9_.]{0,12}x", "[ -~]{0,20}", 0..6)) {
            let mut attachments = Attachments::new();
            // Two spellings of one name cannot travel together.
            let mut lower = std::collections::BTreeSet::new();
            for (name, value) in &all {
                if lower.insert(name.to_lowercase()) {
                    attachments.set(name, value.as_str()).unwrap();
                }
            }
            let mut metadata = MetadataMap::new();
            attachments.write_to(&mut metadata);
            prop_assert_eq!(Attachments::of(&metadata), attachments);
        }

        #[test]
        fn anything_may_come(name in "[a-z-]{1,10}", value in proptest::collection::vec(any::<u8>(), 0..60)) {
            let Ok(value) = http::HeaderValue::from_bytes(&value) else { return Ok(()) };
            let mut headers = http::HeaderMap::new();
            headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.clone());
            headers.insert("tri-header-convert", value.clone());
            headers.insert("a-bin", value);
            Attachments::of(&MetadataMap::from_headers(headers));
        }
    }
}
