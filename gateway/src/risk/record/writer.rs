//! The thread that writes the record. A line that it does not take in time is counted and left out: a disk that is slow holds no
//! request up.

use super::rotate::Rotating;
use crate::config::DecisionLog;
use metrics::counter;
use std::{
    io::{self, Write},
    sync::mpsc::{self, SyncSender},
    thread,
    time::Duration,
};

/// Lines that wait to be written, at most.
const WAITING: usize = 8192;
/// How long whoever ends waits for what is written already.
const PATIENCE: Duration = Duration::from_secs(1);
/// Lines that were left out.
const LOST: &str = "mainstay_gateway_risk_records_lost_total";

/// Where lines go. A clone writes to the same place.
#[derive(Clone, Debug)]
pub(crate) struct Recorder(SyncSender<Job>);

#[derive(Debug)]
enum Job {
    Write(String),
    /// Say so when all that came before is written.
    Flush(SyncSender<()>),
}

impl Recorder {
    /// Opens the record.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn open(config: &DecisionLog) -> io::Result<Self> {
        let file = Rotating::open(&config.path, config.max_size, config.max_files)?;
        Self::to(file, WAITING)
    }

    fn to(mut file: impl Write + Send + 'static, waiting: usize) -> io::Result<Self> {
        let (lines, jobs) = mpsc::sync_channel(waiting);
        thread::Builder::new().name("decisions".to_owned()).spawn(move || write(&jobs, &mut file))?;
        Ok(Self(lines))
    }

    /// Hands a line over, with its end. Whether there was room.
    pub(crate) fn say(&self, line: String) -> bool {
        let taken = self.0.try_send(Job::Write(line)).is_ok();
        if !taken {
            counter!(LOST).increment(1);
        }
        taken
    }

    /// Waits until what was said is written, for a second at most. Blocks the thread.
    pub(crate) fn flush(&self) {
        let (done, written) = mpsc::sync_channel(1);
        if self.0.try_send(Job::Flush(done)).is_ok() {
            // Too late is no reason to wait on.
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

fn write(jobs: &mpsc::Receiver<Job>, file: &mut impl Write) {
    let mut well = true;
    while let Ok(job) = jobs.recv() {
        let written = match job {
            Job::Write(line) => file.write_all(line.as_bytes()),
            Job::Flush(done) => {
                let flushed = file.flush();
                // Who asked may have given up.
                let _ = done.try_send(());
                flushed
            }
        };
        // Once for a row of failures: a disk that is full says so with each line.
        match written {
            Ok(()) => well = true,
            Err(error) => {
                counter!(LOST).increment(1);
                if well {
                    tracing::warn!(%error, "the record of decisions cannot be written");
                }
                well = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// A disk that takes nothing while it is locked.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<Vec<u8>>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_is_slow_holds_nobody_up() {
        let disk = Disk::default();
        let recorder = Recorder::to(disk.clone(), 4).unwrap();
        let slow = disk.0.lock().unwrap();
        // One may be in the hands of the thread.
        let taken = (0..100).filter(|n| recorder.say(format!("{n}\n"))).count();
        assert!((4..=5).contains(&taken), "{taken}");
        drop(slow);
        // What was taken is written: the thread takes the rest before it takes this.
        while !recorder.say("last\n".to_owned()) {
            thread::yield_now();
        }
        let (done, written) = mpsc::sync_channel(1);
        recorder.0.send(Job::Flush(done)).unwrap();
        written.recv_timeout(Duration::from_secs(20)).unwrap();
        let text = String::from_utf8(disk.0.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("0\n1\n") && text.ends_with("last\n") && text.lines().count() == taken + 1, "{text}");
    }
}
