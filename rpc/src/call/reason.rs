//! Why a call failed, in a word that stays: what alerts, tests and other programs match on.

use std::fmt;

/// Whose fault a failure is. It decides what a retry, a breaker and an operator make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller: the request was wrong, or it went away.
    Caller,
    /// The provider: it answered with a failure.
    Provider,
    /// What lies between: connecting, the connection, the registry.
    Network,
    /// This program's own limits and set-up.
    Local,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $fault:ident, retryable: $retryable:literal;)+) => {
        /// The stable reason code of a failed call. New ones may come; the text of one never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// Every reason, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The code as text, as `NO_INSTANCE`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// Whose fault this is.
            pub fn fault(self) -> Fault {
                match self { $(Self::$name => Fault::$fault,)+ }
            }

            /// Whether another try, at another instance, may end better. Sending again also needs an idempotent method,
            /// or the knowledge that the server was not reached.
            pub fn retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)+ }
            }
        }
    };
}

reasons! {
    /// The peer answered with a status of its own.
    Remote = "REMOTE", Provider, retryable: false;
    /// The peer answered UNAVAILABLE.
    RemoteUnavailable = "REMOTE_UNAVAILABLE", Provider, retryable: true;
    /// A handler of this server answered with a status.
    Handler = "HANDLER", Provider, retryable: false;
    /// A handler panicked.
    HandlerPanic = "HANDLER_PANIC", Provider, retryable: false;
    /// The deadline passed.
    DeadlineExceeded = "DEADLINE_EXCEEDED", Network, retryable: false;
    /// The try took longer than one may: another was made, which may end better.
    TryTimeout = "TRY_TIMEOUT", Network, retryable: true;
    /// The caller went away.
    Cancelled = "CANCELLED", Caller, retryable: false;
    /// The registry has no instance of the service.
    NoInstance = "NO_INSTANCE", Network, retryable: true;
    /// Rules leave no instance for this call.
    NoRoute = "NO_ROUTE", Local, retryable: false;
    /// No instance could be connected to.
    ConnectFailed = "CONNECT_FAILED", Network, retryable: true;
    /// The connection was lost while the call was under way.
    ConnectionLost = "CONNECTION_LOST", Network, retryable: true;
    /// The peer refused the stream before looking at it (it drains, or is at its limit).
    StreamRefused = "STREAM_REFUSED", Network, retryable: true;
    /// The peer broke the protocol.
    BadResponse = "BAD_RESPONSE", Provider, retryable: false;
    /// The path names no service that is served here.
    UnknownService = "UNKNOWN_SERVICE", Caller, retryable: false;
    /// The service has no such method.
    UnknownMethod = "UNKNOWN_METHOD", Caller, retryable: false;
    /// The service is here, in another version or group.
    UnknownVersion = "UNKNOWN_VERSION", Caller, retryable: false;
    /// The request could not be understood.
    BadRequest = "BAD_REQUEST", Caller, retryable: false;
    /// A message is larger than the limit.
    MessageTooLarge = "MESSAGE_TOO_LARGE", Caller, retryable: false;
    /// The encoding of the message is not supported.
    UnknownEncoding = "UNKNOWN_ENCODING", Caller, retryable: false;
    /// The server is at a limit of its own.
    Overloaded = "OVERLOADED", Provider, retryable: true;
    /// The server is shutting down.
    Draining = "DRAINING", Provider, retryable: true;
    /// More calls than a rate limit of this program allows.
    RateLimited = "RATE_LIMITED", Local, retryable: false;
    /// As many calls as a limit of this program allows are under way, and its line is full.
    ConcurrencyLimited = "CONCURRENCY_LIMITED", Local, retryable: false;
    /// The line of this program does not empty: who waited for long is let go.
    Shed = "SHED", Local, retryable: false;
    /// It is not known for sure who calls.
    NoCredentials = "NO_CREDENTIALS", Caller, retryable: false;
    /// What the caller shows proves nothing here.
    BadCredentials = "BAD_CREDENTIALS", Caller, retryable: false;
    /// What the caller shows was good once.
    CredentialsExpired = "CREDENTIALS_EXPIRED", Caller, retryable: false;
    /// It is known who calls, and this one may not.
    NotAllowed = "NOT_ALLOWED", Caller, retryable: false;
    /// No credential to show could be fetched: nothing was sent.
    NothingToShow = "NOTHING_TO_SHOW", Local, retryable: false;
    /// The breaker of every instance that is connected is open: nothing was sent.
    BreakerOpen = "BREAKER_OPEN", Network, retryable: false;
    /// The call failed on purpose, by a fault that this program injects.
    FaultInjected = "FAULT_INJECTED", Network, retryable: true;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_shouted() {
        let texts: BTreeSet<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(texts.len(), Reason::ALL.len());
        assert!(texts.iter().all(|t| t.chars().all(|c| c.is_ascii_uppercase() || c == '_')));
    }
}
