//! A consumer: what it believes of the registry, what it tells, and what it must never do.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    MS, Sim, Told, What,
    server::{Listed, Record},
};
use crate::{
    instance::{Instance, InstanceId},
    lease::LeaseState,
    port::DownCause,
    protect::{Hold, Protection, Protector, Verdict},
    set::InstanceSet,
};

/// A consumer.
#[derive(Debug)]
pub(super) struct Consumer {
    protector: Protector,
    settle: Duration,
    /// Of so many that live, so many must be known once all were.
    keeps: fn(usize) -> usize,
    instances: BTreeMap<Record, Arc<Instance>>,
    pub(super) told: Arc<InstanceSet>,
    pub(super) hold: Option<Hold>,
    /// How often each reason made it hold something back.
    pub(super) holds: BTreeMap<&'static str, u64>,
    /// All that live were known at once.
    complete: bool,
    troubled: Option<Duration>,
    asked: u32,
    heard: u64,
}

impl Consumer {
    pub(super) fn new(protection: Protection, keeps: fn(usize) -> usize) -> Self {
        Self {
            protector: Protector::new(protection),
            settle: Protection::default().settle,
            keeps,
            instances: BTreeMap::new(),
            told: Arc::default(),
            hold: None,
            holds: BTreeMap::new(),
            complete: false,
            troubled: None,
            asked: 0,
            heard: 0,
        }
    }

    /// The instance that a record is of.
    fn instance(&mut self, record: Record) -> Arc<Instance> {
        let made = self.instances.entry(record).or_insert_with(|| {
            let mut instance = Instance::new("a", "h", 1).with_id(InstanceId::new(id(record.provider, record.life)));
            (instance.weight, instance.started_at) = (record.version, 0);
            Arc::new(instance)
        });
        made.clone()
    }

    fn set(&mut self, records: &[Record]) -> InstanceSet {
        records.iter().map(|record| self.instance(*record)).collect()
    }
}

/// How an instance is called.
fn id(provider: usize, life: u32) -> String {
    format!("{provider}.{life}")
}

impl Sim {
    /// What the registry lists has changed: the consumer is told to look, if that reaches it.
    pub(super) fn changed(&mut self) {
        let at = self.now + self.latency();
        self.ask_at(at);
    }

    fn ask_at(&mut self, at: Duration) {
        self.consumer.asked += 1;
        let number = self.consumer.asked;
        self.at(at, What::Asks { number });
    }

    pub(super) fn asks(&mut self, number: u32) {
        let listed = self.tamper.listed(self.server.list());
        let at = self.now + self.rng.time(MS..20 * MS);
        // Entries are numbered in the order in which they were made.
        self.at(at, What::Hears { number: self.number, listed });
        if number == self.consumer.asked {
            let at = self.now + self.rng.time(2_000 * MS..4_000 * MS);
            self.ask_at(at);
        }
    }

    pub(super) fn hears(&mut self, number: u64, listed: Option<Listed>) {
        if number < self.consumer.heard {
            return;
        }
        self.consumer.heard = number;
        let verdict = match &listed {
            Some(listed) => {
                let set = self.consumer.set(&listed.records);
                self.consumer.protector.answered(self.now, set, listed.health())
            }
            None => self.consumer.protector.silent(self.now),
        };
        if listed.as_ref().is_none_or(|listed| !listed.well) {
            self.consumer.troubled = Some(self.now);
        }
        self.judge(listed.as_ref(), &verdict);
        self.believes(verdict);
    }

    fn believes(&mut self, Verdict { set, hold, .. }: Verdict) {
        let consumer = &mut self.consumer;
        if let Some(hold) = hold.filter(|hold| consumer.hold.map(|before| before.reason) != Some(hold.reason)) {
            *consumer.holds.entry(hold.reason.as_str()).or_default() += 1;
        }
        let news = consumer.told.len() != set.len() || consumer.hold != hold;
        let count = set.len();
        (consumer.told, consumer.hold) = (set, hold);
        if news {
            self.tell(Told::Believes(count, hold));
        }
    }

    /// Holds a verdict against what really is.
    fn judge(&mut self, listed: Option<&Listed>, verdict: &Verdict) {
        let Verdict { set, causes, .. } = verdict;
        let is_told = |record: &&Record| set.contains(&self.consumer.instances[record].id);
        if let Some(hidden) = listed.iter().flat_map(|listed| &listed.records).find(|record| !is_told(record)) {
            self.broken(format!("{hidden:?} is listed and not told"));
        }
        if let Some(both) = causes.keys().find(|id| set.contains(id)) {
            self.broken(format!("{both} is told and told to be gone"));
        }
        let expired = causes.values().any(|cause| *cause == DownCause::Expired);
        let unsettled = self.consumer.troubled.is_some_and(|at| self.now - at < self.consumer.settle);
        if set.is_empty() && !self.consumer.told.is_empty() && unsettled && !expired {
            self.broken("an empty answer of a registry that had just been in trouble was acted upon".to_owned());
        }
        self.spares(verdict);
    }

    /// Where nothing happens to single records, who lives stays known.
    fn spares(&mut self, verdict: &Verdict) {
        let keeps = (self.consumer.keeps)(self.providers.len());
        if keeps == 0 {
            return;
        }
        let living = self.providers.iter().enumerate().filter(|(_, one)| one.is_offered());
        let known = living.clone().filter(|(n, one)| verdict.set.contains(&InstanceId::new(id(*n, one.life)))).count();
        let living = living.count();
        self.consumer.complete |= known == self.providers.len();
        if self.consumer.complete && known < keeps {
            self.broken(format!("{known} of {living} that live are known"));
        }
    }

    /// Everything is as it should be, some time after the last fault.
    pub(super) fn settled(&mut self) {
        let offered = self.providers.iter().enumerate().filter(|(_, one)| one.is_offered());
        let should: Vec<Record> =
            offered.map(|(provider, one)| Record { provider, life: one.life, version: one.version }).collect();
        let records: Vec<Record> = self.server.records.values().copied().collect();
        if records != should {
            self.broken(format!("the registry holds {records:?} instead of {should:?}"));
        }
        let set = self.consumer.set(&should);
        let (told, hold) = (self.consumer.told.clone(), self.consumer.hold);
        if *told != set || hold.is_some() {
            self.broken(format!("the consumer knows {} of {}: {hold:?}", told.len(), set.len()));
        }
        for provider in 0..self.providers.len() {
            let (stands, should) = self.providers[provider].stands();
            // Who goes while the registry is away gives up in the end, and says so.
            if stands != should && should != LeaseState::Withdrawn {
                self.broken(format!("provider {provider} is {stands} instead of {should}"));
            }
        }
    }
}
