//! An expression of CEL: read, checked, and executed. Pure.
//!
//! It is read by the crate's parser by precedence, which has a bound for how deep things lie in each other; the other one it has
//! takes memory that grows with the power of the length. What an execution costs is bounded by what is read: so many nodes,
//! one loop at a time, over maps of so many entries.

use super::{
    check::{Declared, check},
    facts::{Type, View},
};
use cel::{
    Context, Env, IdedExpr, Value,
    common::types::{CelBool, CelDouble, CelInt, CelString, CelUInt},
    parser::PrattParser,
};
use regex_lite::Regex;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

/// The longest expression, in bytes.
pub(crate) const LONGEST: usize = 4096;
/// Parts of one expression, at most, and how deep they may lie in each other.
const MAX_NODES: usize = 512;
const MAX_DEPTH: u16 = 48;

/// An expression that may be executed.
pub(crate) struct Expression {
    source: String,
    expr: IdedExpr,
    /// The counters that it asks.
    pub(crate) counters: BTreeSet<String>,
}

/// What an expression should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Truth,
    Number,
    /// A text, or what has one.
    Key,
}

/// What an expression said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Truth(bool),
    Number(f64),
    Text(String),
}

impl Expression {
    /// Reads one.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn compile(source: &str, declared: &Declared, wanted: Wanted) -> Result<Self, Vec<String>> {
        if source.len() > LONGEST {
            return Err(vec![format!("it has {} bytes, at most {LONGEST} are read", source.len())]);
        }
        let parser = PrattParser::new()
            .max_recursion_depth(MAX_DEPTH)
            .max_expression_node_count(MAX_NODES)
            .enable_optional_syntax(true);
        let expr = parser.parse(source).map_err(|errors| {
            let told = |error: &cel::ParseError| format!("column {}: {}", error.pos.1, error.msg);
            errors.errors.iter().map(told).collect::<Vec<_>>()
        })?;
        let (is, found) = check(&expr, declared);
        let mut wrong = found.wrong;
        if found.nodes > MAX_NODES {
            wrong.push(format!("it has {} parts, at most {MAX_NODES} are executed", found.nodes));
        }
        let fits = match wanted {
            Wanted::Truth => matches!(is, Type::Bool | Type::Any),
            Wanted::Number => matches!(is, Type::Int | Type::Double | Type::Any),
            Wanted::Key => !matches!(is, Type::Map),
        };
        if !fits {
            wrong.push(match wanted {
                Wanted::Truth => "it should be true or false".to_owned(),
                Wanted::Number => "it should be a number".to_owned(),
                Wanted::Key => "it should be a text".to_owned(),
            });
        }
        match wrong.is_empty() {
            true => Ok(Self { source: source.to_owned(), expr, counters: found.counters }),
            false => Err(wrong),
        }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Executes it. `None`: what it asked for is not there, or no value of such a kind came out.
    pub(crate) fn execute(&self, context: &Context<'_, '_>) -> Option<Said> {
        let value = Value::resolve_val(&self.expr, context).ok()?;
        if let Some(truth) = value.downcast_ref::<CelBool>() {
            return Some(Said::Truth(*truth.inner()));
        }
        if let Some(number) = value.downcast_ref::<CelInt>() {
            return Some(Said::Number(*number.inner() as f64));
        }
        if let Some(number) = value.downcast_ref::<CelUInt>() {
            return Some(Said::Number(*number.inner() as f64));
        }
        if let Some(number) = value.downcast_ref::<CelDouble>() {
            return Some(Said::Number(*number.inner())).filter(|_| number.inner().is_finite());
        }
        value.downcast_ref::<CelString>().map(|text| Said::Text(text.inner().to_owned()))
    }

    /// Whether it holds; `None` where that cannot be told.
    pub(crate) fn holds(&self, context: &Context<'_, '_>) -> Option<bool> {
        match self.execute(context)? {
            Said::Truth(truth) => Some(truth),
            _ => None,
        }
    }
}

impl Said {
    /// As the text that counters know keys and values by.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Truth(truth) => truth.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

/// What every expression of a set is executed in: the functions that there are.
pub(crate) struct Ground(Context<'static, 'static>);

impl Ground {
    /// With these patterns, which are compiled.
    pub(crate) fn new(patterns: BTreeMap<String, Regex>) -> Self {
        let mut root = Context::with_env(Arc::new(Env::stdlib()));
        let asks = move |name: Arc<String>, text: Arc<String>| {
            patterns.get(name.as_str()).is_some_and(|pattern| pattern.is_match(&text))
        };
        // The standard library has no function of this name, so it cannot be refused.
        let _ = root.add_function("pattern", asks);
        Self(root)
    }

    /// What expressions of one request are executed in.
    pub(crate) fn with<'a>(&'a self, view: &'a View<'_>) -> Context<'a, 'a> {
        let root: &'a Context<'a, 'a> = &self.0;
        let mut context = root.new_inner_scope();
        context.set_variable_resolver(view);
        context
    }
}

impl fmt::Debug for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ground")
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::facts::{Facts, Total},
        *,
    };
    use crate::risk::Who;
    use proptest::prelude::*;

    fn declared() -> Declared {
        Declared {
            counters: BTreeMap::from([("failed".to_owned(), false), ("spent".to_owned(), true)]),
            patterns: BTreeSet::from(["bot".to_owned()]),
            answers: false,
        }
    }

    fn facts() -> Facts {
        let header = |name: &str, value: &str| {
            (name.parse::<http::HeaderName>().unwrap(), value.parse::<http::HeaderValue>().unwrap())
        };
        Facts {
            method: "POST".into(),
            path: "/login".into(),
            query: "a=1&a=2&b=x%20y".into(),
            headers: [header("user-agent", "curl/8"), header("cookie", "sid=7; x=y"), header("content-length", "12")]
                .into_iter()
                .collect(),
            who: Who { ip: "10.1.2.3".parse().ok(), account: Some("joe".into()), ..Who::default() },
            claims: vec![("tier".into(), "gold".into())],
            at: std::time::Duration::from_secs(1_764_460_800),
            gray: true,
            ..Facts::default()
        }
    }

    fn ask(source: &str) -> Result<Option<Said>, Vec<String>> {
        let expression = Expression::compile(source, &declared(), Wanted::Key)?;
        let ground = Ground::new(BTreeMap::from([("bot".to_owned(), Regex::new("(?i)curl|bot").unwrap())]));
        let facts = facts();
        let totals = [("failed".to_owned(), Total::Times(7)), ("spent".to_owned(), Total::Amount(2.5))];
        let view = View::new(&facts, &totals);
        Ok(expression.execute(&ground.with(&view)))
    }

    #[test]
    fn fields_are_what_the_request_says() {
        for (source, said) in [
            ("request.method == 'POST' && request.path.startsWith('/log')", Said::Truth(true)),
            ("request.query.a", Said::Text("1".into())),
            ("request.query['b']", Said::Text("x y".into())),
            ("request.headers['user-agent']", Said::Text("curl/8".into())),
            ("request.cookies.sid", Said::Text("7".into())),
            ("'origin' in request.headers", Said::Truth(false)),
            ("has(request.headers.origin)", Said::Truth(false)),
            ("has(request.cookies.x) && !has(request.cookies.z)", Said::Truth(true)),
            ("request.headers[?'origin'].orValue('none')", Said::Text("none".into())),
            ("request.size", Said::Number(12.0)),
            ("client.ip + ' ' + client.prefix", Said::Text("10.1.2.3 10.1.2.0/24".into())),
            ("account.id == 'joe' && account.claims.tier == 'gold' && device.id == ''", Said::Truth(true)),
            ("velocity.failed > 5 && velocity.spent < 3", Said::Truth(true)),
            ("lists.gray && !lists.allow", Said::Truth(true)),
            ("pattern('bot', request.headers['user-agent'])", Said::Truth(true)),
            ("time.hour == 0 && time.weekday == 6", Said::Truth(true)),
            ("request.headers.exists(name, name.startsWith('user-'))", Said::Truth(true)),
            ("size(request.query) == 2 ? 'two' : 'other'", Said::Text("two".into())),
            ("int(request.query.a) * 3 + 1", Said::Number(4.0)),
        ] {
            assert_eq!(ask(source), Ok(Some(said)), "{source}");
        }
        for nothing in ["request.query.none", "request.headers.origin == 'x'", "int(request.method)", "1 / 0"] {
            assert_eq!(ask(nothing), Ok(None), "{nothing}");
        }
        assert_eq!(ask("request.query.none == 'x' || velocity.failed > 5"), Ok(Some(Said::Truth(true))));
    }

    #[test]
    fn what_is_misspelt_is_told_with_what_was_meant() {
        for (source, why) in [
            ("request.metod == 'GET'", "`request.metod` is no field: did you mean `request.method`?"),
            ("velocity.faild > 5", "did you mean `velocity.failed`?"),
            ("pattern('bott', request.path)", "did you mean `bot`?"),
            ("pattern(request.path, 'bot')", "pattern('name', text)"),
            ("request.path.matches('x')", "`pattern('name', text)` asks"),
            ("request.path.startWith('/x')", "did you mean `startsWith`?"),
            ("response.status == 401", "`response.status` is no field"),
            ("request == 1", "`request` is no field"),
            ("has(request.method)", "is always there"),
            ("request.headers.a.b == 'x'", "no parts of that kind"),
            ("request.method > 5", "values of two kinds are compared"),
            ("request.method && true", "true or false"),
            ("request.path ==", "column"),
            ("[1, 2].exists(a, [3].exists(b, a == b))", "a loop in a loop"),
            ("Thing{a: 1} == Thing{a: 1}", "no messages"),
            ("request.headers", "it should be a text"),
        ] {
            let wrong = ask(source).unwrap_err().join("; ");
            assert!(wrong.contains(why), "{source}: {wrong}");
        }
        let two = ask("request.metod == request.pth").unwrap_err();
        assert_eq!(two.len(), 2, "{two:?}");
        let wanted = |source, wanted| Expression::compile(source, &declared(), wanted).is_ok();
        assert!(!wanted("request.size", Wanted::Truth) && wanted("request.size", Wanted::Number));
        assert!(!wanted("request.path", Wanted::Number) && wanted("true", Wanted::Truth));
    }

    #[test]
    fn what_an_expression_may_cost_is_bounded() {
        let deep = format!("{}true{}", "[".repeat(60), "]".repeat(60));
        let long = vec!["true"; 300].join(" && ");
        let chain = vec!["1"; 1500].join("+");
        let calls = format!("request.path{}", ".size()".repeat(500));
        for source in [deep.as_str(), &long, &chain, &calls, &"x".repeat(LONGEST + 1), &"[".repeat(125)] {
            assert!(ask(source).is_err(), "{source}");
        }
        // What only looks deep costs nothing.
        assert_eq!(ask(&format!("{}true{}", "(".repeat(200), ")".repeat(200))), Ok(Some(Said::Truth(true))));
    }

    proptest! {
        #[test]
        fn any_text_is_an_expression_or_none(source in "[a-z.\\[\\]{}()'\"?:&|!=<>+*/% 0-9-]{0,60}") {
            let _ = ask(&source);
        }
    }
}
