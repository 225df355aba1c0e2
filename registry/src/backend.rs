//! Stateful backends in a registry: where the primary and the replicas are, and since which epoch. Pure.
//!
//! Whoever watches over a backend (such as a sentinel) registers each server under the backend's key, with its role and
//! the epoch of that view. Several watchers publish the same servers, each in its own words and its own time; so a
//! consumer goes by the epoch: the view of the greatest one holds, and an older one never comes back.

use crate::{
    instance::{Instance, Registration},
    key::ServiceKey,
};

/// The interface of all backends; which one is meant says the group.
const INTERFACE: &str = "mainstay.Backend";

/// The part that a server of a stateful backend plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It takes writes.
    Primary,
    /// It follows the primary.
    Replica,
}

impl Role {
    /// The word that an [`Instance`] carries.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Replica => "replica",
        }
    }
}

impl ServiceKey {
    /// The key of the stateful backend `name`, such as the name of a master that a sentinel monitors.
    pub fn backend(name: impl Into<String>) -> Self {
        Self::new(INTERFACE).with_group(name)
    }
}

impl Instance {
    /// The same instance in a role that it has since this epoch.
    #[must_use]
    pub fn in_role(mut self, role: Role, epoch: u64) -> Self {
        self.role = Some(role.as_str().to_owned());
        self.epoch = Some(epoch);
        self
    }

    /// Its role and since which epoch, if it says both and the role is one of a backend.
    pub fn standing(&self) -> Option<(Role, u64)> {
        let word = self.role.as_deref()?;
        let role = [Role::Primary, Role::Replica].into_iter().find(|role| role.as_str() == word)?;
        Some((role, self.epoch?))
    }
}

impl Registration {
    /// A server of the backend `name` in its role.
    pub fn of_backend(name: &str, host: &str, port: u16, role: Role, epoch: u64) -> Self {
        Self::new(Instance::new(name, host, port).in_role(role, epoch), [ServiceKey::backend(name)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_is_read_as_it_was_written() {
        for role in [Role::Primary, Role::Replica] {
            let server = Registration::of_backend("mymaster", "10.0.0.1", 6379, role, 7);
            assert_eq!(server.instance.standing(), Some((role, 7)));
            assert_eq!(server.keys, ["mymaster/mainstay.Backend".parse().unwrap()]);
        }
    }

    #[test]
    fn what_says_no_role_or_no_epoch_has_no_standing() {
        let plain = Instance::new("a", "h", 1);
        assert_eq!(plain.standing(), None);
        let mut half = plain.in_role(Role::Primary, 1);
        half.epoch = None;
        assert_eq!(half.standing(), None);
        let other = Instance { role: Some("arbiter".into()), epoch: Some(1), ..half };
        assert_eq!(other.standing(), None);
    }
}
