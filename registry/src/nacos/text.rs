//! Texts, which Nacos keeps beside the services: their names, their versions, and the messages about them. Pure.
//!
//! A text is known by a group and a data id. The server compares versions by the MD5 of the text, and only where one is
//! published: what it does with an absent text, or when it removes one, is in `texts.rs`.

use std::fmt;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::{
    url::PUBLIC,
    wire::{Ask, Done, ask},
};

/// Longest data id and longest group, in characters.
const MAX_DATA_ID: usize = 256;
const MAX_GROUP: usize = 128;
/// The server's code for a text that is not there.
pub(super) const NOT_FOUND: i64 = 300;
/// And for one that is just being written.
pub(super) const BUSY: i64 = 400;
/// What a text is compared with that must not be there: no MD5 is written so.
pub(super) const NOTHING: &str = "0";

/// Where a text is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TextName {
    pub(super) tenant: String,
    pub(super) group: String,
    pub(super) data_id: String,
}

impl TextName {
    /// The text `data_id` of `group`. Dubbo's rule: what Nacos does not take in a name is written otherwise.
    ///
    /// # Errors
    /// Why the server would take no such name.
    pub(super) fn new(namespace: &str, group: &str, data_id: &str) -> Result<Self, &'static str> {
        let (group, data_id) = (escaped(group), escaped(data_id));
        let taken = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c));
        if group.is_empty() || data_id.is_empty() {
            Err("it is empty")
        } else if group.len() > MAX_GROUP || data_id.len() > MAX_DATA_ID {
            Err("Nacos takes 128 characters of a group, and 256 of a name")
        } else if !taken(&group) || !taken(&data_id) {
            Err("Nacos takes letters, digits and `-_.:`")
        } else {
            Ok(Self::told(Some(namespace), &group, &data_id))
        }
    }

    /// The text that the server names so. Its namespace `public` has two spellings.
    pub(super) fn told(tenant: Option<&str>, group: &str, data_id: &str) -> Self {
        let tenant = tenant.filter(|tenant| *tenant != PUBLIC).unwrap_or_default().to_owned();
        Self { tenant, group: group.to_owned(), data_id: data_id.to_owned() }
    }
}

impl fmt::Display for TextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.data_id)
    }
}

fn escaped(name: &str) -> String {
    name.replace('$', "___").replace('/', "-")
}

/// The MD5 of a text, as the server writes it.
pub(super) fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Debug, Serialize)]
pub(super) struct Query<'a> {
    #[serde(flatten)]
    pub(super) name: &'a TextName,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Publish<'a> {
    #[serde(flatten)]
    pub(super) name: &'a TextName,
    pub(super) content: &'a str,
    /// The MD5 of what it replaces. Where it is said and nothing is there, it is published all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cas_md5: Option<&'a str>,
    pub(super) addition_map: Additions<'a>,
}

/// What is kept beside a text.
#[derive(Debug, Default, Serialize)]
pub(super) struct Additions<'a> {
    /// Who wrote it.
    #[serde(rename = "src_user", skip_serializing_if = "Option::is_none")]
    pub(super) writer: Option<&'a str>,
}

/// It compares nothing.
#[derive(Debug, Serialize)]
pub(super) struct Remove<'a> {
    #[serde(flatten)]
    pub(super) name: &'a TextName,
}

/// From then on the server tells this connection of changes of these texts, or no more.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listen<'a> {
    pub(super) listen: bool,
    pub(super) config_listen_contexts: [Heard<'a>; 1],
}

/// One of them.
#[derive(Debug, Serialize)]
pub(super) struct Heard<'a> {
    #[serde(flatten)]
    pub(super) name: &'a TextName,
    /// The version that one has. It says in its answer whether that is the newest; whoever reads after it need not know.
    pub(super) md5: &'static str,
}

#[derive(Debug, Deserialize)]
pub(super) struct Queried {
    #[serde(default)]
    pub(super) content: Option<String>,
}

ask! {
    Query<'_>, "ConfigQueryRequest", Queried;
    Publish<'_>, "ConfigPublishRequest", Done;
    Remove<'_>, "ConfigRemoveRequest", Done;
    Listen<'_>, "ConfigBatchListenRequest", Done;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_dubbos_and_what_the_server_does_not_take_is_refused_with_a_reason() {
        let name = |namespace, group, data_id| {
            TextName::new(namespace, group, data_id).map(|name| serde_json::to_value(name).unwrap())
        };
        assert_eq!(
            name("public", "dubbo", "a.B$C:1:g.condition-router"),
            Ok(json!({"tenant": "", "group": "dubbo", "dataId": "a.B___C:1:g.condition-router"}))
        );
        assert_eq!(name("n", "g/1", "a/b"), Ok(json!({"tenant": "n", "group": "g-1", "dataId": "a-b"})));
        for (group, data_id, why) in [
            ("", "a", "empty"),
            ("g", "", "empty"),
            ("g", "ä", "letters"),
            ("g h", "a", "letters"),
            ("g", &"x".repeat(257), "256"),
            (&"x".repeat(129), "a", "128"),
        ] {
            assert!(name("n", group, data_id).unwrap_err().contains(why), "{group} {data_id}");
        }
    }

    #[test]
    fn what_the_server_names_is_what_was_asked_for() {
        for (namespace, tenant) in
            [("public", None), ("public", Some("")), ("public", Some("public")), ("n", Some("n"))]
        {
            assert_eq!(TextName::told(tenant, "g", "a"), TextName::new(namespace, "g", "a").unwrap());
        }
        assert_ne!(TextName::told(Some("n"), "g", "a"), TextName::new("public", "g", "a").unwrap());
    }

    #[test]
    fn a_version_is_the_servers() {
        for (text, expected) in [("", "d41d8cd98f00b204e9800998ecf8427e"), ("ä", "8419b71c87a225a2c70b50486fbee545")] {
            assert_eq!(md5(text), expected);
        }
        assert_eq!(md5(NOTHING).len(), 32);
    }

    #[test]
    fn a_publish_says_what_it_replaces_or_nothing_of_it() {
        let name = TextName::new("n", "g", "a").unwrap();
        let text = |cas_md5, writer| {
            let addition_map = Additions { writer };
            serde_json::to_value(Publish { name: &name, content: "x", cas_md5, addition_map }).unwrap()
        };
        let plain = json!({"tenant": "n", "group": "g", "dataId": "a", "content": "x", "additionMap": {}});
        assert_eq!(text(None, None), plain);
        let compared = text(Some("0"), Some("w"));
        assert_eq!((&compared["casMd5"], &compared["additionMap"]), (&json!("0"), &json!({"src_user": "w"})));
        let listen = Listen { listen: true, config_listen_contexts: [Heard { name: &name, md5: "" }] };
        let listen = serde_json::to_value(listen).unwrap();
        let context = json!({"tenant": "n", "group": "g", "dataId": "a", "md5": ""});
        assert_eq!(listen, json!({"listen": true, "configListenContexts": [context]}));
    }
}
