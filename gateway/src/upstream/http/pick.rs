//! Which endpoint of plain HTTP gets a request. Pure: what is known of each, a random number and a turn come in.

use crate::config::LbPolicy;

/// What is known of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Requests under way there.
    pub(super) active: usize,
    /// It could not be reached a moment ago.
    pub(super) ejected: bool,
    /// This request was there already.
    pub(super) tried: bool,
    /// How much the session of the request is drawn there, if it has one.
    pub(super) affinity: Option<u64>,
}

/// Picks one; `None` when there is none.
///
/// Those that failed a moment ago come last, and those that this request was sent to already after them: when all are so, one
/// of them is better than nobody.
pub(super) fn pick(policy: LbPolicy, seen: &[Seen], random: u64, turn: usize) -> Option<usize> {
    let good = |one: &Seen| !one.ejected && !one.tried;
    let wanted: [&dyn Fn(&Seen) -> bool; 3] = [&good, &|one| !one.tried, &|_| true];
    let usable = wanted.into_iter().find_map(|wanted| {
        let all: Vec<usize> = (0..seen.len()).filter(|at| wanted(&seen[*at])).collect();
        (!all.is_empty()).then_some(all)
    })?;
    if let Some(at) =
        usable.iter().copied().filter(|at| seen[*at].affinity.is_some()).max_by_key(|at| seen[*at].affinity)
    {
        return Some(at);
    }
    let draw = |random: u64| usable[(random % usable.len() as u64) as usize];
    Some(match policy {
        LbPolicy::RoundRobin => usable[turn % usable.len()],
        LbPolicy::Random => draw(random),
        LbPolicy::LeastRequest => {
            let (one, other) = (draw(random & u64::from(u32::MAX)), draw(random >> 32));
            if seen[other].active < seen[one].active { other } else { one }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IDLE: Seen = Seen { active: 0, ejected: false, tried: false, affinity: None };

    #[test]
    fn policies() {
        let seen = [Seen { active: 5, ..IDLE }, Seen { active: 1, ..IDLE }, Seen { active: 3, ..IDLE }];
        let turns: Vec<_> = (0..4).map(|turn| pick(LbPolicy::RoundRobin, &seen, 0, turn).unwrap()).collect();
        assert_eq!(turns, [0, 1, 2, 0]);
        assert_eq!(pick(LbPolicy::Random, &seen, 4, 0), Some(1));
        for (one, other, picked) in [(0, 1, 1), (0, 2, 2), (1, 2, 1), (0, 0, 0)] {
            assert_eq!(pick(LbPolicy::LeastRequest, &seen, (other << 32) | one, 0), Some(picked), "{one} {other}");
        }
    }

    #[test]
    fn a_session_goes_where_it_is_drawn_most_as_long_as_that_is_well() {
        let drawn = |affinity| Seen { affinity: Some(affinity), ..IDLE };
        let mut seen = [drawn(3), drawn(9), drawn(5)];
        assert_eq!(pick(LbPolicy::Random, &seen, 0, 0), Some(1));
        seen[1].ejected = true;
        assert_eq!(pick(LbPolicy::RoundRobin, &seen, 0, 0), Some(2));
        seen[2].tried = true;
        assert_eq!(pick(LbPolicy::LeastRequest, &seen, 0, 0), Some(0));
    }

    proptest! {
        #[test]
        fn the_better_come_first(
            seen in prop::collection::vec((0usize..9, any::<bool>(), any::<bool>()), 0..8), random: u64, turn: usize,
            policy in prop::sample::select(vec![LbPolicy::LeastRequest, LbPolicy::RoundRobin, LbPolicy::Random]),
        ) {
            let seen: Vec<_> = seen.into_iter().map(|(active, ejected, tried)| Seen { active, ejected, tried, affinity: None }).collect();
            let class = |one: &Seen| (one.tried, one.ejected);
            match pick(policy, &seen, random, turn) {
                None => prop_assert!(seen.is_empty()),
                Some(at) if seen[at].tried => prop_assert!(seen.iter().all(|one| one.tried)),
                Some(at) => prop_assert_eq!(Some(class(&seen[at])), seen.iter().map(class).min()),
            }
        }
    }
}
