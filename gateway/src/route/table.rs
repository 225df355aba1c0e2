//! Which route takes a request. Pure.
//!
//! 1. By host: an exact name before `*.name`, the longest such first, before routes of any host.
//! 2. Among those by path, the most particular template first (`paths.rs`).
//! 3. Among those by conditions: who asks more comes first (a list of methods counts as one), then who stands first in the file.
//!
//! A route that does not take a request leaves it to the next. Two of which the second could never be reached are a
//! conflict, which the file is refused for.

use super::{Capture, Condition, Paths, Template};
use foldhash::fast::RandomState;
use http::{HeaderMap, Method};
use std::collections::HashMap;

/// What a route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matcher {
    /// In lower case: a name, or `*.name`. None: any.
    pub(crate) hosts: Vec<String>,
    pub(crate) path: Template,
    /// None: any.
    pub(crate) methods: Vec<Method>,
    /// Sorted.
    pub(crate) conditions: Vec<Condition>,
}

/// A request, as routes see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// In lower case and without a port.
    pub(crate) host: &'a str,
    /// In its normal form.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
}

/// Routes by what they take.
#[derive(Debug)]
pub(crate) struct Table<T> {
    exact: HashMap<String, Paths<Entry<T>>, RandomState>,
    /// By `.name`, the longest first.
    under: Vec<(String, Paths<Entry<T>>)>,
    any: Paths<Entry<T>>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    methods: Vec<Method>,
    conditions: Vec<Condition>,
    target: T,
}

impl<T: Clone> Table<T> {
    /// A table of routes, in the order of the file.
    pub(crate) fn new(routes: impl IntoIterator<Item = (Matcher, T)>) -> Self {
        let mut routes: Vec<_> = routes.into_iter().collect();
        routes.sort_by_key(|(matcher, _)| std::cmp::Reverse(matcher.asks()));
        let (mut exact, mut under) = (HashMap::<_, Paths<_>, RandomState>::default(), HashMap::<_, Paths<_>>::new());
        let mut any = Paths::default();
        for (Matcher { hosts, path, methods, conditions }, target) in routes {
            let entry = Entry { methods, conditions, target };
            for host in &hosts {
                let paths = match host.strip_prefix('*') {
                    Some(suffix) => under.entry(suffix.to_owned()).or_default(),
                    None => exact.entry(host.clone()).or_default(),
                };
                paths.add(path.clone(), entry.clone());
            }
            if hosts.is_empty() {
                any.add(path, entry);
            }
        }
        let mut under: Vec<_> = under.into_iter().collect();
        under.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then(a.cmp(b)));
        Self { exact, under, any }
    }

    /// The route that takes a request, with what stands for the variables of its path.
    pub(crate) fn find<'a>(&'a self, asked: Asked<'a>) -> Option<(&'a T, Vec<Capture<'a>>)> {
        let (entry, captures) = self.search(asked, |entry| entry.takes(&asked))?;
        Some((&entry.target, captures))
    }

    /// The methods that a route would have taken where none took this one; none when nothing is there at all.
    pub(crate) fn allowed(&self, asked: Asked<'_>) -> Vec<Method> {
        let mut allowed: Vec<Method> = Vec::new();
        self.search(asked, |entry| {
            if entry.holds(&asked) {
                allowed.extend(entry.methods.iter().cloned());
            }
            false
        });
        allowed.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        allowed.dedup();
        allowed
    }

    fn search<'a>(
        &'a self,
        asked: Asked<'a>,
        mut take: impl FnMut(&'a Entry<T>) -> bool,
    ) -> Option<(&'a Entry<T>, Vec<Capture<'a>>)> {
        let under = self.under.iter().filter(|(suffix, _)| asked.host.ends_with(suffix.as_str()));
        let places = self.exact.get(asked.host).into_iter().chain(under.map(|(_, paths)| paths)).chain([&self.any]);
        places.into_iter().find_map(|paths| paths.find(asked.path, &mut take))
    }
}

impl<T> Entry<T> {
    fn takes(&self, asked: &Asked<'_>) -> bool {
        (self.methods.is_empty() || self.methods.contains(asked.method)) && self.holds(asked)
    }

    fn holds(&self, asked: &Asked<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(asked.headers, asked.query))
    }
}

impl Matcher {
    /// How much it asks for.
    fn asks(&self) -> usize {
        self.conditions.len() + usize::from(!self.methods.is_empty())
    }

    /// Whatever the other takes of some host and method, this one takes before it.
    pub(crate) fn hides(&self, other: &Self) -> bool {
        let hosts = (self.hosts.is_empty() && other.hosts.is_empty())
            || self.hosts.iter().any(|host| other.hosts.contains(host));
        let methods = (self.methods.is_empty() && other.methods.is_empty())
            || self.methods.iter().any(|method| other.methods.contains(method));
        hosts && methods && self.path.is_same(&other.path) && self.conditions == other.conditions
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Place, Test},
        *,
    };
    use proptest::prelude::*;

    fn matcher(hosts: &[&str], path: &str, methods: &[Method], header: Option<&str>) -> Matcher {
        let condition = |value: &str| Condition { place: Place::Header("x".into()), test: Test::Exact(value.into()) };
        Matcher {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            path: Template::parse(path).unwrap(),
            methods: methods.to_vec(),
            conditions: header.map(condition).into_iter().collect(),
        }
    }

    fn headers(value: Option<&str>) -> HeaderMap {
        value.map(|value| ("x".parse().unwrap(), value.parse().unwrap())).into_iter().collect()
    }

    #[test]
    fn the_route_that_asks_most_takes_the_request() {
        let table = Table::new([
            (matcher(&[], "/**", &[], None), "any"),
            (matcher(&["shop"], "/**", &[], None), "shop"),
            (matcher(&["*.shop"], "/a", &[], None), "under"),
            (matcher(&["*.eu.shop"], "/a", &[], None), "deeper"),
            (matcher(&["shop"], "/a", &[Method::GET], None), "get"),
            (matcher(&["shop"], "/a", &[], Some("1")), "header"),
            (matcher(&["shop"], "/a", &[Method::GET], Some("1")), "both"),
            (matcher(&["shop"], "/b", &[Method::PUT], None), "put"),
        ]);
        for (host, path, method, header, expected) in [
            ("shop", "/a", Method::GET, Some("1"), "both"),
            ("shop", "/a", Method::GET, None, "get"),
            ("shop", "/a", Method::POST, Some("1"), "header"),
            ("shop", "/a", Method::POST, Some("2"), "shop"),
            ("x.shop", "/a", Method::GET, None, "under"),
            ("x.eu.shop", "/a", Method::GET, None, "deeper"),
            ("x.shop", "/c", Method::GET, None, "any"),
            ("other", "/a", Method::GET, None, "any"),
            ("shop", "/b", Method::GET, None, "shop"),
        ] {
            let headers = headers(header);
            let asked = Asked { host, path, query: "", method: &method, headers: &headers };
            assert_eq!(table.find(asked).map(|(found, _)| *found), Some(expected), "{host} {path} {method}");
        }
    }

    #[test]
    fn what_would_have_been_allowed_is_known() {
        let table = Table::new([
            (matcher(&[], "/a", &[Method::PUT, Method::GET], None), 0),
            (matcher(&[], "/*", &[Method::DELETE], None), 1),
            (matcher(&[], "/*", &[Method::PATCH], Some("1")), 2),
        ]);
        let headers = HeaderMap::new();
        let asked = |path| Asked { host: "h", path, query: "", method: &Method::POST, headers: &headers };
        assert_eq!(table.allowed(asked("/a")), [Method::DELETE, Method::GET, Method::PUT]);
        assert_eq!(table.allowed(asked("/a/b")), [Method::GET; 0]);
    }

    #[test]
    fn a_route_that_nobody_reaches_is_a_conflict() {
        let a = matcher(&["a", "b"], "/x/{id}", &[Method::GET, Method::PUT], None);
        for (other, hidden) in [
            (matcher(&["b"], "/x/*", &[Method::PUT], None), true),
            (matcher(&["c"], "/x/*", &[Method::PUT], None), false),
            (matcher(&[], "/x/*", &[Method::PUT], None), false),
            (matcher(&["b"], "/x/*", &[], None), false),
            (matcher(&["b"], "/x/*", &[Method::POST], None), false),
            (matcher(&["b"], "/x/**", &[Method::PUT], None), false),
            (matcher(&["b"], "/x/*", &[Method::PUT], Some("1")), false),
        ] {
            assert_eq!(a.hides(&other), hidden, "{other:?}");
        }
    }

    /// Every route, one after the other, in the order that the head of this file tells.
    fn slowly(routes: &[Matcher], asked: Asked<'_>) -> Option<usize> {
        let host_rank = |matcher: &Matcher| {
            let ranks = matcher.hosts.iter().filter_map(|host| match host.strip_prefix('*') {
                Some(suffix) => asked.host.ends_with(suffix).then(|| 100 - suffix.len()),
                None => (host == asked.host).then_some(0),
            });
            if matcher.hosts.is_empty() { Some(1000) } else { ranks.min() }
        };
        let takes = |matcher: &Matcher| {
            let mut alone = Paths::default();
            alone.add(matcher.path.clone(), ());
            (matcher.methods.is_empty() || matcher.methods.contains(asked.method))
                && matcher.conditions.iter().all(|one| one.holds(asked.headers, asked.query))
                && alone.find(asked.path, |()| true).is_some()
        };
        let fitting = routes.iter().enumerate().filter(|(_, matcher)| takes(matcher));
        let ranked = fitting.filter_map(|(at, matcher)| {
            let asks = std::cmp::Reverse(matcher.asks());
            Some(((host_rank(matcher)?, matcher.path.rank(), asks, at), at))
        });
        ranked.min().map(|(_, at)| at)
    }

    fn any_matcher() -> impl Strategy<Value = Matcher> {
        let hosts = prop::collection::vec(prop::sample::select(vec!["a", "b.a", "*.a", "*.b.a"]), 0..3);
        let methods = prop::collection::vec(prop::sample::select(vec![Method::GET, Method::PUT]), 0..2);
        let header = prop::option::of(prop::sample::select(vec!["1", "2"]));
        (hosts, "(/([xy]|\\*)){1,3}(/\\*\\*)?", methods, header)
            .prop_map(|(hosts, path, methods, header)| matcher(&hosts, &path, &methods, header))
    }

    proptest! {
        #[test]
        fn the_table_finds_what_looking_at_each_route_finds(
            routes in prop::collection::vec(any_matcher(), 0..25),
            requests in prop::collection::vec(
                (prop::sample::select(vec!["a", "b.a", "c.b.a", "other"]), "(/[xy]){1,4}", any::<bool>(), prop::option::of("[123]")),
                1..10,
            ),
        ) {
            let table = Table::new(routes.iter().cloned().zip(0..));
            for (host, path, gets, header) in requests {
                let method = if gets { Method::GET } else { Method::POST };
                let headers = headers(header.as_deref());
                let asked = Asked { host, path: &path, query: "", method: &method, headers: &headers };
                prop_assert_eq!(table.find(asked).map(|(at, _)| *at), slowly(&routes, asked));
            }
        }
    }
}
