//! `mainstay doctor`: whether a registry can be used from here, check by check.

use std::{
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mainstay::App;
use mainstay_registry::{
    Change, Discover, Finding, Hub, Instance, Lookup, Offer, Outcome, Registration, Registry, ServiceKey,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    NO, Report,
    args::{Doctor, default_url},
    registries,
    text::{age, clean, table},
};

/// How long one check may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How far clocks may differ before it is told.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2);
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
    match asked.inspect.list(None).await {
        Ok(listing) => {
            findings.push(Finding::fine("list", format!("{} offers can be read", listing.offers.len())));
            findings.push(clock(SystemTime::now(), &listing.offers));
        }
        Err(error) => findings.push(Finding::bad("list", error.to_string())),
    }
    findings.push(advertised(url).await);
    if write {
        findings.push(trial(&asked.hub).await);
    }
    (asked.name, findings)
}

/// Whether the clocks of those that are listed go like the one here, as far as it can be seen: nobody has started yet to
/// come. A clock that is slow is not told from a process that is old.
fn clock(now: SystemTime, offers: &[Offer]) -> Finding {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let started = offers.iter().filter(|offer| offer.instance.started_at > 0);
    let Some(latest) = started.max_by_key(|offer| offer.instance.started_at) else {
        return Finding::fine(
            "clock",
            "nobody says when it started, so there is nothing to compare the clock here with",
        );
    };
    let ahead = Duration::from_millis(latest.instance.started_at).saturating_sub(now);
    if ahead <= CLOCKS_DIFFER {
        return Finding::fine("clock", "nobody who is listed has started in the future of the clock here");
    }
    let (who, where_from) = (&latest.instance.application, latest.instance.address());
    let text = format!(
        "{who} at {where_from} has started {} in the future: its clock or the one here is wrong, and consumers give a new \
         instance its share by when it started",
        age(ahead)
    );
    Finding::doubtful("clock", text)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_starts_in_the_future_is_told() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let offer = |started_at| {
            let mut instance = Instance::new("stock", "10.0.0.1", 7);
            instance.started_at = started_at;
            Offer::new(ServiceKey::new("a.B"), instance)
        };
        for (started, outcome, words) in [
            (&[][..], Outcome::Fine, "nobody says when"),
            (&[0, 0], Outcome::Fine, "nobody says when"),
            (&[0, 900_000, 1_001_000], Outcome::Fine, "nobody who is listed"),
            (&[900_000, 1_120_000], Outcome::Doubtful, "stock at 10.0.0.1:7 has started 2 min in the future"),
        ] {
            let finding = clock(now, &started.iter().map(|at| offer(*at)).collect::<Vec<_>>());
            assert_eq!(finding.outcome, outcome, "{started:?}: {}", finding.text);
            assert!(finding.text.starts_with(words), "{started:?}: {}", finding.text);
        }
    }
}
