//! What a URL says of its registry's place among others: `preferred`, `zone` and `weight`, Dubbo's words. Pure.
//!
//! They are taken out here, so that no adapter sees them. `static://` has a parameter `weight` of its own, for its
//! instances: there it keeps that meaning.

use crate::{error::RegistryError, url::RegistryUrl};

/// Most registries that are joined.
pub const MAX_REGISTRIES: usize = 8;
/// The weight of a registry that does not say.
const WEIGHT: u32 = 100;
/// The greatest weight of a registry.
const MAX_WEIGHT: u32 = 10_000;

/// A registry's place among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// It is read alone, as long as it lists anybody.
    pub preferred: bool,
    /// Readers of this zone read it alone, as long as it lists anybody.
    pub zone: Option<String>,
    /// Per cent of their own weight that the instances get which only this registry lists; 100 if nothing is said.
    pub weight: u32,
}

impl Default for Place {
    fn default() -> Self {
        Self { preferred: false, zone: None, weight: WEIGHT }
    }
}

/// The URLs in a text, with `|` between them.
pub(crate) fn split(text: &str) -> Result<Vec<RegistryUrl>, RegistryError> {
    let urls: Result<Vec<_>, _> = text.split('|').map(|url| RegistryUrl::parse(url.trim())).collect();
    let urls = urls?;
    match urls.get(MAX_REGISTRIES) {
        None => Ok(urls),
        Some(url) => Err(url.bad(format!("{} registries are named, at most {MAX_REGISTRIES} are taken", urls.len()))),
    }
}

/// A URL without what it says of its place, and that.
pub(crate) fn placed(mut url: RegistryUrl) -> Result<(RegistryUrl, Place), RegistryError> {
    let mut place = Place::default();
    if let Some(preferred) = url.parameter_as::<bool>("preferred")? {
        place.preferred = preferred;
    }
    if let Some(zone) = url.parameter_as::<String>("zone")? {
        place.zone = Some(zone).filter(|zone| !zone.is_empty());
    }
    url.forget(&["preferred", "zone"]);
    if url.scheme() != "static" {
        place.weight = url.parameter_as("weight")?.unwrap_or(WEIGHT);
        url.forget(&["weight"]);
        if place.weight > MAX_WEIGHT {
            return Err(url.bad(format!("`weight` is {}, at most {MAX_WEIGHT} is taken", place.weight)));
        }
    }
    Ok((url, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<(RegistryUrl, Place), RegistryError> {
        placed(RegistryUrl::parse(text)?)
    }

    #[test]
    fn a_place_is_read_and_taken_out() {
        let (url, place) = one("memory://x?preferred=true&zone=hz&weight=50").unwrap();
        assert_eq!(place, Place { preferred: true, zone: Some("hz".to_owned()), weight: 50 });
        url.only_parameters(&[]).unwrap();
        assert_eq!(one("memory://x").unwrap().1, Place::default());
    }

    #[test]
    fn the_weight_of_a_fixed_list_is_that_of_its_instances() {
        let (url, place) = one("static://h:1?weight=7&preferred=false").unwrap();
        assert_eq!((place.weight, url.parameter_as::<u32>("weight").unwrap()), (100, Some(7)));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, why) in [
            ("memory://x?preferred=perhaps", "`preferred`"),
            ("memory://x?weight=-1", "`weight`"),
            ("memory://x?weight=10001", "at most 10000"),
        ] {
            let error = one(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn urls_are_told_apart_by_a_bar() {
        let urls = split("zookeeper://a:1,b:1/x | nacos://c:2?namespace=n").unwrap();
        assert_eq!(
            urls.iter().map(RegistryUrl::to_string).collect::<Vec<_>>(),
            ["zookeeper://a:1,b:1/x", "nacos://c:2"]
        );
        assert!(split("memory://|").unwrap_err().to_string().contains("no scheme"));
        let many = ["memory://"; MAX_REGISTRIES + 1].join("|");
        assert!(split(&many).unwrap_err().to_string().contains("at most 8"));
    }
}
