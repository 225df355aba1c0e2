//! What lies in the server, for people: the providers of the interface level, and the way there.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::timeout};

use super::{NacosRegistry, http, names, session::Session, wire::Listing as Hosts};
use crate::{
    error::RegistryError,
    inspect::{Finding, Inspect, Inspection, Level, Listing, Offer},
    key::ServiceKey,
};

/// How long there may be no connection yet.
const ARRIVAL: Duration = Duration::from_secs(5);
/// How many services are asked for at a time.
const AT_A_TIME: usize = 16;

impl Inspect for NacosRegistry {
    fn list<'a>(&'a self, interface: Option<&'a str>) -> Inspection<'a, Result<Listing, RegistryError>> {
        Box::pin(async move {
            let session = self.connected().await?;
            let services = self.core.names().await?.into_iter().filter_map(|name| Some((names::key_of(&name)?, name)));
            let asked = services.filter(|(key, _)| interface.is_none_or(|asked| key.interface == asked)).collect();
            let (mut offers, mut skipped) = (Vec::new(), Vec::new());
            for (key, name, hosts) in self.ask(&session, asked).await? {
                for host in hosts.hosts.unwrap_or_default() {
                    let record = format!("{name} {}:{}", host["ip"].as_str().unwrap_or("?"), host["port"]);
                    match names::offered(&host, &key.interface) {
                        Ok((key, instance)) => {
                            offers.push(Offer::new(key, instance).at(Level::Interface).by(owner(&host)))
                        }
                        Err(why) => skipped.push((record, why.as_str().to_owned())),
                    }
                }
            }
            Ok(Listing::new(offers, skipped))
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
            vec![connected, rights, Finding::fine("limits", text)]
        })
    }
}

impl NacosRegistry {
    /// The session, waited for.
    async fn connected(&self) -> Result<Arc<Session>, RegistryError> {
        self.core.keep();
        let mut standing = self.core.link.standing();
        // Whatever it is when the time is over, the link says.
        let _ = timeout(ARRIVAL, standing.wait_for(|standing| standing.session.is_some())).await;
        self.core.link.session()
    }

    /// What strangers are told of these services.
    async fn ask(
        &self,
        session: &Arc<Session>,
        services: Vec<(ServiceKey, String)>,
    ) -> Result<Vec<(ServiceKey, String, Hosts)>, RegistryError> {
        let (mut answers, token) = (Vec::new(), self.core.link.auth().token());
        for services in services.chunks(AT_A_TIME) {
            let mut asked = JoinSet::new();
            for (key, name) in services.iter().cloned() {
                let place = &self.core.place;
                let bare = name.split_once("@@").map_or(name.as_str(), |(_, name)| name);
                let service = names::service(&place.namespace, &place.group, bare.to_owned());
                let (session, token) = (session.clone(), token.clone());
                asked.spawn(async move {
                    let hosts = http::instances(session.server(), token.as_deref(), &service).await?;
                    Ok::<_, RegistryError>((key, name, hosts))
                });
            }
            for answer in asked.join_all().await {
                answers.push(answer?);
            }
        }
        Ok(answers)
    }
}

/// Who keeps it there, as far as the server says.
fn owner(host: &serde_json::Value) -> &'static str {
    match host["ephemeral"].as_bool() {
        Some(false) => "nobody: it stays for ever",
        _ => "a connection",
    }
}
