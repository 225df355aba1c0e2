//! Which lane of a route a request takes. Pure: chance is an argument.

use crate::route::Condition;
use http::HeaderMap;

/// A lane beside the main one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Canary {
    pub(crate) name: String,
    /// Requests of which all of these hold take it, whatever its share.
    pub(crate) conditions: Vec<Condition>,
    /// Of a hundred others, so many.
    pub(crate) weight: u32,
    /// Another upstream than the route's.
    pub(crate) upstream: Option<String>,
    /// The colour that its requests carry on, through all services behind (`dubbo.tag`).
    pub(crate) tag: Option<String>,
}

/// The canary that a request takes, by its place; `None` for the main lane. Who asks for one by header, query or cookie gets the
/// first such; the others are drawn by weight.
pub(crate) fn choose(canaries: &[Canary], headers: &HeaderMap, query: &str, random: u64) -> Option<usize> {
    let asked = |canary: &Canary| {
        !canary.conditions.is_empty() && canary.conditions.iter().all(|one| one.holds(headers, query))
    };
    canaries.iter().position(asked).or_else(|| {
        let mut draw = (random % 100) as u32;
        canaries.iter().position(|canary| {
            let hit = draw < canary.weight;
            draw = draw.saturating_sub(canary.weight);
            hit
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Place, Test};

    fn canary(header: Option<&str>, weight: u32) -> Canary {
        let condition = |value: &str| Condition { place: Place::Header("x".into()), test: Test::Exact(value.into()) };
        let conditions = header.map(condition).into_iter().collect();
        Canary { name: String::new(), conditions, weight, upstream: None, tag: None }
    }

    #[test]
    fn who_asks_gets_it_and_the_others_are_drawn() {
        let canaries = [canary(Some("1"), 0), canary(None, 10), canary(Some("2"), 5)];
        let headers = |value: &str| HeaderMap::from_iter([("x".parse().unwrap(), value.parse().unwrap())]);
        assert_eq!(choose(&canaries, &headers("1"), "", 99), Some(0));
        assert_eq!(choose(&canaries, &headers("2"), "", 99), Some(2));
        let drawn: Vec<_> = (0..100).map(|random| choose(&canaries, &headers("3"), "", random)).collect();
        let count = |lane| drawn.iter().filter(|one| **one == lane).count();
        assert_eq!([count(None), count(Some(0)), count(Some(1)), count(Some(2))], [85, 0, 10, 5]);
    }
}
