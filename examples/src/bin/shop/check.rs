//! The demo, unattended: pages are asked for at a steady rate while a member is killed, a promotion is drained and a
//! member is added. Nothing may fail, and each fault must really have happened.

use crate::{
    child::{Child, was_killed},
    demo::Shop,
    report::Report,
    site::now_micros,
};
use mainstay::prelude::*;
use mainstay_examples::{Heard, Page, SiteApiClient};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{interval, sleep, timeout},
};

/// Pages that are asked for.
const PAGES: usize = 2_000;
/// A page every so often: all of it takes four seconds, so that the faults fall into it.
const PACE: Duration = Duration::from_millis(2);
/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was done to the shop.
struct Faults {
    killed: Who,
    killed_at: u64,
    drained: Who,
    added: Who,
}

/// Who a process was, once it may be gone.
#[derive(Clone)]
struct Who {
    pid: String,
    address: String,
}

/// What the pages told.
#[derive(Default)]
struct Load {
    report: Report,
    answered: BTreeSet<String>,
    problems: BTreeSet<String>,
}

/// Checks the shop, ends it, and prints a line of JSON.
pub(crate) async fn run(mut shop: Shop) -> Result<(), String> {
    let site = SiteApiClient::connect("site").address(shop.site.address.clone()).build();
    let site = site.map_err(|error| error.to_string())?;
    first_page(&site).await?;
    let (progress, done) = watch::channel(0);
    let (mut load, faults) = tokio::join!(pages(&site, &progress), break_things(&mut shop, done));
    let faults = faults?;
    load.report.detect_micros = Some(detected(&site, &faults).await?);
    shop.end().await?;
    println!("{}", load.report.json());
    load.verdict(&faults)
}

/// Waits until the site has found everyone.
async fn first_page(site: &SiteApiClient) -> Result<(), String> {
    let tries = async {
        loop {
            match site.page("ada".into()).await {
                Ok(_) => return,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(PATIENCE, tries).await.map_err(|_| "the shop never showed its first page".to_owned())
}

/// Asks for all pages, at the pace, whether or not earlier ones have come.
async fn pages(site: &SiteApiClient, progress: &watch::Sender<usize>) -> Load {
    let (mut load, mut under_way, mut pace) = (Load::default(), JoinSet::new(), interval(PACE));
    for asked in 0..PAGES {
        pace.tick().await;
        let (site, user) = (site.clone(), ["ada", "bob", "eve"][asked % 3]);
        under_way.spawn(async move {
            let began = Instant::now();
            (site.page(user.into()).await, began.elapsed())
        });
        while let Some(Ok((page, took))) = under_way.try_join_next() {
            load.count(page, took);
        }
        progress.send_replace(asked);
    }
    while let Some(Ok((page, took))) = under_way.join_next().await {
        load.count(page, took);
    }
    progress.send_replace(PAGES);
    load
}

/// The faults, spread over the load.
async fn break_things(shop: &mut Shop, mut progress: watch::Receiver<usize>) -> Result<Faults, String> {
    let after = |share: usize| move |asked: &usize| *asked >= PAGES * share / 100;
    let ended = |_| "the load ended early".to_owned();

    progress.wait_for(after(25)).await.map_err(ended)?;
    let victim = shop.members.remove(0);
    let killed = Who::of(&victim);
    let killed_at = now_micros();
    let status = victim.kill().await?;
    if !was_killed(status) {
        return Err(format!("member {} was killed and ended with {status}", killed.pid));
    }

    progress.wait_for(after(50)).await.map_err(ended)?;
    let mut leaving = shop.promotions.remove(0);
    let drained = Who::of(&leaving);
    leaving.terminate();
    let status = leaving.ended().await?;
    if !status.success() {
        return Err(format!("promotion {} was drained and ended with {status}", drained.pid));
    }

    progress.wait_for(after(65)).await.map_err(ended)?;
    let new = Child::start("member", &shop.registry, false).await?;
    let added = Who::of(&new);
    shop.members.push(new);
    Ok(Faults { killed, killed_at, drained, added })
}

/// How long the site's directory took to hear of the death; and it must have heard of the other two.
async fn detected(site: &SiteApiClient, faults: &Faults) -> Result<u64, String> {
    let heard = site.heard().await.map_err(|error| format!("what the site has heard: {error}"))?;
    let find = |child: &Who, what: &str| -> Result<&Heard, String> {
        let found = heard.iter().find(|heard| heard.address == child.address && heard.what == what);
        found.ok_or_else(|| format!("the site never heard that {} {what}: {heard:?}", child.address))
    };
    find(&faults.drained, "withdrawn")?;
    find(&faults.added, "up")?;
    Ok(find(&faults.killed, "died")?.at.saturating_sub(faults.killed_at))
}

impl Who {
    fn of(child: &Child) -> Self {
        Self { pid: child.pid.to_string(), address: child.address.clone() }
    }
}

impl Load {
    fn count(&mut self, page: Result<Page, CallError<Status>>, took: Duration) {
        match page {
            Ok(page) => {
                self.report.took.push(took);
                self.report.retried += page.answers.iter().map(|answer| u64::from(answer.retries)).sum::<u64>();
                self.answered.extend(page.answers.into_iter().map(|answer| answer.by));
            }
            Err(error) => {
                self.report.failed += 1;
                self.problems.insert(error.to_string());
            }
        }
    }

    /// Whether nothing failed, although everyone who was to be broken had been at work.
    fn verdict(&self, faults: &Faults) -> Result<(), String> {
        if self.report.failed > 0 {
            return Err(format!("{} pages failed: {:?}", self.report.failed, self.problems));
        }
        for (child, what) in [(&faults.killed, "killed"), (&faults.drained, "drained"), (&faults.added, "added")] {
            if !self.answered.contains(&child.pid) {
                return Err(format!(
                    "the {what} instance {} answered nothing: the fault proves nothing",
                    child.address
                ));
            }
        }
        Ok(())
    }
}
