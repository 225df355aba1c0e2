//! What the texts of rules said, and what that puts into force. Pure.

use super::{
    limits::Force,
    resource::{Resource, Said},
    rule::{self, ApiGroup, AuthorityRule, DegradeRule, FlowRule, ParamRule, Parsed, Pick, Relation, SystemRule},
};
use crate::config::{OnFailure, RuleKind, SharedLimit};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

/// What each text said.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    flow: Vec<FlowRule>,
    degrade: Vec<DegradeRule>,
    system: Vec<SystemRule>,
    param: Vec<ParamRule>,
    gateway: Vec<ParamRule>,
    authority: Vec<AuthorityRule>,
    groups: Vec<ApiGroup>,
    /// By kind: how many rules are in force, and what was left out; or why the last text was refused.
    pub(super) told: BTreeMap<RuleKind, (usize, Vec<String>, Option<String>)>,
}

impl Texts {
    /// Reads a text of a kind: how many rules it has, and what is left out. Rules of a cluster want a store.
    pub(super) fn read(&mut self, kind: RuleKind, text: &str, has_store: bool) -> Result<(usize, Vec<String>), String> {
        fn into<T>(place: &mut Vec<T>, parsed: Parsed<T>) -> (usize, Vec<String>) {
            *place = parsed.rules;
            (place.len(), parsed.wrong)
        }
        Ok(match kind {
            RuleKind::Flow => {
                let usable = |rule: FlowRule| match rule.cluster.is_some() && !has_store {
                    true => {
                        Err("gateways share a count (`clusterMode`) in a `limit_store`, and there is none".to_owned())
                    }
                    false => Ok(rule),
                };
                into(&mut self.flow, rule::parse(text, |fields| rule::flow(fields).and_then(usable))?)
            }
            RuleKind::Degrade => into(&mut self.degrade, rule::parse(text, rule::degrade)?),
            RuleKind::System => into(&mut self.system, rule::parse(text, rule::system)?),
            RuleKind::ParamFlow => into(&mut self.param, rule::parse(text, rule::param)?),
            RuleKind::GatewayFlow => into(&mut self.gateway, rule::parse(text, rule::gateway)?),
            RuleKind::GatewayApiGroup => into(&mut self.groups, rule::parse(text, rule::api_group)?),
            RuleKind::Authority => {
                let mut parsed = rule::parse(text, rule::authority)?;
                let mut known = BTreeSet::new();
                // As in Sentinel, the first of a resource counts.
                let (first, more) = parsed.rules.into_iter().partition(|rule| known.insert(rule.resource.clone()));
                let more: Vec<AuthorityRule> = more;
                let told =
                    |rule: &AuthorityRule| format!("a further rule of `{}`: the first one counts", rule.resource);
                parsed.wrong.extend(more.iter().map(told));
                into(&mut self.authority, Parsed { rules: first, wrong: parsed.wrong })
            }
        })
    }

    pub(super) fn force(&self, old: &Force, gateways: u32) -> Force {
        let mut by_name: HashMap<&str, Said> = HashMap::new();
        for rule in &self.authority {
            by_name.entry(&rule.resource).or_default().authority = Some(rule.clone());
        }
        for rule in self.gateway.iter().chain(&self.param) {
            by_name.entry(&rule.resource).or_default().hot.push(rule.clone());
        }
        for rule in self.flow.iter().filter(|rule| rule.cluster.is_none()) {
            by_name.entry(&rule.resource).or_default().flow.push(rule.clone());
            if let Relation::Other(name) = &rule.relation {
                by_name.entry(name).or_default().is_watched = true;
            }
        }
        for rule in &self.degrade {
            by_name.entry(&rule.resource).or_default().degrade.push(rule.clone());
        }
        let new = |(name, said): (&str, Said)| {
            let resource = Resource::new(name, said, old.resources.get(name).map(Arc::as_ref));
            (name.to_owned(), resource)
        };
        let mut resources: HashMap<_, _> = by_name.into_iter().map(new).collect();
        let gates = resources.iter().filter_map(|(name, one)| Some((name.clone(), one.gate.clone()?))).collect();
        resources.values_mut().for_each(|resource| resource.relate(&gates));
        let resources: HashMap<_, _> = resources.into_iter().map(|(name, one)| (name, Arc::new(one))).collect();
        let named = |group: &ApiGroup| Some((group.clone(), resources.get(&group.name)?.clone()));
        let groups = self.groups.iter().filter_map(named).collect();
        let shared = self.flow.iter().filter_map(|rule| of_a_cluster(rule, gateways)).collect();
        Force { resources, groups, system: self.system.clone(), shared }
    }
}

/// What gateways share by a rule of a cluster: so many a second, in one name of theirs all.
pub(super) fn of_a_cluster(rule: &FlowRule, gateways: u32) -> Option<SharedLimit> {
    let cluster = rule.cluster.as_ref()?;
    let count = (rule.count as u32).saturating_mul(if cluster.is_global { 1 } else { gateways });
    let on_failure = if cluster.falls_back { OnFailure::Local } else { OnFailure::Open };
    let (name, routes) = (format!("flow-{}", cluster.id), vec![rule.resource.clone()]);
    let (key, per) = (Pick::All, Duration::from_secs(1));
    Some(SharedLimit { name, routes, key, count, per, burst: count, on_failure, line: 0 })
}
