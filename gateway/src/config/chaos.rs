//! Faults on purpose, as the file says them. Pure.

use super::{
    keys::CHAOS,
    problem::Problems,
    route::{RouteConfig, conditions},
    scope::Scope,
};
use crate::chaos::{ChaosRule, End, refusing};

/// Reads one rule.
pub(super) fn read(at: Scope<'_>) -> Option<ChaosRule> {
    let fields = at.fields(&CHAOS);
    let abort = |at: Scope<'_>| {
        at.read(|node| {
            let status = node.number().map_err(|error| error.why)?;
            refusing(status).ok_or_else(|| "it should be a status from 400 to 599".to_owned())
        })
    };
    let (delay, status, reset) = (fields.duration("delay"), fields.get("abort", abort), fields.boolean("reset"));
    if delay.is_none() && !fields.has("abort") && !reset {
        at.wrong("nothing happens: it has neither a delay, nor an abort, nor a reset");
    }
    if fields.has("abort") && reset {
        at.wrong("what is refused has no answer to lose: it has both an abort and a reset");
    }
    if !fields.has("percentage") {
        at.wrong("`percentage` is missing");
    }
    let percentage = fields.number("percentage", 0, 100);
    Some(ChaosRule {
        name: fields.must("name", |at| at.text().map(str::to_owned))?,
        routes: fields.texts("routes"),
        conditions: conditions(&fields),
        share: ChaosRule::share(percentage?),
        delay,
        end: status.map(End::Abort).or(reset.then_some(End::Reset)),
    })
}

/// Notes what each rule alone does not show. `line` is where they stand.
pub(super) fn fit(rules: &[ChaosRule], line: usize, routes: &[RouteConfig], problems: &Problems) {
    for rule in rules {
        for name in rule.routes.iter().filter(|name| !routes.iter().any(|route| route.name == **name)) {
            let near = mainstay_registry::nearest(name, routes.iter().map(|route| route.name.as_str()));
            let hint = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
            problems.add(line, "chaos", format!("{}: there is no route `{name}`{hint}", rule.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    const FILE: &str = "listeners: [{address: 127.0.0.1:0}]\nroutes: [{name: pages, match: {}, respond: {}}]\nchaos: ";

    #[test]
    fn rules_are_read_and_what_is_wrong_is_told() {
        let read = |rule: &str| format!("{FILE}[{rule}]").parse::<Config>();
        let rule = "{name: late, routes: [pages], headers: {x-chaos: yes}, percentage: 50, delay: 200ms, abort: 503}";
        let config = read(rule).unwrap();
        assert_eq!((config.chaos.len(), config.chaos[0].conditions.len()), (1, 1));
        for (rule, why) in [
            ("{name: a, percentage: 5}", "nothing happens"),
            ("{name: a, delay: 1s}", "`percentage` is missing"),
            ("{name: a, percentage: 101, delay: 1s}", "from 0 to 100"),
            ("{name: a, percentage: 5, abort: 200}", "from 400 to 599"),
            ("{name: a, percentage: 5, abort: 503, reset: true}", "no answer to lose"),
            ("{name: a, percentage: 5, reset: true, routes: [page]}", "did you mean `pages`?"),
            ("{percentage: 5, reset: true}", "`name` is missing"),
        ] {
            let refused = read(rule).unwrap_err().to_string();
            assert!(refused.contains(why), "{rule}: {refused}");
        }
    }
}
