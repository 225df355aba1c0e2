//! Headers set, added and removed. Pure.

use super::variables::{Pattern, Said};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What is made of the headers of a request, or of an answer: first removed, then set, then added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderMutations {
    pub(crate) remove: Vec<HeaderName>,
    /// In the place of what is there.
    pub(crate) set: Vec<(HeaderName, Value)>,
    /// Beside what is there.
    pub(crate) add: Vec<(HeaderName, Value)>,
}

/// What a header becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Fixed(HeaderValue),
    Pattern(Pattern),
}

impl Value {
    fn of(&self, said: Option<&Said>) -> Option<HeaderValue> {
        match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Pattern(pattern) => pattern.value(said?),
        }
    }
}

impl HeaderMutations {
    /// There are variables in it: it wants to be told what a request is.
    pub(crate) fn asks(&self) -> bool {
        self.set.iter().chain(&self.add).any(|(_, value)| matches!(value, Value::Pattern(_)))
    }

    /// Does it. What comes out as no value of a header is left out.
    pub(crate) fn apply(&self, headers: &mut HeaderMap, said: Option<&Said>) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            if let Some(value) = value.of(said) {
                headers.insert(name, value);
            }
        }
        for (name, value) in &self.add {
            if let Some(value) = value.of(said) {
                headers.append(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_removed_set_and_added_in_that_order() {
        let plain = |name: &'static str, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let pair =
            |name: &'static str, value| (HeaderName::from_static(name), Value::Fixed(HeaderValue::from_static(value)));
        let mutations = HeaderMutations {
            remove: vec![HeaderName::from_static("a")],
            set: vec![pair("b", "2"), pair("a", "3")],
            add: vec![pair("c", "4")],
        };
        let mut headers: HeaderMap = [plain("a", "0"), plain("b", "0"), plain("c", "0")].into_iter().collect();
        mutations.apply(&mut headers, None);
        let values = |name: &str| headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!((values("a"), values("b"), values("c")), (vec!["3"], vec!["2"], vec!["0", "4"]));
        assert!(!mutations.asks());
        let pattern = Pattern::parse("{request.id}").unwrap().unwrap();
        let set = vec![(HeaderName::from_static("id"), Value::Pattern(pattern))];
        let asking = HeaderMutations { set, ..HeaderMutations::default() };
        assert!(asking.asks());
        asking.apply(&mut headers, Some(&Said { id: "7f".into(), ..Said::default() }));
        assert_eq!(headers["id"], "7f");
    }
}
