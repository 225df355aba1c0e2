//! Patterns as Redis matches them: `*`, `?`, `[a-z]`, `[^a]`, and a backslash before what means itself.

/// Whether the whole text fits the pattern. Takes at most the product of both lengths, whatever the pattern.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last star stood, and what of the text it has swallowed so far.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
            continue;
        }
        let step = text.get(t).and_then(|byte| one(&pattern[p..], *byte));
        match (step, star) {
            (Some(length), _) => {
                p += length;
                t += 1;
            }
            (None, _) if t == text.len() && p == pattern.len() => return true,
            (None, Some((after, swallowed))) if swallowed < text.len() => {
                star = Some((after, swallowed + 1));
                (p, t) = (after, swallowed + 1);
            }
            (None, _) => return false,
        }
    }
}

/// How much of the pattern stands for one byte, if it stands for this one.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => in_class(class, byte).map(|length| length + 1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [other, ..] => (*other == byte).then_some(1),
    }
}

/// Length of a class with its closing bracket, if the byte is in it. One without an end goes on to the end of the
/// pattern.
fn in_class(class: &[u8], byte: u8) -> Option<usize> {
    let negated = class.first() == Some(&b'^');
    let (mut at, mut found) = (usize::from(negated), false);
    loop {
        match &class[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [from, b'-', to, ..] => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                at += 3;
            }
            [single, ..] => {
                found |= *single == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        let fits = [
            "*",
            "+sdown",
            "+s*",
            "*n",
            "+?down",
            "+[sx]down",
            "+[a-z]down",
            "+[^x]down",
            "\\+sdown",
            "**s**n*",
            "+[\\s]down",
        ];
        let others = ["", "+sdow", "sdown", "+[^s]down", "+?sdown", "?", "+sdown?", "+[x", "\\*"];
        for pattern in fits {
            assert!(matches(pattern.as_bytes(), b"+sdown"), "{pattern}");
        }
        for pattern in others {
            assert!(!matches(pattern.as_bytes(), b"+sdown"), "{pattern}");
        }
        assert!(matches(b"", b"") && matches(b"*", b"") && !matches(b"?", b""));
        assert!(matches(b"[z-a]", b"k") && matches(b"a[b", b"ab") && matches(b"\\", b"\\"));
    }

    #[test]
    fn many_stars_cost_little() {
        let pattern = "a*".repeat(200);
        assert!(!matches(pattern.as_bytes(), format!("{}b", "a".repeat(190)).as_bytes()));
    }

    proptest! {
        #[test]
        fn any_pattern_on_any_text(pattern in "[a*?\\[\\]^\\\\-]{0,12}", text in "[ab^-]{0,12}") {
            let _ = matches(pattern.as_bytes(), text.as_bytes());
            let quoted: String = text.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert!(matches(quoted.as_bytes(), text.as_bytes()));
        }
    }
}
