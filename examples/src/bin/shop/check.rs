//! The demo, unattended: pages are asked for at a steady rate while a member is killed, a promotion is drained and a
//! member is added. Nothing may fail, and each fault must really have happened.

use crate::{
    child::{Child, was_killed},
    demo::Shop,
    http::Browser,
    report::Report,
    site::now_micros,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, interval, interval_at, sleep, timeout},
};

/// Pages that are asked for.
const PAGES: usize = 2_000;
/// A page every so often: all of it takes four seconds, so that the faults fall into it.
const PACE: Duration = Duration::from_millis(2);
/// Connections that ask for them.
const VISITORS: usize = 16;
/// A page that is not answered for this long, when others take a millisecond, hangs on the member that was stopped. Far
/// below the time that the site gives a member, 500 ms: there must be time to ask another.
const HANGS: Duration = Duration::from_millis(50);
/// How soon a member that is asked at all is asked.
const ASKED: Duration = Duration::from_millis(500);
/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far the pages are.
#[derive(Default)]
struct Progress {
    answered: usize,
    /// The processes whose answers are on them.
    by: BTreeSet<String>,
    /// When those were asked for that are not answered yet.
    under_way: BTreeMap<usize, Instant>,
}

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
    by: BTreeSet<String>,
    problems: BTreeSet<String>,
}

/// Checks the shop, ends it, and prints a line of JSON.
pub(crate) async fn run(mut shop: Shop) -> Result<(), String> {
    let site = shop.site.address.clone();
    first_page(&site).await?;
    let (progress, seen) = watch::channel(Progress::default());
    let (load, faults) = tokio::join!(pages(&site, progress), break_things(&mut shop, seen));
    let (mut load, faults) = (load?, faults?);
    load.report.detect_micros = Some(detected(&site, &faults).await?);
    shop.end().await?;
    println!("{}", load.report.json());
    load.verdict(&faults)
}

/// Waits until the site has found everyone.
async fn first_page(site: &str) -> Result<(), String> {
    let mut browser = Browser::open(site).await?;
    let tries = async {
        loop {
            match browser.get("/page/ada").await {
                Ok(_) => return,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(PATIENCE, tries).await.map_err(|_| "the shop never showed its first page".to_owned())
}

/// Asks for all pages at the pace: each visitor one after the other, all of them side by side.
async fn pages(site: &str, progress: watch::Sender<Progress>) -> Result<Load, String> {
    let (mut visitors, (seen, mut answers)) = (JoinSet::new(), mpsc::channel(VISITORS));
    for visitor in 0..VISITORS {
        let (mut browser, seen, progress) = (Browser::open(site).await?, seen.clone(), progress.clone());
        visitors.spawn(async move {
            let mut pace = interval_at(Instant::now() + PACE * visitor as u32, PACE * VISITORS as u32);
            for page in (visitor..PAGES).step_by(VISITORS) {
                pace.tick().await;
                let (path, began) = (["/page/ada", "/page/bob", "/page/eve"][page % 3], Instant::now());
                progress.send_modify(|progress| progress.asked(page, began));
                let answer = browser.get(path).await;
                progress.send_modify(|progress| progress.answered(page, answer.as_ref().ok()));
                if answer.is_err() {
                    // Whatever became of that page, the next one gets a fresh start.
                    browser = Browser::open(&browser.address).await.unwrap_or(browser);
                }
                if seen.send((answer, began.elapsed())).await.is_err() {
                    return;
                }
            }
        });
    }
    drop((seen, progress));
    let mut load = Load::default();
    while let Some((page, took)) = answers.recv().await {
        load.count(page, took);
    }
    Ok(load)
}

/// The faults, in the first half of the load: a registry on servers may take a second to tell of each.
async fn break_things(shop: &mut Shop, mut progress: watch::Receiver<Progress>) -> Result<Faults, String> {
    let after = |share: usize| move |progress: &Progress| progress.answered >= PAGES * share / 100;
    progress.wait_for(after(10)).await.map_err(ended)?;
    let victim = stopped(shop, &mut progress).await?;
    let killed = Who::of(&victim);
    let killed_at = now_micros();
    let status = victim.kill().await?;
    if !was_killed(status) {
        return Err(format!("member {} was killed and ended with {status}", killed.pid));
    }

    progress.wait_for(after(25)).await.map_err(ended)?;
    let mut leaving = shop.promotions.remove(0);
    let drained = Who::of(&leaving);
    leaving.terminate();

    progress.wait_for(after(35)).await.map_err(ended)?;
    let new = Child::start("member", &shop.registry, &[], false).await?;
    let added = Who::of(&new);
    shop.members.push(new);

    let status = leaving.ended().await?;
    if !status.success() {
        return Err(format!("promotion {} was drained and ended with {status}", drained.pid));
    }
    Ok(Faults { killed, killed_at, drained, added })
}

/// Stops a member that is at work, while pages are on it. One that did worse than the other may be left out just now: then
/// it is the other's turn.
async fn stopped(shop: &mut Shop, progress: &mut watch::Receiver<Progress>) -> Result<Child, String> {
    for _ in 0..shop.members.len() {
        let victim = shop.members.remove(0);
        if progress.borrow().by.contains(&victim.pid.to_string()) {
            victim.stop();
            if let Ok(hung) = timeout(ASKED, a_page_hangs(progress, Instant::now())).await {
                hung?;
                return Ok(victim);
            }
            victim.go_on();
        }
        shop.members.push(victim);
    }
    Err("no page is on any member that has answered one".to_owned())
}

/// Waits until a page hangs. Time tells, not progress: where the page of every visitor hangs there is none, until the site
/// gives the member up, and then it is too late.
async fn a_page_hangs(progress: &watch::Receiver<Progress>, stopped: Instant) -> Result<(), String> {
    let mut looks = interval(HANGS / 5);
    while !progress.borrow().hangs(stopped) {
        progress.has_changed().map_err(ended)?;
        looks.tick().await;
    }
    Ok(())
}

fn ended(_: watch::error::RecvError) -> String {
    "the load ended early".to_owned()
}

/// How long the site's directory took to hear of the death; and it must hear of the other two. A registry on servers may
/// take longer to tell than the pages take.
async fn detected(site: &str, faults: &Faults) -> Result<u64, String> {
    let mut browser = Browser::open(site).await?;
    let give_up_at = Instant::now() + PATIENCE;
    loop {
        let heard = browser.get("/heard").await?;
        match told(&heard, faults) {
            Err(_) if Instant::now() < give_up_at => sleep(HANGS).await,
            told => return told,
        }
    }
}

/// The time from the kill to its news, in microseconds, if all that happened is among what was heard.
fn told(heard: &Value, faults: &Faults) -> Result<u64, String> {
    // Not every registry says why somebody is gone.
    let is = |heard: &Value, what: &str| heard["what"] == what || (what != "up" && heard["what"] == "unlisted");
    let find = |who: &Who, what: &str| {
        let all = heard["value"].as_array().into_iter().flatten();
        let found = all.into_iter().find(|heard| heard["address"] == who.address.as_str() && is(heard, what));
        // 64 bits are text in the JSON of protobuf.
        let at = found.and_then(|heard| heard["at"].as_str()?.parse::<u64>().ok());
        at.ok_or_else(|| format!("the site never heard that {} {what}: {heard}", who.address))
    };
    find(&faults.drained, "withdrawn")?;
    find(&faults.added, "up")?;
    Ok(find(&faults.killed, "died")?.saturating_sub(faults.killed_at))
}

/// The answers that a page is made of.
fn answers(page: &Value) -> impl Iterator<Item = &Value> {
    page["answers"].as_array().into_iter().flatten()
}

/// The process that gave an answer.
fn by(answer: &Value) -> Option<String> {
    answer["by"].as_str().map(str::to_owned)
}

impl Progress {
    fn asked(&mut self, page: usize, at: Instant) {
        self.under_way.insert(page, at);
    }

    fn answered(&mut self, page: usize, answer: Option<&Value>) {
        self.answered += 1;
        self.by.extend(answer.into_iter().flat_map(answers).filter_map(by));
        self.under_way.remove(&page);
    }

    /// Whether a page is not answered for too long, counted from `stopped` where it was asked for before. One that was under way
    /// then is often the only one: the balancer asks no busy member while another is free.
    fn hangs(&self, stopped: Instant) -> bool {
        self.under_way.values().any(|asked| stopped.max(*asked).elapsed() >= HANGS)
    }
}

impl Who {
    fn of(child: &Child) -> Self {
        Self { pid: child.pid.to_string(), address: child.address.clone() }
    }
}

impl Load {
    fn count(&mut self, page: Result<Value, String>, took: Duration) {
        match page {
            Ok(page) => {
                self.report.took.push(took);
                for answer in answers(&page) {
                    self.report.retried += answer["retries"].as_u64().unwrap_or(0);
                    self.by.extend(by(answer));
                }
            }
            Err(problem) => {
                self.report.failed += 1;
                self.problems.insert(problem);
            }
        }
    }

    /// Whether nothing failed, although everyone who was to be broken had been at work.
    fn verdict(&self, faults: &Faults) -> Result<(), String> {
        if self.report.failed > 0 {
            return Err(format!("{} pages failed: {:?}", self.report.failed, self.problems));
        }
        if self.report.retried == 0 {
            return Err("no call was under way at the member that was killed: the fault proves nothing".to_owned());
        }
        for (child, what) in [(&faults.killed, "killed"), (&faults.drained, "drained"), (&faults.added, "added")] {
            if !self.by.contains(&child.pid) {
                return Err(format!(
                    "the {what} instance {} answered nothing: the fault proves nothing",
                    child.address
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every visitor waits for the member that was stopped: nothing changes any more, and it is seen all the same.
    #[tokio::test(start_paused = true)]
    async fn a_page_hangs_although_nothing_is_answered_any_more() {
        let (progress, mut seen) = watch::channel(Progress::default());
        let stopped = Instant::now();
        progress.send_modify(|progress| (0..VISITORS).for_each(|page| progress.asked(page, stopped)));
        seen.mark_unchanged();
        a_page_hangs(&seen, stopped).await.unwrap();
        assert!(stopped.elapsed() >= HANGS && stopped.elapsed() < HANGS * 2, "{:?}", stopped.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn pages_that_are_answered_do_not_hang() {
        let (progress, seen) = watch::channel(Progress::default());
        let answered = async {
            for page in 0..100 {
                progress.send_modify(|progress| progress.asked(page, Instant::now()));
                sleep(HANGS / 2).await;
                progress.send_modify(|progress| progress.answered(page, None));
            }
        };
        assert!(timeout(ASKED, a_page_hangs(&seen, Instant::now())).await.is_err());
        tokio::select! {
            () = answered => {}
            hung = a_page_hangs(&seen, Instant::now()) => panic!("a page hung: {hung:?}"),
        }
    }
}
