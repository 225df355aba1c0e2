//! Where rules of flow control are kept, as the file says it. Pure.

use super::{keys::FLOW_RULES, scope::Scope};
use mainstay_registry::ConfigKey;
use std::path::PathBuf;

/// Where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FlowConfig {
    File(PathBuf),
    Center { url: String, key: ConfigKey },
}

/// Reads it.
pub(super) fn read(at: Scope<'_>) -> Option<FlowConfig> {
    let fields = at.fields(&FLOW_RULES);
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
