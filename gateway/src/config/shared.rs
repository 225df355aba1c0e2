//! Limits that several gateways share, and where they are kept, as the file says it. Pure.

use super::{
    keys::{LIMIT_STORE, SHARED_LIMIT},
    problem::Problems,
    route::RouteConfig,
    scope::Scope,
};
use crate::flow::Pick;
use std::{path::PathBuf, time::Duration};

/// The Redis that limits are kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreConfig {
    /// HOST:PORT of a server without sentinels.
    pub(crate) address: Option<String>,
    pub(crate) sentinels: Vec<String>,
    /// What sentinels call it.
    pub(crate) master: String,
    pub(crate) login: Login,
    pub(crate) sentinel_login: Login,
    /// Bounds one question.
    pub(crate) timeout: Duration,
    /// How many gateways share the limits.
    pub(crate) gateways: u32,
    /// What keys begin with.
    pub(crate) prefix: String,
}

/// Who the gateway is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) username: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
}

/// One limit that gateways share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SharedLimit {
    pub(crate) name: String,
    /// None: all.
    pub(crate) routes: Vec<String>,
    pub(crate) key: Pick,
    pub(crate) count: u32,
    pub(crate) per: Duration,
    pub(crate) burst: u32,
    pub(crate) on_failure: OnFailure,
    /// Where it stands.
    pub(crate) line: usize,
}

/// What becomes of requests while the store is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    Open,
    Closed,
    /// Each gateway keeps its share by itself.
    Local,
}

/// Reads where limits are kept.
pub(super) fn store(at: Scope<'_>) -> Option<StoreConfig> {
    let fields = at.fields(&LIMIT_STORE);
    let place = |text: &str| {
        let port =
            text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
        port.filter(|port| *port > 0).map(|_| text.to_owned()).ok_or_else(|| "it should be HOST:PORT".to_owned())
    };
    let address = fields.get("redis", |at| at.read(|node| place(node.text().map_err(|error| error.why)?)));
    let sentinels = fields.each("sentinels", place);
    if fields.has("redis") == fields.has("sentinels") {
        at.wrong("limits are kept in one `redis`, or in the one that `sentinels` name");
    }
    if fields.has("sentinels") && !fields.has("master") {
        at.wrong("`master` is missing: sentinels look after several");
    }
    let login = |user: &str, file: &str| Login {
        username: fields.text(user),
        password_file: fields.text(file).map(PathBuf::from),
    };
    Some(StoreConfig {
        address,
        sentinels,
        master: fields.text("master").unwrap_or_default(),
        login: login("username", "password_file"),
        sentinel_login: login("sentinel_username", "sentinel_password_file"),
        timeout: fields.duration("timeout").unwrap_or(Duration::from_millis(20)),
        gateways: fields.number("gateways", 1, 10_000).unwrap_or(1),
        prefix: fields.text("prefix").unwrap_or_else(|| "mainstay:limit".to_owned()),
    })
}

/// Reads one limit.
pub(super) fn limit(at: Scope<'_>) -> Option<SharedLimit> {
    let fields = at.fields(&SHARED_LIMIT);
    let name = fields.must("name", |at| at.text().map(str::to_owned));
    if !fields.has("count") {
        at.wrong("`count` is missing");
    }
    let count = fields.number("count", 1, 1_000_000);
    let key = match fields.has("key") {
        true => fields.get("key", |at| at.read(|node| Pick::parse(node.text().map_err(|error| error.why)?))),
        false => Some(Pick::All),
    };
    let on_failure = match fields.word("on_store_failure") {
        Some("open") => OnFailure::Open,
        Some("closed") => OnFailure::Closed,
        _ => OnFailure::Local,
    };
    Some(SharedLimit {
        name: name?,
        routes: fields.texts("routes"),
        key: key?,
        count: count?,
        per: fields.duration("per").unwrap_or(Duration::from_secs(1)),
        burst: fields.number("burst", 1, 1_000_000).unwrap_or(count?),
        on_failure,
        line: at.line(),
    })
}

/// Notes what each limit alone does not show.
pub(super) fn fit(store: Option<&StoreConfig>, limits: &[SharedLimit], routes: &[RouteConfig], problems: &Problems) {
    for (at, limit) in limits.iter().enumerate() {
        let wrong = |key: &str, why: String| problems.add(limit.line, &format!("shared_limits[{at}].{key}"), why);
        if store.is_none() {
            wrong("name", "it is kept in a `limit_store`, and there is none".to_owned());
        }
        if limits[..at].iter().any(|other| other.name == limit.name) {
            wrong("name", format!("`{}` is the name of another limit too", limit.name));
        }
        for name in limit.routes.iter().filter(|name| !routes.iter().any(|route| route.name == **name)) {
            let near = mainstay_registry::nearest(name, routes.iter().map(|route| route.name.as_str()));
            let hint = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
            wrong("routes", format!("there is no route `{name}`{hint}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const FILE: &str = "listeners: [{address: 127.0.0.1:0}]\nroutes: [{name: login, match: {}, respond: {}}]\n";

    fn read(rest: &str) -> Result<Config, String> {
        format!("{FILE}{rest}").parse().map_err(|refused: crate::config::Refused| refused.to_string())
    }

    #[test]
    fn a_store_and_its_limits() {
        let store = "limit_store: {sentinels: ['a:26379', '[::1]:26379'], master: m, password_file: /p, gateways: 3}\n";
        let limits = "shared_limits: [{name: l, routes: [login], key: client_ip, count: 5, per: 1m}, {name: all, count: 9, burst: 2, on_store_failure: open}]";
        let config = read(&format!("{store}{limits}")).unwrap();
        let store = config.limit_store.unwrap();
        assert_eq!((store.sentinels.len(), store.master.as_str(), store.gateways), (2, "m", 3));
        assert_eq!((store.timeout, store.login.password_file), (Duration::from_millis(20), Some("/p".into())));
        let [login, all] = &config.shared_limits[..] else { panic!("two limits") };
        assert_eq!(
            (&login.key, login.burst, login.per, login.on_failure),
            (&Pick::ClientIp, 5, Duration::from_secs(60), OnFailure::Local)
        );
        assert_eq!(
            (&all.key, all.burst, all.per, all.on_failure),
            (&Pick::All, 2, Duration::from_secs(1), OnFailure::Open)
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (rest, why) in [
            ("limit_store: {master: m}", "one `redis`, or in the one that `sentinels` name"),
            ("limit_store: {redis: 'a:1', sentinels: ['b:1'], master: m}", "one `redis`, or in the one"),
            ("limit_store: {sentinels: ['b:1']}", "`master` is missing"),
            ("limit_store: {redis: nowhere}", "HOST:PORT"),
            ("shared_limits: [{name: l, count: 1}]", "`limit_store`, and there is none"),
            (
                "limit_store: {redis: 'a:1'}\nshared_limits: [{name: l, count: 1, routes: [logn]}]",
                "did you mean `login`?",
            ),
            (
                "limit_store: {redis: 'a:1'}\nshared_limits: [{name: l, count: 1}, {name: l, count: 2}]",
                "another limit too",
            ),
            ("limit_store: {redis: 'a:1'}\nshared_limits: [{name: l}]", "`count` is missing"),
            ("limit_store: {redis: 'a:1'}\nshared_limits: [{name: l, count: 1, key: body.x}]", "none of client_ip"),
            (
                "limit_store: {redis: 'a:1'}\nshared_limits: [{name: l, count: 1, on_store_failure: opn}]",
                "did you mean `open`?",
            ),
        ] {
            let refused = read(rest).unwrap_err();
            assert!(refused.contains(why), "{rest}: {refused}");
        }
    }
}
