//! What each adapter can do, declared once: the conformance suite runs exactly the rows that are declared, and the
//! README prints the same table.

use std::fmt::Write;

/// What an adapter can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Providers can register through it.
    pub register: bool,
    /// A provider that is killed (`kill -9`) disappears by itself.
    pub detect_kill: bool,
    /// A provider that is stopped (SIGSTOP) disappears by itself. Where it does not, connection state takes it out.
    pub detect_stop: bool,
    /// Registrations survive a restart of the registry, or its loss and return.
    pub server_restart: bool,
    /// The registry itself is several servers and survives the loss of one.
    pub ensemble: bool,
    /// Rules and settings can be kept in it.
    pub config: bool,
}

impl Capabilities {
    /// Nothing but discovery.
    pub const NONE: Self = Self {
        register: false,
        detect_kill: false,
        detect_stop: false,
        server_restart: false,
        ensemble: false,
        config: false,
    };

    /// `memory://`: the process is the registry, so nothing of it outlives a kill.
    pub const MEMORY: Self = Self { register: true, config: true, ..Self::NONE };

    /// `static://`: a list in the URL.
    pub const STATIC: Self = Self::NONE;

    /// `dns://`: whoever runs the name server registers; its restart is bridged by the last good answer.
    pub const DNS: Self = Self { server_restart: true, ..Self::NONE };

    /// `file://`: the kernel is the failure detector, and a directory that is removed is made again.
    pub const FILE: Self = Self { register: true, detect_kill: true, server_restart: true, config: true, ..Self::NONE };

    /// `nacos://`: the server ends what was offered over a connection that is closed or says nothing for 20 s.
    ///
    /// The servers of a cluster are tried in turn, but an ensemble is not declared: when one of three died, nobody was lost, but
    /// another listed a provider for 9 s, and once for more than 20 s, as it was before a change that was made meanwhile.
    pub const NACOS: Self =
        Self { register: true, detect_kill: true, detect_stop: true, server_restart: true, config: true, ..Self::NONE };

    /// What either can do.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            register: self.register || other.register,
            detect_kill: self.detect_kill || other.detect_kill,
            detect_stop: self.detect_stop || other.detect_stop,
            server_restart: self.server_restart || other.server_restart,
            ensemble: self.ensemble || other.ensemble,
            config: self.config || other.config,
        }
    }

    /// `zookeeper://`: sessions are the failure detector, and an ensemble survives its servers.
    pub const ZOOKEEPER: Self = Self {
        register: true,
        detect_kill: true,
        detect_stop: true,
        server_restart: true,
        ensemble: true,
        config: true,
        ..Self::NONE
    };

    /// The columns of the table, in order.
    fn columns(self) -> [(&'static str, bool); 6] {
        [
            ("register", self.register),
            ("detect kill", self.detect_kill),
            ("detect stop", self.detect_stop),
            ("server restart", self.server_restart),
            ("ensemble", self.ensemble),
            ("config", self.config),
        ]
    }
}

/// Every adapter of this version with what it can do, whether or not this build has it.
pub const ADAPTERS: [(&str, Capabilities); 6] = [
    ("file://", Capabilities::FILE),
    ("memory://", Capabilities::MEMORY),
    ("static://", Capabilities::STATIC),
    ("dns://", Capabilities::DNS),
    ("zookeeper://", Capabilities::ZOOKEEPER),
    ("nacos://", Capabilities::NACOS),
];

/// [`ADAPTERS`] as a Markdown table, ending in a line feed; the README holds exactly this text.
pub fn capability_table() -> String {
    let mut table = String::from("| registry |");
    for (name, _) in Capabilities::NONE.columns() {
        let _ = write!(table, " {name} |");
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(Capabilities::NONE.columns().len()));
    table.push('\n');
    for (scheme, capabilities) in ADAPTERS {
        let _ = write!(table, "| `{scheme}` |");
        for (_, has) in capabilities.columns() {
            table.push_str(if has { " yes |" } else { " no |" });
        }
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_per_adapter_and_a_cell_per_capability() {
        let table = capability_table();
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 2 + ADAPTERS.len());
        assert!(lines.iter().all(|line| line.matches('|').count() == 8), "{table}");
        assert_eq!(lines[2], "| `file://` | yes | yes | no | yes | no | yes |");
    }
}
