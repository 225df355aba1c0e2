//! The bounds of a connection: what a peer may cost.

use std::time::Duration;

/// Bounds of one HTTP/2 connection, on either side. The defaults are safe and rarely need a change.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Http2Limits {
    /// The largest message that is accepted, in bytes after decompression. Default 4 MiB.
    pub max_message: usize,
    /// Calls under way on one connection. Default 1024.
    pub max_streams: u32,
    /// All headers of a call together, in bytes. Default 16 KiB.
    pub max_headers: u32,
    /// What a peer may send of one call before it is read, in bytes. Default 1 MiB.
    pub stream_window: u32,
    /// What a peer may send of all calls before it is read, in bytes. Default 2 MiB.
    pub connection_window: u32,
    /// The largest frame that is accepted, in bytes: 16 KiB to 16 MiB. A message within one is neither copied together nor
    /// read in pieces; what a peer sends next waits behind it. Default 128 KiB.
    pub max_frame: u32,
    /// Bytes queued for a peer that does not read, above which no new call is accepted. Default 1 MiB.
    pub max_queued: usize,
    /// Silence after which a peer that owes an answer is asked whether it is there. Default 20 s.
    pub keepalive: Duration,
    /// How long it has for that. Default 10 s.
    pub keepalive_timeout: Duration,
    /// How long TLS and the HTTP/2 preface may take. Default 10 s.
    pub handshake_timeout: Duration,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            max_message: 4 * 1024 * 1024,
            max_streams: 1024,
            max_headers: 16 * 1024,
            stream_window: 1024 * 1024,
            connection_window: 2 * 1024 * 1024,
            max_frame: 128 * 1024,
            max_queued: 1024 * 1024,
            keepalive: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

impl Http2Limits {
    /// The largest frame, as HTTP/2 allows it.
    pub(crate) fn frame(&self) -> u32 {
        self.max_frame.clamp(16 * 1024, 16 * 1024 * 1024 - 1)
    }

    /// What the bookkeeping of small frames that nobody has read yet may cost. A stream of small messages to a slow
    /// reader fills the window with frames, each of which weighs more than its bytes; ending the connection for it, as
    /// the default does at half a window, would punish a peer that flow control is already slowing down.
    pub(crate) fn frame_budget(&self) -> usize {
        8 * self.connection_window as usize
    }

    /// Streams that were reset here and are remembered for a second. What a peer still sends of them is no offence; of
    /// one that was forgotten it is, and after a thousand such offences HTTP/2 gives the connection up for good, with
    /// all calls on it. A burst of calls that time out, or are refused before their bodies have come, is enough for that
    /// with the default of 50.
    pub(crate) fn remembered_resets(&self) -> usize {
        self.max_streams as usize
    }

    /// Calls that a peer may cancel before they are looked at; more at once is an attack. The default of 20 is less
    /// than what a caller with short deadlines gives up while this process is not scheduled.
    #[cfg(feature = "server")]
    pub(crate) fn early_resets(&self) -> usize {
        (self.max_streams as usize / 8).max(20)
    }
}

/// Bounds of one HTTP/1.1 connection of a server. Message sizes are those of [`Http2Limits`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Http1Limits {
    /// How long the head of a request may take, and how long a connection may stay without one. Default 15 s.
    pub header_timeout: Duration,
    /// How long a body may make no progress, on the way in or out. Default 30 s.
    pub stall_timeout: Duration,
    /// The head of a request, in bytes; at least 8 KiB. Default 16 KiB.
    pub max_head: usize,
    /// The headers of a request. Default 100.
    pub max_headers: usize,
}

impl Default for Http1Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(30),
            max_head: 16 * 1024,
            max_headers: 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_stays_within_what_http2_allows() {
        for (wanted, had) in [(0, 16 * 1024), (20_000, 20_000), (u32::MAX, (1 << 24) - 1)] {
            assert_eq!(Http2Limits { max_frame: wanted, ..Http2Limits::default() }.frame(), had, "{wanted}");
        }
    }
}
