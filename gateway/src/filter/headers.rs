//! Headers set, added and removed. Pure.

use http::{HeaderMap, HeaderName, HeaderValue};

/// What is made of the headers of a request, or of an answer: first removed, then set, then added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderMutations {
    pub(crate) remove: Vec<HeaderName>,
    /// In the place of what is there.
    pub(crate) set: Vec<(HeaderName, HeaderValue)>,
    /// Beside what is there.
    pub(crate) add: Vec<(HeaderName, HeaderValue)>,
}

impl HeaderMutations {
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_removed_set_and_added_in_that_order() {
        let pair = |name: &'static str, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let mutations = HeaderMutations {
            remove: vec![HeaderName::from_static("a")],
            set: vec![pair("b", "2"), pair("a", "3")],
            add: vec![pair("c", "4")],
        };
        let mut headers: HeaderMap = [pair("a", "0"), pair("b", "0"), pair("c", "0")].into_iter().collect();
        mutations.apply(&mut headers);
        let values = |name: &str| headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!((values("a"), values("b"), values("c")), (vec!["3"], vec!["2"], vec!["0", "4"]));
    }
}
