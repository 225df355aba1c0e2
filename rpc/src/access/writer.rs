//! The thread that writes the access log.

use super::line::Form;
use crate::layer::names::ACCESS_LOST;
use std::{
    fmt, io,
    sync::mpsc::{self, SyncSender},
    thread,
    time::Duration,
};

/// Lines that wait to be written, at most.
const WAITING: usize = 8192;
/// How long whoever ends waits for what is written already.
const PATIENCE: Duration = Duration::from_secs(1);

/// An access log. A clone writes to the same place.
#[derive(Clone)]
pub struct AccessLog {
    form: Form,
    lines: SyncSender<Job>,
}

enum Job {
    Write(String),
    /// Say so when all that came before is written.
    Flush(SyncSender<()>),
}

impl AccessLog {
    /// Lines of JSON. `to` is written to by a thread that ends with the last clone of this.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn json(to: impl io::Write + Send + 'static) -> io::Result<Self> {
        Self::new(Form::Json, to)
    }

    /// Lines for people.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub fn text(to: impl io::Write + Send + 'static) -> io::Result<Self> {
        Self::new(Form::Text, to)
    }

    /// Lines of this form.
    pub(crate) fn new(form: Form, to: impl io::Write + Send + 'static) -> io::Result<Self> {
        let (lines, jobs) = mpsc::sync_channel(WAITING);
        let mut to = io::BufWriter::new(to);
        thread::Builder::new().name("access-log".to_owned()).spawn(move || write(&jobs, &mut to))?;
        Ok(Self { form, lines })
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// Hands a line over, with its end; one that finds no room is counted and left out.
    pub fn say(&self, line: String) {
        if self.lines.try_send(Job::Write(line)).is_err() {
            metrics::counter!(ACCESS_LOST).increment(1);
        }
    }

    /// Waits until what was said is written, for a second at most. Blocks the thread.
    pub fn flush(&self) {
        let (done, written) = mpsc::sync_channel(1);
        if self.lines.send(Job::Flush(done)).is_ok() {
            // Too late is no reason to wait on.
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

/// Writes what comes, a burst at a time.
fn write(jobs: &mpsc::Receiver<Job>, to: &mut impl io::Write) {
    let mut tells = true;
    while let Ok(first) = jobs.recv() {
        let mut asked = Vec::new();
        let mut failed = None;
        for job in std::iter::once(first).chain(jobs.try_iter()) {
            match job {
                Job::Write(line) => failed = to.write_all(line.as_bytes()).err().or(failed),
                Job::Flush(done) => asked.push(done),
            }
        }
        failed = to.flush().err().or(failed);
        // Once for a row of failures: a disk that is full says so with each line.
        if let Some(error) = failed.filter(|_| tells) {
            tracing::warn!(%error, "the access log cannot be written");
            tells = false;
        } else if !tells {
            tells = true;
        }
        for done in asked {
            // Who asked may have given up.
            let _ = done.try_send(());
        }
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AccessLog").field(&self.form).finish()
    }
}
