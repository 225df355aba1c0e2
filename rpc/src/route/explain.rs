//! What rules would do, for tools: the same keys, texts and plan as a client's, asked once.

use super::{Left, RuleState, book::Book, subject::Consumer};
use crate::client::Avoided;
use mainstay_registry::{
    Instance, Lookup,
    config::{ConfigCenter, ConfigSight},
};
use std::sync::Arc;

/// Whose calls are asked about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Question {
    /// What is looked up.
    pub lookup: Lookup,
    /// The application that calls.
    pub consumer: Option<String>,
    /// The tag of its calls.
    pub tag: Option<String>,
    /// The zone that it is in.
    pub zone: Option<String>,
}

/// What rules make of calls of which nothing more is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// How it stands with each key.
    pub rules: Vec<RuleState>,
    /// Of each instance, in the order of the question: why it gets none of them, and which rule says so, where one does.
    pub instances: Vec<Option<(Avoided, Option<String>)>>,
}

impl Question {
    /// About calls of which no more is known than what is looked up.
    pub fn new(lookup: Lookup) -> Self {
        Self { lookup, consumer: None, tag: None, zone: None }
    }

    /// Reads the rules that are there now, with the centre's eyes, and says what they make of these instances. A centre that does
    /// not answer for a key is told in its state. Cancel-safe: nothing is changed anywhere.
    pub async fn explain<'a>(
        &self,
        center: &dyn ConfigCenter,
        instances: impl Iterator<Item = &'a Instance> + Clone,
    ) -> Explanation {
        let mut consumer = Consumer::of(self.lookup.key.clone());
        (consumer.application, consumer.tag) = (self.consumer.clone(), self.tag.clone());
        consumer.labels.extend(self.zone.iter().map(|zone| ("zone".to_owned(), zone.clone())));
        let mut book = Book::new(&consumer, self.lookup.application.as_deref());
        let keys: Vec<_> = book.keys().cloned().collect();
        for (index, key) in keys.iter().enumerate() {
            let sight = match center.get(key).await {
                Ok(Some(config)) => ConfigSight::Present(config),
                Ok(None) => ConfigSight::Absent,
                Err(error) => ConfigSight::Unknown { why: error.to_string() },
            };
            book.hear(index, &sight);
        }
        let plan = book.rules().plan(&Arc::new(consumer), instances.clone());
        let left = |place| plan.as_ref().and_then(|plan| plan.left(place)).map(Left::told);
        Explanation { rules: book.states(), instances: (0..instances.count()).map(left).collect() }
    }
}

impl Left {
    /// As others are told: the code, and the rule.
    pub(crate) fn told(self) -> (Avoided, Option<String>) {
        let (avoided, rule) = match self {
            Self::Off(rule) => (Avoided::Disabled, Some(rule)),
            Self::Tag(rule) => (Avoided::OtherTag, rule),
            Self::Elsewhere(rule) => (Avoided::RoutedAway, Some(rule)),
        };
        (avoided, rule.map(|rule| rule.as_ref().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_registry::{
        MemoryConfig, ServiceKey,
        config::{ConfigKey, Expected},
    };

    #[tokio::test]
    async fn it_says_what_a_client_would_do() {
        let center = MemoryConfig::new();
        let publish = async |name: &str, text: &str| {
            center.publish(&ConfigKey::new(name).unwrap(), text, Expected::Any).await.unwrap();
        };
        publish("stock.condition-router", "conditions: [\"application=web => env=v1\"]\n").await;
        publish("stock.tag-router", "tgas: []\n").await;
        let one = |env: &str| Instance::new("stock", "h", 1).with_label("env", env);
        let instances = [one("v1"), one("v2"), one("v1").with_label("dubbo.tag", "gray")];
        let mut lookup = Lookup::new(ServiceKey::new("a.B"));
        lookup.application = Some("stock".to_owned());
        let mut question = Question::new(lookup);
        let told = question.explain(&center, instances.iter()).await;
        assert_eq!(told.instances, [None, None, Some((Avoided::OtherTag, None))]);
        assert_eq!(told.rules[0].refused.as_ref().map(|error| error.line), Some(1));
        question.consumer = Some("web".to_owned());
        let told = question.explain(&center, instances.iter()).await;
        let rule = "dubbo/stock.condition-router line 1".to_owned();
        assert_eq!(told.instances[1], Some((Avoided::RoutedAway, Some(rule))));
    }
}
