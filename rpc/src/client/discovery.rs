//! Where a client looks instances up, as a program says it: a URL, an address, a registry that is there.

use crate::{Error, dubbo::metadata::links, transport::Connect};
use mainstay_registry::{
    ConfigCenter, Discover, FixedRegistry, Hub, Instance, InstanceId, MemoryRegistry, RegistryError,
};
use std::sync::Arc;

/// Where instances are looked up: a URL, a [`Hub`], or anything that discovers.
#[derive(Debug)]
pub struct Discovery(Source);

#[derive(Debug)]
enum Source {
    Url(String),
    Hub(Hub),
    Is(Arc<dyn Discover>),
}

/// A registry, and the config centre beside it, if it has one.
type Opened = (Arc<dyn Discover>, Option<Arc<dyn ConfigCenter>>);

/// One address that offers whatever is asked of it.
pub(super) fn direct(text: &str) -> Result<Arc<dyn Discover>, Error> {
    let bad = |why: &str| Error::Address { text: text.chars().take(200).collect(), why: why.to_owned() };
    let (host, port) = text.rsplit_once(':').ok_or_else(|| bad("it has no port"))?;
    let port = port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(|| bad("the port is no number"))?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').ok_or_else(|| bad("the bracket is not closed"))?,
        None if host.contains(':') => return Err(bad("an IPv6 address stands in brackets")),
        None => host,
    };
    if host.is_empty() || host.contains(['/', '@', ' ', '[', ']']) {
        return Err(bad("the host is no name and no IP address"));
    }
    let instance = Instance::new("", host, port).with_id(InstanceId::new(text));
    Ok(Arc::new(FixedRegistry::new([instance])))
}

impl Discovery {
    /// What finds providers, and asks them where it must by this connector; and the config centre beside it.
    pub(super) fn open(self, connector: &Arc<dyn Connect>) -> Result<Opened, RegistryError> {
        let hub = match self.0 {
            Source::Url(url) => mainstay_registry::connect_with(&url, links(connector.clone()))?,
            Source::Hub(hub) => hub,
            Source::Is(discover) => return Ok((discover, None)),
        };
        let center = hub.config_center().ok();
        Ok((Arc::new(hub), center))
    }
}

impl From<&str> for Discovery {
    fn from(url: &str) -> Self {
        Self(Source::Url(url.to_owned()))
    }
}

impl From<String> for Discovery {
    fn from(url: String) -> Self {
        Self(Source::Url(url))
    }
}

impl From<Arc<dyn Discover>> for Discovery {
    fn from(discover: Arc<dyn Discover>) -> Self {
        Self(Source::Is(discover))
    }
}

impl From<Hub> for Discovery {
    fn from(hub: Hub) -> Self {
        Self(Source::Hub(hub))
    }
}

impl From<&Hub> for Discovery {
    fn from(hub: &Hub) -> Self {
        hub.clone().into()
    }
}

impl From<MemoryRegistry> for Discovery {
    fn from(registry: MemoryRegistry) -> Self {
        Self(Source::Is(Arc::new(registry)))
    }
}

impl From<FixedRegistry> for Discovery {
    fn from(registry: FixedRegistry) -> Self {
        Self(Source::Is(Arc::new(registry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for text in ["127.0.0.1:80", "[::1]:80", "stock.local:7001"] {
            assert!(direct(text).is_ok(), "{text}");
        }
        for text in ["", "stock", "stock:", "stock:0", "stock:99999", "::1:80", "[::1:80", ":80", "http://stock:80"] {
            let error = direct(text).unwrap_err().to_string();
            assert!(error.contains("is no address"), "{text}: {error}");
        }
    }
}
