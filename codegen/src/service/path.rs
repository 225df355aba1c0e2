//! The path template of `#[rpc(get = "/v1/stock/{sku}")]`.

/// The names in braces, each as the fields on the way to it: `{sku}`, `{order.id}`.
///
/// # Errors
/// What is wrong with the template.
pub(crate) fn placeholders(template: &str) -> Result<Vec<Vec<&str>>, String> {
    let Some(path) = template.strip_prefix('/') else { return Err("a path begins with `/`".into()) };
    let mut names: Vec<Vec<&str>> = Vec::new();
    for part in path.split('/') {
        if part.is_empty() && !path.is_empty() {
            return Err("a path has no empty part: take out the `/` too many".into());
        }
        let Some(name) = part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) else {
            literal(part)?;
            continue;
        };
        let fields: Vec<_> = name.split('.').collect();
        if !fields.iter().all(|f| is_name(f)) {
            return Err(format!("`{{{name}}}` is not the name of a field"));
        }
        if names.contains(&fields) {
            return Err(format!("`{{{name}}}` stands twice"));
        }
        names.push(fields);
    }
    Ok(names)
}

/// A part that stands for itself.
fn literal(part: &str) -> Result<(), String> {
    if part.contains(['{', '}']) {
        return Err(format!("`{part}`: a name in braces fills the whole part between two `/`"));
    }
    match part.chars().find(|c| !(c.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@".contains(*c))) {
        Some(c) => Err(format!("`{part}`: {c:?} cannot stand in a path as it is")),
        None => Ok(()),
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        assert_eq!(placeholders("/").unwrap(), Vec::<Vec<&str>>::new());
        assert_eq!(placeholders("/v1/stock").unwrap(), Vec::<Vec<&str>>::new());
        assert_eq!(placeholders("/v1/{sku}/of/{order.id}").unwrap(), [vec!["sku"], vec!["order", "id"]]);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for bad in
            ["", "v1", "/v1//x", "/v1/", "/{", "/{}", "/{a-b}", "/x{a}", "/{a}/{a}", "/a b", "/a?b", "/{a=*}", "/ü"]
        {
            assert!(placeholders(bad).is_err(), "{bad}");
        }
    }
}
