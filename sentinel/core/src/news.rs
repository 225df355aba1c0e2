//! When redis-sentinels may hear of a new master. Pure.
//!
//! A redis-sentinel tries a link at most once a second, counted from its last try, also when the address has just changed; and
//! an address of which it has had no answer `down-after-milliseconds` after the change it holds for down
//! (`sentinelReconnectInstance`, `sentinelResetMaster` and `sentinelCheckSubjectivelyDown` of its `sentinel.c`). What its
//! peers said of the old master it counts against the new one still, so that a second failover begins at once. It takes
//! its decisions in ticks: one that has just found the old master down, and so helped to elect us, has just tried it in
//! vain too. A promotion that is told within milliseconds is told at the worst moment.
//!
//! While the old master refuses connections, the tries are known: the first when the link breaks, then one a second, each up
//! to a tick late. Told well after a try, and so soon before the next, it has its answer in time.

use super::durable::PeerKind;
use super::ids::RunId;
use super::state::{Master, Sentinel};
use super::vote::all_ours;

/// Between two tries of a redis-sentinel.
const TRY: u64 = 1_000;
/// The longest between two of its ticks (its timer runs at 10 to 19 Hz), and something for a busy machine.
const TICK: u64 = 120;

impl Sentinel {
    /// Notes when the news of a new master may go to redis-sentinels; `m` still has the old one.
    pub(super) fn time_the_news(&self, m: &mut Master) {
        let gone = m.server().filter(|s| !s.link.up && s.link.closed).map(|s| s.link.since);
        m.news_after = match gone {
            Some(gone) if !all_ours(self, m) => gone.after(best_after(self.now.since(gone), m.settings.down_after)),
            _ => self.now,
        };
    }

    /// A peer that hears everything at once.
    pub(super) fn hears_at_once(&self, id: &RunId) -> bool {
        self.peers.get(id).is_some_and(|p| p.kind == PeerKind::Ours)
    }
}

/// How long after the old master's end to tell, `elapsed` after it: at once, or after the tries of this second.
fn best_after(elapsed: u64, down_after: u64) -> u64 {
    let second = elapsed / TRY;
    let last_try = second * TRY + (second + 1) * TICK;
    // Told then, the next try and its answer come in time.
    let safe = last_try + (TRY + TICK).saturating_sub(down_after);
    let harmless = down_after >= TRY + TICK || safe >= (second + 1) * TRY;
    if harmless { elapsed } else { elapsed.max(safe) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::ids::Target;
    use crate::table::Table;

    /// Whether a redis-sentinel holds the new master for down that is told of it after `told`. Its first try comes `first`
    /// after the end of the old one, each further one a second and `late` after the one before.
    fn holds_for_down(told: u64, first: u64, late: u64, down_after: u64) -> bool {
        let mut tried = first;
        while tried < told {
            tried += TRY + late;
        }
        tried - told > down_after
    }

    #[test]
    fn told_in_time_it_does_not_hold_the_new_master_for_down() {
        let ticks = || (0..=100).step_by(10).flat_map(|first| (0..=100).step_by(10).map(move |late| (first, late)));
        for (elapsed, down_after) in (300..4_000).flat_map(|e| (500..1_500).step_by(100).map(move |d| (e, d))) {
            let told = best_after(elapsed, down_after);
            assert!(told < elapsed + TRY);
            let promised = told > elapsed || down_after >= TRY + TICK;
            for (first, late) in ticks().filter(|_| promised) {
                assert!(!holds_for_down(told, first, late, down_after), "{elapsed} {told} {down_after} {first} {late}");
            }
        }
        assert_eq!((best_after(1_040, 1_000), best_after(1_040, 1_500), best_after(210, 200)), (1_360, 1_040, 210));
        assert!(ticks().any(|(first, late)| holds_for_down(1_040, first, late, 1_000)), "at once it would");
    }

    #[test]
    fn only_redis_sentinels_wait_for_the_news() {
        let told = |kind| {
            let mut t = Table::settled();
            t.peers_are(kind);
            t.kill_master();
            t.peers_say(true);
            t.peers_vote(true);
            let mut times = Vec::new();
            for ms in 0..1_500 {
                let said = t.run_for(1);
                let news = |a: &&Action| matches!(a, Action::PublishHello(_, h) if h.config_epoch.0 > 0);
                let to = said.iter().find(news).map(|a| matches!(a, Action::PublishHello(Target::Peer(_), _)));
                times.extend(to.map(|_| ms));
            }
            times[0]
        };
        let (at_once, later) = (told(PeerKind::Ours), told(PeerKind::Redis));
        assert!(at_once < 1_150 && (1_340..1_500).contains(&later), "{at_once} {later}");
    }
}
