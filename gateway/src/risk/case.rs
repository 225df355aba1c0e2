//! A request as rules see it, from when its route is known until its answer is there.

use super::{Facts, Who, engine::Live};
use crate::{auth::Identity, ingress::Target};
use http::{HeaderMap, Method};
use std::sync::Arc;

/// A request; empty where no rule asks anything.
#[derive(Debug, Default)]
pub(crate) struct Case(Option<Box<(Arc<Live>, Facts)>>);

impl Case {
    pub(super) fn new(live: Arc<Live>, facts: Facts) -> Self {
        Self(Some(Box::new((live, facts))))
    }

    /// The rules that are asked, from the first to the last the same ones, and what is known.
    pub(super) fn open(&mut self) -> Option<(&Arc<Live>, &mut Facts)> {
        let (live, facts) = self.0.as_deref_mut()?;
        Some((live, facts))
    }

    /// It is known now who asks.
    pub(crate) fn prove(&mut self, who: &Who, identity: &Identity) {
        if let Some((_, facts)) = self.0.as_deref_mut() {
            facts.who = who.clone();
            facts.auth = identity.how;
            facts.claims = identity.claims();
        }
    }
}

impl Facts {
    /// What is known of a request before it is known who asks.
    pub(crate) fn of(method: &Method, target: &Target, headers: &HeaderMap, who: &Who) -> Self {
        Self {
            method: method.to_string(),
            host: target.host.clone(),
            path: target.path.clone(),
            query: target.query.clone().unwrap_or_default(),
            headers: headers.clone(),
            who: who.clone(),
            ..Self::default()
        }
    }
}
