//! What operators say over what a provider says of itself: Dubbo's overrides of the side `provider`. Pure.
//!
//! An instance has one weight, one set of labels and one place in the registry for all services that it offers. What a rule
//! changes is what is registered, so that each consumer sees it, ours and Dubbo's; what the program said comes back when the
//! rule ends.

use super::{
    book::Rules,
    overrides::{FIXED_OF_PROVIDERS, Override},
    subject::{Consumer, Seen},
    tag::fit,
};
use mainstay_registry::{Instance, ServiceKey};
use std::collections::BTreeMap;

/// What is registered otherwise than the program says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    weight: Option<u32>,
    /// It is not to be found at all.
    disabled: bool,
    labels: BTreeMap<String, String>,
}

impl Rules {
    /// What they make of this instance, which offers these services. A later rule counts more than an earlier one.
    pub(crate) fn offer(&self, instance: &Instance, services: &[ServiceKey]) -> Offer {
        let mut offer = Offer::default();
        let parts = self.overrides.iter().flat_map(|(_, rule)| rule.parts());
        for part in parts.filter(|part| part.is_of_provider(instance, services)) {
            part.parameters.iter().for_each(|(name, value, _)| offer.say(name, value));
        }
        offer
    }
}

impl Offer {
    /// The instance is to be taken out of the registry.
    pub(crate) fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// Puts it over what the program says.
    pub(crate) fn apply(&self, instance: &mut Instance) {
        instance.weight = self.weight.unwrap_or(instance.weight);
        instance.labels.extend(self.labels.clone());
    }

    fn say(&mut self, name: &str, value: &str) {
        match name {
            // What is no number was refused with the rule.
            "weight" => self.weight = value.parse().ok().or(self.weight),
            "disabled" => self.disabled = value == "true",
            "enabled" => self.disabled = value == "false",
            name if FIXED_OF_PROVIDERS.contains(&name.rsplit('.').next().unwrap_or(name)) => {}
            name => drop(self.labels.insert(name.to_owned(), value.to_owned())),
        }
    }
}

impl Override {
    /// It is about this instance.
    fn is_of_provider(&self, instance: &Instance, services: &[ServiceKey]) -> bool {
        let (host, port) = (&instance.host, instance.port);
        let among =
            |places: &[super::pattern::Place]| places.is_empty() || places.iter().any(|place| place.fits(host, port));
        let named = |key: &ServiceKey| self.names(Some(&instance.application), &key.to_string());
        let fits = |key: &ServiceKey| fit(&self.matches.labels, &Seen::new(instance), &Consumer::of(key.clone()));
        among(&self.places)
            && among(&self.providers)
            && self.matches.place.as_ref().is_none_or(|place| place.fits(host, port))
            && self.matches.provider.as_ref().is_none_or(|place| place.fits(host, port))
            && services.iter().any(|key| named(key) && fits(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Book;
    use mainstay_registry::config::{Config, ConfigSight, ConfigVersion};

    fn instance() -> Instance {
        Instance::new("stock", "10.0.0.7", 7001).with_label("env", "blue")
    }

    /// What becomes of the instance by one rule of its application.
    fn offered(rule: &str) -> (u32, bool, BTreeMap<String, String>) {
        let keys = [ServiceKey::new("a.Stock").with_version("1")];
        let mut book = Book::of_provider("stock", &keys);
        let config = Config::new(rule, ConfigVersion::new("1"));
        let state = book.hear(0, &ConfigSight::Present(config)).clone();
        assert_eq!(state.refused, None, "{rule}");
        let offer = book.rules().offer(&instance(), &keys);
        let mut instance = instance();
        offer.apply(&mut instance);
        (instance.weight, offer.is_disabled(), instance.labels)
    }

    #[test]
    fn it_is_about_whom_the_rule_names() {
        for (whom, is_meant) in [
            ("", true),
            ("addresses: [0.0.0.0]", true),
            ("addresses: [10.0.0.7]", true),
            ("addresses: ['10.0.0.7:7001']", true),
            ("addresses: ['10.0.0.7:7002']", false),
            ("addresses: [10.0.0.8]", false),
            ("providerAddresses: ['10.0.0.*:7001']", true),
            ("providerAddresses: ['10.0.1.*:7001']", false),
            ("applications: [stock]", true),
            ("applications: [site]", false),
            ("services: ['*']", true),
            ("services: ['a.Stock:1']", true),
            ("services: ['a.Desk']", false),
            ("match: {address: {wildcard: '10.0.0.*'}}", true),
            ("match: {param: [{key: env, value: {exact: blue}}]}", true),
            ("match: {param: [{key: env, value: {exact: green}}]}", false),
            ("match: {service: {oneof: [{prefix: a.S}]}}", true),
            ("match: {app: {oneof: [{exact: site}]}}", false),
            ("enabled: false\n    type: weight", false),
        ] {
            let rule = format!("configs:\n  - side: provider\n    parameters: {{weight: 7}}\n    {whom}\n");
            assert_eq!(offered(&rule).0 == 7, is_meant, "{whom}");
        }
    }

    #[test]
    fn weight_labels_and_the_place_in_the_registry_change_and_nothing_else() {
        let rule =
            |parameters: &str| offered(&format!("configs:\n  - side: provider\n    parameters: {{{parameters}}}\n"));
        let blue = instance().labels;
        assert_eq!(rule("weight: 0"), (0, false, blue.clone()));
        assert_eq!(rule("disabled: true"), (100, true, blue.clone()));
        assert_eq!(rule("enabled: false"), (100, true, blue.clone()));
        assert_eq!(rule("timeout: 9, Level.retries: 1, token: x, loadbalance: random"), (100, false, blue.clone()));
        let green = [("env", "green"), ("region", "hz")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(rule("env: green, region: hz"), (100, false, green.into()));
        let two = "configs:\n  - {side: provider, parameters: {weight: 7, disabled: true}}\n  - {side: provider, parameters: {disabled: false}}\n";
        assert_eq!(offered(two), (7, false, blue), "the later counts");
    }

    #[test]
    fn what_cannot_be_changed_is_told() {
        let mut book = Book::of_provider("stock", &[ServiceKey::new("a.Stock")]);
        let rule = "configs:\n  - side: provider\n    parameters:\n      weight: 7\n      timeout: 9\n";
        let state = book.hear(0, &ConfigSight::Present(Config::new(rule, ConfigVersion::new("1"))));
        assert_eq!(state.notes.iter().map(|note| note.line).collect::<Vec<_>>(), [5], "{state}");
    }
}
