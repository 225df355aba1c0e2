//! The normal form of a path, or why it is refused. Pure.
//!
//! What is matched is what is forwarded: a path that a route sees in one way and an upstream in another is how guards are
//! passed by. So percent-escapes of unreserved letters are decoded, the others written in capitals, empty segments and dot
//! segments taken out, and what servers are known to read differently is refused: `%00` and other control characters, a
//! backslash in either spelling, dots that hide a parameter (`..;`). `%2F` stays as it is: it is no separator here, nor where
//! it is forwarded to.

use std::fmt::Write;

/// A path in its normal form.
///
/// # Errors
/// What is wrong with it, in a few words.
pub(crate) fn normal(path: &str) -> Result<String, &'static str> {
    if is_normal(path) {
        return Ok(path.to_owned());
    }
    let mut out = String::with_capacity(path.len());
    let trailing = path.len() > 1 && path.ends_with('/');
    for segment in path.split('/').skip(1) {
        let segment = decoded(segment)?;
        match segment.as_str() {
            "" | "." => {}
            ".." => {
                let parent = out.rfind('/').ok_or("it leads above the root")?;
                out.truncate(parent);
            }
            text if text.split(';').next().is_some_and(|name| matches!(name, "." | "..")) => {
                return Err("a dot segment has a parameter");
            }
            text => {
                out.push('/');
                out.push_str(text);
            }
        }
    }
    if trailing || out.is_empty() {
        out.push('/');
    }
    Ok(out)
}

/// It certainly is in its normal form: plain letters, no dot at the beginning of a segment, no segment that is empty.
fn is_normal(path: &str) -> bool {
    let mut last = 0;
    let plain = |byte: u8| {
        let fits = match byte {
            b'/' | b'.' => last != b'/',
            byte => byte.is_ascii_alphanumeric() || b"-_~".contains(&byte),
        };
        last = byte;
        fits
    };
    path.starts_with('/') && path.bytes().all(plain)
}

fn decoded(segment: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'%' => {
                let byte = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
                let byte = byte.and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let byte = byte.ok_or("a `%` is followed by two hexadecimal digits")?;
                rest = &after[2..];
                match byte {
                    0..=0x1f | 0x7f => return Err("it has a control character"),
                    b'\\' => return Err("it has a backslash"),
                    b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => out.push(char::from(b)),
                    b => drop(write!(out, "%{b:02X}")),
                }
            }
            b'\\' => return Err("it has a backslash"),
            b if b.is_ascii_graphic() => out.push(char::from(*b)),
            _ => return Err("it has a letter that is not percent-encoded"),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_have_one_form() {
        for (path, form) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a///b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/..", "/"),
            ("/%61%2d%7E", "/a-~"),
            ("/a%2fb", "/a%2Fb"),
            ("/%c3%a4", "/%C3%A4"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/...", "/..."),
        ] {
            assert_eq!(normal(path), Ok(form.to_owned()), "{path}");
        }
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for (path, why) in [
            ("/..", "above the root"),
            ("/a/../../b", "above the root"),
            ("/%00", "control"),
            ("/a%0d%0ab", "control"),
            ("/a\\b", "backslash"),
            ("/a%5cb", "backslash"),
            ("/..;/admin", "parameter"),
            ("/.;a=b/admin", "parameter"),
            ("/%2e%2e;x/admin", "parameter"),
            ("/%", "two hexadecimal"),
            ("/%4", "two hexadecimal"),
            ("/%zz", "two hexadecimal"),
            ("/ä", "percent-encoded"),
        ] {
            let error = normal(path).unwrap_err();
            assert!(error.contains(why), "{path}: {error}");
        }
    }

    proptest! {
        /// Whatever bytes a target may have: what comes out is plain, and the same again.
        #[test]
        fn any_text_has_one_form_or_none(path in "[ -~]{0,40}|\\PC{0,20}") {
            if let Ok(form) = normal(&path) {
                prop_assert_eq!(normal(&form), Ok(form.clone()));
                prop_assert!(form.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{}", form);
            }
        }

        #[test]
        fn a_normal_form_is_its_own_and_leads_nowhere_else(path in "(/|\\.|%2e|%2F|%5c|%41|a|;|%)*") {
            if let Ok(form) = normal(&format!("/{path}")) {
                prop_assert_eq!(normal(&form), Ok(form.clone()));
                prop_assert!(form.starts_with('/') && !form.contains("//"));
                prop_assert!(form.split('/').all(|segment| segment != "." && segment != ".."), "{}", form);
            }
        }
    }
}
