//! Who may call what. Pure.
//!
//! The rules of a method count, else those of its service, else those of `*`. Where there is no rule at all, whoever is
//! known for sure may call everything; where there are some, what none is for may be called by nobody.

use super::{Caller, Proof};
use std::collections::HashMap;

/// Whom a rule lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// Everybody, also who is not known.
    Anyone,
    /// Whoever is known for sure.
    Proved,
    /// Whoever is known for sure by one of these names.
    Named(Vec<String>),
    /// Whoever says one of these names.
    Said(Vec<String>),
}

/// All rules, by what they are for: `a.B/C`, `a.B` or `*`.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules(HashMap<String, Vec<Whom>>);

/// What is decided about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// Somebody who is known might be.
    WantsProof,
    /// This one is not.
    Denied,
}

impl Whom {
    fn lets_in(&self, caller: Option<&Caller>) -> bool {
        let is_one = |names: &[String], caller: &Caller| names.iter().any(|name| caller.names().contains(name));
        match (self, caller) {
            (Self::Anyone, _) => true,
            (_, None) => false,
            (Self::Proved, Some(caller)) => caller.is_proved(),
            (Self::Named(names), Some(caller)) => caller.is_proved() && is_one(names, caller),
            (Self::Said(names), Some(caller)) => {
                matches!(caller.proof(), Proof::Said | Proof::Certificate | Proof::Token) && is_one(names, caller)
            }
        }
    }
}

impl Rules {
    /// Adds a rule.
    pub(super) fn add(&mut self, what: &str, whom: Whom) {
        self.0.entry(what.trim_start_matches('/').to_owned()).or_default().push(whom);
    }

    /// May this caller call the method of this path, `/a.B/C`, of this service?
    pub(super) fn judge(&self, path: &str, service: &str, caller: Option<&Caller>) -> Verdict {
        const UNSAID: &[Whom] = &[Whom::Proved];
        let rules = match self.0.is_empty() {
            true => UNSAID,
            false => [path.trim_start_matches('/'), service, "*"]
                .iter()
                .find_map(|what| self.0.get(*what))
                .map_or(&[][..], Vec::as_slice),
        };
        if rules.iter().any(|whom| whom.lets_in(caller)) {
            return Verdict::Allowed;
        }
        // Who is not known for sure, and would perhaps be let in if it were, is told to show who it is.
        let unknown = !caller.is_some_and(Caller::is_proved);
        if unknown && !rules.is_empty() { Verdict::WantsProof } else { Verdict::Denied }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str, proof: Proof) -> Caller {
        Caller::new((!name.is_empty()).then(|| name.to_owned()), proof)
    }

    #[test]
    fn the_closest_rule_counts_and_what_none_is_for_is_denied() {
        let mut rules = Rules::default();
        rules.add("a.B", Whom::Named(vec!["site".to_owned()]));
        rules.add("/a.B/Open", Whom::Anyone);
        rules.add("a.B/Trusting", Whom::Said(vec!["old".to_owned()]));
        rules.add("a.C", Whom::Proved);
        let (site, other) = (caller("site", Proof::Certificate), caller("other", Proof::Token));
        let (said, shared) = (caller("site", Proof::Said), caller("", Proof::SharedToken));
        use Verdict::{Allowed, Denied, WantsProof};
        for (path, service, who, verdict) in [
            ("/a.B/Get", "a.B", Some(&site), Allowed),
            ("/a.B/Get", "a.B", Some(&other), Denied),
            ("/a.B/Get", "a.B", Some(&said), WantsProof),
            ("/a.B/Get", "a.B", Some(&shared), Denied),
            ("/a.B/Get", "a.B", None, WantsProof),
            ("/a.B/Open", "a.B", None, Allowed),
            ("/a.B/Trusting", "a.B", Some(&caller("old", Proof::Said)), Allowed),
            ("/a.B/Trusting", "a.B", Some(&caller("old", Proof::Token)), Allowed),
            ("/a.B/Trusting", "a.B", Some(&site), Denied),
            ("/a.C/Get", "a.C", Some(&shared), Allowed),
            ("/a.C/Get", "a.C", Some(&said), WantsProof),
            ("/a.D/Get", "a.D", Some(&site), Denied),
            ("/a.D/Get", "a.D", None, Denied),
        ] {
            assert_eq!(rules.judge(path, service, who), verdict, "{path} {who:?}");
        }
        rules.add("*", Whom::Anyone);
        assert_eq!(rules.judge("/a.D/Get", "a.D", None), Allowed);
        assert_eq!(rules.judge("/a.B/Get", "a.B", None), WantsProof, "`*` is for the rest");
    }

    #[test]
    fn without_rules_whoever_is_known_may_call() {
        let rules = Rules::default();
        assert_eq!(rules.judge("/a.B/C", "a.B", Some(&caller("x", Proof::Certificate))), Verdict::Allowed);
        assert_eq!(rules.judge("/a.B/C", "a.B", Some(&caller("x", Proof::Said))), Verdict::WantsProof);
        assert_eq!(rules.judge("/a.B/C", "a.B", None), Verdict::WantsProof);
    }
}
