//! The rules in force, swapped whole. What stays as it was keeps what it has counted.
//!
//! They count seconds since the epoch, which were read once: a clock that is set back while the gateway runs would keep each
//! queue shut until it is where it was.

use super::{
    asks::Asks,
    meters,
    places::Places,
    refused::{Refused, Why},
    resource::{Resource, Said, lock},
    rule::{self, ApiGroup, AuthorityRule, DegradeRule, FlowRule, ParamRule, Parsed, SystemRule},
    shared::Shared,
    vitals::{Machine, Vitals},
};
use crate::config::{RuleKind, SharedLimit};
use arc_swap::ArcSwap;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::{Instant, sleep};

/// All limits of a gateway. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Limits(Arc<Inner>);

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Inner {
    force: ArcSwap<Force>,
    /// What the texts said last. One change at a time.
    said: Mutex<Texts>,
    whole: Arc<Mutex<Vitals>>,
    machine: Mutex<Machine>,
    shared: Option<Shared>,
    clock: Clock,
}

/// What is in force.
#[derive(Debug, Default)]
pub(super) struct Force {
    pub(super) resources: HashMap<String, Arc<Resource>>,
    /// Groups of paths that rules name.
    pub(super) groups: Vec<(ApiGroup, Arc<Resource>)>,
    pub(super) system: Vec<SystemRule>,
}

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

/// The time as rules count it: since the epoch, and never back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: Instant,
    epoch: Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Self { began: Instant::now(), epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }
}

impl Clock {
    pub(super) fn now(&self) -> Duration {
        self.epoch + self.began.elapsed()
    }
}

impl Limits {
    /// None, so far, but those that are kept in a store.
    pub(crate) fn new(shared: Option<Shared>) -> Self {
        Self(Arc::new(Inner { shared, ..Inner::default() }))
    }

    /// Where shared limits are kept, if there are any.
    pub(crate) fn shared(&self) -> Option<&Shared> {
        self.0.shared.as_ref()
    }

    /// Asks whether the gateway as a whole bears one more. `None` where nothing is bounded.
    ///
    /// # Errors
    /// Which bound it would break.
    pub(crate) fn enter(&self) -> Result<Option<Places>, Refused> {
        let force = self.0.force.load();
        if force.system.is_empty() {
            return Ok(None);
        }
        let mut places = Places::new(self.0.clock);
        let machine = *lock(&self.0.machine);
        let asked = lock(&self.0.whole).ask(&force.system, machine, self.0.clock.now());
        asked.map_err(|metric| {
            let why = Why::System(metric);
            meters::limited("", why.word());
            Refused {
                resource: String::new(),
                why,
                limit: None,
                retry_after: Some(Duration::from_secs(1)),
                reset: None,
            }
        })?;
        places.whole = Some(self.0.whole.clone());
        Ok(Some(places))
    }

    /// Asks whether a route lets a request in, and waits if its rules say so. What it takes is added to `places`.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) async fn admit(
        &self,
        route: &str,
        asks: Asks<'_>,
        limits: &[SharedLimit],
        places: Option<Places>,
    ) -> Result<Option<Places>, Refused> {
        let resources = self.resources(route, asks.asked.path);
        if resources.is_empty() && places.is_none() && limits.is_empty() {
            return Ok(None);
        }
        let mut places = places.unwrap_or_else(|| Places::new(self.0.clock));
        let now = self.0.clock.now();
        let mut wait = Duration::ZERO;
        for resource in &resources {
            wait = wait.max(resource.enter(&asks, &mut places, now).inspect_err(counted)?);
        }
        if !wait.is_zero() {
            sleep(wait).await;
        }
        if let Some(shared) = &self.0.shared {
            places.left = shared.ask(limits, route, &asks).await.inspect_err(counted)?;
        }
        let now = self.0.clock.now();
        for resource in &resources {
            resource.last(&mut places, now).inspect_err(counted)?;
        }
        places.let_through();
        Ok(Some(places))
    }

    /// The resources that a request is one of: its route, and groups of paths.
    fn resources(&self, route: &str, path: &str) -> Vec<Arc<Resource>> {
        let force = self.0.force.load();
        let groups = force.groups.iter().filter(|(group, _)| group.holds(path)).map(|(_, resource)| resource);
        force.resources.get(route).into_iter().chain(groups).cloned().collect()
    }

    /// How the machine does.
    pub(super) fn machine_is(&self, machine: Machine) {
        *lock(&self.0.machine) = machine;
    }

    /// Puts the rules of a text into force; what is left out of them is told.
    ///
    /// # Errors
    /// Why the text cannot be used: what was in force stays so.
    pub(crate) fn take(&self, kind: RuleKind, text: &str) -> Result<Vec<String>, String> {
        let mut said = lock(&self.0.said);
        let mut new = said.clone();
        match new.read(kind, text) {
            Ok((many, wrong)) => {
                new.told.insert(kind, (many, wrong.clone(), None));
                let force = new.force(&self.0.force.load());
                self.0.force.store(Arc::new(force));
                *said = new;
                Ok(wrong)
            }
            Err(why) => {
                said.told.entry(kind).or_default().2 = Some(why.clone());
                Err(why)
            }
        }
    }

    /// What is in force, what the texts were told, and how the whole does, for people.
    pub(super) fn seen(&self) -> (Arc<Force>, Texts, Vitals, Machine, Duration) {
        let (told, whole) = (lock(&self.0.said).clone(), lock(&self.0.whole).clone());
        (self.0.force.load_full(), told, whole, *lock(&self.0.machine), self.0.clock.now())
    }
}

fn counted(refused: &Refused) {
    meters::limited(&refused.resource, refused.why.word());
}

impl Texts {
    /// Reads a text of a kind: how many rules it has, and what is left out.
    fn read(&mut self, kind: RuleKind, text: &str) -> Result<(usize, Vec<String>), String> {
        fn into<T>(place: &mut Vec<T>, parsed: Parsed<T>) -> (usize, Vec<String>) {
            *place = parsed.rules;
            (place.len(), parsed.wrong)
        }
        Ok(match kind {
            RuleKind::Flow => into(&mut self.flow, rule::parse(text, rule::flow)?),
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

    fn force(&self, old: &Force) -> Force {
        let mut by_name: HashMap<&str, Said> = HashMap::new();
        for rule in &self.authority {
            by_name.entry(&rule.resource).or_default().authority = Some(rule.clone());
        }
        for rule in self.gateway.iter().chain(&self.param) {
            by_name.entry(&rule.resource).or_default().hot.push(rule.clone());
        }
        for rule in &self.flow {
            by_name.entry(&rule.resource).or_default().flow.push(rule.clone());
        }
        for rule in &self.degrade {
            by_name.entry(&rule.resource).or_default().degrade.push(rule.clone());
        }
        let new = |(name, said): (&str, Said)| {
            let resource = Resource::new(name, said, old.resources.get(name).map(Arc::as_ref));
            (name.to_owned(), Arc::new(resource))
        };
        let resources: HashMap<_, _> = by_name.into_iter().map(new).collect();
        let named = |group: &ApiGroup| Some((group.clone(), resources.get(&group.name)?.clone()));
        let groups = self.groups.iter().filter_map(named).collect();
        Force { resources, groups, system: self.system.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Asked;
    use http::{HeaderMap, Method};

    async fn ask(limits: &Limits, route: &str, path: &str) -> Result<Option<Places>, &'static str> {
        let headers = HeaderMap::new();
        let asked = Asked { host: "shop", path, query: "", method: &Method::GET, headers: &headers };
        let asks = Asks { asked, client: None, captures: &[], origin: Some("bad") };
        let places = limits.enter().map_err(|refused| refused.why.word())?;
        limits.admit(route, asks, &[], places).await.map_err(|refused| refused.why.word())
    }

    /// Asks, and the answer begins at once.
    async fn answered(limits: &Limits, route: &str, failed: bool) -> Result<(), &'static str> {
        if let Some(mut places) = ask(limits, route, "/").await? {
            places.answered();
            places.went(failed);
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_new_set_keeps_what_did_not_change_and_a_bad_one_changes_nothing() {
        let limits = Limits::default();
        let take = |kind, text: &str| limits.take(kind, text);
        let zero = r#"[{"resource":"a","count":0},{"resource":"b","count":0}]"#;
        take(RuleKind::Flow, zero).unwrap();
        assert_eq!(ask(&limits, "a", "/").await.unwrap_err(), "RATE_LIMITED");
        let wrong = take(RuleKind::Flow, r#"[{"resource":"b","count":9},{"resource":"a","count":0},{}]"#).unwrap();
        assert_eq!(wrong.len(), 1);
        assert!(ask(&limits, "a", "/").await.is_err() && ask(&limits, "b", "/").await.is_ok());
        assert!(take(RuleKind::Flow, "nonsense").is_err());
        assert!(ask(&limits, "a", "/").await.is_err());
        take(RuleKind::Flow, "[]").unwrap();
        assert!(ask(&limits, "a", "/").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_breaker_stays_open_while_other_rules_of_its_resource_change() {
        let limits = Limits::default();
        let degrade =
            r#"[{"resource":"a","grade":2,"count":1,"timeWindow":60,"minRequestAmount":1,"statIntervalMs":60000}]"#;
        limits.take(RuleKind::Degrade, degrade).unwrap();
        for failed in [true, true] {
            assert_eq!(answered(&limits, "a", failed).await, Ok(()));
        }
        assert_eq!(answered(&limits, "a", false).await, Err("BREAKER_OPEN"));
        limits.take(RuleKind::Flow, r#"[{"resource":"a","count":9}]"#).unwrap();
        limits
            .take(
                RuleKind::Degrade,
                &degrade.replace("}]", "},{\"resource\":\"b\",\"grade\":2,\"count\":1,\"timeWindow\":1}]"),
            )
            .unwrap();
        assert_eq!(answered(&limits, "a", false).await, Err("BREAKER_OPEN"));
        limits.take(RuleKind::Degrade, &degrade.replace("60,", "61,")).unwrap();
        assert_eq!(answered(&limits, "a", false).await, Ok(()), "another rule begins anew");
    }

    #[tokio::test]
    async fn the_order_is_who_may_then_parameters_then_flow_and_what_is_refused_gives_back() {
        let limits = Limits::default();
        limits.take(RuleKind::Flow, r#"[{"resource":"a","count":1,"grade":0}]"#).unwrap();
        limits
            .take(
                RuleKind::Authority,
                r#"[{"resource":"x","limitApp":"bad","strategy":1},{"resource":"x","limitApp":"a"}]"#,
            )
            .unwrap();
        limits.take(RuleKind::System, r#"[{"maxThread":1}]"#).unwrap();
        assert_eq!(ask(&limits, "x", "/").await.unwrap_err(), "ORIGIN_DENIED");
        let one = ask(&limits, "a", "/").await.unwrap();
        // Each of these gives back what it took of the whole.
        assert_eq!(ask(&limits, "a", "/").await.unwrap_err(), "RATE_LIMITED");
        assert_eq!(ask(&limits, "a", "/").await.unwrap_err(), "RATE_LIMITED");
        let two = ask(&limits, "free", "/").await.unwrap();
        assert_eq!(ask(&limits, "free", "/").await.unwrap_err(), "SYSTEM_THREADS");
        drop((one, two));
        assert!(ask(&limits, "a", "/").await.is_ok());
    }

    #[tokio::test]
    async fn groups_of_paths_are_resources_too() {
        let limits = Limits::default();
        let groups = r#"[{"apiName":"g","predicateItems":[{"pattern":"/a/**","matchStrategy":1}]}]"#;
        limits.take(RuleKind::GatewayApiGroup, groups).unwrap();
        limits.take(RuleKind::GatewayFlow, r#"[{"resource":"g","resourceMode":1,"count":0}]"#).unwrap();
        assert_eq!(ask(&limits, "r", "/a/b").await.unwrap_err(), "GATEWAY_LIMITED");
        assert!(ask(&limits, "r", "/b").await.is_ok());
    }
}
