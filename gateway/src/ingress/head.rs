//! What the head of a request must be, over either version of HTTP, and what of it says where it is for. Pure.

use super::path;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

/// Where a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// In lower case, without port and trailing dot. Empty for HTTP/1.0 without a Host.
    pub(crate) host: String,
    /// The host as it was written, with its port: what upstreams are told.
    pub(crate) authority: String,
    /// The path in its normal form; `*` for OPTIONS of all.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
}

/// Why a request is refused before any route is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    /// A stable word.
    pub(crate) reason: &'static str,
    pub(crate) why: String,
}

/// Headers that a peer may send, at most: those of HTTP/1.1 hyper counts too.
const MAX_HEADERS: usize = 100;
/// The longest target, in bytes.
const MAX_TARGET: usize = 8 * 1024;
/// Parameters of a query, and cookies: who reads them makes a thing of each.
const MAX_PARAMETERS: usize = 256;
const MAX_COOKIES: usize = 256;

/// Understands a head.
///
/// # Errors
/// Why it is refused.
pub(crate) fn read(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Target, Refused> {
    if headers.len() > MAX_HEADERS {
        let why = format!("more than {MAX_HEADERS} headers");
        return Err(refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "TOO_MANY_HEADERS", why));
    }
    if uri.path().len() + uri.query().map_or(0, str::len) > MAX_TARGET {
        let why = format!("a target of more than {MAX_TARGET} bytes");
        return Err(refused(StatusCode::URI_TOO_LONG, "URI_TOO_LONG", why));
    }
    if uri.query().is_some_and(|query| query.split('&').count() > MAX_PARAMETERS) {
        let why = format!("more than {MAX_PARAMETERS} parameters");
        return Err(refused(StatusCode::URI_TOO_LONG, "TOO_MANY_PARAMETERS", why));
    }
    let cookies = headers.get_all(header::COOKIE).into_iter();
    if cookies.map(|line| line.as_bytes().split(|byte| *byte == b';').count()).sum::<usize>() > MAX_COOKIES {
        let why = format!("more than {MAX_COOKIES} cookies");
        return Err(refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "TOO_MANY_COOKIES", why));
    }
    if *method == Method::CONNECT {
        return Err(refused(StatusCode::NOT_IMPLEMENTED, "NO_TUNNELS", "CONNECT is not spoken here"));
    }
    if let Some(expect) = headers.get(header::EXPECT)
        && !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(refused(StatusCode::EXPECTATION_FAILED, "BAD_EXPECT", "only 100-continue can be expected"));
    }
    // Of HTTP/1.1 that was seen to before; HTTP/2 lets pass what HTTP/1.1 behind would read in two ways.
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).into_iter();
    let digits = |length: &HeaderValue| !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
    if lengths.next().is_some_and(|length| !digits(length)) || lengths.next().is_some() {
        return Err(bad("there is not one Content-Length that is a number"));
    }
    let authority = authority(uri, headers)?;
    let host = host(&authority).ok_or_else(|| bad("the host is no name and no address"))?;
    let path = match uri.path() {
        "*" if *method == Method::OPTIONS => "*".to_owned(),
        path if path.starts_with('/') => path::normal(path).map_err(|why| bad(&format!("the path: {why}")))?,
        _ => return Err(bad("the target is no path")),
    };
    Ok(Target { host, authority, path, query: uri.query().map(str::to_owned) })
}

/// The one authority that a request names: of its target, else its Host. They do not disagree.
fn authority(uri: &Uri, headers: &HeaderMap) -> Result<String, Refused> {
    let mut hosts = headers.get_all(header::HOST).into_iter();
    let (named, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(bad("two hosts are named"));
    }
    let named = named.map(|host| host.to_str().map_err(|_| bad("the host is no text"))).transpose()?;
    let of_target = uri.authority().map(http::uri::Authority::as_str);
    match (of_target, named) {
        (Some(target), _) if target.contains('@') => Err(bad("the target names a user")),
        (Some(target), Some(named)) if !target.eq_ignore_ascii_case(named) => Err(bad("target and Host disagree")),
        (Some(one), _) | (None, Some(one)) => Ok(one.to_owned()),
        (None, None) => Ok(String::new()),
    }
}

/// The host of an authority in lower case, as routes ask for it.
fn host(authority: &str) -> Option<String> {
    let host = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            port.is_empty().then_some(()).or_else(|| is_port(port.strip_prefix(':')?).then_some(()))?;
            &authority[..address.len() + 2]
        }
        None => {
            let (name, port) = authority.split_once(':').unwrap_or((authority, "0"));
            is_port(port).then_some(())?;
            name
        }
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    host.chars().all(plain).then(|| host.trim_end_matches('.').to_ascii_lowercase())
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn bad(why: &str) -> Refused {
    refused(StatusCode::BAD_REQUEST, "BAD_REQUEST", why)
}

fn refused(status: StatusCode, reason: &'static str, why: impl Into<String>) -> Refused {
    Refused { status, reason, why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, uri: &str, hosts: &[&str]) -> Result<Target, Refused> {
        let hosts = hosts.iter().map(|host| (header::HOST, host.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, host) in hosts {
            headers.append(name, host);
        }
        read(&method, &uri.parse().unwrap(), &headers)
    }

    #[test]
    fn where_a_request_is_for() {
        for (uri, host, found) in [
            ("/a?b=1", &["Shop.Example:8080"][..], "shop.example"),
            ("http://shop.example/a", &[][..], "shop.example"),
            ("http://Shop.example/a", &["shop.example"][..], "shop.example"),
            ("/a", &["shop.example."][..], "shop.example"),
            ("/a", &["[::1]:80"][..], "[::1]"),
            ("/a", &[][..], ""),
        ] {
            let target = ask(Method::GET, uri, host).unwrap();
            assert_eq!((target.host.as_str(), target.path.as_str()), (found, "/a"), "{uri} {host:?}");
        }
        assert_eq!(ask(Method::OPTIONS, "*", &["a"]).unwrap().path, "*");
        assert_eq!(ask(Method::GET, "/x/%2e%2e/a", &["a"]).unwrap().path, "/a");
    }

    #[test]
    fn what_is_refused_and_how() {
        let long = format!("/{}", "a".repeat(MAX_TARGET));
        for (method, uri, hosts, status) in [
            (Method::GET, "/a", &["a", "b"][..], 400),
            (Method::GET, "http://b/a", &["a"][..], 400),
            (Method::GET, "http://u@b/a", &["u@b"][..], 400),
            (Method::GET, "/a", &["a b"][..], 400),
            (Method::GET, "/a", &["a:b"][..], 400),
            (Method::GET, "/a", &["a:99999"][..], 400),
            (Method::GET, "/a", &["a:+1"][..], 400),
            (Method::GET, "/a", &["[::g]"][..], 400),
            (Method::GET, "/a/../../b", &["a"][..], 400),
            (Method::GET, "*", &["a"][..], 400),
            (Method::CONNECT, "a:443", &["a:443"][..], 501),
            (Method::GET, long.as_str(), &["a"][..], 414),
            (Method::GET, &format!("/a?{}", "b&".repeat(MAX_PARAMETERS)), &["a"][..], 414),
        ] {
            let refused = ask(method, uri, hosts).unwrap_err();
            assert_eq!(refused.status.as_u16(), status, "{uri} {hosts:?}: {refused:?}");
        }
        let mut headers: HeaderMap = [(header::EXPECT, "200-ok".parse().unwrap())].into_iter().collect();
        assert_eq!(read(&Method::GET, &"/a".parse().unwrap(), &headers).unwrap_err().status.as_u16(), 417);
        for lengths in [&["1", "1"][..], &["+1"], &[""], &["1,1"]] {
            headers.clear();
            for one in lengths {
                headers.append(header::CONTENT_LENGTH, one.parse().unwrap());
            }
            assert_eq!(read(&Method::GET, &"/a".parse().unwrap(), &headers).unwrap_err().status.as_u16(), 400);
        }
        headers.clear();
        let cookies = |many: usize| vec!["a=1"; many].join("; ").parse::<HeaderValue>().unwrap();
        for (lines, code) in [(&[MAX_COOKIES][..], None), (&[200, 57], Some(431)), (&[MAX_COOKIES + 1], Some(431))] {
            headers.clear();
            headers.insert(header::HOST, HeaderValue::from_static("a"));
            for many in lines {
                headers.append(header::COOKIE, cookies(*many));
            }
            let read = read(&Method::GET, &"/a".parse().unwrap(), &headers);
            assert_eq!(read.err().map(|refused| refused.status.as_u16()), code, "{lines:?}");
        }
        headers.clear();
        for n in 0..=MAX_HEADERS {
            headers.append("x", n.into());
        }
        assert_eq!(read(&Method::GET, &"/a".parse().unwrap(), &headers).unwrap_err().status.as_u16(), 431);
    }
}
