//! Who visits the site: for a page, to have something put aside, and to watch.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use mainstay::{
    call::{Reason, Status},
    prelude::*,
};
use mainstay_examples::SiteApiClient;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{interval, timeout},
};

use crate::bed::outsider::Outsider;

/// How long until the first page.
const SOON: Duration = Duration::from_secs(60);
/// How many watch all the time.
const WATCHERS: usize = 4;

/// All that visit.
#[derive(Clone)]
pub(crate) struct Visitors {
    site: SiteApiClient,
    /// One in ten, who has no registry.
    pub(crate) outsider: Arc<Outsider>,
}

impl Visitors {
    pub(crate) fn of(registry: &str, outsider: Outsider) -> Self {
        let site = SiteApiClient::connect("site").registry(registry).build().unwrap();
        Self { site, outsider: Arc::new(outsider) }
    }

    /// Waits for the first page.
    pub(crate) async fn come_in(&self) {
        let mut pause = interval(Duration::from_millis(20));
        let page = async {
            while self.site.page("ada".to_owned()).await.is_err() {
                pause.tick().await;
            }
        };
        timeout(SOON, page).await.expect("the shop shows its first page");
    }

    /// The `n`th call: a page, or something to put aside. Answers how often it was sent again.
    pub(crate) async fn call(self, n: u64) -> Result<u64, String> {
        let (user, gift) = ("ada".to_owned(), format!("gift-{n}"));
        let puts_aside = n % 2 == 1;
        if n % 20 >= 18 {
            let outsider = &self.outsider;
            return match puts_aside {
                true => outsider.ask("Hold", serde_json::json!({ "user": user, "gift": gift })).await,
                false => outsider.ask("Page", serde_json::json!({ "user": user })).await,
            };
        }
        let answers = match puts_aside {
            true => self.site.hold(user, gift).await.map(|held| vec![held.answer]),
            false => self.site.page(user).await.map(|page| page.answers),
        };
        let answers = answers.map_err(|error| format!("{error:?}"))?;
        Ok(answers.iter().map(|answer| u64::from(answer.retries)).sum())
    }

    /// Lets some watch until they are told to stop.
    pub(crate) fn watch(&self) -> Watchers {
        let (stop, stopped) = watch::channel(());
        let (mut all, cuts) = (JoinSet::new(), Arc::<Mutex<Cuts>>::default());
        for _ in 0..WATCHERS {
            let (site, cuts, mut stopped) = (self.site.clone(), cuts.clone(), stopped.clone());
            all.spawn(async move {
                loop {
                    let end = tokio::select! {
                        _ = stopped.changed() => return,
                        end = to_the_end(&site) => end,
                    };
                    *cuts.lock().unwrap().entry(end).or_default() += 1;
                }
            });
        }
        Watchers { stop, all, cuts }
    }
}

/// How streams ended, and how many.
pub(crate) type Cuts = BTreeMap<String, usize>;

pub(crate) struct Watchers {
    stop: watch::Sender<()>,
    all: JoinSet<()>,
    cuts: Arc<Mutex<Cuts>>,
}

impl Watchers {
    pub(crate) async fn end(self) -> Cuts {
        drop(self.stop);
        self.all.join_all().await;
        let cuts = self.cuts.lock().unwrap();
        cuts.clone()
    }
}

/// Watches until it is over.
async fn to_the_end(site: &SiteApiClient) -> String {
    let watched = async {
        let mut offers = site.watch("ada".to_owned()).await.map_err(CallError::into_status)?;
        while offers.message().await?.is_some() {}
        Ok::<_, Status>(())
    };
    match watched.await {
        Ok(()) => "an end as if all had been said".to_owned(),
        Err(status) => format!("{:?} {}", status.code(), status.reason()),
    }
}

/// Some were cut, and each was told so.
pub(crate) fn are_told(cuts: &Cuts) {
    let clear = [Reason::Draining, Reason::ConnectionLost, Reason::RemoteUnavailable];
    let clear = clear.map(|reason| format!("{:?} {reason}", Code::Unavailable));
    assert!(!cuts.is_empty(), "no stream was cut");
    assert!(cuts.keys().all(|end| clear.contains(end)), "{cuts:?}");
}
