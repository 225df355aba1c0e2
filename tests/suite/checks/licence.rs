//! SPDX licence expressions against the list of `deny.toml`, for machines without `cargo deny`.

/// The licences of `allow = [ … ]` in the section `[licenses]`.
pub(super) fn allowed(config: &str) -> Vec<String> {
    let section = config.split("[licenses]").nth(1).unwrap_or("");
    let list = section.split_once("allow = [").map_or("", |(_, rest)| rest.split(']').next().unwrap_or(""));
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether an expression can be met with the allowed licences. `/` is what `OR` was once written as.
pub(super) fn accepted(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, allowed };
    let met = parser.any();
    met && parser.words.is_empty()
}

/// Reads `any := all {OR all}`, `all := one {AND one}`, `one := ( any ) | licence [WITH exception]`.
struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a [String],
}

impl Parser<'_> {
    fn any(&mut self) -> bool {
        let mut met = self.all();
        while self.take("OR") {
            met |= self.all();
        }
        met
    }

    fn all(&mut self) -> bool {
        let mut met = self.one();
        while self.take("AND") {
            met &= self.one();
        }
        met
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let met = self.any();
            return self.take(")") && met;
        }
        let Some((&licence, rest)) = self.words.split_first() else { return false };
        self.words = rest;
        let mut name = licence.to_owned();
        if self.take("WITH")
            && let Some((&exception, rest)) = self.words.split_first()
        {
            self.words = rest;
            name = format!("{licence} WITH {exception}");
        }
        self.allowed.contains(&name)
    }

    fn take(&mut self, word: &str) -> bool {
        let taken = self.words.first() == Some(&word);
        if taken {
            self.words = &self.words[1..];
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_or_not() {
        let list =
            allowed("[bans]\n[licenses]\nallow = [\n  \"MIT\", # why\n  \"Apache-2.0\",\n  \"X WITH Y\"]\n[sources]");
        assert_eq!(list, ["MIT", "Apache-2.0", "X WITH Y"]);
        let cases = [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("GPL-3.0/MIT", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR GPL-3.0) AND Apache-2.0", true),
            ("MIT AND (GPL-3.0 OR BSD-2-Clause)", false),
            ("X WITH Y", true),
            ("X", false),
            ("X WITH Y OR GPL-3.0", true),
            ("(MIT", false),
            ("", false),
        ];
        for (expression, met) in cases {
            assert_eq!(accepted(expression, &list), met, "{expression}");
        }
    }
}
