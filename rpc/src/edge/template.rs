//! Paths of GET: `/v1/stock/{sku}`, and which template a path fits.
//!
//! Pure: a path in, a match out.

/// The template of one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Field(String),
}

/// A field and what stands in its place, still percent-encoded.
pub(crate) type Binding<'a> = (&'a str, &'a str);

impl Template {
    /// Reads a template. The macro has checked its form.
    pub(crate) fn parse(text: &str) -> Self {
        let segments = text.trim_start_matches('/').split('/').map(|segment| {
            match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(field) => Segment::Field(field.to_owned()),
                None => Segment::Literal(segment.to_owned()),
            }
        });
        Self { segments: segments.collect() }
    }

    /// What stands for each field, when the path fits.
    fn fit<'a>(&'a self, path: &[&'a str]) -> Option<Vec<Binding<'a>>> {
        if path.len() != self.segments.len() {
            return None;
        }
        let mut bindings = Vec::new();
        for (segment, part) in self.segments.iter().zip(path) {
            match segment {
                Segment::Literal(literal) if literal == part => {}
                Segment::Field(field) if !part.is_empty() => bindings.push((field.as_str(), *part)),
                _ => return None,
            }
        }
        Some(bindings)
    }

    /// Whatever fits one of them fits the other.
    fn is_same(&self, other: &Self) -> bool {
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|pair| match pair {
                (Segment::Field(_), Segment::Field(_)) => true,
                (one, other) => one == other,
            })
    }

    /// Orders templates of one length: where they differ first, the literal comes before the field.
    fn rank(&self) -> Vec<bool> {
        self.segments.iter().map(|segment| matches!(segment, Segment::Field(_))).collect()
    }
}

/// Templates and what they lead to.
#[derive(Debug)]
pub(crate) struct Templates<T> {
    entries: Vec<(Template, T)>,
}

impl<T> Templates<T> {
    /// Of two templates that are the same, the first one is reached.
    pub(crate) fn new(entries: impl IntoIterator<Item = (Template, T)>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by_key(|(template, _)| template.rank());
        Self { entries }
    }

    /// What cannot be reached, and what is reached in its place.
    pub(crate) fn hidden(&self) -> Vec<(&T, &T)>
    where
        T: PartialEq,
    {
        let earlier = |at: usize| &self.entries[..at];
        let hidden = self.entries.iter().enumerate().filter_map(|(at, (template, target))| {
            let (_, reached) = earlier(at).iter().find(|(other, _)| other.is_same(template))?;
            (reached != target).then_some((target, reached))
        });
        hidden.collect()
    }

    /// The most particular template that a path fits.
    pub(crate) fn find<'a>(&'a self, path: &'a str) -> Option<(&'a T, Vec<Binding<'a>>)> {
        if self.entries.is_empty() {
            return None;
        }
        let parts: Vec<_> = path.strip_prefix('/')?.split('/').collect();
        self.entries.iter().find_map(|(template, target)| Some((target, template.fit(&parts)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates() -> Templates<usize> {
        let texts = ["/v1/{kind}/{id}", "/v1/stock/{sku}", "/v1/stock/all", "/v1/stock/{sku}/{order.id}", "/"];
        Templates::new(texts.iter().enumerate().map(|(at, text)| (Template::parse(text), at)))
    }

    #[test]
    fn a_template_behind_another_is_seen() {
        let texts = [("/v1/{a}", 0), ("/v1/{b}", 1), ("/v1/x", 2), ("/v1/{a}", 0), ("/v1/{a}/{b}", 3)];
        let templates = Templates::new(texts.map(|(text, at)| (Template::parse(text), at)));
        assert_eq!(templates.hidden(), [(&1, &0)]);
    }

    #[test]
    fn the_most_particular_template_is_found() {
        let templates = templates();
        type Found = Option<(usize, &'static [Binding<'static>])>;
        let cases: [(&str, Found); 9] = [
            ("/v1/stock/all", Some((2, &[]))),
            ("/v1/stock/a%2Fb", Some((1, &[("sku", "a%2Fb")]))),
            ("/v1/order/7", Some((0, &[("kind", "order"), ("id", "7")]))),
            ("/v1/stock/a/7", Some((3, &[("sku", "a"), ("order.id", "7")]))),
            ("/", Some((4, &[]))),
            ("/v1/stock/", None),
            ("/v1/stock", None),
            ("/v2/stock/a", None),
            ("*", None),
        ];
        for (path, expected) in cases {
            let found = templates.find(path);
            let found = found.as_ref().map(|(at, bindings)| (**at, bindings.as_slice()));
            assert_eq!(found, expected, "{path}");
        }
    }
}
