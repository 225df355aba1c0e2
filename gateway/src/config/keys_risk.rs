//! The keys of the file that are about risk, in the form of `keys.rs`. Pure.

use super::keys::{
    Key,
    Kind::{List, Number, Part, Size, Text, Ttl},
    Section,
};

pub(super) const RISK: Section = Section {
    keys: &[
        Key("subjects", Part(&SUBJECTS), "where account, device and key of a request stand"),
        Key("lists", Part(&LISTS), "who is refused, let pass, looked at"),
        Key("max_entries", Number, "entries that operators write at run time, at most. Default 10000"),
        Key("decision_log", Part(&DECISION_LOG), "a line for each request that a rule held of, or a list refused"),
        Key(
            "hash_key",
            Text,
            "where the key is that personal data is hashed with (env:, file:). Default one that is drawn at the start",
        ),
        Key("state_dir", Text, "a folder where those are kept; in memory alone if this is left out"),
    ],
};

pub(super) const SUBJECTS: Section = Section {
    keys: &[
        Key("account", List(&SOURCE), "the first of these that is there"),
        Key("device", List(&SOURCE), "the same of the device"),
        Key("key", List(&SOURCE), "the same of the key"),
    ],
};

pub(super) const SOURCE: Section = Section {
    keys: &[
        Key("header", Text, "the name of a header"),
        Key("cookie", Text, "the name of a cookie"),
        Key("claim", Text, "what a token says under this name, once it is proved"),
    ],
};

pub(super) const DECISION_LOG: Section = Section {
    keys: &[
        Key("path", Text, "a file, which is appended to"),
        Key("max_size", Size, "when it is full the next one begins. Default 64MiB"),
        Key("max_files", Number, "how many are kept. Default 5"),
    ],
};

pub(super) const LISTS: Section = Section {
    keys: &[
        Key("deny", List(&ENTRY), "refused before anything else is done"),
        Key("allow", List(&ENTRY), "not scored; an address here is not refused by address"),
        Key("gray", List(&ENTRY), "rules are told of it"),
    ],
};

pub(super) const ENTRY: Section = Section {
    keys: &[
        Key("ip", Text, "an address"),
        Key("cidr", Text, "a range of addresses, as 10.0.0.0/8"),
        Key("account", Text, "the name of an account"),
        Key("device", Text, "the name of a device"),
        Key("key", Text, "the name of a key"),
        Key("ttl", Ttl, "for how long, from when the gateway first reads it. Default for ever"),
        Key("reason", Text, "a word for logs"),
    ],
};
