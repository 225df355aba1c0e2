//! Where Dubbo keeps what in ZooKeeper: paths, and the answers of a server in words. Pure.

use zookeeper_client::Error;

use super::url::Place;
use crate::{config::ConfigKey, dubbo::escape, error::RegistryError};

/// The paths below one chroot and group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nodes {
    chroot: String,
    root: String,
}

impl Nodes {
    pub(crate) fn of(place: &Place) -> Self {
        Self { chroot: place.chroot.clone(), root: format!("{}/{}", place.chroot, place.group) }
    }

    /// Everything of the group is below it.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// A text of the config centre. Dubbo keeps it in its namespace `dubbo`, whatever the group of the registry.
    pub(super) fn config(&self, key: &ConfigKey) -> String {
        format!("{}/dubbo/config/{}/{}", self.chroot, key.group(), key.name())
    }

    /// The providers of an interface, each a node whose name is its URL.
    pub(super) fn providers(&self, interface: &str) -> String {
        format!("{}/{}/providers", self.root, escape::encode(interface))
    }
}

/// The folder of a path.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// An answer of the server, with its own code.
pub(super) fn said(error: &Error) -> String {
    let (name, code) = match error {
        Error::NoNode => ("NoNode", -101),
        Error::NoAuth => ("NoAuth", -102),
        Error::BadVersion => ("BadVersion", -103),
        Error::NoChildrenForEphemerals => ("NoChildrenForEphemerals", -108),
        Error::NodeExists => ("NodeExists", -110),
        Error::NotEmpty => ("NotEmpty", -111),
        Error::SessionExpired => ("SessionExpired", -112),
        Error::InvalidAcl => ("InvalidACL", -114),
        Error::AuthFailed => ("AuthFailed", -115),
        Error::SessionMoved => ("SessionMoved", -118),
        Error::NotReadOnly => ("NotReadOnly", -119),
        Error::QuotaExceeded => ("QuotaExceeded", -125),
        Error::Throttled => ("ThrottledOp", -127),
        Error::ConnectionLoss => ("ConnectionLoss", -4),
        Error::MarshallingError => ("MarshallingError", -5),
        Error::Timeout => ("OperationTimeout", -7),
        Error::UnexpectedErrorCode(code) => ("error", *code),
        other => return other.to_string(),
    };
    format!("{name} ({code}): {error}")
}

/// The failure of an operation on a node.
pub(super) fn failed(attempted: &str, path: &str, error: &Error) -> RegistryError {
    // Names of nodes are long; their end says nothing that their beginning does not.
    let shown: String = path.chars().take(200).collect();
    RegistryError::Unavailable { attempted: format!("{attempted} {shown}"), why: said(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::RegistryUrl;

    fn nodes(url: &str) -> Nodes {
        Nodes::of(&Place::of(&RegistryUrl::parse(url).unwrap()).unwrap())
    }

    #[test]
    fn paths_are_where_dubbo_has_them() {
        let plain = nodes("zookeeper://h");
        assert_eq!(plain.providers("a.B"), "/dubbo/a.B/providers");
        assert_eq!(plain.providers("a/B"), "/dubbo/a%2FB/providers");
        assert_eq!(nodes("zookeeper://h/x/y?group=shop").root(), "/x/y/shop");
        let key = ConfigKey::new("shop.tag-router").unwrap();
        assert_eq!(plain.config(&key), "/dubbo/config/dubbo/shop.tag-router");
        assert_eq!(nodes("zookeeper://h/x?group=shop").config(&key), "/x/dubbo/config/dubbo/shop.tag-router");
        assert_eq!(parent("/a/b"), "/a");
    }

    #[test]
    fn answers_have_the_servers_code() {
        assert_eq!(said(&Error::NoAuth), "NoAuth (-102): not authorized");
        assert_eq!(failed("creating", "/a", &Error::NoNode).to_string(), "creating /a: NoNode (-101): node not exists");
    }
}
