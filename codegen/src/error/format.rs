//! The message of an error, as `format!` reads it: which names it refers to.

/// A piece of a format string.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    /// Text, with doubled braces as they are.
    Text(&'a str),
    /// What stands between braces: a name, a position or nothing, and the rest from the colon on.
    Hole { name: &'a str, rest: &'a str },
}

/// The names in braces, in order. Empty for `{}`.
///
/// # Errors
/// When braces do not match.
pub(crate) fn names(format: &str) -> Result<Vec<&str>, String> {
    let pieces = pieces(format)?;
    let names = pieces.into_iter().filter_map(|piece| match piece {
        Piece::Hole { name, .. } => Some(name),
        Piece::Text(_) => None,
    });
    Ok(names.collect())
}

/// The same text with `{0}` written `{_0}`, which is what the fields of a tuple variant are called inside.
///
/// # Errors
/// When braces do not match.
pub(crate) fn name_positions(format: &str) -> Result<String, String> {
    let mut text = String::with_capacity(format.len() + 4);
    for piece in pieces(format)? {
        match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Hole { name, rest } => {
                let underscore = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
                text.extend(["{", underscore, name, rest, "}"]);
            }
        }
    }
    Ok(text)
}

fn pieces(format: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        if rest[at..].starts_with("{{") || rest[at..].starts_with("}}") {
            pieces.push(Piece::Text(&rest[..at + 2]));
            rest = &rest[at + 2..];
            continue;
        }
        if rest[at..].starts_with('}') {
            return Err("`}` without `{` before it: write `}}` for a brace".into());
        }
        pieces.push(Piece::Text(&rest[..at]));
        let inside = &rest[at + 1..];
        let Some(end) = inside.find('}') else { return Err("`{` without `}` after it: write `{{` for a brace".into()) };
        let (hole, after) = (&inside[..end], &inside[end + 1..]);
        let (name, spec) = hole.split_at(hole.find(':').unwrap_or(hole.len()));
        pieces.push(Piece::Hole { name: name.trim(), rest: spec });
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_braces_are_not() {
        assert_eq!(names("no {sku} of {0:>5}, {{left}} {} {x:?}").unwrap(), ["sku", "0", "", "x"]);
        assert_eq!(names("").unwrap(), Vec::<&str>::new());
        for bad in ["{", "}", "{a", "a}", "{{}"] {
            assert!(names(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn positions_get_names() {
        assert_eq!(name_positions("a {0} {1:?} {{0}} {x}").unwrap(), "a {_0} {_1:?} {{0}} {x}");
    }
}
