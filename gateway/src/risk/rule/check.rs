//! An expression is held against the fields, functions and patterns that there are, before it is ever executed: CEL would find
//! a misspelt name when the request is there for which the rule was written. Pure.
//!
//! Loops are allowed over what is bounded, one at a time: a loop in a loop, and what makes a new message, are refused. Types are
//! followed as far as they are known.

use super::facts::{FIELDS, OF_ANSWERS, Type};
use cel::{
    IdedExpr,
    common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, SelectExpr},
};
use mainstay_registry::nearest;
use std::collections::{BTreeMap, BTreeSet};

/// What an expression may name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    /// Counters, and whether each says an amount.
    pub(crate) counters: BTreeMap<String, bool>,
    pub(crate) patterns: BTreeSet<String>,
    /// The answer is there.
    pub(crate) answers: bool,
}

/// What was found out.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) wrong: Vec<String>,
    /// The counters that it asks.
    pub(super) counters: BTreeSet<String>,
    pub(super) nodes: usize,
}

/// Functions of CEL that may be called, and what they answer.
const FUNCTIONS: [(&str, Type); 13] = [
    ("size", Type::Int),
    ("contains", Type::Bool),
    ("startsWith", Type::Bool),
    ("endsWith", Type::Bool),
    ("int", Type::Int),
    ("uint", Type::Int),
    ("double", Type::Double),
    ("string", Type::Text),
    ("bool", Type::Bool),
    ("orValue", Type::Any),
    ("hasValue", Type::Bool),
    ("value", Type::Any),
    ("pattern", Type::Bool),
];

struct Walk<'a> {
    declared: &'a Declared,
    found: Found,
    /// Names of the loop that is being read.
    bound: Vec<&'a str>,
    /// How deep in other parts the one lies that is being read.
    depth: usize,
}

/// How deep parts may lie in each other: executing them takes as much of the stack.
const MAX_DEPTH: usize = 64;

/// Reads an expression; answers what it is, and what was found out.
pub(super) fn check(expr: &IdedExpr, declared: &Declared) -> (Type, Found) {
    let mut walk = Walk { declared, found: Found::default(), bound: Vec::new(), depth: 0 };
    let is = walk.expr(expr);
    (is, walk.found)
}

impl<'a> Walk<'a> {
    fn wrong(&mut self, why: impl Into<String>) -> Type {
        self.found.wrong.push(why.into());
        Type::Any
    }

    fn expr(&mut self, expr: &'a IdedExpr) -> Type {
        if self.depth >= MAX_DEPTH {
            return self.wrong(format!("its parts lie more than {MAX_DEPTH} deep in each other"));
        }
        self.depth += 1;
        let is = self.part(expr);
        self.depth -= 1;
        is
    }

    fn part(&mut self, expr: &'a IdedExpr) -> Type {
        self.found.nodes += 1;
        match &expr.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::Int(_) | LiteralValue::UInt(_) => Type::Int,
                LiteralValue::Double(_) => Type::Double,
                LiteralValue::String(_) => Type::Text,
                LiteralValue::Bytes(_) | LiteralValue::Null => Type::Any,
            },
            Expr::Ident(name) if self.bound.contains(&name.as_str()) => Type::Any,
            Expr::Ident(_) | Expr::Select(_) => self.select(expr),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                for element in &list.elements {
                    self.expr(element);
                }
                Type::Any
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.expr(&entry.key);
                        self.expr(&entry.value);
                    }
                }
                Type::Any
            }
            Expr::Comprehension(one) => {
                if !self.bound.is_empty() {
                    return self.wrong("a loop in a loop costs more than a request may");
                }
                self.expr(&one.iter_range);
                self.bound = vec![one.iter_var.as_str(), one.accu_var.as_str()];
                self.bound.extend(one.iter_var2.as_deref());
                let parts = [&one.accu_init, &one.loop_cond, &one.loop_step, &one.result];
                for part in parts {
                    self.expr(part);
                }
                self.bound.clear();
                Type::Any
            }
            Expr::Struct(made) => self.wrong(format!("`{}`: no messages are made here", made.type_name)),
            Expr::Unspecified => self.wrong("it is cut off"),
        }
    }

    /// A name with its parts, as `request.headers.origin`.
    fn select(&mut self, expr: &'a IdedExpr) -> Type {
        let (mut parts, mut at, mut tests) = (Vec::new(), expr, false);
        let root = loop {
            match &at.expr {
                Expr::Select(SelectExpr { operand, field, test }) => {
                    parts.push(field.as_str());
                    tests |= *test;
                    at = operand;
                }
                Expr::Ident(name) => break name.as_str(),
                _ => {
                    // A part of what a call answers.
                    self.expr(at);
                    return if tests { Type::Bool } else { Type::Any };
                }
            }
        };
        if self.bound.contains(&root) {
            return if tests { Type::Bool } else { Type::Any };
        }
        parts.push(root);
        parts.reverse();
        self.name(&parts, tests)
    }

    fn name(&mut self, parts: &[&str], tests: bool) -> Type {
        if parts[0] == "velocity" {
            return self.counter(parts, tests);
        }
        let more = if self.declared.answers { &OF_ANSWERS[..] } else { &[] };
        let known: Vec<_> = FIELDS.iter().chain(more).collect();
        let name = parts[..parts.len().min(2)].join(".");
        let Some((_, is)) = known.iter().find(|(field, _)| *field == name) else {
            let meant = nearest(&name, known.iter().map(|(field, _)| *field));
            let all = || known.iter().map(|(field, _)| *field).collect::<Vec<_>>().join(", ");
            let hint = meant
                .map_or_else(|| format!("there are {}, velocity.*", all()), |meant| format!("did you mean `{meant}`?"));
            return self.wrong(format!("`{name}` is no field: {hint}"));
        };
        match (is, parts.len(), tests) {
            (_, 2, false) => *is,
            (Type::Map, 3, true) => Type::Bool,
            (Type::Map, 3, false) => Type::Text,
            (_, _, true) => self.wrong(format!("`{name}` is always there: `has` is for names in a map")),
            _ => self.wrong(format!("`{name}` has no parts of that kind")),
        }
    }

    fn counter(&mut self, parts: &[&str], tests: bool) -> Type {
        let name = parts[1..].join(".");
        match self.declared.counters.get(&name) {
            Some(_) if tests => self.wrong(format!("`velocity.{name}` is always there")),
            Some(is_amount) => {
                let is = if *is_amount { Type::Double } else { Type::Int };
                self.found.counters.insert(name);
                is
            }
            None => {
                let meant = nearest(&name, self.declared.counters.keys().map(String::as_str));
                let hint = meant.map_or_else(String::new, |meant| format!(": did you mean `velocity.{meant}`?"));
                self.wrong(format!("there is no counter `{name}` here{hint}"))
            }
        }
    }

    fn call(&mut self, call: &'a CallExpr) -> Type {
        let name = call.func_name.as_str();
        if name == "pattern" {
            self.pattern(call);
        }
        if let Some(target) = call.target.as_deref() {
            self.expr(target);
        }
        let types: Vec<_> = call.args.iter().map(|arg| self.expr(arg)).collect();
        let fits = |a: Type, b: Type| {
            let number = |is| matches!(is, Type::Int | Type::Double);
            a == b || a == Type::Any || b == Type::Any || (number(a) && number(b))
        };
        match (name, &types[..]) {
            ("_&&_" | "_||_", all) => match all.iter().find(|is| !fits(**is, Type::Bool)) {
                Some(_) => self.wrong("both sides of && and || are true or false"),
                None => Type::Bool,
            },
            ("!_", [is]) if fits(*is, Type::Bool) => Type::Bool,
            ("_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_", [a, b]) if fits(*a, *b) => Type::Bool,
            ("_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_", _) => self.wrong("values of two kinds are compared"),
            ("@in" | "@not_strictly_false", _) => Type::Bool,
            ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", [a, b]) if fits(*a, *b) => *a,
            ("_?_:_", [_, a, b]) if fits(*a, *b) => *a,
            ("-_", [is]) => *is,
            ("_[_]", [Type::Map, _]) => Type::Text,
            ("_[_]" | "_[?_]" | "_?._", _) => Type::Any,
            (operator, _) if !operator.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                self.wrong("an operator has values of the wrong kind")
            }
            _ => match FUNCTIONS.iter().find(|(known, _)| *known == name) {
                Some((_, is)) => *is,
                None => {
                    let known = FUNCTIONS.iter().map(|(known, _)| *known);
                    let hint = match (name, nearest(name, known)) {
                        ("matches", _) => ": `pattern('name', text)` asks one of the set's `patterns`".to_owned(),
                        (_, Some(meant)) => format!(": did you mean `{meant}`?"),
                        (_, None) => String::new(),
                    };
                    self.wrong(format!("`{name}` is no function{hint}"))
                }
            },
        }
    }

    /// `pattern('name', text)`: the name is written, and known.
    fn pattern(&mut self, call: &CallExpr) {
        let said = call.args.first().and_then(|first| match &first.expr {
            Expr::Literal(LiteralValue::String(name)) => Some(name.inner().to_owned()),
            _ => None,
        });
        match said {
            Some(name) if self.declared.patterns.contains(&name) && call.args.len() == 2 && call.target.is_none() => {}
            Some(name) if call.args.len() == 2 && call.target.is_none() => {
                let meant = nearest(&name, self.declared.patterns.iter().map(String::as_str));
                let hint = meant.map_or_else(String::new, |meant| format!(": did you mean `{meant}`?"));
                self.wrong(format!("there is no pattern `{name}`{hint}"));
            }
            _ => {
                self.wrong("it is called as pattern('name', text)");
            }
        }
    }
}
