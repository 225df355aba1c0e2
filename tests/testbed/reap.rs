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
            end_descendants(None);
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Ends what is still there after a step, and names it. A child that is still wanted is left alone, with all below it.
pub fn left_behind(wanted: Option<u32>) -> Vec<String> {
    poll(GRACE, || {
        collect(wanted);
        at_work(own(), wanted).is_empty().then_some(())
    });
    let left = descendants(wanted);
    let names = left.iter().map(|&pid| name(pid)).collect();
    left.into_iter().for_each(end);
    names
}

/// Ends everything below this process but a child that is still wanted. Repeated, since what is being ended may still start
/// more.
pub fn end_descendants(wanted: Option<u32>) {
    poll(GRACE, || {
        let left = descendants(wanted);
        left.iter().for_each(|&pid| end(pid));
        collect(wanted);
        left.is_empty().then_some(())
    });
}

fn end(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may have gone since it was listed.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Those that ended wait to be collected.
fn collect(wanted: Option<u32>) {
    let ended = children_of(own()).filter(|(pid, ended)| *ended && !is(*pid, wanted));
    for pid in ended.filter_map(|(pid, _)| Pid::from_raw(pid)) {
        // It has ended, so this takes no time and cannot fail.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

fn descendants(wanted: Option<u32>) -> Vec<i32> {
    let mut found = at_work(own(), wanted);
    let mut next = 0;
    while next < found.len() {
        found.extend(at_work(found[next], None));
        next += 1;
    }
    found
}

/// The children of a process that have not ended, but for one that is wanted.
fn at_work(parent: i32, wanted: Option<u32>) -> Vec<i32> {
    children_of(parent).filter(|(pid, ended)| !ended && !is(*pid, wanted)).map(|(pid, _)| pid).collect()
}

fn own() -> i32 {
    getpid().as_raw_nonzero().get()
}

fn is(pid: i32, wanted: Option<u32>) -> bool {
    wanted.is_some_and(|wanted| u32::try_from(pid) == Ok(wanted))
}

/// The children of a process, and of each whether it has ended.
fn children_of(parent: i32) -> impl Iterator<Item = (i32, bool)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(move |pid| {
        let (of, ended) = parent_of(pid)?;
        (of == parent).then_some((pid, ended))
    })
}

/// The parent of a process, and whether it has ended and waits to be collected, from `/proc/PID/stat`: the fields after the
/// name in brackets.
fn parent_of(pid: i32) -> Option<(i32, bool)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    let ended = fields.next()? == "Z";
    Some((fields.next()?.parse().ok()?, ended))
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
        assert_eq!(parent_of(pid), Some((own(), false)));
        crate::eventually(GRACE, "the exec", || name(pid) == "sleep 613");
        assert!(descendants(None).contains(&pid));
        assert!(!descendants(Some(child.id())).contains(&pid), "one that is wanted");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!descendants(None).contains(&pid));
    }
}
