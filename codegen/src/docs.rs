//! Doc comments as text.

use syn::{Attribute, Expr, Lit, Meta};

/// The doc comment that `attrs` hold: its lines without the blank that follows `///`, and nothing around them.
pub(crate) fn docs(attrs: &[Attribute]) -> String {
    let lines: Vec<String> = attrs.iter().filter_map(line).collect();
    lines.join("\n").trim().to_owned()
}

fn line(attr: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attr.meta else { return None };
    match &pair.value {
        Expr::Lit(literal) if pair.path.is_ident("doc") => match &literal.lit {
            Lit::Str(text) => {
                let lines = text.value();
                let lines: Vec<_> = lines.lines().map(|l| l.strip_prefix(' ').unwrap_or(l).trim_end()).collect();
                Some(lines.join("\n"))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn lines_are_joined_and_other_attributes_ignored() {
        let attrs: Vec<Attribute> = vec![
            parse_quote!(#[doc = " One."]),
            parse_quote!(#[cfg(all())]),
            parse_quote!(#[doc = ""]),
            parse_quote!(#[doc = "  - two "]),
        ];
        assert_eq!(docs(&attrs), "One.\n\n - two");
    }
}
