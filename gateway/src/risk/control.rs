//! Risk control at work. What it knows outlives the snapshots of the file: entries of operators, counters, hits.

use super::{
    case::Case,
    engine::Engine,
    list::{Change, ListError, Name, Store, Subject, Who},
    record::{Hash, Hit, Line, Recorder},
    rule::{Action, Decision, Mode, Reply, RuleSet},
};
use crate::{
    config::{RiskConfig, RulesFrom, SharedSet},
    refusal::Refusal,
};
use http::{HeaderName, StatusCode};
use mainstay_registry::Secret;
use metrics::counter;
use serde_json::Value;
use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{task::spawn_blocking, time::Instant};

/// What was decided, by route and action.
const DECISIONS: &str = "mainstay_gateway_risk_decisions_total";
/// What ties an answer, and the request that an upstream sees, to a line of the record.
pub(crate) const DECISION: HeaderName = HeaderName::from_static("x-mainstay-decision");
/// The shortest key of hashes, in bytes.
const LEAST_KEY: usize = 16;

/// Risk control. A clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Risk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lists: Store,
    engine: Engine,
    recorder: Option<Recorder>,
    hash: Hash,
    /// Names decisions.
    dice: RandomState,
    named: AtomicU64,
    began: Instant,
    /// The same moment since the epoch: counters do not go back when a clock does.
    epoch: Duration,
}

impl Risk {
    /// Begins with what the file says, and with what lies on disk.
    ///
    /// # Errors
    /// What lies on disk cannot be read, the record not written, or the key of hashes is not there.
    pub(crate) fn open(config: &RiskConfig) -> Result<Self, String> {
        let lists = Store::open(config.state_dir.as_deref())?;
        let log = config.decision_log.as_ref();
        let recorder = log.map(|log| Recorder::open(log).map_err(|error| format!("{}: {error}", log.path.display())));
        let (dice, named) = (RandomState::new(), AtomicU64::new(0));
        let hash = match &config.hash_key {
            Some(place) => Hash::new(key(place)?.expose().as_bytes()),
            // Lines of one process can be told to be of one person, and those of two cannot.
            None => Hash::new(&[0u64, 1, 2, 3].map(|part| dice.hash_one(part).to_be_bytes()).concat()),
        };
        let inner = Inner {
            lists,
            engine: Engine::default(),
            recorder: recorder.transpose()?,
            hash,
            dice,
            named,
            began: Instant::now(),
            epoch: wall(),
        };
        let risk = Self(Arc::new(inner));
        risk.says(config);
        Ok(risk)
    }

    /// What the file says from now on.
    pub(crate) fn says(&self, config: &RiskConfig) {
        self.0.lists.says(&config.lists, wall());
        match &config.rules {
            Some(RulesFrom::Inline(SharedSet(set))) => {
                if self.0.engine.live().is_none_or(|live| live.set.version != set.version) {
                    self.0.engine.take(set.clone());
                }
            }
            // They are followed.
            Some(_) => {}
            None => self.0.engine.rest(),
        }
    }

    /// Puts the text of a set of rules into force; answers its version.
    ///
    /// # Errors
    /// All that is wrong with it: what was in force stays so.
    pub(super) fn take(&self, text: &str) -> Result<String, String> {
        match text.parse::<RuleSet>() {
            Ok(set) => {
                let version = set.version.clone();
                self.0.engine.take(Arc::new(set));
                Ok(version)
            }
            Err(refused) => {
                self.0.engine.refuse(refused.to_string());
                Err(refused.to_string())
            }
        }
    }

    /// Why somebody is refused, if a list says so.
    pub(crate) fn denies(&self, who: &Who, version: u64) -> Option<Refusal> {
        if self.0.lists.are_empty() {
            return None;
        }
        let (subject, reason) = self.0.lists.denies(who, wall())?;
        tracing::debug!(kind = subject.kind(), reason, "refused by the deny list");
        let id = self.0.name();
        let reasons = [Some("DENY_LISTED".to_owned()), reason].into_iter().flatten().collect();
        let line = Line { id: id.clone(), version, action: "deny", shadow_action: "deny", reasons, ..Line::default() };
        self.0.record(&line, who);
        Some(Refusal::new(StatusCode::FORBIDDEN, "DENY_LISTED", "refused").with(DECISION, id))
    }

    /// The list that somebody is on who is not refused, if any.
    pub(crate) fn listed(&self, who: &Who) -> Option<&'static str> {
        if self.0.lists.are_empty() {
            return None;
        }
        let now = wall();
        [Name::Allow, Name::Gray].into_iter().find(|list| self.0.lists.holds(*list, who, now)).map(Name::as_str)
    }

    /// What rules will be asked about a request of a route. It costs nothing where none asks.
    pub(crate) fn case(&self, route: &str, facts: impl FnOnce() -> super::Facts) -> Case {
        match self.0.engine.live().filter(|live| !live.set.is_idle(route)) {
            Some(live) => Case::new(live, super::Facts { route: route.to_owned(), at: self.now(), ..facts() }),
            None => Case::default(),
        }
    }

    /// Counts a request, and lets it through or not; answers the name of the decision, if there is something to tell.
    ///
    /// # Errors
    /// It is not let through.
    pub(crate) fn judge(&self, case: &mut Case, version: u64) -> Result<Option<String>, Refusal> {
        let Some((live, facts)) = case.open() else { return Ok(None) };
        let began = Instant::now();
        facts.allow = self.0.lists.holds(Name::Allow, &facts.who, wall());
        facts.gray = self.0.lists.holds(Name::Gray, &facts.who, wall());
        if facts.allow {
            live.count(facts);
            return Ok(None);
        }
        let decision = live.judge(facts);
        let action = decision.action;
        counter!(DECISIONS, "route" => facts.route.clone(), "action" => action.as_str()).increment(1);
        if decision.hits.is_empty() && decision.errors.is_empty() {
            return Ok(None);
        }
        let id = self.0.name();
        let line = Line { id: id.clone(), version, took: began.elapsed(), ..line(&live.set, facts, &decision) };
        self.0.record(&line, &facts.who);
        let reply = match action {
            Action::Allow => return Ok(Some(id)),
            Action::Challenge => &live.set.replies.challenge,
            Action::Throttle => &live.set.replies.throttle,
            Action::Deny => &live.set.replies.deny,
        };
        Err(refusal(action, reply).with(DECISION, id))
    }

    /// Counts how a request was answered.
    pub(crate) fn answered(&self, mut case: Case, status: StatusCode, grpc_status: Option<i64>) {
        if let Some((live, facts)) = case.open() {
            live.answered(facts, super::Answer { status: status.as_u16(), grpc_status }, self.now());
        }
    }

    /// What stands for an account where people read.
    pub(crate) fn hash(&self, account: &str) -> String {
        self.0.hash.of("account", account)
    }

    /// Makes a change of an operator's.
    ///
    /// # Errors
    /// Why it is not made.
    pub(crate) async fn change(
        &self,
        (list, subject): (Name, Subject),
        change: Change,
        by: &str,
        most: usize,
    ) -> Result<(), ListError> {
        let (inner, by, told) = (self.0.clone(), by.to_owned(), subject.to_string());
        let what = if matches!(change, Change::Put { .. }) { "put" } else { "deleted" };
        let changed = spawn_blocking(move || {
            let changed = inner.lists.change((list, subject), change, &by, (wall(), most));
            match &changed {
                Ok(()) => tracing::info!(list = list.as_str(), subject = told, by, what, "an operator changed a list"),
                Err(error) => {
                    tracing::warn!(list = list.as_str(), subject = told, by, what, %error, "a list is not changed");
                }
            }
            changed
        });
        changed.await.unwrap_or_else(|error| Err(ListError::Disk(std::io::Error::other(error))))
    }

    /// Trusts a rule so far from now on; `None`: as its set says. Whether there is such a rule.
    pub(crate) fn choose(&self, rule: &str, mode: Option<Mode>, by: &str) -> bool {
        let done = self.0.engine.choose(rule, mode);
        tracing::info!(rule, ?mode, by, done, "an operator changes the mode of a rule");
        done
    }

    /// The lists, for people.
    pub(crate) fn lists(&self) -> Value {
        self.0.lists.page(wall())
    }

    /// The rules, for people.
    pub(crate) fn page(&self) -> Value {
        self.0.engine.page()
    }

    /// Waits until the record is written, for a second at most. Blocks the thread.
    pub(crate) fn flush(&self) {
        self.0.recorder.iter().for_each(Recorder::flush);
    }

    /// The time as counters count it.
    fn now(&self) -> Duration {
        self.0.epoch + self.0.began.elapsed()
    }
}

impl Inner {
    /// A name for a decision.
    fn name(&self) -> String {
        format!("{:016x}", self.dice.hash_one(self.named.fetch_add(1, Relaxed)))
    }

    fn record(&self, line: &Line, who: &Who) {
        if let Some(recorder) = &self.recorder {
            recorder.say(line.text(wall(), who, &self.hash));
        }
    }
}

/// What a record says of a decision.
fn line(set: &RuleSet, facts: &super::Facts, decision: &Decision) -> Line {
    let rule = |at: usize| &set.rules[at];
    Line {
        rules: set.version.clone(),
        route: facts.route.clone(),
        method: facts.method.clone(),
        action: decision.action.as_str(),
        score: decision.score,
        shadow_action: decision.shadow_action.as_str(),
        shadow_score: decision.shadow_score,
        reasons: decision.hits.iter().map(|(at, _)| rule(*at).reason.clone()).collect(),
        hits: decision.hits.iter().map(|(at, counts)| Hit { rule: rule(*at).name.clone(), counts: *counts }).collect(),
        errors: decision.errors.iter().map(|at| rule(*at).name.clone()).collect(),
        ..Line::default()
    }
}

/// The answer to who is not let through. It does not say by which rule: who tries would learn from it.
fn refusal(action: Action, reply: &Reply) -> Refusal {
    let text = match action {
        Action::Challenge => "show that you are who you seem to be",
        Action::Throttle => "come again later",
        Action::Allow | Action::Deny => "refused",
    };
    let refusal = Refusal::new(reply.status, action.reason(), text);
    let (body, retry_after) = (reply.body.clone(), reply.retry_after);
    Refusal { headers: reply.headers.clone(), body, retry_after, ..refusal }
}

/// The key of hashes.
fn key(place: &str) -> Result<Secret, String> {
    let key = Secret::read(place).map_err(|why| format!("hash_key: {why}"))?;
    match key.expose().len() {
        length if length < LEAST_KEY => Err(format!("hash_key has {length} bytes, at least {LEAST_KEY} are wanted")),
        _ => Ok(key),
    }
}

/// The time of day: entries have theirs across restarts.
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
