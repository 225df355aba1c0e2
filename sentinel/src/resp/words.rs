//! Words on a line, with Redis' quoting: in requests typed by hand and in `sentinel.conf`.
//!
//! Blanks part words. In double quotes `\n \r \t \b \a \xHH` stand for bytes and `\` for the byte after it; in single
//! quotes only `\'` is special. A closing quote must be followed by a blank or the end. Anywhere else quotes open in
//! the middle of a word, too: `a"b c"` is one word.

/// A quote is not closed, or something follows the closing one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unbalanced quotes")]
pub struct UnbalancedQuotes;

/// The words of a line.
///
/// # Errors
/// If quotes are unbalanced.
pub fn split_words(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = &rest[rest.iter().take_while(|b| is_blank(**b)).count()..];
        // A NUL ends the line, as it ends a C string.
        if rest.first().is_none_or(|b| *b == 0) {
            return Ok(words);
        }
        let (word, after) = word(rest)?;
        words.push(word);
        rest = after;
    }
}

/// The word as it is written in a file: plain where that reads back as the same word, else in double quotes.
pub fn quote(word: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\' | b'#');
    if !word.is_empty() && word.iter().all(plain) {
        return String::from_utf8_lossy(word).into_owned();
    }
    let mut text = String::from("\"");
    for byte in word {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x07 => text.push_str("\\a"),
            0x08 => text.push_str("\\b"),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text.push('"');
    text
}

/// The first word of `text`, which does not begin with a blank, and what follows it.
fn word(text: &[u8]) -> Result<(Vec<u8>, &[u8]), UnbalancedQuotes> {
    let mut word = Vec::new();
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        match byte {
            b'"' | b'\'' => {
                let closed =
                    if *byte == b'"' { double_quoted(after, &mut word) } else { single_quoted(after, &mut word) };
                let after = closed.ok_or(UnbalancedQuotes)?;
                return match after.first() {
                    Some(b) if !is_blank(*b) && *b != 0 => Err(UnbalancedQuotes),
                    _ => Ok((word, after)),
                };
            }
            b if is_blank(*b) || *b == 0 => break,
            b => word.push(*b),
        }
        rest = after;
    }
    Ok((word, rest))
}

/// C's `isspace`, which `u8::is_ascii_whitespace` is not: it leaves out the vertical tab.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Reads up to the closing quote; what follows it, or `None` if there is none.
fn double_quoted<'a>(text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = text;
    loop {
        rest = match rest {
            [] | [0, ..] => return None,
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) << 4 | hex(*low));
                after
            }
            [b'\\', escaped, after @ ..] if *escaped != 0 => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                after
            }
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
        };
    }
}

fn single_quoted<'a>(text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = text;
    loop {
        rest = match rest {
            [] | [0, ..] => return None,
            [b'\'', after @ ..] => return Some(after),
            [b'\\', b'\'', after @ ..] => {
                word.push(b'\'');
                after
            }
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
        };
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A') + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Option<Vec<String>> {
        let words = split_words(line.as_bytes()).ok()?;
        Some(words.iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect())
    }

    #[test]
    fn quoting_as_redis_does() {
        let table: &[(&str, Option<&[&str]>)] = &[
            ("", Some(&[])),
            (" \t\x0b ", Some(&[])),
            ("a  b\tc ", Some(&["a", "b", "c"])),
            (r#""a b" 'c d'"#, Some(&["a b", "c d"])),
            (r#"a"b c""#, Some(&["ab c"])),
            (r#""\x41\n\"\q""#, Some(&["A\n\"q"])),
            (r#""\x4""#, Some(&["x4"])),
            (r"'a\'b\n'", Some(&["a'b\\n"])),
            (r#""""#, Some(&[""])),
            (r#""a"b"#, None),
            ("'a'b", None),
            (r#""a"#, None),
            (r#""a\""#, None),
            ("'", None),
            ("a\0b", Some(&["a"])),
            ("a#b", Some(&["a#b"])),
        ];
        for (line, expected) in table {
            let expected = expected.map(|list| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
            assert_eq!(words(line), expected, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_reads_back(list in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..6)) {
            let line = list.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split_words(line.as_bytes()), Ok(list));
        }

        #[test]
        fn any_line_is_words_or_unbalanced(line in prop::collection::vec(prop::sample::select(b"a \"'\\x4n\0\x0b#".to_vec()), 0..24)) {
            if let Ok(words) = split_words(&line) {
                prop_assert!(words.iter().map(Vec::len).sum::<usize>() <= line.len());
            }
        }
    }
}
