//! What can be wrong with bytes. Texts of [`ProtocolError`] are those of Redis, which its tests and people know.

/// Why a request cannot be understood. The text is sent as `-ERR <text>` before the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The number of arguments is none, or above the limit.
    #[error("Protocol error: invalid multibulk length")]
    ArrayLength,
    /// The length of an argument is none, or above the limit.
    #[error("Protocol error: invalid bulk length")]
    BulkLength,
    /// An argument begins with another byte than `$`.
    #[error("Protocol error: expected '$', got '{}'", [*.0].escape_ascii())]
    ExpectedBulk(u8),
    /// The line with the number of arguments does not end.
    #[error("Protocol error: too big mbulk count string")]
    LongArrayLine,
    /// The line with the length of an argument does not end.
    #[error("Protocol error: too big bulk count string")]
    LongBulkLine,
    /// A request of words on a line does not end.
    #[error("Protocol error: too big inline request")]
    LongInline,
    /// A quote of a request of words is not closed, or something follows it.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// More arguments than are taken before a login.
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedArray,
    /// A longer argument than is taken before a login.
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulk,
    /// All arguments together are longer than the limit.
    #[error("Protocol error: too big request")]
    LongRequest,
}

/// Why a reply cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// No type begins with this byte.
    #[error("a reply begins with '{}'; is this a Redis server?", [*.0].escape_ascii())]
    UnknownType(u8),
    /// A number or truth value is none.
    #[error("a reply holds a malformed number")]
    Number,
    /// A line or string does not end as it should.
    #[error("a reply lacks its line end")]
    LineEnd,
    /// A line is longer than the limit.
    #[error("a reply has a line of more than {0} bytes")]
    LongLine(usize),
    /// A string is longer than the limit.
    #[error("a reply has a string of more than {0} bytes")]
    LongString(usize),
    /// The reply has more elements than the limit, over all depths.
    #[error("a reply has more than {0} elements")]
    ManyElements(usize),
    /// The strings of a reply are longer than the limit, all together.
    #[error("a reply has more than {0} bytes")]
    LongReply(usize),
    /// Lists in lists, deeper than the limit.
    #[error("a reply is nested deeper than {0}")]
    Deep(usize),
}
