//! One write per burst instead of one per message.
//!
//! HTTP/2 flushes after each frame that it has nothing to add to, so a system call and a wake-up of the peer per call.
//! [`Coalesce`] keeps what is written while the connection's task holds the burst, and the flush after that writes. Large
//! writes pass through without being copied: to copy them costs more than to write them. Measured, this is the greatest
//! single step of the transport.
//!
//! The task holds while it gathers ([`Burst::hold`]), because one poll of HTTP/2 may flush many times; whom it
//! gathers from is said in `later.rs`.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is kept back at most. A burst of small calls fits; more than this is worth a system call of its own.
const CAPACITY: usize = 64 * 1024;

/// What is written at once, with what was kept before it.
const LARGE: usize = 16 * 1024;

/// What the connection's task and its IO tell each other. Both live in one task: the atomics are never contended.
#[derive(Clone, Debug)]
pub(crate) struct Burst(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    held: AtomicBool,
    asked: AtomicBool,
    blocked: AtomicBool,
    heard: AtomicBool,
    /// Bytes that may still be read.
    allowed: AtomicUsize,
    reader: OnceLock<Waker>,
}

impl Default for Burst {
    fn default() -> Self {
        Self(Arc::new(Shared {
            held: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            heard: AtomicBool::new(false),
            allowed: AtomicUsize::new(usize::MAX),
            reader: OnceLock::new(),
        }))
    }
}

impl Burst {
    /// A burst begins: flushes write nothing.
    pub(crate) fn hold(&self) {
        self.0.held.store(true, Relaxed);
    }

    /// The burst is whole: flushes write. Says whether one was asked for since the burst began.
    #[must_use]
    pub(crate) fn release(&self) -> bool {
        self.0.held.store(false, Relaxed);
        self.0.asked.swap(false, Relaxed)
    }

    /// So many bytes may be read, and no more until this is said again. Nothing wakes who has read them all.
    #[cfg(feature = "server")]
    pub(crate) fn allow(&self, bytes: usize) {
        self.0.allowed.store(bytes, Relaxed);
    }

    /// All that was allowed to be read was read.
    pub(crate) fn exhausted(&self) -> bool {
        self.0.allowed.load(Relaxed) == 0
    }

    /// Says who is to be woken when something has come from the peer, instead of whoever polls.
    pub(crate) fn wake_reader(&self, reader: Waker) {
        // The first stays: a connection has one task.
        let _ = self.0.reader.set(reader);
    }

    /// The peer does not take what was written: the socket is full.
    #[cfg(feature = "server")]
    pub(crate) fn blocked(&self) -> bool {
        self.0.blocked.load(Relaxed)
    }

    /// Whether anything came from the peer since this was asked last.
    pub(crate) fn take_heard(&self) -> bool {
        self.0.heard.swap(false, Relaxed)
    }
}

/// IO that writes once per burst.
#[derive(Debug)]
pub(crate) struct Coalesce<T> {
    io: T,
    kept: Vec<u8>,
    /// How much of `kept` is written already.
    written: usize,
    burst: Burst,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Coalesce<T> {
    pub(crate) fn new(io: T, burst: Burst) -> Self {
        Self { io, kept: Vec::new(), written: 0, burst }
    }

    fn pending(&self) -> usize {
        self.kept.len() - self.written
    }

    /// Writes what is kept and then `more`, in one system call where it can; says how much of `more` was taken.
    fn write_out(&mut self, cx: &mut Context<'_>, more: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            let pending = self.pending();
            if pending == 0 && more.iter().all(|slice| slice.is_empty()) {
                self.settle();
                return Poll::Ready(Ok(0));
            }
            let result = if more.is_empty() {
                Pin::new(&mut self.io).poll_write(cx, &self.kept[self.written..])
            } else {
                let kept = std::iter::once(&self.kept[self.written..]).filter(|kept| !kept.is_empty());
                let slices: Vec<_> = kept.chain(more.iter().map(|slice| &**slice)).map(IoSlice::new).collect();
                Pin::new(&mut self.io).poll_write_vectored(cx, &slices)
            };
            self.burst.0.blocked.store(result.is_pending(), Relaxed);
            let n = ready!(result)?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += n.min(pending);
            if self.pending() == 0 {
                self.settle();
            }
            if n > pending {
                return Poll::Ready(Ok(n - pending));
            }
        }
    }

    fn settle(&mut self) {
        self.kept.clear();
        self.written = 0;
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Coalesce<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let len: usize = bufs.iter().map(|slice| slice.len()).sum();
        if len >= LARGE || this.kept.len() + len > CAPACITY {
            return this.write_out(cx, bufs);
        }
        if this.kept.capacity() == 0 {
            this.kept.reserve_exact(CAPACITY.min(8 * 1024));
        }
        for slice in bufs {
            this.kept.extend_from_slice(slice);
        }
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.pending() == 0 {
            return Pin::new(&mut this.io).poll_flush(cx);
        }
        if this.burst.0.held.load(Relaxed) {
            this.burst.0.asked.store(true, Relaxed);
            return Poll::Ready(Ok(()));
        }
        ready!(this.write_out(cx, &[]))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.pending() > 0 {
            ready!(this.write_out(cx, &[]))?;
        }
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Coalesce<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.burst.exhausted() {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let this = &mut *self;
        let result = match this.burst.0.reader.get() {
            Some(reader) => Pin::new(&mut this.io).poll_read(&mut Context::from_waker(reader), buf),
            None => Pin::new(&mut this.io).poll_read(cx, buf),
        };
        let read = buf.filled().len() - before;
        if read > 0 {
            let shared = &this.burst.0;
            shared.heard.store(true, Relaxed);
            shared.allowed.store(shared.allowed.load(Relaxed).saturating_sub(read), Relaxed);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// IO that records each write and takes at most `room` bytes at once.
    #[derive(Debug)]
    struct Recorder {
        writes: Vec<Vec<u8>>,
        room: usize,
    }

    impl AsyncRead for Recorder {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Recorder {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(buf)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = bufs.iter().flat_map(|slice| slice.iter().copied()).collect();
            let n = all.len().min(self.room);
            self.writes.push(all[..n].to_vec());
            Poll::Ready(Ok(n))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn recorder(room: usize) -> (Coalesce<Recorder>, Burst) {
        let burst = Burst::default();
        (Coalesce::new(Recorder { writes: Vec::new(), room }, burst.clone()), burst)
    }

    async fn flush(io: &mut Coalesce<Recorder>) {
        poll_fn(|cx| Pin::new(&mut *io).poll_flush(cx)).await.unwrap();
    }

    #[tokio::test]
    async fn a_burst_is_one_write() {
        let (mut io, burst) = recorder(usize::MAX);
        burst.hold();
        for _ in 0..3 {
            io.write_all(b"ab").await.unwrap();
            flush(&mut io).await;
        }
        assert!(io.io.writes.is_empty());
        assert!(burst.release());
        io.write_all(b"c").await.unwrap();
        flush(&mut io).await;
        assert_eq!(io.io.writes, [b"abababc".to_vec()]);
        burst.hold();
        assert!(!burst.release(), "nothing was written in this burst");
    }

    #[tokio::test]
    async fn a_large_write_goes_out_at_once_with_what_was_kept_before_it() {
        let (mut io, burst) = recorder(usize::MAX);
        burst.hold();
        io.write_all(b"head").await.unwrap();
        io.write_all(&vec![7; LARGE]).await.unwrap();
        assert_eq!(io.io.writes.len(), 1);
        assert_eq!(io.io.writes[0].len(), LARGE + 4);
        assert_eq!(io.pending(), 0);
    }

    #[tokio::test]
    async fn nothing_is_lost_or_doubled_when_the_socket_takes_little() {
        for room in [997, LARGE, CAPACITY, CAPACITY + 4] {
            let (mut io, _) = recorder(room);
            let large = vec![7; CAPACITY];
            io.write_all(b"head").await.unwrap();
            io.write_all(&large).await.unwrap();
            io.write_all(b"tail").await.unwrap();
            io.shutdown().await.unwrap();
            assert_eq!(io.io.writes.concat(), [b"head".as_slice(), &large, b"tail"].concat(), "room {room}");
        }
    }

    #[tokio::test]
    async fn no_more_is_read_than_is_allowed_but_for_the_last_read() {
        let burst = Burst::default();
        let (near, mut far) = tokio::io::duplex(8);
        let mut io = Coalesce::new(near, burst.clone());
        far.write_all(b"xyz").await.unwrap();
        burst.allow(2);
        assert_eq!((io.read_u8().await.unwrap(), burst.exhausted()), (b'x', false));
        assert_eq!((io.read_u8().await.unwrap(), burst.exhausted()), (b'y', true));
        assert!(futures_util::FutureExt::now_or_never(io.read_u8()).is_none());
        burst.allow(1);
        assert_eq!(io.read_u8().await.unwrap(), b'z');
    }

    #[tokio::test]
    async fn a_full_socket_is_seen() {
        let burst = Burst::default();
        let (near, mut far) = tokio::io::duplex(8);
        let mut io = Coalesce::new(near, burst.clone());
        io.write_all(&[1; 32]).await.unwrap();
        let blocked = poll_fn(|cx| Poll::Ready(Pin::new(&mut io).poll_flush(cx).is_pending())).await;
        assert!(blocked && burst.blocked());
        let mut got = [0; 32];
        let (read, _) = tokio::join!(far.read_exact(&mut got), poll_fn(|cx| Pin::new(&mut io).poll_flush(cx)));
        assert_eq!((read.unwrap(), got), (32, [1; 32]));
        assert!(!burst.blocked());
    }
}
