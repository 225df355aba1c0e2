//! The site: one page from both services.

use crate::{app, stop::parent_gone};
use mainstay::{
    prelude::*,
    registry::{Change, Discover, Hub, Instance, InstanceId, Lookup, ServiceKey},
};
use mainstay_examples::{Heard, Held, MemberApiClient, Offers, Page, PromotionApiClient, SiteApi, SiteApiServer};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

struct Site {
    members: MemberApiClient,
    promotions: PromotionApiClient,
    ear: Ear,
}

impl SiteApi for Site {
    // What is left of this call's time bounds the two calls below: nobody passes it on.
    async fn page(&self, user: String) -> Result<Page> {
        let member = self.members.member(user).await?;
        let promotion = self.promotions.offers(member.level, 2).await?;
        Ok(Page {
            greeting: format!("Good day, {}!", member.name),
            level: member.level,
            offers: promotion.offers,
            answers: vec![member.answer, promotion.answer],
        })
    }

    async fn hold(&self, user: String, gift: String) -> Result<Held> {
        Ok(self.members.hold(user, gift).await?)
    }

    async fn watch(&self, user: String) -> Result<Streaming<Offers>> {
        let member = self.members.member(user).await?;
        Ok(self.promotions.watch(member.level, 2).await?)
    }

    async fn heard(&self) -> Result<Vec<Heard>> {
        Ok(self.ear.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Serves until told to end.
pub(crate) async fn run(settings: Vec<String>) -> Result<(), Error> {
    let mut app = app("site", settings)?;
    let hub = app.hub()?;
    let ear = Ear::default();
    for interface in [MemberApiClient::definition(), PromotionApiClient::definition()] {
        tokio::spawn(ear.clone().listen(hub.clone(), interface.full_name));
    }
    let console = app.console();
    let members = MemberApiClient::connect("member").registry(&hub).console(&console).build()?;
    let promotions = PromotionApiClient::connect("promotion").registry(&hub).console(&console).build()?;
    app.serve(SiteApiServer::new(Site { members, promotions, ear })).run_until(parent_gone()).await
}

/// Remembers when the directory heard what: the demo measures with it how fast a death is noticed.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<Heard>>>);

impl Ear {
    /// What is remembered, at most: a debug page must not grow for ever.
    const MOST: usize = 10_000;

    async fn listen(self, hub: Hub, interface: &'static str) {
        let mut changes = hub.subscribe(Lookup::new(ServiceKey::new(interface)));
        let mut known: BTreeMap<InstanceId, String> = BTreeMap::new();
        while let Some(change) = changes.next().await {
            match change {
                Change::Snapshot(all) => all.into_iter().for_each(|instance| self.up(&mut known, &instance)),
                Change::Up(instance) => self.up(&mut known, &instance),
                Change::Down(id, cause) => self.heard(cause.as_str(), known.remove(&id).unwrap_or_default()),
                _ => {}
            }
        }
    }

    fn up(&self, known: &mut BTreeMap<InstanceId, String>, instance: &Instance) {
        self.heard("up", instance.address());
        known.insert(instance.id.clone(), instance.address());
    }

    fn heard(&self, what: &str, address: String) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() < Self::MOST {
            heard.push(Heard { at: now_micros(), what: what.to_owned(), address });
        }
    }
}

/// Microseconds since the Unix epoch: a clock that the demo's process reads too.
pub(crate) fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
