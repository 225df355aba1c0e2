//! Where Dubbo keeps what in ZooKeeper: paths, and the answers of a server in words. Pure.

use zookeeper_client::Error;

use super::url::Place;
use crate::{config::ConfigKey, dubbo::escape, error::RegistryError};

/// Where Dubbo keeps the instances of applications, unless the registry has a group of its own.
const SERVICES: &str = "services";
const DEFAULT_GROUP: &str = "dubbo";

/// The paths below one chroot and group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nodes {
    chroot: String,
    root: String,
    services: String,
}

impl Nodes {
    pub(crate) fn of(place: &Place) -> Self {
        let root = format!("{}/{}", place.chroot, place.group);
        // Dubbo's rule: a group of the registry replaces the default root of the instances.
        let services = if place.group == DEFAULT_GROUP { SERVICES } else { place.group.as_str() };
        Self { chroot: place.chroot.clone(), root, services: format!("{}/{services}", place.chroot) }
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

    /// Which applications offer an interface, as a list with commas. Dubbo does not encode the interface here.
    pub(super) fn mapping(&self, interface: &str) -> String {
        format!("{}/mapping/{interface}", self.root)
    }

    /// The instances of an application.
    pub(super) fn instances(&self, application: &str) -> String {
        format!("{}/{application}", self.services)
    }

    /// What an application offers, as a document: where Dubbo Java looks for it, and where dubbo-go does.
    pub(super) fn metadata(&self, application: &str, revision: &str) -> [String; 2] {
        [format!("{}/metadata/{application}/{revision}", self.root), format!("{}/{application}/{revision}", self.root)]
    }
}

/// Whether `name` can be a part of a path. ZooKeeper refuses some letters and the names of directories.
pub(super) fn is_name(name: &str) -> bool {
    let bad = |c: char| c == '/' || c.is_control() || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}');
    !name.is_empty() && name != "." && name != ".." && name.len() <= 1024 && !name.chars().any(bad)
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
        let key = ConfigKey::new("shop.tag-router").unwrap();
        assert_eq!(plain.config(&key), "/dubbo/config/dubbo/shop.tag-router");
        assert_eq!(nodes("zookeeper://h/x?group=shop").config(&key), "/x/dubbo/config/dubbo/shop.tag-router");
        assert_eq!(plain.mapping("a.B"), "/dubbo/mapping/a.B");
        assert_eq!(plain.instances("stock"), "/services/stock");
        assert_eq!(plain.metadata("stock", "7"), ["/dubbo/metadata/stock/7", "/dubbo/stock/7"]);
        let deep = nodes("zookeeper://h/x/y?group=shop");
        assert_eq!((deep.root(), deep.instances("stock").as_str()), ("/x/y/shop", "/x/y/shop/stock"));
        assert_eq!(parent("/a/b"), "/a");
    }

    #[test]
    fn names_are_told_from_what_is_none() {
        for (name, is) in [("stock", true), ("a:b", true), ("", false), (".", false), ("a/b", false), ("a\u{0}", false)]
        {
            assert_eq!(is_name(name), is, "{name:?}");
        }
    }

    #[test]
    fn answers_have_the_servers_code() {
        assert_eq!(said(&Error::NoAuth), "NoAuth (-102): not authorized");
        assert_eq!(failed("creating", "/a", &Error::NoNode).to_string(), "creating /a: NoNode (-101): node not exists");
    }
}
