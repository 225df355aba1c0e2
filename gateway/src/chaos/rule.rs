//! Which requests are met by a fault, and by which. Pure: chance is an argument.

use crate::route::{Asked, Condition};
use http::StatusCode;
use std::time::Duration;

/// One rule of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChaosRule {
    pub(crate) name: String,
    /// None: all.
    pub(crate) routes: Vec<String>,
    /// All of them must hold.
    pub(crate) conditions: Vec<Condition>,
    /// Of the numbers that chance may say, so many are met.
    pub(crate) share: u64,
    pub(crate) delay: Option<Duration>,
    pub(crate) end: Option<End>,
}

/// How a request ends that is not let go its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It is refused, and no upstream hears of it.
    Abort(StatusCode),
    /// An upstream answers it, and the answer is lost.
    Reset,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) delay: Duration,
    pub(super) end: Option<End>,
}

impl ChaosRule {
    /// The share of a percentage.
    pub(crate) fn share(percentage: u32) -> u64 {
        match percentage {
            0 => 0,
            1..=99 => u64::MAX / 100 * u64::from(percentage),
            _ => u64::MAX,
        }
    }

    fn takes(&self, route: &str, asked: Asked<'_>) -> bool {
        (self.routes.is_empty() || self.routes.iter().any(|name| name == route))
            && self.conditions.iter().all(|condition| condition.holds(asked.headers, asked.query))
    }
}

/// The longest of the delays that meet a request, and the first of the ends. `throw` is asked once for each rule that is for it.
pub(super) fn fate(rules: &[ChaosRule], route: &str, asked: Asked<'_>, mut throw: impl FnMut() -> u64) -> Fate {
    let mut fate = Fate::default();
    for rule in rules.iter().filter(|rule| rule.takes(route, asked)) {
        if rule.share < u64::MAX && throw() >= rule.share {
            continue;
        }
        fate.delay = fate.delay.max(rule.delay.unwrap_or_default());
        fate.end = fate.end.or(rule.end);
    }
    fate
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        filter::mixed,
        route::{Place, Test},
    };
    use http::{HeaderMap, Method};

    fn rule(percentage: u32) -> ChaosRule {
        let share = ChaosRule::share(percentage);
        ChaosRule { name: "r".into(), routes: vec![], conditions: vec![], share, delay: None, end: Some(End::Reset) }
    }

    #[test]
    fn the_share_is_the_percentage_and_only_what_is_named_is_met() {
        let mut headers = HeaderMap::new();
        headers.insert("x-chaos", "yes".parse().unwrap());
        let asked = Asked { host: "h", path: "/", query: "", method: &Method::GET, headers: &headers };
        let met = |rule: &ChaosRule, route: &str| {
            let mut turn = 0;
            let mut throw = || {
                turn += 1;
                mixed(7, &u64::to_le_bytes(turn))
            };
            (0..10_000).filter(|_| fate(std::slice::from_ref(rule), route, asked, &mut throw).end.is_some()).count()
        };
        for (percentage, many) in [(0, 0..=0), (5, 400..=600), (100, 10_000..=10_000)] {
            assert!(many.contains(&met(&rule(percentage), "pages")), "{percentage}");
        }
        let named = ChaosRule { routes: vec!["pages".into()], ..rule(100) };
        assert_eq!((met(&named, "pages"), met(&named, "other")), (10_000, 0));
        for (value, many) in [("yes", 10_000), ("no", 0)] {
            let condition = Condition { place: Place::Header("x-chaos".into()), test: Test::Exact(value.into()) };
            assert_eq!(met(&ChaosRule { conditions: vec![condition], ..rule(100) }, "pages"), many);
        }
    }

    #[test]
    fn the_longest_delay_and_the_first_end_count() {
        let headers = HeaderMap::new();
        let asked = Asked { host: "h", path: "/", query: "", method: &Method::GET, headers: &headers };
        let late = |seconds| Some(Duration::from_secs(seconds));
        let abort = Some(End::Abort(StatusCode::BAD_GATEWAY));
        let rules = [
            ChaosRule { delay: late(1), end: None, ..rule(100) },
            ChaosRule { delay: late(3), end: abort, ..rule(100) },
            ChaosRule { delay: late(2), ..rule(100) },
            ChaosRule { delay: late(9), ..rule(0) },
        ];
        assert_eq!(fate(&rules, "r", asked, || 1 << 40), Fate { delay: Duration::from_secs(3), end: abort });
    }
}
