//! The condition rule of Dubbo, versions 3.0 and 3.1: which calls go to which instances. Pure.
//!
//! A condition of 3.0 is one line, `method=Level & host=10.0.1.* => zone=hz`: whom it is about, and where they go. One of 3.1
//! has several places to go to, each with a weight, of which each call draws one: a canary. Conditions apply one after the
//! other, each to what the one before has left. Where the right side leaves nothing, the condition is ignored, unless the
//! rule says `force`; a right side that is empty lets nobody through.

use super::{
    RuleError,
    pattern::Pattern,
    subject::{Asked, Consumer, Seen},
};
use crate::yaml::{self, Node};

/// A condition rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ConditionRule {
    pub(super) force: bool,
    pub(super) conditions: Vec<Condition>,
}

/// Whom it is about, and where they go.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    pub(super) line: usize,
    pub(super) from: Clause,
    /// Places with their weights; none lets nobody through.
    pub(super) to: Vec<(Clause, u32)>,
}

/// One side: all of its terms must hold. Without any, it always holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Clause(Vec<Term>);

#[derive(Clone, Debug, PartialEq)]
struct Term {
    key: Key,
    is: Vec<Pattern>,
    is_not: Vec<Pattern>,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Method,
    Argument(usize),
    Attachment(String),
    Parameter(String),
}

const KNOWN: [&str; 8] = ["configVersion", "scope", "key", "force", "runtime", "enabled", "priority", "conditions"];
/// The share of a place that says none.
const DEFAULT_WEIGHT: u32 = 100;

impl ConditionRule {
    /// Reads a rule; `None` when it is switched off.
    pub(super) fn read(text: &str) -> Result<Option<Self>, RuleError> {
        let node = yaml::read(text)?;
        let fields = node.fields(&KNOWN)?;
        let several = match fields.get("configVersion").map(Node::text).transpose()? {
            None | Some("v2.7" | "v3.0") => false,
            Some("v3.1") => true,
            Some(other) => {
                let line = fields.must("configVersion")?.line;
                return Err(RuleError::at(line, format!("version `{other}` is not known: v3.0 and v3.1 are")));
            }
        };
        super::check_head(&fields)?;
        let force = fields.boolean("force", false)?;
        let conditions = fields.must("conditions")?.list()?.iter();
        let conditions = conditions.map(|one| if several { Condition::of_3_1(one) } else { Condition::of_3_0(one) });
        let rule = Self { force, conditions: conditions.collect::<Result<_, _>>()? };
        Ok(fields.boolean("enabled", true)?.then_some(rule))
    }
}

impl Condition {
    fn of_3_0(node: &Node) -> Result<Self, RuleError> {
        let text = node.text()?;
        let Some((from, to)) = text.split_once("=>") else {
            return Err(RuleError::at(node.line, format!("`{text}` has no `=>`")));
        };
        let side = |text: &str| Clause::read(text).map_err(|why| RuleError::at(node.line, why));
        let from = if from.trim() == "true" { Clause::default() } else { side(from)? };
        let to = match to.trim() {
            "" | "false" => Vec::new(),
            to => vec![(side(to)?.about_instances(node.line)?, DEFAULT_WEIGHT)],
        };
        Ok(Self { line: node.line, from, to })
    }

    fn of_3_1(node: &Node) -> Result<Self, RuleError> {
        let fields = node.fields(&["from", "to"])?;
        let side = |node: Option<&Node>| match node {
            None => Ok(Clause::default()),
            Some(node) => Clause::read(node.text()?).map_err(|why| RuleError::at(node.line, why)),
        };
        let from = match fields.get("from") {
            None => Clause::default(),
            Some(from) => side(from.fields(&["match"])?.get("match"))?,
        };
        let to = fields.list("to")?.iter().map(|to| {
            let fields = to.fields(&["match", "weight"])?;
            let weight = fields.get("weight").map_or(Ok(DEFAULT_WEIGHT), Node::number)?;
            Ok((side(fields.get("match"))?.about_instances(to.line)?, weight))
        });
        let to = to.collect::<Result<Vec<_>, RuleError>>()?;
        if !to.is_empty() && to.iter().all(|(_, weight)| *weight == 0) {
            return Err(RuleError::at(node.line, "every place has the weight 0"));
        }
        Ok(Self { line: node.line, from, to })
    }
}

impl Clause {
    /// Reads `a=1,2 & b!=3`: `&` parts terms, `,` parts values.
    fn read(text: &str) -> Result<Self, String> {
        let mut terms: Vec<Term> = Vec::new();
        for part in text.split('&').map(str::trim) {
            let (key, negated, values) = match part.split_once('=') {
                None if part.is_empty() && text.trim().is_empty() => return Ok(Self::default()),
                None => return Err(format!("`{part}` in `{}` is compared with nothing", text.trim())),
                Some((key, values)) => match key.strip_suffix('!') {
                    Some(key) => (key.trim(), true, values),
                    None => (key.trim(), false, values),
                },
            };
            let values = values.split(',').map(str::trim).map(|value| match value {
                "" => Err(format!("a value is missing after `{key}`")),
                value if value.contains(['=', '!', ' ']) => Err(format!("`{value}` is no value: is an `&` missing?")),
                value => Pattern::read(value),
            });
            let values = values.collect::<Result<Vec<_>, _>>()?;
            let key = Key::read(key)?;
            let place = match terms.iter().position(|term| term.key == key) {
                Some(place) => place,
                None => {
                    terms.push(Term { key, is: Vec::new(), is_not: Vec::new() });
                    terms.len() - 1
                }
            };
            if negated { &mut terms[place].is_not } else { &mut terms[place].is }.extend(values);
        }
        Ok(Self(terms))
    }

    /// The same, as the right side of a condition, which knows of no call.
    fn about_instances(self, line: usize) -> Result<Self, RuleError> {
        match self.0.iter().all(|term| matches!(term.key, Key::Parameter(_))) {
            true => Ok(self),
            false => {
                Err(RuleError::at(line, "where calls go cannot depend on the call: that belongs to the left side"))
            }
        }
    }

    /// What is left to ask of each call of this client; `None` when it is about none of them.
    pub(super) fn of_calls(&self, consumer: &Consumer) -> Option<Self> {
        let (own, calls): (Vec<_>, Vec<_>) =
            self.0.iter().cloned().partition(|term| matches!(term.key, Key::Parameter(_)));
        let holds = own.iter().all(|term| match &term.key {
            Key::Parameter(name) => term.holds(consumer.get(name), consumer),
            _ => false,
        });
        holds.then_some(Self(calls))
    }

    /// It asks nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds for a call.
    pub(super) fn holds_of_call(&self, call: Asked<'_>, consumer: &Consumer) -> bool {
        self.0.iter().all(|term| match &term.key {
            Key::Method => term.holds(call.method(), consumer),
            Key::Attachment(name) => term.holds(call.attachment(name), consumer),
            Key::Argument(index) => term.holds(call.argument(*index).as_deref(), consumer),
            Key::Parameter(name) => term.holds(consumer.get(name), consumer),
        })
    }

    /// Whether it holds for an instance.
    pub(super) fn holds_of(&self, instance: &Seen<'_>, consumer: &Consumer) -> bool {
        self.0.iter().all(|term| match &term.key {
            Key::Parameter(name) => term.holds(instance.get(name, consumer).as_deref(), consumer),
            _ => false,
        })
    }
}

impl Term {
    /// What is not there is neither equal nor different. With both said, it is one of those and none of these.
    fn holds(&self, value: Option<&str>, consumer: &Consumer) -> bool {
        let Some(value) = value else { return false };
        let own = |name: &str| consumer.get(name);
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.fits(value, &own));
        (self.is.is_empty() || any(&self.is)) && !any(&self.is_not)
    }
}

impl Key {
    fn read(text: &str) -> Result<Self, String> {
        let inside = |name: &str| text.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']').map(str::trim);
        match text {
            "" => Err("a name is missing before `=`".to_owned()),
            "method" | "methods" => Ok(Self::Method),
            _ => match (inside("arguments"), inside("attachments")) {
                (Some(index), _) => {
                    let index = index.parse().map_err(|_| format!("`{index}` in `{text}` is no number"))?;
                    Ok(Self::Argument(index))
                }
                (_, Some(name)) if name.is_ascii() && !name.is_empty() => {
                    Ok(Self::Attachment(name.to_ascii_lowercase()))
                }
                (_, Some(_)) => Err(format!("`{text}` names no attachment")),
                _ if text.contains(['[', ']', ' ', '!', '<', '>']) => Err(format!("`{text}` is no name")),
                _ => Ok(Self::Parameter(text.to_owned())),
            },
        }
    }
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
