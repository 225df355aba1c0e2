//! The nearest spelling of a word that was mistyped. Pure.
//!
//! Here, since whoever reads settings stands on this crate. The macros have the like of it: a crate of macros can export
//! nothing else.

/// What is longer is compared by its beginning: words come from files and peers.
const LONGEST: usize = 64;

/// The one of `known` that `word` was most likely meant to be, if one is near: a third of its letters may differ. Upper
/// and lower case are the same.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().map(|k| (distance(word, k), k)).min()?;
    (near.0 <= word.chars().count().div_ceil(3)).then_some(near.1)
}

/// Letters to insert, remove or replace until `a` reads `b`; two that changed places count once.
fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| text.chars().take(LONGEST).map(|c| c.to_ascii_lowercase()).collect::<Vec<char>>();
    let (a, b) = (letters(a), letters(b));
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let changed = rows[i][j] + usize::from(letter != other);
            let mut least = changed.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == b[j - 1] && a[i - 1] == *other {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_nearest_spelling_is_found_and_a_far_one_is_not() {
        let known = ["registry", "listen", "drain-delay", "zone", "down-after-milliseconds"];
        for (word, near) in [
            ("regsitry", Some("registry")),
            ("lisen", Some("listen")),
            ("Zoen", Some("zone")),
            ("down-after-miliseconds", Some("down-after-milliseconds")),
            ("drain", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), near, "{word}");
        }
        assert_eq!(nearest("x", []), None);
    }

    proptest! {
        #[test]
        fn a_word_is_nearest_to_itself_and_no_text_panics(text in ".{1,100}") {
            let _ = nearest(&text, ["a", "bc"]);
            let itself: String = text.chars().take(LONGEST).collect();
            prop_assert_eq!(nearest(&itself, [itself.as_str()]), Some(itself.as_str()));
        }
    }
}
