//! The keys of the file that say how it is known who asks, in the form of `keys.rs`. Pure.

use super::keys::{
    Key,
    Kind::{Duration, Number, Pairs, Part, Size, Text, Texts, Ttl, Word},
    Section,
};

pub(super) const AUTH: Section = Section {
    keys: &[
        Key("api_keys", Part(&API_KEYS), "a key in a header"),
        Key("jwt", Part(&JWT), "a signed token in `authorization`"),
        Key("forward", Part(&FORWARD), "another service is asked"),
        Key("signed", Part(&SIGNED), "the whole request is signed; a route names it under `signature`"),
    ],
};

pub(super) const API_KEYS: Section = Section {
    keys: &[
        Key("header", Text, "where it stands. Default x-api-key"),
        Key("keys", Pairs, "names, and sha256:… of each key"),
    ],
};

pub(super) const JWT: Section = Section {
    keys: &[
        Key("issuer", Text, "who issues them (`iss`)"),
        Key("audience", Text, "whom they are for (`aud`); without it only those that name nobody are taken"),
        Key("upstream", Text, "an upstream of plain HTTP that serves the set of keys; or else a file"),
        Key("path", Text, "where it is there. Default /.well-known/jwks.json"),
        Key("host", Text, "the host that is asked for there. Default that of the issuer, if it is a URL"),
        Key("file", Text, "a file that holds the set of keys"),
        Key("algorithms", Texts, "of RS256 and ES256. Default both"),
        Key("account", Text, "the claim that is the account. Default sub"),
        Key("headers", Pairs, "claims, and the headers in which upstreams are told of them"),
        Key("refresh", Duration, "after this time the next set is fetched, while the old one serves. Default 5m"),
        Key("cooldown", Duration, "between two fetches, whatever tokens say. Default 60s"),
        Key("max_stale", Ttl, "for how long a set serves that cannot be fetched anew. Default 24h"),
        Key("timeout", Duration, "how long a fetch may take. Default 2s"),
    ],
};

pub(super) const FORWARD: Section = Section {
    keys: &[
        Key("upstream", Text, "an upstream of plain HTTP"),
        Key("path", Text, "what is asked for there. Default /"),
        Key("timeout", Duration, "how long it may take. Default 1s"),
        Key("request_headers", Texts, "that it is told. Default authorization, cookie"),
        Key("response_headers", Texts, "of its answer that the upstream is told; nobody else may say them"),
        Key("account", Text, "the header of its answer that is the account"),
        Key("failure_mode", Word(&["deny", "allow"]), "what if it gives no answer. Default deny"),
    ],
};

pub(super) const SIGNED: Section = Section {
    keys: &[
        Key("header", Text, "where the signature stands. Default x-signature"),
        Key("keys", Pairs, "names, and where the secret of each is (env:, file:), 32 bytes at least"),
        Key("window", Duration, "how far its time may be from now. Default 5m"),
        Key("max_nonces", Number, "signed requests that are remembered, at most. Default 100000"),
        Key("max_body", Size, "the body of a signed request. Default 1MiB"),
    ],
};
