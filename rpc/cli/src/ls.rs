//! `mainstay ls`: services and their instances, as each registry lists them.

use std::{
    collections::BTreeMap,
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use mainstay_registry::{Instance, Listing, Offer};
use serde_json::{Value, json};

use crate::{
    Report, UNASKED,
    args::Ls,
    registries,
    text::{age, clean, served, table},
};

/// One instance of one service, at whichever levels it was found.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) service: String,
    pub(crate) instance: Instance,
    pub(crate) levels: Vec<&'static str>,
    pub(crate) owner: Option<String>,
}

/// Asks every registry.
pub(crate) async fn report(order: &Ls) -> Result<Report, String> {
    let now = now();
    let (mut text, mut registries, mut code) = (String::new(), Vec::new(), 0);
    for asked in registries::each(&registries::urls(&order.place))? {
        let _ = writeln!(text, "{}", clean(&asked.name));
        match asked.inspect.list(None).await {
            Ok(listing) => {
                let listing = only(listing, order.only.as_deref());
                let rows = rows(&listing.offers);
                text.push_str(&shown(&rows, now));
                text.push_str(&skipped(&listing.skipped));
                registries.push(json!({
                    "registry": asked.name,
                    "instances": rows.iter().map(|row| as_json(row, now)).collect::<Vec<_>>(),
                    "skipped": skipped_json(&listing.skipped),
                }));
            }
            Err(error) => {
                code = UNASKED;
                let _ = writeln!(text, "  it cannot be asked: {}", clean(&error.to_string()));
                registries.push(json!({"registry": asked.name, "error": error.to_string()}));
            }
        }
    }
    Ok(Report { text, json: json!({"registries": registries}), code })
}

/// Only what is asked for.
fn only(listing: Listing, text: Option<&str>) -> Listing {
    let Some(text) = text else { return listing };
    let offers = listing.offers.into_iter().filter(|offer| offer.key.interface.contains(text));
    Listing { offers: offers.collect(), skipped: listing.skipped }
}

/// Offers of one instance at two levels are one row.
pub(crate) fn rows(offers: &[Offer]) -> Vec<Row> {
    let mut rows: BTreeMap<(String, String), Row> = BTreeMap::new();
    for offer in offers {
        let (service, id) = (offer.key.to_string(), offer.instance.id.to_string());
        let row = rows.entry((service.clone(), id)).or_insert_with(|| Row {
            service,
            instance: offer.instance.clone(),
            levels: Vec::new(),
            owner: offer.owner.clone(),
        });
        row.levels.extend(offer.level.map(|level| level.as_str()));
        row.levels.dedup();
    }
    rows.into_values().collect()
}

fn shown(rows: &[Row], now: u64) -> String {
    if rows.is_empty() {
        return "  nobody offers anything\n".to_owned();
    }
    let head = ["SERVICE", "APPLICATION", "ADDRESS", "WEIGHT", "ZONE", "ROLE", "LEVEL", "AGE", "OWNER"];
    let cells = |row: &Row| {
        let instance = &row.instance;
        vec![
            row.service.clone(),
            instance.application.clone(),
            instance.address(),
            instance.weight.to_string(),
            instance.zone.clone().unwrap_or_default(),
            role(instance),
            row.levels.join("+"),
            served(instance, now).map(age).unwrap_or_default(),
            row.owner.clone().unwrap_or_default(),
        ]
    };
    table("  ", &head, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn role(instance: &Instance) -> String {
    let role = instance.role.clone().unwrap_or_default();
    instance.epoch.map_or(role.clone(), |epoch| format!("{role} of epoch {epoch}").trim_start().to_owned())
}

/// What is not taken, and why.
pub(crate) fn skipped(skipped: &[(String, String)]) -> String {
    skipped.iter().fold(String::new(), |mut text, (record, why)| {
        let _ = writeln!(text, "  not taken: {}: {}", clean(record), clean(why));
        text
    })
}

pub(crate) fn skipped_json(skipped: &[(String, String)]) -> Vec<Value> {
    skipped.iter().map(|(record, reason)| json!({"record": record, "reason": reason})).collect()
}

pub(crate) fn as_json(row: &Row, now: u64) -> Value {
    let instance = &row.instance;
    json!({
        "service": row.service,
        "id": instance.id.as_str(),
        "application": instance.application,
        "address": instance.address(),
        "weight": instance.weight,
        "zone": instance.zone,
        "role": instance.role,
        "epoch": instance.epoch,
        "labels": instance.labels,
        "levels": row.levels,
        "owner": row.owner,
        "age_s": served(instance, now).map(|age| age.as_secs()),
    })
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use mainstay_registry::{InstanceId, Level, ServiceKey};

    use super::*;

    fn offer(key: &str, id: &str) -> Offer {
        let key: ServiceKey = key.parse().unwrap();
        Offer::new(key, Instance::new("stock", "10.0.0.1", 7001).with_id(InstanceId::new(id)))
    }

    #[test]
    fn an_instance_at_both_levels_is_one_row() {
        let offers = [
            offer("a.B", "1").at(Level::Interface).by("session 7"),
            offer("a.B", "1").at(Level::Application),
            offer("a.B", "2").at(Level::Application),
        ];
        let rows = rows(&offers);
        assert_eq!(
            rows.iter().map(|row| row.levels.join("+")).collect::<Vec<_>>(),
            ["interface+application", "application"]
        );
        assert_eq!(rows[0].owner.as_deref(), Some("session 7"));
        let text = shown(&rows, 0);
        assert!(text.starts_with("  SERVICE  APPLICATION  ADDRESS        WEIGHT  LEVEL"), "{text}");
        assert!(!text.contains("ZONE"), "{text}");
    }

    #[test]
    fn a_backend_shows_its_role_and_epoch() {
        let mut instance = Instance::new("db", "h", 1);
        instance.role = Some("primary".to_owned());
        assert_eq!(role(&instance), "primary");
        instance.epoch = Some(3);
        assert_eq!(role(&instance), "primary of epoch 3");
    }
}
