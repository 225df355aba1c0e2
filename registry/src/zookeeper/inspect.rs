//! What lies in the ensemble, for people: the providers of both levels with the sessions that own them, and the servers.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use zookeeper_client::{Client, Error};

use super::{
    ZookeeperRegistry,
    nodes::{failed, said},
    session::PATIENCE,
    url::Place,
};
use crate::{
    dubbo::{MetadataInfo, ProviderUrl, ServiceInstance, escape},
    error::RegistryError,
    inspect::{Finding, Inspect, Inspection, Level, Listing, Offer},
};

/// What a server takes in one packet, as it comes: `jute.maxbuffer`. A listing is one packet.
const PACKET: usize = 0xf_ffff;
/// How many nodes are asked for at a time.
const AT_A_TIME: usize = 200;
/// How long the whole listing may take.
const LISTING: Duration = Duration::from_secs(30);
/// How long a server may take to say what it is.
const SERVER: Duration = Duration::from_secs(1);

impl Inspect for ZookeeperRegistry {
    fn list<'a>(&'a self, interface: Option<&'a str>) -> Inspection<'a, Result<Listing, RegistryError>> {
        Box::pin(async move {
            let client = self.core.session.live_soon().await?;
            let mut reading = Reading { client, place: self.core.session.place(), found: Found::default() };
            let read = timeout(LISTING, reading.all(interface)).await;
            read.unwrap_or_else(|_| {
                let (attempted, why) = (reading.place.describe(), format!("not listed within {LISTING:?}"));
                Err(RegistryError::Unavailable { attempted, why })
            })?;
            Ok(Listing::new(reading.found.offers, reading.found.skipped))
        })
    }

    fn examine(&self) -> Inspection<'_, Vec<Finding>> {
        Box::pin(async move {
            let place = self.core.session.place();
            let mut findings = vec![servers(place).await];
            match self.core.session.live_soon().await {
                Ok(client) => {
                    findings.push(session(place, &client));
                    let bounded = timeout(PATIENCE, rights_and_limits(place, &client)).await;
                    let too_long = || vec![Finding::bad("rights", format!("no answer within {PATIENCE:?}"))];
                    findings.extend(bounded.unwrap_or_else(|_| too_long()));
                }
                Err(error) => findings.push(Finding::bad("session", error.to_string())),
            }
            findings
        })
    }
}

#[derive(Debug, Default)]
struct Found {
    offers: Vec<Offer>,
    skipped: Vec<(String, String)>,
}

/// One reading of everything.
struct Reading<'a> {
    client: Client,
    place: &'a Place,
    found: Found,
}

impl Reading<'_> {
    async fn all(&mut self, interface: Option<&str>) -> Result<(), RegistryError> {
        let root = format!("{}/{}", self.place.chroot, self.place.group);
        let folders = match interface {
            Some(interface) => vec![escape::encode(interface)],
            None => children(&self.client, &root).await?,
        };
        for folder in folders {
            let names = children(&self.client, &format!("{root}/{folder}/providers")).await?;
            if names.is_empty() {
                continue;
            }
            match escape::decode(&folder, folder.len()) {
                Ok(interface) => self.providers(&format!("{root}/{folder}/providers"), names, &interface).await,
                Err(garbled) => self.found.skipped.push((folder, format!("{garbled:?}"))),
            }
        }
        self.applications(interface).await
    }

    /// The interface level.
    async fn providers(&mut self, folder: &str, names: Vec<String>, interface: &str) {
        let owners = self.ask(folder, &names, |client, path| async move { client.check_stat(&path).await }).await;
        for name in names {
            let offered = ProviderUrl::from_node(&name).and_then(|url| url.offered(interface));
            match offered {
                Ok((key, instance)) => {
                    let offer = Offer::new(key, instance).at(Level::Interface);
                    let owner = owners.get(&name).and_then(|stat| stat.as_ref()).map(|stat| stat.ephemeral_owner);
                    self.found.offers.push(owned(offer, owner));
                }
                Err(why) => self.found.skipped.push((short(&name), why.as_str().to_owned())),
            }
        }
    }

    /// The application level, as far as its documents are stored.
    async fn applications(&mut self, interface: Option<&str>) -> Result<(), RegistryError> {
        let services = services(self.place);
        let mut documents: BTreeMap<(String, String), Result<MetadataInfo, String>> = BTreeMap::new();
        for application in children(&self.client, &services).await? {
            let folder = format!("{services}/{application}");
            let names = children(&self.client, &folder).await?;
            let nodes = self.ask(&folder, &names, |client, path| async move { client.get_data(&path).await }).await;
            for (name, (data, stat)) in nodes {
                let record = format!("{application}/{name}");
                let instance = match ServiceInstance::from_json(&data) {
                    Ok(instance) => instance,
                    Err(why) => {
                        self.found.skipped.push((short(&record), why.as_str().to_owned()));
                        continue;
                    }
                };
                let Some(revision) = instance.revision().map(str::to_owned) else {
                    self.found.skipped.push((short(&record), "it offers nothing yet".to_owned()));
                    continue;
                };
                let at = (application.clone(), revision);
                if !documents.contains_key(&at) {
                    let document = self.document(&at.0, &at.1).await;
                    documents.insert(at.clone(), document);
                }
                match &documents[&at] {
                    Ok(info) => self.offered(info, &instance, interface, stat.ephemeral_owner, &record),
                    Err(why) => self.found.skipped.push((short(&record), why.clone())),
                }
            }
        }
        Ok(())
    }

    fn offered(
        &mut self,
        info: &MetadataInfo,
        instance: &ServiceInstance,
        interface: Option<&str>,
        owner: i64,
        record: &str,
    ) {
        let mut names: Vec<&str> = info.services.values().map(|service| service.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names.into_iter().filter(|name| interface.is_none_or(|asked| asked == *name)) {
            for offered in info.offered(instance, name) {
                match offered {
                    Ok((key, one)) => {
                        self.found.offers.push(owned(Offer::new(key, one).at(Level::Application), Some(owner)));
                    }
                    Err(why) => self.found.skipped.push((short(record), why.as_str().to_owned())),
                }
            }
        }
    }

    /// The document that says what instances of a revision offer, where Java or dubbo-go put it.
    async fn document(&self, application: &str, revision: &str) -> Result<MetadataInfo, String> {
        let mut why = "its document is not stored: a consumer asks the process itself".to_owned();
        for folder in ["dubbo/metadata", "dubbo"] {
            let path = format!("{}/{folder}/{application}/{revision}", self.place.chroot);
            match self.client.get_data(&path).await {
                Ok((data, _)) => match MetadataInfo::from_json(&data) {
                    Ok(info) => return Ok(info),
                    Err(error) => why = error.to_string(),
                },
                Err(Error::NoNode | Error::BadArguments(_)) => {}
                Err(error) => why = said(&error),
            }
        }
        Err(why)
    }

    /// Asks for many nodes at once; those that are gone meanwhile are left out.
    async fn ask<T: Send + 'static, F: Future<Output = Result<T, Error>> + Send + 'static>(
        &self,
        folder: &str,
        names: &[String],
        ask: impl Fn(Client, String) -> F,
    ) -> BTreeMap<String, T> {
        let mut answers = BTreeMap::new();
        for names in names.chunks(AT_A_TIME) {
            let mut asked = JoinSet::new();
            for name in names {
                let (answer, name) = (ask(self.client.clone(), format!("{folder}/{name}")), name.clone());
                asked.spawn(async move { answer.await.ok().map(|answer| (name, answer)) });
            }
            answers.extend(asked.join_all().await.into_iter().flatten());
        }
        answers
    }
}

/// The folder of applications: as Curator and Dubbo have it, replaced by a group that is not the default one.
fn services(place: &Place) -> String {
    let folder = if place.group == "dubbo" { "services" } else { place.group.as_str() };
    format!("{}/{folder}", place.chroot)
}

fn owned(offer: Offer, owner: Option<i64>) -> Offer {
    match owner {
        None => offer,
        Some(0) => offer.by("nobody: it stays for ever"),
        Some(session) => offer.by(format!("session {session:#x}")),
    }
}

fn short(name: &str) -> String {
    name.chars().take(200).collect()
}

/// The names below `path`; a path that is not there has none.
async fn children(client: &Client, path: &str) -> Result<Vec<String>, RegistryError> {
    match timeout(PATIENCE, client.list_children(path)).await {
        Ok(Ok(names)) => Ok(names),
        Ok(Err(Error::NoNode)) => Ok(Vec::new()),
        Ok(Err(error)) => Err(failed("listing", path, &error)),
        Err(_) => {
            let (attempted, why) = (format!("listing {path}"), format!("no answer within {PATIENCE:?}"));
            Err(RegistryError::Unavailable { attempted, why })
        }
    }
}

/// What each server says of itself.
async fn servers(place: &Place) -> Finding {
    let mut asked = JoinSet::new();
    for (host, port) in place.servers.clone() {
        asked.spawn(async move {
            let address = crate::instance::address(&host, port);
            let answer = timeout(SERVER, word(&host, port)).await;
            match answer {
                Ok(Ok(text)) => (true, format!("{address} {}", mode(&text))),
                Ok(Err(error)) => (false, format!("{address}: {error}")),
                Err(_) => (false, format!("{address} does not answer within {SERVER:?}")),
            }
        });
    }
    let mut answers = asked.join_all().await;
    answers.sort();
    let (up, all) = (answers.iter().filter(|(up, _)| *up).count(), answers.len());
    let text = answers.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("; ");
    match up {
        0 => Finding::bad("servers", text),
        up if up < all => Finding::doubtful("servers", text),
        _ => Finding::fine("servers", text),
    }
}

/// The answer to the one word that servers answer unless they are told not to.
async fn word(host: &str, port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.write_all(b"srvr").await?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// What the server is, out of its answer.
fn mode(answer: &str) -> String {
    let said = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let version = said("Zookeeper version:").and_then(|text| text.split(['-', ',']).next());
    match (said("Mode:"), version) {
        (Some(mode), Some(version)) => format!("is {mode}, {version}"),
        (Some(mode), None) => format!("is {mode}"),
        _ => "accepts connections, and does not say what it is".to_owned(),
    }
}

fn session(place: &Place, client: &Client) -> Finding {
    let (asked, given) = (place.session, client.session_timeout());
    let text = format!("session {:#x} of {given:?}", client.session_id().0);
    if given == asked {
        return Finding::fine("session", text);
    }
    Finding::doubtful("session", format!("{text}; asked for were {asked:?}: the server has bounds of its own"))
}

/// Whether the registry's nodes may be read, and how near the largest list is to what a server sends.
async fn rights_and_limits(place: &Place, client: &Client) -> Vec<Finding> {
    let root = format!("{}/{}", place.chroot, place.group);
    let who = if place.login.is_some() { "with the password of the URL" } else { "without a password" };
    let folders = match children(client, &root).await {
        Ok(folders) if folders.is_empty() => {
            let text =
                format!("{root} is empty or not there: if others should be there, look at the path and the group");
            return vec![Finding::doubtful("rights", text)];
        }
        Ok(folders) => folders,
        Err(error) => return vec![Finding::bad("rights", format!("{who}: {error}"))],
    };
    let rights = Finding::fine("rights", format!("{root} can be read, {who}"));
    let mut largest = (0, String::new());
    for folder in &folders {
        let path = format!("{root}/{folder}/providers");
        let names = children(client, &path).await.unwrap_or_default();
        largest = largest.max((names.iter().map(|name| name.len() + 4).sum(), path));
    }
    let (size, path) = largest;
    let text =
        format!("the largest list, {}, takes {size} bytes of {PACKET} (jute.maxbuffer as it comes)", short(&path));
    let limits =
        if size * 10 >= PACKET * 8 { Finding::doubtful("limits", text) } else { Finding::fine("limits", text) };
    vec![rights, limits]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_what_it_is() {
        let answer = "Zookeeper version: 3.8.0-5a02a05eddb, built on 2022\nLatency: 0\nMode: leader\nNode count: 5\n";
        assert_eq!(mode(answer), "is leader, 3.8.0");
        assert_eq!(
            mode("srvr is not executed because it is not in the whitelist.\n"),
            "accepts connections, and does not say what it is"
        );
    }
}
