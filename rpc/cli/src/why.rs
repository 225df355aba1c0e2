//! `mainstay why`: what a consumer of a service would see, and why each instance is or is not taken.

use std::{collections::BTreeMap, fmt::Write, sync::Arc, time::Duration};

use mainstay::{
    client::Avoided,
    route::{Question, RuleState},
};
use mainstay_registry::{Change, Changes, Discover, Hub, Instance, InstanceId, Lookup, Survey};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    NO, Report, UNASKED,
    args::Why,
    ls, registries,
    text::{age, clean, table},
    verdict::{self, Evidence, Verdict, anybody, verdicts},
};

/// How long nothing must be heard for the picture to be taken as whole.
const QUIET: Duration = Duration::from_millis(300);
/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(1);

/// Follows the service for a while, reads what is listed, and judges.
pub(crate) async fn report(order: &Why) -> Result<Report, String> {
    let urls = registries::urls(&order.place);
    let asked = registries::each(&urls)?;
    let hub = registries::hub(&urls, order.zone.as_deref())?;
    let lookup = Lookup { key: order.service.clone(), application: order.application.clone() };
    let mut changes = hub.subscribe(lookup.clone());
    let taken = listen(&mut changes, order.wait).await;
    let survey = hub.survey(&order.service.interface);
    let (mut listed, mut skipped, mut unasked) = (Vec::new(), Vec::new(), Vec::new());
    for one in &asked {
        match one.inspect.list(Some(&order.service.interface)).await {
            Ok(listing) => {
                listed.push((one.name.clone(), listing.offers));
                skipped.extend(listing.skipped);
            }
            Err(error) => unasked.push(format!("{}: {error}", one.name)),
        }
    }
    skipped.extend(survey.skipped.iter().map(|(record, why)| (record.clone(), (*why).to_owned())));
    skipped.sort();
    skipped.dedup();
    let told = taken.is_some();
    let evidence = Evidence { lookup, taken: taken.unwrap_or_default(), listed, survey };
    let governed = govern(order, &hub, &evidence).await;
    let mut verdicts = verdicts(&evidence);
    verdict::govern(&mut verdicts, &governed.told);
    let connections = if order.connect { connect(&evidence).await } else { BTreeMap::new() };
    let code = match (anybody(&evidence), told && unasked.is_empty()) {
        (true, _) => 0,
        (false, true) => NO,
        (false, false) => UNASKED,
    };
    let seen = Seen {
        place: Discover::describe(&hub),
        verdicts,
        rules: governed.rules,
        evidence,
        connections,
        skipped,
        unasked,
    };
    Ok(Report { text: shown(&seen), json: as_json(&seen), code })
}

/// All that is to be shown.
struct Seen {
    place: String,
    evidence: Evidence,
    verdicts: Vec<Verdict>,
    /// How it stands with the rules of operators.
    rules: Vec<RuleState>,
    /// How connecting went, where that was asked for.
    connections: BTreeMap<InstanceId, String>,
    skipped: Vec<(String, String)>,
    unasked: Vec<String>,
}

/// What a consumer is told, once nothing new comes for a while; `None` when nothing at all came.
async fn listen(changes: &mut Changes, wait: Duration) -> Option<BTreeMap<InstanceId, Instance>> {
    let until = Instant::now() + wait;
    let mut known = match timeout_at(until, changes.next()).await {
        Ok(Some(Change::Snapshot(all))) => all.into_iter().map(own).collect::<BTreeMap<_, _>>(),
        _ => return None,
    };
    while let Ok(Some(change)) = timeout_at(until.min(Instant::now() + QUIET), changes.next()).await {
        match change {
            Change::Snapshot(all) => known = all.into_iter().map(own).collect(),
            Change::Up(one) => known.extend([own(one)]),
            Change::Down(id, _) => drop(known.remove(&id)),
            _ => {}
        }
    }
    Some(known)
}

/// An instance that others share, for oneself.
fn own(one: Arc<Instance>) -> (InstanceId, Instance) {
    (one.id.clone(), Arc::unwrap_or_clone(one))
}

/// What rules say.
#[derive(Default)]
struct Governed {
    rules: Vec<RuleState>,
    told: BTreeMap<InstanceId, (Avoided, Option<String>)>,
}

/// Asks the config centre beside the registry what its rules make of calls; nothing where there is none.
async fn govern(order: &Why, hub: &Hub, evidence: &Evidence) -> Governed {
    let Ok(center) = hub.config_center() else { return Governed::default() };
    let mut question = Question::new(evidence.lookup.clone());
    (question.consumer, question.tag, question.zone) = (order.consumer.clone(), order.tag.clone(), order.zone.clone());
    let told = question.explain(&*center, evidence.taken.values()).await;
    let left = evidence.taken.keys().zip(told.instances);
    let left = left.filter_map(|(id, left)| Some((id.clone(), left?)));
    Governed { rules: told.rules, told: left.collect() }
}

/// Connects to each instance that is taken, all at once.
async fn connect(evidence: &Evidence) -> BTreeMap<InstanceId, String> {
    let mut all = JoinSet::new();
    for instance in evidence.taken.values() {
        let (id, address) = (instance.id.clone(), instance.address());
        all.spawn(async move {
            let said = match timeout(CONNECT, TcpStream::connect(&address)).await {
                Ok(Ok(_)) => "connects".to_owned(),
                Ok(Err(error)) => format!("does not connect: {error}"),
                Err(_) => format!("does not connect within {CONNECT:?}"),
            };
            (id, said)
        });
    }
    all.join_all().await.into_iter().collect()
}

fn shown(seen: &Seen) -> String {
    let Survey { unwell, hold, last_change, .. } = &seen.evidence.survey;
    let mut text = String::new();
    if anybody(&seen.evidence) {
        let (count, lookup) = (seen.evidence.taken.len(), &seen.evidence.lookup);
        let _ = writeln!(text, "a consumer of {lookup} sees {count} in {}", clean(&seen.place));
    } else {
        let _ = writeln!(text, "{}", clean(&seen.evidence.survey.explain(&seen.evidence.lookup, &seen.place)));
    }
    let row = |one: &Verdict| {
        let levels = one.levels.iter().map(|level| level.as_str()).collect::<Vec<_>>().join("+");
        let connection = seen.connections.get(&one.instance.id).filter(|_| one.taken);
        let why = connection.map_or(one.why.clone(), |said| format!("{}; {said}", one.why));
        let taken = if one.taken { "yes" } else { "no" };
        let registry = if seen.evidence.listed.len() > 1 { one.registry.clone() } else { None };
        let weight = one.instance.weight.to_string();
        let (service, application) = (one.key.to_string(), one.instance.application.clone());
        let registry = registry.unwrap_or_default();
        vec![taken.to_owned(), service, application, one.instance.address(), weight, levels, registry, why]
    };
    if !seen.verdicts.is_empty() {
        let head = ["TAKEN", "SERVICE", "APPLICATION", "ADDRESS", "WEIGHT", "LEVEL", "REGISTRY", "WHY"];
        text.push_str(&table("  ", &head, &seen.verdicts.iter().map(row).collect::<Vec<_>>()));
    }
    let spoken = |state: &&RuleState| state.in_force.is_some() || state.refused.is_some() || state.unsure.is_some();
    for state in seen.rules.iter().filter(spoken) {
        let _ = writeln!(text, "  rule {}", clean(&state.to_string()));
    }
    if let Some(hold) = hold {
        let _ = writeln!(text, "  held: {} instances, since the registry is {}", hold.count, hold.reason.as_str());
    }
    if let Some(why) = unwell {
        let _ = writeln!(text, "  the registry is unwell: {}", clean(why));
    }
    for why in &seen.unasked {
        let _ = writeln!(text, "  it cannot be asked what it lists: {}", clean(why));
    }
    if let Some(ago) = last_change {
        let _ = writeln!(text, "  last change {} ago", age(*ago));
    }
    text.push_str(&ls::skipped(&seen.skipped));
    text
}

fn as_json(seen: &Seen) -> Value {
    let Survey { unwell, hold, last_change, .. } = &seen.evidence.survey;
    let verdict = |one: &Verdict| {
        json!({
            "taken": one.taken,
            "code": one.code.as_str(),
            "why": one.why,
            "service": one.key.to_string(),
            "id": one.instance.id.as_str(),
            "application": one.instance.application,
            "address": one.instance.address(),
            "weight": one.instance.weight,
            "levels": one.levels.iter().map(|level| level.as_str()).collect::<Vec<_>>(),
            "registry": one.registry,
            "connection": seen.connections.get(&one.instance.id).filter(|_| one.taken),
        })
    };
    json!({
        "registry": seen.place,
        "service": seen.evidence.lookup.key.to_string(),
        "application": seen.evidence.lookup.application,
        "taken": seen.evidence.taken.len(),
        "instances": seen.verdicts.iter().map(verdict).collect::<Vec<_>>(),
        "rules": seen.rules.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "unwell": unwell,
        "hold": hold.map(|hold| json!({"reason": hold.reason.as_str(), "count": hold.count})),
        "last_change_s": last_change.map(|ago| ago.as_secs()),
        "skipped": ls::skipped_json(&seen.skipped),
        "unasked": seen.unasked,
    })
}
