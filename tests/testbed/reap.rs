//! Nothing is left behind: whatever a test started and forgot comes to the suite, which names it and ends it, also when the
//! suite itself is interrupted. A benchmark does the same.
//!
//! Linux hands orphans to the nearest ancestor that asked for them ("subreaper"), so the suite sees them all.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::wait::poll;

/// How long a process may take to go by itself after the test that started it.
const GRACE: Duration = Duration::from_secs(2);

/// Makes this process the parent of all that its children leave behind, and ends everything below it, and itself, on SIGINT
/// and SIGTERM.
///
/// # Errors
/// When the kernel refuses.
pub fn adopt_orphans_and_end_them_on_signals() -> io::Result<()> {
    set_child_subreaper(Some(getpid()))?;
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            end_descendants();
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Ends what is still there after a step, and names it.
pub fn left_behind() -> Vec<String> {
    poll(GRACE, || {
        // Those that ended wait to be collected.
        while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
        children_of(own()).is_empty().then_some(())
    });
    let left = descendants();
    let names = left.iter().map(|&pid| name(pid)).collect();
    left.into_iter().for_each(end);
    names
}

/// Ends everything below this process. Repeated, since what is being ended may still start more.
pub fn end_descendants() {
    poll(GRACE, || {
        let left = descendants();
        left.iter().for_each(|&pid| end(pid));
        while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
        left.is_empty().then_some(())
    });
}

fn own() -> i32 {
    getpid().as_raw_nonzero().get()
}

fn end(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may have gone since it was listed.
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn descendants() -> Vec<i32> {
    let mut found = children_of(own());
    let mut next = 0;
    while next < found.len() {
        found.extend(children_of(found[next]));
        next += 1;
    }
    found
}

fn children_of(parent: i32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|&pid| parent_of(pid) == Some(parent)).collect()
}

/// The parent, from `/proc/PID/stat`: the second field after the name in brackets. A zombie counts as gone.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.next()?.parse().ok()
}

fn name(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_is_seen_and_named() {
        let mut child = Command::new("sleep").arg("613").spawn().unwrap();
        let pid = child.id() as i32;
        assert_eq!(parent_of(pid), Some(own()));
        crate::eventually(GRACE, "the exec", || name(pid) == "sleep 613");
        assert!(descendants().contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!descendants().contains(&pid));
    }
}
