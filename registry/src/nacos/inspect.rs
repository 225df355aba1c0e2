//! What lies in the server, for people: the providers of both levels, and the way there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{task::JoinSet, time::timeout};

use super::{
    NacosRegistry, applications::Stored, http, names, session::Session, text::TextName, wire::Listing as Hosts,
};
use crate::{
    config::DEFAULT_GROUP,
    dubbo::{Documents, MetadataInfo, ServiceInstance},
    error::RegistryError,
    inspect::{Finding, Inspect, Inspection, Level, Listing, Offer},
};

/// How long there may be no connection yet.
const ARRIVAL: Duration = Duration::from_secs(5);
/// How long the whole listing may take.
const LISTING: Duration = Duration::from_secs(30);
/// How many services are asked for at a time.
const AT_A_TIME: usize = 16;
/// A setting that nobody makes: whether it can be asked for is what counts.
const NOBODYS: &str = "mainstay.doctor";

impl Inspect for NacosRegistry {
    fn list<'a>(&'a self, interface: Option<&'a str>) -> Inspection<'a, Result<Listing, RegistryError>> {
        Box::pin(async move {
            let session = self.connected().await?;
            let all = timeout(LISTING, self.all(&session, interface)).await;
            all.unwrap_or_else(|_| {
                let (attempted, why) = (self.core.place.describe(), format!("not listed within {LISTING:?}"));
                Err(RegistryError::Unavailable { attempted, why })
            })
        })
    }

    fn examine(&self) -> Inspection<'_, Vec<Finding>> {
        Box::pin(async move {
            let session = match self.connected().await {
                Ok(session) => session,
                Err(error) => return vec![Finding::bad("session", error.to_string())],
            };
            let connected = Finding::fine("session", format!("connected to {}", session.server()));
            let rights = match self.core.names().await {
                Err(error) => Finding::bad("rights", error.to_string()),
                Ok(names) if names.is_empty() => Finding::doubtful(
                    "rights",
                    "nobody is in this namespace and group: if others should be there, look at their spelling",
                ),
                Ok(names) => Finding::fine("rights", format!("{} services can be read", names.len())),
            };
            let text = format!("{} characters of metadata per instance and service are taken", names::MAX_METADATA);
            vec![connected, rights, self.settings(&session).await, Finding::fine("limits", text)]
        })
    }
}

impl NacosRegistry {
    /// Everything, or all of one interface.
    async fn all(&self, session: &Arc<Session>, interface: Option<&str>) -> Result<Listing, RegistryError> {
        let names = self.core.names().await?;
        let mut found = Found::default();
        let services = names.iter().filter_map(|name| Some((names::key_of(name)?, name.clone())));
        let asked = services.filter(|(key, _)| interface.is_none_or(|asked| key.interface == asked)).collect();
        for (key, name, hosts) in self.ask(session, asked).await? {
            hosts.values().for_each(|host| found.provider(&host, &key.interface, &name));
        }
        let bare = |name: &String| name.split_once("@@").map_or(name.clone(), |(_, name)| name.to_owned());
        let asked = names.iter().map(|name| (bare(name), name.clone()));
        let asked = asked.filter(|(application, _)| names::is_application(application)).collect();
        for (application, _, hosts) in self.ask(session, asked).await? {
            let hosts: Vec<_> = hosts.values().collect();
            self.application(session, &mut found, &application, &hosts, interface).await;
        }
        Ok(Listing::new(found.offers, found.skipped))
    }

    /// The session, waited for.
    async fn connected(&self) -> Result<Arc<Session>, RegistryError> {
        self.core.keep();
        let mut standing = self.core.link.standing();
        // Whatever it is when the time is over, the link says.
        let _ = timeout(ARRIVAL, standing.wait_for(|standing| standing.session.is_some())).await;
        self.core.link.session()
    }

    /// Whether the config centre answers.
    async fn settings(&self, session: &Session) -> Finding {
        let name = TextName::told(Some(&self.core.place.namespace), DEFAULT_GROUP, NOBODYS);
        match session.text(&name).await {
            Ok(_) => Finding::fine("config", "settings can be read"),
            Err(why) => Finding::bad("config", format!("settings cannot be read: {why}")),
        }
    }

    /// The application level, as far as its documents are stored.
    async fn application(
        &self,
        session: &Session,
        found: &mut Found,
        application: &str,
        hosts: &[serde_json::Value],
        interface: Option<&str>,
    ) {
        let documents = Stored::of(&self.core, session);
        let mut known: BTreeMap<String, Option<MetadataInfo>> = BTreeMap::new();
        for host in hosts {
            let record = spoken(host, application);
            let instance = match names::instance(host, application) {
                Ok(instance) => instance,
                Err(why) => {
                    found.skipped.push((record, why.as_str().to_owned()));
                    continue;
                }
            };
            // Others than Dubbo's peers have services here too.
            let Some(revision) = instance.revision().map(str::to_owned) else { continue };
            if !known.contains_key(&revision) {
                known.insert(revision.clone(), documents.stored(application, &revision).await);
            }
            match &known[&revision] {
                Some(info) => found.instance(info, &instance, interface, host, &record),
                None => {
                    let why = "its document is not stored: a consumer asks the process itself";
                    found.skipped.push((record, why.to_owned()));
                }
            }
        }
    }

    /// What strangers are told of these services.
    async fn ask<T: Clone + Send + 'static>(
        &self,
        session: &Arc<Session>,
        services: Vec<(T, String)>,
    ) -> Result<Vec<(T, String, Hosts)>, RegistryError> {
        let (mut answers, token) = (Vec::new(), self.core.link.auth().token());
        for services in services.chunks(AT_A_TIME) {
            let mut asked = JoinSet::new();
            for (what, name) in services.iter().cloned() {
                let place = &self.core.place;
                let bare = name.split_once("@@").map_or(name.as_str(), |(_, name)| name);
                let service = names::service(&place.namespace, &place.group, bare.to_owned());
                let (session, token) = (session.clone(), token.clone());
                asked.spawn(async move {
                    let hosts = http::instances(session.server(), token.as_deref(), &service).await?;
                    Ok::<_, RegistryError>((what, name, hosts))
                });
            }
            for answer in asked.join_all().await {
                answers.push(answer?);
            }
        }
        Ok(answers)
    }
}

/// What was found so far.
#[derive(Debug, Default)]
struct Found {
    offers: Vec<Offer>,
    skipped: Vec<(String, String)>,
}

impl Found {
    fn provider(&mut self, host: &serde_json::Value, interface: &str, service: &str) {
        match names::offered(host, interface) {
            Ok((key, instance)) => {
                self.offers.push(Offer::new(key, instance).at(Level::Interface).by(owner(host)));
            }
            Err(why) => self.skipped.push((spoken(host, service), why.as_str().to_owned())),
        }
    }

    fn instance(
        &mut self,
        info: &MetadataInfo,
        instance: &ServiceInstance,
        interface: Option<&str>,
        host: &serde_json::Value,
        record: &str,
    ) {
        let names: BTreeSet<&str> = info.services.values().map(|service| service.name.as_str()).collect();
        for name in names.into_iter().filter(|name| interface.is_none_or(|asked| asked == *name)) {
            for offered in info.offered(instance, name) {
                match offered {
                    Ok((key, one)) => {
                        self.offers.push(Offer::new(key, one).at(Level::Application).by(owner(host)));
                    }
                    Err(why) => self.skipped.push((record.to_owned(), why.as_str().to_owned())),
                }
            }
        }
    }
}

/// An instance as a record is called.
fn spoken(host: &serde_json::Value, service: &str) -> String {
    format!("{service} {}:{}", host["ip"].as_str().unwrap_or("?"), host["port"])
}

/// Who keeps it there, as far as the server says.
fn owner(host: &serde_json::Value) -> &'static str {
    match host["ephemeral"].as_bool() {
        Some(false) => "nobody: it stays for ever",
        _ => "a connection",
    }
}
