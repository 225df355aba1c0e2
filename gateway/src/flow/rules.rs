//! The rules in force, swapped whole. A resource whose rules stay as they were keeps what it has counted.
//!
//! They count seconds since the epoch, which were read once: a clock that is set back while the gateway runs would keep each
//! queue shut until it is where it was.

use super::{resource::Resource, rule};
use arc_swap::ArcSwap;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

/// What is in force, by resource. A clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Rules(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    by_resource: ArcSwap<HashMap<String, Arc<Resource>>>,
    began: Instant,
    /// The same moment since the epoch.
    epoch: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(Arc::new(Inner { by_resource: ArcSwap::default(), began: Instant::now(), epoch }))
    }
}

impl Rules {
    /// The time as rules count it.
    pub(crate) fn now(&self) -> Duration {
        self.0.epoch + self.0.began.elapsed()
    }

    /// The rules of a resource, if there are any.
    pub(crate) fn of(&self, resource: &str) -> Option<Arc<Resource>> {
        self.0.by_resource.load().get(resource).cloned()
    }

    /// Puts the rules of a text into force; what is left out of them is told.
    ///
    /// # Errors
    /// Why the text cannot be used: what was in force stays so.
    pub(crate) fn take(&self, text: &str) -> Result<Vec<String>, String> {
        let parsed = rule::parse(text)?;
        let mut by_resource: HashMap<String, Vec<_>> = HashMap::new();
        for rule in parsed.rules {
            by_resource.entry(rule.resource.clone()).or_default().push(rule);
        }
        let old = self.0.by_resource.load();
        let new = by_resource.into_iter().map(|(name, rules)| {
            let kept = old.get(&name).filter(|resource| resource.is_of(&rules)).cloned();
            (name, kept.unwrap_or_else(|| Arc::new(Resource::new(&rules))))
        });
        self.0.by_resource.store(Arc::new(new.collect()));
        Ok(parsed.wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_set_keeps_what_did_not_change_and_a_bad_one_changes_nothing() {
        let rules = Rules::default();
        rules.take(r#"[{"resource":"a","count":1},{"resource":"b","count":1}]"#).unwrap();
        let (a, b) = (rules.of("a").unwrap(), rules.of("b").unwrap());
        let wrong = rules.take(r#"[{"resource":"b","count":2},{"resource":"a","count":1},{}]"#).unwrap();
        assert_eq!(wrong.len(), 1);
        assert!(Arc::ptr_eq(&a, &rules.of("a").unwrap()) && !Arc::ptr_eq(&b, &rules.of("b").unwrap()));
        assert!(rules.take("nonsense").is_err());
        assert!(rules.of("a").is_some());
        rules.take("[]").unwrap();
        assert!(rules.of("a").is_none());
    }
}
