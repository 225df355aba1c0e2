//! The keys of a set of rules, in the form of `keys.rs`. Pure.

use super::keys::{
    Key,
    Kind::{Duration, List, Named, Number, Pairs, Part, Text, Texts, Ttl, Word},
    Section,
};

pub(super) const RISK_RULES: Section = Section {
    keys: &[
        Key("inline", Part(&RULE_SET), "the set, here in the file"),
        Key("file", Text, "a file of YAML that holds the set, and is followed"),
        Key("center", Text, "the URL of a config centre, as nacos://host:8848 or zookeeper://host:2181"),
        Key("group", Text, "the group there. Default MAINSTAY_GROUP"),
        Key("name", Text, "the name there, as shop-risk-rules"),
    ],
};

pub(super) const RULE_SET: Section = Section {
    keys: &[
        Key("counters", Named(&COUNTER), "how often, how many different, how much, of late"),
        Key("patterns", Pairs, "regular expressions by name, for pattern('name', text)"),
        Key("rules", List(&RULE), "what is asked of requests"),
        Key("bands", Named(&BANDS), "from which score on what is done, by the names of routes; `default` for the rest"),
        Key("replies", Part(&REPLIES), "how those are answered who are not let through"),
        Key("tests", List(&TEST), "requests, and what becomes of them; if one fails the set is refused"),
    ],
};

pub(super) const COUNTER: Section = Section {
    keys: &[
        Key("key", Text, "an expression: for whom it counts"),
        Key("distinct", Text, "an expression: how many different values of it. Without it and `sum`: how often"),
        Key("sum", Text, "an expression: how much of it together"),
        Key("when", Text, "an expression: what is counted. Default everything"),
        Key("on", Word(&["request", "response"]), "counted when the request is there, or its answer. Default request"),
        Key("window", Ttl, "how long it looks back"),
        Key("max_keys", Number, "keys in mind, at most; who was quiet for longest is forgotten. Default 50000"),
        Key("routes", Texts, "of requests of these routes alone"),
    ],
};

pub(super) const RULE: Section = Section {
    keys: &[
        Key("name", Text, "what records and pages call it"),
        Key("when", Text, "an expression of CEL: when it holds"),
        Key("score", Number, "what it adds to the score"),
        Key("relief", Number, "what it takes from the score"),
        Key("verdict", Word(&["challenge", "throttle", "deny"]), "what is done whatever the score"),
        Key("mode", Word(&["off", "shadow", "enforce", "percentage"]), "how far it is trusted. Default shadow"),
        Key("percentage", Number, "with the mode percentage: for so many of a hundred who ask"),
        Key("reason", Text, "a word for records. Default its name"),
        Key("routes", Texts, "for requests of these routes alone"),
    ],
};

pub(super) const BANDS: Section = Section {
    keys: &[
        Key("challenge", Number, "from this score on"),
        Key("throttle", Number, "from this score on"),
        Key("deny", Number, "from this score on"),
    ],
};

pub(super) const REPLIES: Section = Section {
    keys: &[
        Key("challenge", Part(&REPLY), "Default 428"),
        Key("throttle", Part(&REPLY), "Default 429, to come again after 10s"),
        Key("deny", Part(&REPLY), "Default 403"),
    ],
};

pub(super) const REPLY: Section = Section {
    keys: &[
        Key("status", Number, "from 400 to 499, or a redirect"),
        Key("headers", Pairs, "headers of the answer"),
        Key("body", Text, "its body, for callers of plain HTTP. Default a status as JSON"),
        Key("retry_after", Duration, "when to come again"),
    ],
};

pub(super) const TEST: Section = Section {
    keys: &[
        Key("name", Text, "what it is about"),
        Key("request", Part(&TEST_REQUEST), "the request"),
        Key("velocity", Pairs, "what counters say"),
        Key("expect", Part(&EXPECT), "what becomes of it"),
    ],
};

pub(super) const TEST_REQUEST: Section = Section {
    keys: &[
        Key("route", Text, "the name of the route that took it"),
        Key("method", Text, "Default GET"),
        Key("host", Text, "Default empty"),
        Key("path", Text, "Default /"),
        Key("query", Text, "as it is sent"),
        Key("headers", Pairs, "headers, cookies among them"),
        Key("ip", Text, "the client's address"),
        Key("account", Text, "the account"),
        Key("auth", Word(&["api_key", "jwt", "signature", "forward"]), "how it is known"),
        Key("claims", Pairs, "what its token says"),
        Key("device", Text, "the device"),
        Key("key", Text, "the key"),
        Key("lists", Texts, "the lists that it is on: gray, allow"),
    ],
};

pub(super) const EXPECT: Section = Section {
    keys: &[
        Key("action", Word(&["allow", "challenge", "throttle", "deny"]), "what is done"),
        Key("score", Number, "the score of the rules that count"),
        Key("rules", Texts, "all rules that hold, those in shadow among them"),
    ],
};
