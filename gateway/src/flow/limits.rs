//! The rules in force, swapped whole. What stays as it was keeps what it has counted.
//!
//! They count seconds since the epoch, which were read once: a clock that is set back while the gateway runs would keep each
//! queue shut until it is where it was.

use super::{
    asks::Asks,
    meters,
    places::Places,
    refused::{Refused, Why},
    resource::{Resource, lock},
    rule::{ApiGroup, SystemRule},
    shared::Shared,
    texts::Texts,
    vitals::{Machine, Vitals},
};
use crate::config::{RuleKind, SharedLimit};
use arc_swap::ArcSwap;
use std::{
    collections::HashMap,
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
    /// What gateways share by flow rules of a cluster.
    pub(super) shared: Arc<[SharedLimit]>,
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
        let (resources, of_rules) = self.resources(route, asks.asked.path);
        if resources.is_empty() && places.is_none() && limits.is_empty() && of_rules.is_empty() {
            return Ok(None);
        }
        let mut places = places.unwrap_or_else(|| Places::new(self.0.clock));
        let now = self.0.clock.now();
        let mut wait = Duration::ZERO;
        for resource in &resources {
            wait = wait.max(resource.enter(route, &asks, &mut places, now).inspect_err(counted)?);
        }
        if !wait.is_zero() {
            if wait >= asks.deadline.left(Instant::now()) {
                let resource = route.to_owned();
                let late = Refused { resource, why: Why::Deadline, limit: None, retry_after: Some(wait), reset: None };
                counted(&late);
                return Err(late);
            }
            // Put away, as what follows: most requests wait for nothing, and carry along no room for it.
            Box::pin(sleep(wait)).await;
        }
        if let Some(shared) = &self.0.shared {
            let asked = Box::pin(shared.ask(limits.iter().chain(&*of_rules), route, &asks)).await;
            places.left = asked.inspect_err(counted)?;
        }
        let now = self.0.clock.now();
        for resource in &resources {
            resource.last(&mut places, now).inspect_err(counted)?;
        }
        places.let_through();
        Ok(Some(places))
    }

    /// The resources that a request is one of: its route, and groups of paths; and what gateways share by rules.
    fn resources(&self, route: &str, path: &str) -> (Vec<Arc<Resource>>, Arc<[SharedLimit]>) {
        let force = self.0.force.load();
        let groups = force.groups.iter().filter(|(group, _)| group.holds(path)).map(|(_, resource)| resource);
        let resources = force.resources.get(route).into_iter().chain(groups).cloned().collect();
        (resources, force.shared.clone())
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
        match new.read(kind, text, self.0.shared.is_some()) {
            Ok((many, wrong)) => {
                new.told.insert(kind, (many, wrong.clone(), None));
                let gateways = self.0.shared.as_ref().map_or(1, Shared::gateways);
                let force = new.force(&self.0.force.load(), gateways);
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

#[cfg(test)]
mod tests {
    use super::super::{rule, texts::of_a_cluster};
    use super::*;
    use crate::{config::OnFailure, deadline::Deadline, route::Asked};
    use http::{HeaderMap, Method};

    async fn ask(limits: &Limits, route: &str, path: &str) -> Result<Option<Places>, &'static str> {
        let headers = HeaderMap::new();
        let asked = Asked { host: "shop", path, query: "", method: &Method::GET, headers: &headers };
        let deadline = Deadline { began: Instant::now(), at: Instant::now() + Duration::from_secs(1) };
        let asks = Asks { asked, client: None, captures: &[], origin: Some("bad"), deadline };
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
    async fn rules_give_way_to_another_resource_and_tell_callers_and_routes_apart() {
        let limits = Limits::default();
        let related = r#"[{"resource":"read","count":2,"strategy":1,"refResource":"write"}]"#;
        limits.take(RuleKind::Flow, related).unwrap();
        for route in ["read", "read", "write", "write"] {
            ask(&limits, route, "/").await.unwrap();
        }
        assert_eq!(ask(&limits, "read", "/").await.unwrap_err(), "RATE_LIMITED", "there are writes");
        ask(&limits, "write", "/").await.unwrap();
        let callers =
            r#"[{"resource":"read","count":1,"limitApp":"bad"},{"resource":"read","count":0,"limitApp":"good"}]"#;
        limits.take(RuleKind::Flow, callers).unwrap();
        ask(&limits, "read", "/").await.unwrap();
        assert_eq!(ask(&limits, "read", "/").await.unwrap_err(), "RATE_LIMITED");
        let groups = r#"[{"apiName":"g","predicateItems":[{"pattern":"/a/**","matchStrategy":1}]}]"#;
        limits.take(RuleKind::GatewayApiGroup, groups).unwrap();
        let entry = r#"[{"resource":"g","count":1,"strategy":2,"refResource":"read"}]"#;
        limits.take(RuleKind::Flow, entry).unwrap();
        ask(&limits, "read", "/a/b").await.unwrap();
        assert_eq!(ask(&limits, "read", "/a/b").await.unwrap_err(), "RATE_LIMITED");
        ask(&limits, "other", "/a/b").await.unwrap();
    }

    #[tokio::test]
    async fn a_rule_of_a_cluster_wants_a_store() {
        let limits = Limits::default();
        let rule = r#"{"resource":"a","count":5,"clusterMode":true,"clusterConfig":{"flowId":7}}"#;
        let why = limits.take(RuleKind::Flow, &format!("[{rule}]")).unwrap_err();
        assert!(why.contains("`limit_store`, and there is none"), "{why}");
        let rule = rule::parse(&format!("[{rule}]"), rule::flow).unwrap().rules.remove(0);
        let shared = of_a_cluster(&rule, 3).unwrap();
        assert_eq!((shared.name.as_str(), shared.count, shared.burst), ("flow-7", 15, 15), "5 for each of three");
        assert_eq!(shared.on_failure, OnFailure::Local);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_stands_in_a_queue_for_longer_than_there_is_time() {
        let limits = Limits::default();
        let queue = r#"[{"resource":"a","count":0.4,"controlBehavior":2,"maxQueueingTimeMs":60000}]"#;
        limits.take(RuleKind::Flow, queue).unwrap();
        ask(&limits, "a", "/").await.unwrap();
        assert_eq!(ask(&limits, "a", "/").await.unwrap_err(), "DEADLINE_EXCEEDED");
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
