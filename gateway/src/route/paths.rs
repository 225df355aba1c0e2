//! Templates as a tree, so that a path is looked up in its own length, however many templates there are. Pure.
//!
//! Of two templates that a path fits the more particular is tried first: where they differ first, a literal comes before `*`, and
//! that before `**`. Walking the tree in that order at each place visits them so. A path with a `:` in its last segment is first looked up as one with a verb.

use super::template::{Capture, Segment, Template, split_verb};
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// Segments of a path that are looked at; a longer one fits nothing.
const MAX_PARTS: usize = 128;

/// Templates, each with what it leads to.
#[derive(Clone, Debug)]
pub(crate) struct Paths<T> {
    entries: Vec<(Template, T)>,
    root: Node,
}

/// One place of the tree.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Its keys are those of the file: whoever asks can look for any, and put none in. So the hash need not be a slow one.
    literals: HashMap<Box<str>, Node, RandomState>,
    one: Option<Box<Node>>,
    /// What ends here, in the order in which it was added: the verb, and the entry.
    here: Vec<(Option<String>, usize)>,
    /// The same for templates that end in `**` here.
    rest: Vec<(Option<String>, usize)>,
}

/// A path as it is looked up.
struct Asked<'a> {
    parts: &'a [&'a str],
    verb: Option<&'a str>,
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), root: Node::default() }
    }
}

impl<T> Paths<T> {
    /// Adds a template. Of several that are the same, the first one is tried first.
    pub(crate) fn add(&mut self, template: Template, target: T) {
        let entry = (template.verb.clone(), self.entries.len());
        let mut node = &mut self.root;
        for segment in &template.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.as_str().into()).or_default(),
                Segment::One => node.one.get_or_insert_default(),
                Segment::Rest => {
                    node.rest.push(entry);
                    self.entries.push((template, target));
                    return;
                }
            };
        }
        node.here.push(entry);
        self.entries.push((template, target));
    }

    /// How many templates there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The first target that `take` takes, of the templates that a path fits, the most particular first; with what stands
    /// for its variables. `path` begins with `/`.
    pub(crate) fn find<'a>(
        &'a self,
        path: &'a str,
        mut take: impl FnMut(&'a T) -> bool,
    ) -> Option<(&'a T, Vec<Capture<'a>>)> {
        let path = path.strip_prefix('/')?;
        let mut search = |path: &'a str, verb: Option<&'a str>| {
            let parts: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
            if parts.len() > MAX_PARTS {
                return None;
            }
            let asked = Asked { parts: &parts, verb };
            let at = self.root.find(&asked, 0, &mut |at| take(&self.entries[at].1))?;
            let (template, target) = &self.entries[at];
            Some((target, template.captures(path, &parts)))
        };
        let (without, verb) = split_verb(path);
        if let Some(verb) = verb
            && let Some(found) = search(without, Some(verb))
        {
            return Some(found);
        }
        search(path, None)
    }
}

impl Node {
    fn find(&self, asked: &Asked<'_>, at: usize, take: &mut impl FnMut(usize) -> bool) -> Option<usize> {
        let Some(part) = asked.parts.get(at) else {
            return taken(&self.here, asked, take).or_else(|| taken(&self.rest, asked, take));
        };
        let literal = self.literals.get(*part).and_then(|node| node.find(asked, at + 1, take));
        let found = literal.or_else(|| {
            let one = self.one.as_ref().filter(|_| !part.is_empty())?;
            one.find(asked, at + 1, take)
        });
        found.or_else(|| taken(&self.rest, asked, take))
    }
}

fn taken(all: &[(Option<String>, usize)], asked: &Asked<'_>, take: &mut impl FnMut(usize) -> bool) -> Option<usize> {
    all.iter().find(|(verb, at)| verb.as_deref() == asked.verb && take(*at)).map(|(_, at)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn paths(texts: &[&str]) -> Paths<usize> {
        let mut paths = Paths::default();
        for (at, text) in texts.iter().enumerate() {
            paths.add(Template::parse(text).unwrap(), at);
        }
        paths
    }

    #[test]
    fn the_most_particular_template_is_found_and_the_next_if_it_is_not_taken() {
        let texts = ["/**", "/v1/stock/*", "/v1/stock/all", "/v1/{kind}/{id}", "/v1/{x=**}", "/v1/stock/*:hold", "/"];
        let paths = paths(&texts);
        for (path, expected) in [
            ("/v1/stock/all", vec![2, 1, 3, 4, 0]),
            ("/v1/stock/a", vec![1, 3, 4, 0]),
            ("/v1/stock/a:hold", vec![5, 1, 3, 4, 0]),
            ("/v1/stock/a:b", vec![1, 3, 4, 0]),
            ("/v1", vec![4, 0]),
            ("/", vec![6, 0]),
            ("/v1/stock/", vec![4, 0]),
        ] {
            let mut seen = Vec::new();
            paths.find(path, |at| {
                seen.push(*at);
                false
            });
            assert_eq!(seen, expected, "{path}");
        }
        assert!(paths.find("v1", |_| true).is_none());
        assert!(paths.find(&"/a".repeat(200), |_| true).is_none());
    }

    /// Every template, one after the other.
    fn slowly(templates: &[Template], path: &str) -> Vec<usize> {
        let fits = |template: &Template, path: &str, verb: Option<&str>| {
            let parts: Vec<_> = path.split('/').filter(|_| !path.is_empty()).collect();
            let mut parts = parts.into_iter();
            template.verb.as_deref() == verb
                && template.segments.iter().all(|segment| match segment {
                    Segment::Literal(text) => parts.next() == Some(text.as_str()),
                    Segment::One => parts.next().is_some_and(|part| !part.is_empty()),
                    Segment::Rest => {
                        parts.by_ref().for_each(drop);
                        true
                    }
                })
                && parts.next().is_none()
        };
        let path = path.strip_prefix('/').unwrap();
        let (without, verb) = split_verb(path);
        let fitting = templates
            .iter()
            .enumerate()
            .filter(|(_, template)| verb.is_some() && fits(template, without, verb) || fits(template, path, None));
        let mut found: Vec<_> = fitting.map(|(at, template)| (template.rank(), at)).collect();
        found.sort();
        found.into_iter().map(|(_, at)| at).collect()
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_looking_at_each_template_finds(
            texts in prop::collection::vec("(/([ab]|\\*)){0,4}(/\\*\\*)?(:v)?", 1..12),
            paths in prop::collection::vec("(/[ab]?){1,5}(:v)?", 1..12),
        ) {
            let texts = texts.into_iter().map(|text| if text.starts_with('/') { text } else { format!("/{text}") });
            let templates: Vec<_> = texts.filter_map(|text| Template::parse(&text).ok()).collect();
            let mut tree = Paths::default();
            for (at, template) in templates.iter().enumerate() {
                tree.add(template.clone(), at);
            }
            for path in paths {
                let mut seen = Vec::new();
                tree.find(&path, |at| {
                    seen.push(*at);
                    false
                });
                prop_assert_eq!(seen, slowly(&templates, &path), "{}", path);
            }
        }
    }
}
