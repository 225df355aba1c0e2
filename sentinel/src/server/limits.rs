//! What a connection may cost. A sentinel's replies are short: whoever needs more of these is broken or hostile.

use std::time::Duration;

/// While so many bytes wait to be sent, no more commands are carried out.
pub(super) const OUTPUT_PAUSE: usize = 64 * 1024;
/// A subscriber for whom more bytes than this wait is cut off.
pub(super) const OUTPUT_MOST: usize = 1024 * 1024;
/// Room made for one read.
pub(super) const READ: usize = 4 * 1024;
/// Buffers above this are given back when they are empty.
pub(super) const KEPT: usize = 32 * 1024;
/// How long a connection that must log in may take for it.
pub(super) const LOGIN: Duration = Duration::from_secs(10);
/// How long the other side may take none of what waits for it.
pub(super) const STALL: Duration = Duration::from_secs(30);
/// How long the last bytes are tried to be sent.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);
/// Notices kept for subscribers that are behind; whoever is further behind is cut off.
pub(crate) const NOTICES: usize = 4096;
/// Pause after the system refused to accept a connection, mostly for lack of file descriptors.
pub(super) const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
