//! The registration of an application: kept for as long as it serves, and changed as operators want it.
//!
//! Two say whether it is registered: who asks the admin port (`/offline`), and a rule in the config centre (`disabled`). Either is
//! enough to keep it out. Weight and labels of a rule stand over what the program says, and end with the rule.
//!
//! Whoever is kept out goes on serving. Its callers are told to go, once they have had time to hear from the registry where else:
//! those that find nobody else would stay with it, since it still answers.

use super::Readiness;
use crate::{
    dubbo::metadata::Told,
    route::{Book, Following, Offer, RuleBoard},
    server::Shutdown,
};
use mainstay_registry::{
    ConfigCenter, Hub, Lease, LeaseState, Registration, Registry, RegistryError, dubbo::MetadataInfo,
};
use std::{future::pending, sync::Arc, time::Duration};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

/// How long the registry has to take a registration back.
const WITHDRAW: Duration = Duration::from_secs(3);

/// What is registered where, and who may change it.
#[derive(Debug)]
pub(crate) struct Offering {
    pub(crate) hub: Hub,
    /// What the program says.
    pub(crate) said: Registration,
    /// Where consumers ask for it: they must find there what is registered.
    pub(crate) told: Told,
    /// Where operators keep rules about it.
    pub(crate) center: Option<Arc<dyn ConfigCenter>>,
    pub(crate) board: RuleBoard,
    /// What sends callers away, and how long the news takes to reach them.
    pub(crate) peers: Shutdown,
    pub(crate) news: Duration,
}

impl Offering {
    /// Registers it, and keeps it until `end`; then withdraws it.
    pub(crate) async fn keep(self, readiness: Readiness, mut end: oneshot::Receiver<()>) -> Result<(), RegistryError> {
        let mut rules = self.center.as_deref().map(|center| {
            let book = Book::of_provider(&self.said.instance.application, &self.said.keys);
            Following::new(center, book, self.board.clone())
        });
        // Consumers that find it before its rules would send what the rules forbid.
        let mut offer = match &mut rules {
            Some(rules) => self.offer(rules.first().await),
            None => Offer::default(),
        };
        let mut lease = self.hub.register(self.registration(&offer));
        rules.iter().for_each(Following::tell);
        let (mut wishes, mut goodbye) = (readiness.wishes(), Goodbye::default());
        loop {
            lease.set_offline(*wishes.borrow_and_update() || offer.is_disabled());
            let state = lease.state();
            goodbye.stands(&state, Instant::now() + self.news);
            readiness.stands(state);
            let changed = async {
                match &mut rules {
                    Some(rules) => rules.changed().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                _ = &mut end => break,
                _ = lease.changed() => {}
                // The sender is held by `readiness` here, so that this ends only with a wish.
                _ = wishes.changed() => {}
                () = goodbye.due() => self.peers.send_away(),
                now = changed => {
                    offer = self.offer(now);
                    self.change(&lease, &offer);
                    rules.iter().for_each(Following::tell);
                }
            }
        }
        let withdrawn = lease.withdraw(WITHDRAW).await;
        readiness.stands(LeaseState::Withdrawn);
        withdrawn
    }

    fn offer(&self, rules: crate::route::Rules) -> Offer {
        rules.offer(&self.said.instance, &self.said.keys)
    }

    /// What is to be registered. It is told to whoever asks, first: who finds it may ask at once.
    fn registration(&self, offer: &Offer) -> Registration {
        let mut registration = self.said.clone();
        offer.apply(&mut registration.instance);
        self.told.set(MetadataInfo::of(&registration).into());
        registration
    }

    fn change(&self, lease: &Lease, offer: &Offer) {
        let next = self.registration(offer).instance;
        tracing::info!(weight = next.weight, disabled = offer.is_disabled(), "rules of operators about this provider");
        lease.update(|instance| *instance = next);
    }
}

/// When callers are told to go: once each time the registration is taken back.
#[derive(Debug, Default)]
enum Goodbye {
    #[default]
    Registered,
    At(Instant),
    Said,
}

impl Goodbye {
    /// The registration stands so now; were it just taken back, they are told `then`.
    fn stands(&mut self, state: &LeaseState, then: Instant) {
        match (state, &self) {
            (LeaseState::Offline, Self::Registered) => *self = Self::At(then),
            (LeaseState::Offline, _) => {}
            _ => *self = Self::Registered,
        }
    }

    /// Waits until it is time. Cancel-safe.
    async fn due(&mut self) {
        let Self::At(then) = *self else { return pending().await };
        sleep_until(then).await;
        *self = Self::Said;
    }
}
