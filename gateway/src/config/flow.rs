//! Where rules of flow control are kept, as the file says it. Pure.

use super::{keys::RULES, scope::Scope};
use mainstay_registry::ConfigKey;
use std::path::PathBuf;

/// A kind of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RuleKind {
    Flow,
    Degrade,
    System,
    ParamFlow,
    Authority,
    GatewayFlow,
    GatewayApiGroup,
}

impl RuleKind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Flow,
        Self::Degrade,
        Self::System,
        Self::ParamFlow,
        Self::Authority,
        Self::GatewayFlow,
        Self::GatewayApiGroup,
    ];

    /// What the file calls them.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Flow => "flow_rules",
            Self::Degrade => "degrade_rules",
            Self::System => "system_rules",
            Self::ParamFlow => "param_flow_rules",
            Self::Authority => "authority_rules",
            Self::GatewayFlow => "gateway_flow_rules",
            Self::GatewayApiGroup => "gateway_api_groups",
        }
    }

    /// What people call them.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Flow => "flow rules",
            Self::Degrade => "degrade rules",
            Self::System => "system rules",
            Self::ParamFlow => "rules of hot parameters",
            Self::Authority => "authority rules",
            Self::GatewayFlow => "gateway rules",
            Self::GatewayApiGroup => "groups of paths",
        }
    }
}

/// Where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FlowConfig {
    File(PathBuf),
    Center { url: String, key: ConfigKey },
}

/// Reads it.
pub(super) fn read(at: Scope<'_>) -> Option<FlowConfig> {
    let fields = at.fields(&RULES);
    let center = fields.get("center", |at| {
        at.read(|node| {
            let url = node.text().map_err(|error| error.why)?;
            mainstay_registry::check(url).map_err(|error| error.to_string())?;
            Ok(url.to_owned())
        })
    });
    match (fields.has("file"), fields.has("center")) {
        (true, false) => {
            for key in ["group", "name"].into_iter().filter(|key| fields.has(key)) {
                at.wrong(format!("`{key}` says something of a config centre, and there is none"));
            }
            fields.text("file").map(|file| FlowConfig::File(file.into()))
        }
        (false, true) => {
            let group = fields.text("group").unwrap_or_else(|| "SENTINEL_GROUP".to_owned());
            let name = fields.must("name", |at| at.text().map(str::to_owned))?;
            let key = at.read(|_| ConfigKey::in_group(group, name).map_err(|error| error.to_string()))?;
            Some(FlowConfig::Center { url: center?, key })
        }
        _ => {
            at.wrong("rules are kept in a `file` or in a `center`: one of them says where");
            None
        }
    }
}
