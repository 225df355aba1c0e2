//! From URLs to registries that can be asked.

use std::sync::Arc;

use mainstay::App;
use mainstay_registry::{Discover, Hub, Inspect};

use crate::args::{Where, default_url};

/// One registry of those that are named.
#[derive(Debug)]
pub(crate) struct Asked {
    /// It, in words and without secrets.
    pub(crate) name: String,
    pub(crate) hub: Hub,
    pub(crate) inspect: Arc<dyn Inspect>,
}

/// The text that names the registries.
pub(crate) fn urls(place: &Where) -> String {
    place.registry.clone().unwrap_or_else(default_url)
}

/// Each registry of `urls` by itself.
pub(crate) fn each(urls: &str) -> Result<Vec<Asked>, String> {
    // Mistakes of all of them first: what one of them says must not depend on the others.
    mainstay_registry::check(urls).map_err(|error| error.to_string())?;
    urls.split('|').map(|url| one(url.trim())).collect()
}

/// The registry of one URL.
pub(crate) fn one(url: &str) -> Result<Asked, String> {
    let hub = hub(url, None)?;
    let inspect = hub.inspect().map_err(|error| error.to_string())?;
    Ok(Asked { name: Discover::describe(&hub), hub, inspect })
}

/// All registries of `urls` as one, as an application in `zone` would have them.
pub(crate) fn hub(urls: &str, zone: Option<&str>) -> Result<Hub, String> {
    let app = App::new("mainstay-cli").registry(urls);
    let mut app = zone.into_iter().fold(app, App::zone);
    app.hub().map_err(|error| error.to_string())
}
