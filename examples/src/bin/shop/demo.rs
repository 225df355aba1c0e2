//! Starts the whole shop, each role a process, and shows who serves what.

use crate::{args::Options, check, child::Child, gateway};
use mainstay::{
    call::ServiceDef,
    registry::{Change, Discover, Hub, Lookup, ServiceKey, connect},
};
use mainstay_examples::{MemberApiClient, PromotionApiClient, SiteApiClient};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use tokio::signal::unix::{SignalKind, signal};

/// The processes of a shop.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) registry: String,
    pub(crate) members: Vec<Child>,
    pub(crate) promotions: Vec<Child>,
    pub(crate) site: Child,
    /// The next version of a promotion, which a canary's requests go to, and the gateway that sends them there.
    pub(crate) next: Option<(Child, Child)>,
    /// The gateway's file.
    file: String,
}

/// The demo, from start to end.
pub(crate) async fn run(options: Options) -> Result<(), String> {
    let scratch = Scratch::default();
    let registry = match options.registry {
        Some(url) if url.starts_with("memory:") => return Err(format!("`{url}` joins no processes; leave it out")),
        Some(url) => url,
        // Unattended, nobody else's shop may be in the same registry.
        None if options.check => format!("file://{}", scratch.0.display()),
        None => "file://".to_owned(),
    };
    if options.check {
        let shop = Shop::start(&registry, false).await?;
        return check::run(shop).await;
    }
    let hub = connect(&registry).map_err(|error| error.to_string())?;
    for service in [MemberApiClient::definition(), PromotionApiClient::definition(), SiteApiClient::definition()] {
        tokio::spawn(show(hub.clone(), service));
    }
    let mut shop = Shop::start(&registry, true).await?;
    let file = scratch.0.join("gateway.yaml");
    gateway::write(&file, &registry)?;
    shop.before(&file).await?;
    println!("{}", shop.to_try());
    let stopped = "cannot wait for ctrl-c";
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| format!("{stopped}: {error}"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| format!("{stopped}: {error}"))?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    println!("\nall drain; again to wait for nobody");
    tokio::select! {
        ended = shop.end() => ended,
        // Their pipes close with this process: each has its own time to end.
        _ = interrupt.recv() => Err("the processes are left to end by themselves".to_owned()),
    }
}

impl Shop {
    /// Two members, two promotions and a site, all at once.
    pub(crate) async fn start(registry: &str, show: bool) -> Result<Self, String> {
        let child = |role| Child::start(role, registry, &[], show);
        // Its operators see how it does by its clients.
        let site = Child::start("site", registry, &["--admin", "0"], show);
        let (m1, m2, p1, p2, site) =
            tokio::join!(child("member"), child("member"), child("promotion"), child("promotion"), site);
        Ok(Self {
            registry: registry.to_owned(),
            members: vec![m1?, m2?],
            promotions: vec![p1?, p2?],
            site: site?,
            next: None,
            file: String::new(),
        })
    }

    /// Puts a gateway before it, and starts what its canary leads to.
    async fn before(&mut self, file: &Path) -> Result<(), String> {
        let colour = format!("dubbo.tag={}", gateway::COLOUR);
        let labels = ["--labels", &*colour];
        let next = Child::start("promotion", &self.registry, &labels, true);
        self.file = file.display().to_string();
        let (next, gateway) = tokio::join!(next, Child::gateway(&self.file, true));
        self.next = Some((next?, gateway?));
        Ok(())
    }

    /// Drains every process, and waits for it. One that is gone already was ended by whoever tried something.
    pub(crate) async fn end(self) -> Result<(), String> {
        let Self { site, members, promotions, next, .. } = self;
        let (next, gateway) = next.unzip();
        // The gateway first, then the site: who calls drains before who is called.
        let mut children: Vec<Child> =
            gateway.into_iter().chain([site]).chain(members).chain(promotions).chain(next).collect();
        children.retain_mut(|child| !child.is_gone());
        children.iter().for_each(Child::terminate);
        let mut problems = Vec::new();
        for mut child in children {
            match child.ended().await {
                Ok(status) if status.success() => {}
                Ok(status) => problems.push(format!("{} (process {}) ended with {status}", child.role, child.pid)),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    fn to_try(&self) -> String {
        let (site, member) = (&self.site.address, &self.members[0]);
        format!(
            "\ntry:{}\n  curl http://{site}/page/ada\n  curl http://{}/v1/member/bob\n  curl -H 'content-type: \
             application/json' -d '{{\"level\":\"LEVEL_GOLD\",\"most\":2}}' http://{}/shop.promotion.v1.PromotionApi/Offers\n  kill -9 \
             {}   and the page again: it is still there\n  curl '{}instances?text'   whom the site calls, and why not\n\
             Ctrl-C drains all\n",
            self.before_it(),
            member.address,
            self.promotions[0].address,
            member.pid,
            self.site.admin.as_deref().unwrap_or_default(),
        )
    }
}

impl Shop {
    /// What to try at the gateway.
    fn before_it(&self) -> String {
        let Some((next, gateway)) = &self.next else { return String::new() };
        let (address, pid, admin) = (&gateway.address, next.pid, gateway.admin.as_deref().unwrap_or_default());
        let post = format!("curl -s -H 'content-type: application/json' http://{address}");
        format!(
            "\n  curl http://{address}/page/ada   the gateway makes two calls, and one page of them\n  \
             {post}/shop.member.v1.MemberApi/Member -d '{{\"id\":\"bob\"}}'   JSON, and no file tells it of the service\n  \
             for i in $(seq 50); do {post}/shop.promotion.v1.PromotionApi/Offers -d '{{\"most\":1}}'; echo; done | grep -c \
             '\"{pid}\"'   about 5: process {pid} is the canary\n  \
             curl http://{admin}/upstreams   whom the gateway knows, and why each is or is not picked\n  \
             for i in $(seq 40); do curl -s -o /dev/null -w '%{{http_code}}\\n' -X POST http://{address}/login; done | sort | uniq -c   \
             40 stolen passwords, each a 401: the rule `stuffing` only watches\n  \
             curl http://{admin}/risk   what it would have done\n  \
             sed -i 's/mode: shadow/mode: enforce/' {file}   and the 40 again: 403",
            file = self.file,
        )
    }
}

/// Prints who serves a service, as it changes.
async fn show(hub: Hub, service: &'static ServiceDef) {
    let mut changes = hub.subscribe(Lookup::new(ServiceKey::new(service.full_name)));
    let mut known = BTreeMap::new();
    while let Some(change) = changes.next().await {
        let what = match change {
            Change::Snapshot(all) => {
                known.extend(all.into_iter().map(|instance| (instance.id.clone(), instance.address())));
                if known.is_empty() {
                    continue;
                }
                "serving".to_owned()
            }
            Change::Up(instance) => {
                let address = instance.address();
                known.insert(instance.id.clone(), address.clone());
                format!("{address} is up")
            }
            Change::Down(id, cause) => format!("{} {cause}", known.remove(&id).unwrap_or_default()),
            _ => continue,
        };
        let now: Vec<&str> = known.values().map(String::as_str).collect();
        println!("{:<18} {what}; now {}", service.name, if now.is_empty() { "nobody".into() } else { now.join(", ") });
    }
}

/// A directory for a registry of one's own, removed at the end.
struct Scratch(PathBuf);

/// What their names begin with; the number of the process that made one follows.
const SCRATCH: &str = "mainstay-shop-";

impl Default for Scratch {
    fn default() -> Self {
        let all = std::env::temp_dir();
        sweep(&all);
        Self(all.join(format!("{SCRATCH}{}", std::process::id())))
    }
}

/// Removes what demos left that were killed.
fn sweep(all: &Path) {
    let (Ok(found), true) = (std::fs::read_dir(all), Path::new("/proc/self").exists()) else { return };
    for place in found.flatten() {
        let name = place.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix(SCRATCH)?.parse::<u32>().ok());
        if maker.is_some_and(|maker| !Path::new("/proc").join(maker.to_string()).exists()) {
            // It may be another's: then it stays.
            let _ = std::fs::remove_dir_all(place.path());
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It was never made when another registry is used.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
