//! `google.api.http`, as it stands in the options of a method (`google/api/http.proto`, commit f8291d2b of googleapis). Pure.
//!
//! It is read from the bytes of the options: servers that answer reflection need not have the file that declares it.

/// The options of a method, of which one is asked for.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MethodOptions {
    #[prost(message, optional, tag = "72295728")]
    pub(super) http: Option<HttpRule>,
}

/// Where a method is reachable.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HttpRule {
    #[prost(oneof = "Pattern", tags = "2, 3, 4, 5, 6, 8")]
    pub(super) pattern: Option<Pattern>,
    /// `*`, or the field that the body is; empty for none.
    #[prost(string, tag = "7")]
    pub(super) body: String,
    #[prost(message, repeated, tag = "11")]
    pub(super) additional_bindings: Vec<HttpRule>,
    /// The field that the answer is; empty for all of it.
    #[prost(string, tag = "12")]
    pub(super) response_body: String,
}

/// A method of HTTP and a path.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Pattern {
    #[prost(string, tag = "2")]
    Get(String),
    #[prost(string, tag = "3")]
    Put(String),
    #[prost(string, tag = "4")]
    Post(String),
    #[prost(string, tag = "5")]
    Delete(String),
    #[prost(string, tag = "6")]
    Patch(String),
    #[prost(message, tag = "8")]
    Custom(Custom),
}

/// Any other method; `*` for all.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Custom {
    #[prost(string, tag = "1")]
    pub(super) kind: String,
    #[prost(string, tag = "2")]
    pub(super) path: String,
}

impl Pattern {
    /// The method, `*` for any, and the path.
    pub(super) fn parts(&self) -> (&str, &str) {
        match self {
            Self::Get(path) => ("GET", path),
            Self::Put(path) => ("PUT", path),
            Self::Post(path) => ("POST", path),
            Self::Delete(path) => ("DELETE", path),
            Self::Patch(path) => ("PATCH", path),
            Self::Custom(custom) => (&custom.kind, &custom.path),
        }
    }
}
