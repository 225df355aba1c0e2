//! How the machine does: the load of the last minute, and the share of its processors, or of those that a cgroup leaves us, that is
//! busy. Read as Linux shows it; where it shows nothing, nothing is bounded by it.

use super::{limits::Limits, vitals::Machine};
use std::time::Duration;
use tokio::time::{Instant, interval};

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// What was used up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Used {
    /// Of all processors: busy and all, in ticks.
    ticks: Option<(u64, u64)>,
    /// By the cgroup, in microseconds.
    group: Option<u64>,
}

/// Looks at the machine for as long as the future is polled.
pub(crate) async fn watch(limits: Limits) {
    let mut again = interval(EVERY);
    let (mut before, mut then) = (Used::default(), Instant::now());
    loop {
        again.tick().await;
        let (load, used, quota) = look().await;
        let now = Instant::now();
        let cpu = share(before, used, quota, now - then);
        limits.machine_is(Machine { load: load.unwrap_or_default(), cpu: cpu.unwrap_or_default() });
        (before, then) = (used, now);
    }
}

async fn look() -> (Option<f64>, Used, Option<f64>) {
    let read = async |path: String| tokio::fs::read_to_string(path).await.unwrap_or_default();
    let load = read("/proc/loadavg".into()).await.split(' ').next().and_then(|word| word.parse().ok());
    let groups = read("/proc/self/cgroup".into()).await;
    let group =
        groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/").trim_end_matches('/').to_owned();
    let ticks = ticks(&read("/proc/stat".into()).await);
    let usage = usage(&read(format!("/sys/fs/cgroup{group}/cpu.stat")).await);
    let quota = quota(&read(format!("/sys/fs/cgroup{group}/cpu.max")).await);
    (load, Used { ticks, group: usage }, quota)
}

/// Of all processors, from `/proc/stat`.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    // User, nice, system, idle, iowait, irq, softirq, steal.
    let all: Vec<u64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
    let idle = all.get(3)? + all.get(4).copied().unwrap_or_default();
    let total: u64 = all.iter().sum();
    Some((total - idle, total))
}

/// Of the cgroup, from its `cpu.stat`.
fn usage(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("usage_usec "))?.trim().parse().ok()
}

/// How many processors the cgroup may use, from its `cpu.max`; `None` without a bound.
fn quota(max: &str) -> Option<f64> {
    let (quota, period) = max.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

/// The greater of the share of all processors, and of those that the cgroup leaves; `None` after one look.
fn share(before: Used, now: Used, quota: Option<f64>, elapsed: Duration) -> Option<f64> {
    let machine = before.ticks.zip(now.ticks).and_then(|((busy, all), (busy_now, all_now))| {
        let all = all_now.checked_sub(all).filter(|all| *all > 0)?;
        Some(busy_now.saturating_sub(busy) as f64 / all as f64)
    });
    let group = before.group.zip(now.group).zip(quota).and_then(|((used, used_now), quota)| {
        let could = elapsed.as_micros() as f64 * quota;
        (could > 0.0).then(|| used_now.saturating_sub(used) as f64 / could)
    });
    [machine, group].into_iter().flatten().reduce(f64::max).map(|share| share.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_shows() {
        assert_eq!(ticks("cpu  10 1 5 80 4 0 0 0 7 7\ncpu0 1 1 1\n"), Some((16, 100)));
        assert_eq!(ticks("nothing"), None);
        assert_eq!(usage("usage_usec 1500\nuser_usec 9\n"), Some(1500));
        assert_eq!((quota("150000 100000\n"), quota("max 100000\n"), quota("")), (Some(1.5), None, None));
        let (before, now) =
            (Used { ticks: Some((0, 100)), group: Some(0) }, Used { ticks: Some((50, 200)), group: Some(900_000) });
        let second = Duration::from_secs(1);
        assert_eq!(share(before, now, None, second), Some(0.5));
        assert_eq!(share(before, now, Some(1.0), second), Some(0.9));
        assert_eq!(share(before, now, Some(2.0), second), Some(0.5));
        assert_eq!(share(Used::default(), now, None, second), None);
    }

    #[tokio::test]
    async fn this_machine_shows_it() {
        let (load, used, _) = look().await;
        assert!(load.is_some() && used.ticks.is_some());
    }
}
