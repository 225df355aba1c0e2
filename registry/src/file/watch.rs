//! Hints that something happened in the directory: inotify on Linux, none elsewhere (then listing often must do).
//!
//! One inotify instance per handle: the kernel allows a user only 128. When there is none to be had, one warning says so
//! and listing often takes its place.

use std::{path::Path, time::Duration};

/// A hint; the lock is the truth.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only inotify gives hints"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// A file got this name.
    Appeared(String),
    /// A writer closed this file.
    Closed(String),
    /// This name is gone.
    Deleted(String),
    /// Hints were lost.
    Lost,
    /// The directory itself is gone.
    DirectoryGone,
}

/// How often to list the directory besides, with hints.
const LIST_WITH_HINTS: Duration = Duration::from_secs(1);
/// How often to list the directory without hints.
const LIST_WITHOUT: Duration = Duration::from_millis(50);

/// The source of hints of one directory.
#[derive(Debug, Default)]
pub(super) struct Watch {
    #[cfg(target_os = "linux")]
    source: Option<linux::Source>,
}

impl Watch {
    /// Watches `dir`, or nothing when that cannot be had.
    pub(super) fn new(dir: &Path) -> Self {
        #[cfg(target_os = "linux")]
        match linux::Source::new(dir) {
            Ok(source) => return Self { source: Some(source) },
            Err(error) => tracing::warn!(
                dir = %dir.display(), %error,
                "no inotify watch to be had (see fs.inotify.max_user_instances): listing every 50 ms instead"
            ),
        }
        #[cfg(not(target_os = "linux"))]
        let _ = dir;
        Self::default()
    }

    /// How long to wait between two listings.
    pub(super) fn interval(&self) -> Duration {
        if self.has_hints() { LIST_WITH_HINTS } else { LIST_WITHOUT }
    }

    /// Whether there are hints at all.
    pub(super) fn has_hints(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.source.is_some();
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// Watches what `dir` names now, if that is another directory than before. Answers whether it was.
    pub(super) fn follow(&mut self, dir: &Path) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(source) = &mut self.source {
            return match source.follow(dir) {
                Ok(moved) => moved,
                Err(error) => {
                    tracing::warn!(dir = %dir.display(), %error, "watching again failed: listing every 50 ms instead");
                    self.source = None;
                    true
                }
            };
        }
        let _ = dir;
        false
    }

    /// All hints that are there, at least one. Never, without inotify. Cancel-safe.
    pub(super) async fn hints(&mut self) -> Vec<Hint> {
        #[cfg(target_os = "linux")]
        if let Some(source) = &mut self.source {
            match source.hints().await {
                Ok(hints) => return hints,
                Err(error) => {
                    tracing::warn!(%error, "reading inotify failed: listing every 50 ms instead");
                    self.source = None;
                    return vec![Hint::Lost];
                }
            }
        }
        std::future::pending().await
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs, io,
        os::unix::fs::MetadataExt,
        path::Path,
        pin::Pin,
        task::{Context, Poll},
    };

    use futures_core::Stream;
    use inotify::{EventMask, EventOwned, EventStream, Inotify, WatchDescriptor, WatchMask};

    use super::Hint;

    #[derive(Debug)]
    pub(super) struct Source {
        events: EventStream<[u8; 4096]>,
        armed: WatchDescriptor,
        /// Which directory is watched: device and inode.
        place: (u64, u64),
    }

    impl Source {
        pub(super) fn new(dir: &Path) -> io::Result<Self> {
            let events = Inotify::init()?.into_event_stream([0; 4096])?;
            let (armed, place) = arm(&events, dir)?;
            Ok(Self { events, armed, place })
        }

        pub(super) fn follow(&mut self, dir: &Path) -> io::Result<bool> {
            let found = fs::symlink_metadata(dir)?;
            if (found.dev(), found.ino()) == self.place {
                return Ok(false);
            }
            // The old watch may be gone with its directory already.
            let _ = self.events.watches().remove(self.armed.clone());
            (self.armed, self.place) = arm(&self.events, dir)?;
            Ok(true)
        }

        pub(super) async fn hints(&mut self) -> io::Result<Vec<Hint>> {
            std::future::poll_fn(|cx| self.poll_hints(cx)).await
        }

        fn poll_hints(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<Hint>>> {
            let mut hints = Vec::new();
            loop {
                match Pin::new(&mut self.events).poll_next(cx) {
                    Poll::Ready(Some(Ok(event))) => hints.extend(hint(&self.armed, &event)),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                    Poll::Pending if hints.is_empty() => return Poll::Pending,
                    Poll::Pending => return Poll::Ready(Ok(hints)),
                }
            }
        }
    }

    fn arm(events: &EventStream<[u8; 4096]>, dir: &Path) -> io::Result<(WatchDescriptor, (u64, u64))> {
        let mask = WatchMask::CLOSE_WRITE
            | WatchMask::MOVED_TO
            | WatchMask::MOVED_FROM
            | WatchMask::DELETE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        // Looked at first: if the name moves on in between, the next listing sees another inode and arms again.
        let found = fs::symlink_metadata(dir)?;
        Ok((events.watches().add(dir, mask)?, (found.dev(), found.ino())))
    }

    fn hint(armed: &WatchDescriptor, event: &EventOwned) -> Option<Hint> {
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            return Some(Hint::Lost);
        }
        if event.wd != *armed {
            return None;
        }
        if event
            .mask
            .intersects(EventMask::DELETE_SELF | EventMask::MOVE_SELF | EventMask::IGNORED | EventMask::UNMOUNT)
        {
            return Some(Hint::DirectoryGone);
        }
        let name = event.name.as_ref()?.to_str()?.to_owned();
        match event.mask {
            mask if mask.contains(EventMask::CLOSE_WRITE) => Some(Hint::Closed(name)),
            mask if mask.contains(EventMask::MOVED_TO) => Some(Hint::Appeared(name)),
            mask if mask.intersects(EventMask::DELETE | EventMask::MOVED_FROM) => Some(Hint::Deleted(name)),
            _ => None,
        }
    }
}
