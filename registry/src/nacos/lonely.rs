//! A namespace in which nobody else is: Nacos takes any name, so a misspelt one looks like an empty registry. It is said
//! once, in the log.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, time::sleep};

use super::{link::Link, shelf::Shelf, url::Place, wire::ServiceNames};

/// How long after the first connection one looks: whoever starts together has come then.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many names are looked at.
const NAMES: u32 = 100;

/// Looks once in a registry's life.
#[derive(Debug, Default)]
pub(super) struct Once(AtomicBool);

impl Once {
    /// Has it looked at, when there is a connection.
    pub(super) fn watch(&self, place: &Arc<Place>, link: &Link, shelf: &Arc<Shelf>) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.0.swap(true, Ordering::Relaxed) {
            return;
        }
        let (place, shelf, mut standing) = (place.clone(), shelf.clone(), link.standing());
        runtime.spawn(async move {
            let connected = standing.wait_for(|standing| standing.session.is_some()).await;
            let Ok(Some(session)) = connected.map(|standing| standing.session.clone()) else { return };
            let session = Arc::downgrade(&session);
            sleep(PATIENCE).await;
            let Some(session) = session.upgrade() else { return };
            let (namespace, group_name) = (place.namespace.as_str(), place.group.as_str());
            let page = ServiceNames { namespace, group_name, page_no: 1, page_size: NAMES, selector: "" };
            if let Ok(names) = session.ask(&page).await
                && is_lonely(&names.service_names.unwrap_or_default(), &shelf.services())
            {
                tracing::warn!(
                    registry = %place.describe(),
                    "nobody else is in this namespace and group; if that is a surprise, look at their spelling: Nacos takes any"
                );
            }
        });
    }
}

/// Whether all services that there are, are our own.
fn is_lonely(there: &[String], ours: &[String]) -> bool {
    let bare = |name: &String| name.split_once("@@").map_or(name.clone(), |(_, name)| name.to_owned());
    there.iter().all(|name| ours.contains(&bare(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_lonely_among_ones_own_services_only() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (there, ours, lonely) in [
            (&[][..], &[][..], true),
            (&["a"], &["a", "b"], true),
            (&["DEFAULT_GROUP@@a"], &["a"], true),
            (&["a", "c"], &["a"], false),
            (&["c"], &[], false),
        ] {
            assert_eq!(is_lonely(&names(there), &names(ours)), lonely, "{there:?} {ours:?}");
        }
    }
}
