//! Authority rules: an array, as Java writes it (`AuthorityRule`, 1.8.9); Go has none. Pure.

use super::text::Fields;

/// One rule: which callers a resource is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthorityRule {
    pub(crate) resource: String,
    pub(crate) origins: Vec<String>,
    /// Those alone; else all but those.
    pub(crate) white: bool,
}

/// Reads one rule.
pub(crate) fn authority(fields: Fields<'_>) -> Result<AuthorityRule, String> {
    fields.only(&["limitApp", "strategy"])?;
    let white = match fields.number("strategy", 0)? {
        0 => true,
        1 => false,
        other => return Err(format!("`strategy` is 0 (white) or 1 (black), not {other}")),
    };
    let origins = fields.text("limitApp").unwrap_or_default().split(',').map(str::trim);
    let origins: Vec<_> = origins.filter(|origin| !origin.is_empty()).map(str::to_owned).collect();
    if origins.is_empty() {
        return Err("`limitApp` is missing".to_owned());
    }
    Ok(AuthorityRule { resource: fields.resource()?, origins, white })
}

impl AuthorityRule {
    /// Whether a caller may. As in Sentinel, one that is not known by name may.
    pub(crate) fn allows(&self, origin: Option<&str>) -> bool {
        origin.is_none_or(|origin| self.origins.iter().any(|one| one == origin) == self.white)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::text::parse, *};

    #[test]
    fn white_and_black() {
        let rules = |text: &str| parse(text, authority).map(|parsed| parsed.rules);
        let white = &rules(r#"[{"resource":"r","limitApp":"a, b","strategy":0}]"#).unwrap()[0];
        let black = &rules(r#"[{"resource":"r","limitApp":"a,b","strategy":1}]"#).unwrap()[0];
        for (origin, is_white, is_black) in
            [("a", true, false), ("b", true, false), ("c", false, true), ("ab", false, true)]
        {
            assert_eq!((white.allows(Some(origin)), black.allows(Some(origin))), (is_white, is_black), "{origin}");
        }
        assert!(white.allows(None) && black.allows(None));
        for (text, why) in [
            (r#"[{"resource":"r"}]"#, "`limitApp` is missing"),
            (r#"[{"resource":"r","limitApp":"a","strategy":2}]"#, "0 (white) or 1 (black)"),
            (r#"[{"limitApp":"a"}]"#, "`resource` is missing"),
        ] {
            assert!(rules(text).unwrap_err().contains(why), "{text}");
        }
    }
}
