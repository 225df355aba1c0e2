//! Values as people write them: addresses, times, numbers. Pure.

use super::settings::{Advertise, Listen};
use crate::access::Form;
use mainstay_registry::RegistryUrl;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// Any text but an empty one.
pub(crate) fn not_empty(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(text.trim().to_owned()) }
}

/// A version or a group: it travels in a header and stands in the names of records.
pub(crate) fn label(text: &str) -> Result<String, String> {
    let text = text.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
        return Err("it should be up to 64 letters, digits, `.`, `-` and `_`".to_owned());
    }
    Ok(text.to_owned())
}

/// What an instance says of itself: `NAME=VALUE`, several with `,` between. Others read it in URLs and headers.
pub(crate) fn labels(text: &str) -> Result<BTreeMap<String, String>, String> {
    let one = |pair: &str| {
        let (name, value) = pair.split_once('=').ok_or_else(|| format!("`{}` is no NAME=VALUE", pair.trim()))?;
        let (name, value) = (name.trim(), value.trim());
        let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain || value.len() > 200 {
            return Err(format!("the value of `{name}` should be up to 200 visible letters of ASCII"));
        }
        label(name).map(|name| (name, value.to_owned())).map_err(|why| format!("the name `{name}`: {why}"))
    };
    text.split(',').map(one).collect()
}

/// A file of TLS. What is in it is checked when the server starts.
pub(crate) fn tls_file(text: &str) -> Result<PathBuf, String> {
    if cfg!(not(feature = "tls")) {
        return Err("TLS wants a feature: mainstay = { …, features = [\"tls\"] }".to_owned());
    }
    not_empty(text).map(PathBuf::from)
}

/// Where a secret is, which is not said itself.
pub(crate) fn secret_place(text: &str) -> Result<String, String> {
    let named = text.trim().split_once(':').filter(|(kind, name)| matches!(*kind, "env" | "file") && !name.is_empty());
    named.ok_or("a secret is not written here: say `env:NAME` or `file:/path`")?;
    Ok(text.trim().to_owned())
}

/// How lines of a log are written.
pub(crate) fn form(text: &str) -> Result<Form, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "json" => Ok(Form::Json),
        "text" => Ok(Form::Text),
        _ => Err("it should be `json` or `text`".to_owned()),
    }
}

/// The URL of a registry, or several with `|` between. Whether there is an adapter for it, connecting tells.
pub(crate) fn registry(text: &str) -> Result<String, String> {
    RegistryUrl::parse_all(text.trim()).map_err(|error| error.to_string())?;
    Ok(text.trim().to_owned())
}

/// A whole number between two bounds.
pub(crate) fn number(text: &str, least: u32, most: u32) -> Result<u32, String> {
    let number = text.trim().replace('_', "").parse().ok().filter(|n| (least..=most).contains(n));
    number.ok_or_else(|| format!("it should be a whole number from {least} to {most}"))
}

/// A time: a whole number and a unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let time = number.parse::<u64>().ok().and_then(|number| match unit.trim_start() {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" | "min" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ if number == 0 && unit.is_empty() => Some(Duration::ZERO),
        _ => None,
    });
    let time = time.filter(|time| *time <= Duration::from_secs(24 * 3600));
    time.ok_or_else(|| "it should be a time of at most 24h with its unit, such as 250ms, 5s or 2m".to_owned())
}

/// `[HOST][:PORT]`, where the host is an IP address or `localhost`. Port 0 is any free one.
pub(crate) fn listen(text: &str) -> Result<Listen, String> {
    let bad = || "it should be an address to listen on, such as 7001, 0.0.0.0:7001 or [::1]:7001".to_owned();
    let (host, port) = parts(text.trim()).ok_or_else(bad)?;
    let host = match host.as_deref() {
        None => None,
        Some("localhost") => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Some(host) => Some(host.parse().map_err(|_| bad())?),
    };
    Ok(Listen { host, port })
}

/// `HOST[:PORT]`, where the host is a name or an IP address.
pub(crate) fn advertise(text: &str) -> Result<Advertise, String> {
    let bad = || "it should be a host that consumers reach, such as 10.0.0.7, stock.local:80 or [::1]:80".to_owned();
    let (host, port) = parts(text.trim()).ok_or_else(bad)?;
    let is_host = |host: &str| {
        let named = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        named || host.parse::<Ipv6Addr>().is_ok()
    };
    let host = host.filter(|host| is_host(host)).ok_or_else(bad)?;
    let unspecified = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
    if unspecified || port == Some(0) {
        return Err(format!("nobody can connect to {}", host_port(&host, port)));
    }
    Ok(Advertise { host: Some(host), port })
}

/// Host and port of an address, either of which may be missing.
fn parts(text: &str) -> Option<(Option<String>, Option<u16>)> {
    if let Ok(port) = text.parse() {
        return Some((None, Some(port)));
    }
    if let Ok(v6) = text.parse::<Ipv6Addr>() {
        return Some((Some(v6.to_string()), None));
    }
    if let Ok(whole) = text.parse::<SocketAddr>() {
        return Some((Some(whole.ip().to_string()), Some(whole.port())));
    }
    if let Some(v6) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return v6.parse::<Ipv6Addr>().ok().map(|v6| (Some(v6.to_string()), None));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, None),
    };
    let host = Some(host.to_owned()).filter(|host| !host.is_empty());
    (host.is_some() || port.is_some()).then_some((host, port))
}

/// `host:port` with an IPv6 host in brackets.
pub(crate) fn host_port(host: &str, port: Option<u16>) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    port.map_or(host.clone(), |port| format!("{host}:{port}"))
}

/// The URLs of registries as they may be shown.
pub(crate) fn without_secrets(urls: &str) -> String {
    let shown = |urls: Vec<RegistryUrl>| urls.iter().map(RegistryUrl::to_string).collect::<Vec<_>>().join(" | ");
    RegistryUrl::parse_all(urls).map_or_else(|error| format!("({error})"), shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_to_listen_on() {
        let v4 = |text: &str| Some(text.parse().unwrap());
        for (text, host, port) in [
            ("7001", None, Some(7001)),
            (":7001", None, Some(7001)),
            ("0", None, Some(0)),
            ("0.0.0.0:7001", v4("0.0.0.0"), Some(7001)),
            ("127.0.0.1", v4("127.0.0.1"), None),
            ("localhost:1", v4("127.0.0.1"), Some(1)),
            ("::1", v4("::1"), None),
            ("[::1]", v4("::1"), None),
            ("[::]:7001", v4("::"), Some(7001)),
        ] {
            assert_eq!(listen(text), Ok(Listen { host, port }), "{text}");
        }
        for text in ["", ":", "x", "1.2.3.4:x", "stock.local:1", "1.2.3.4:70000", "[::1", "1:2:3"] {
            assert!(listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_that_consumers_are_told() {
        for (text, host, port) in
            [("stock.local", "stock.local", None), ("10.0.0.7:80", "10.0.0.7", Some(80)), ("[::1]:80", "::1", Some(80))]
        {
            assert_eq!(advertise(text), Ok(Advertise { host: Some(host.to_owned()), port }), "{text}");
        }
        for text in ["", "80", ":80", "0.0.0.0", "[::]:80", "host:0", "a b", "http://x"] {
            assert!(advertise(text).is_err(), "{text}");
        }
    }

    #[test]
    fn versions_and_groups() {
        for text in ["1.0.0", "blue", " a_b-2 "] {
            assert_eq!(label(text).as_deref(), Ok(text.trim()));
        }
        for text in ["", " ", "a b", "a/b", "ü", "a:b", &"x".repeat(65)] {
            assert!(label(text).is_err(), "{text}");
        }
    }

    #[test]
    fn labels_are_names_and_values() {
        let read = labels("env=v2, dubbo.tag=gray").unwrap();
        assert_eq!(
            read.into_iter().collect::<Vec<_>>(),
            [("dubbo.tag".into(), "gray".into()), ("env".into(), "v2".into())]
        );
        for text in ["", "env", "=v2", "env=", "a b=c", "env=a b", "env=ü"] {
            assert!(labels(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times() {
        for (text, millis) in [("250ms", 250), ("5s", 5000), ("2 m", 120_000), ("0", 0), ("0s", 0), ("24h", 86_400_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "-1s", "1.5s", "25h", "s", "99999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = (listen(&text), advertise(&text), duration(&text), number(&text, 0, 9));
        }
    }
}
