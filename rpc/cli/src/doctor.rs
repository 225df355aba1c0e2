//! `mainstay doctor`: whether a registry can be used from here, check by check.

use std::{fmt::Write, time::Duration};

use mainstay::App;
use mainstay_registry::{
    Change, Discover, Finding, Hub, Instance, Lookup, Outcome, Registration, Registry, ServiceKey,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    NO, Report,
    args::{Doctor, default_url},
    registries,
    text::{clean, table},
};

/// How long one check may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The service of the trial instance.
const TRIAL: &str = "mainstay.Doctor";

/// Checks every registry that is named.
pub(crate) async fn report(order: &Doctor) -> Result<Report, String> {
    let urls = order.url.clone().unwrap_or_else(default_url);
    mainstay_registry::check(&urls).map_err(|error| error.to_string())?;
    let (mut text, mut registries, mut worst) = (String::new(), Vec::new(), Outcome::Fine);
    for url in urls.split('|').map(str::trim) {
        let (name, findings) = examine(url, order.write).await;
        worst = findings.iter().map(|one| one.outcome).fold(worst, Outcome::max);
        text.push_str(&shown(&name, &findings));
        registries.push(json!({"registry": name, "findings": findings.iter().map(as_json).collect::<Vec<_>>()}));
    }
    let code = if worst == Outcome::Bad { NO } else { 0 };
    Ok(Report { text, json: json!({"registries": registries, "worst": worst.as_str()}), code })
}

/// All checks of one registry, and it in words.
async fn examine(url: &str, write: bool) -> (String, Vec<Finding>) {
    let asked = match registries::one(url) {
        Ok(asked) => asked,
        Err(why) => {
            let shown =
                mainstay_registry::RegistryUrl::parse(url).map_or_else(|_| "it".to_owned(), |url| url.to_string());
            return (shown, vec![Finding::bad("connect", why)]);
        }
    };
    let mut findings = asked.inspect.examine().await;
    findings.push(match asked.inspect.list(None).await {
        Ok(listing) => Finding::fine("list", format!("{} offers can be read", listing.offers.len())),
        Err(error) => Finding::bad("list", error.to_string()),
    });
    findings.push(advertised(url).await);
    if write {
        findings.push(trial(&asked.hub).await);
    }
    (asked.name, findings)
}

/// What consumers would be told to connect to.
async fn advertised(url: &str) -> Finding {
    match App::new("mainstay-cli").registry(url).advertised().await {
        Err(error) => Finding::bad("advertised", error.to_string()),
        Ok(advertised) => {
            let text = format!("an application here would tell consumers {} ({})", advertised.host, advertised.rule);
            match advertised.reaches_this_machine_only() {
                true => Finding::doubtful("advertised", text),
                false => Finding::fine("advertised", text),
            }
        }
    }
}

/// Registers, looks, and takes back.
async fn trial(hub: &Hub) -> Finding {
    if !hub.capabilities().register {
        return Finding::fine("write", "it takes no registrations, so nothing was tried");
    }
    let (key, instance) = (ServiceKey::new(TRIAL), Instance::new("mainstay-doctor", "127.0.0.1", 1).with_weight(0));
    let id = instance.id.clone();
    let mut changes = hub.subscribe(Lookup::new(key.clone()));
    let mut lease = hub.register(Registration::new(instance, [key]));
    if let Err(error) = lease.registered(PATIENCE).await {
        return Finding::bad("write", error.to_string());
    }
    let seen = timeout(PATIENCE, async {
        while let Some(change) = changes.next().await {
            match change {
                Change::Snapshot(all) if all.iter().any(|one| one.id == id) => return true,
                Change::Up(one) if one.id == id => return true,
                _ => {}
            }
        }
        false
    })
    .await;
    let withdrawn = lease.withdraw(PATIENCE).await;
    match (seen, withdrawn) {
        (_, Err(error)) => {
            Finding::bad("write", format!("a trial instance was registered, but not taken back: {error}"))
        }
        (Ok(true), Ok(())) => Finding::fine("write", "a trial instance was registered, seen, and taken back"),
        (_, Ok(())) => {
            Finding::bad("write", format!("a trial instance was registered, but not seen within {PATIENCE:?}"))
        }
    }
}

fn shown(name: &str, findings: &[Finding]) -> String {
    let row = |one: &Finding| vec![one.outcome.as_str().to_owned(), one.about.to_owned(), one.text.clone()];
    let mut text = String::new();
    let _ = writeln!(text, "{}", clean(name));
    text.push_str(&table("  ", &["", "CHECK", "FOUND"], &findings.iter().map(row).collect::<Vec<_>>()));
    text
}

fn as_json(finding: &Finding) -> Value {
    json!({"check": finding.about, "outcome": finding.outcome.as_str(), "text": finding.text})
}
