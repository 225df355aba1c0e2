//! Everything that one registration wants written, in both of Dubbo's levels. Pure.
//!
//! It is written in the order of the fields and taken back in reverse: whoever finds an instance finds all that it refers
//! to. What is too much for the server is found before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    names,
    text::TextName,
    url::Place,
    wire::{Host, Service},
};
use crate::{
    dubbo::{MAX_METADATA, MetadataInfo, ServiceInstance},
    error::RegistryError,
    instance::Registration,
};

/// What is wanted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// The interface level: what stands under each service.
    pub(super) providers: BTreeMap<Service, Host>,
    /// The application level, if it is wanted.
    pub(super) application: Option<ApplicationPlan>,
}

/// The application level.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ApplicationPlan {
    /// The application, which each of the lists at `mappings` should name.
    pub(super) name: String,
    pub(super) mappings: BTreeSet<TextName>,
    /// What it offers: the name of the document, which says its revision, and the document.
    pub(super) document: TextName,
    pub(super) content: String,
    /// What stands under the application.
    pub(super) service: Service,
    pub(super) host: Host,
}

/// Something that is to be seen by strangers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mark<'a> {
    Instance(&'a Service, &'a Host),
    /// The application stands in this list.
    Mapped(&'a TextName, &'a str),
    Stored(&'a TextName, &'a str),
}

impl Plan {
    /// What `registration` wants at `place`.
    ///
    /// # Errors
    /// [`RegistryError::TooLarge`].
    pub(super) fn of(registration: &Registration, place: &Place) -> Result<Self, RegistryError> {
        let one = |key| {
            let service = names::service(&place.namespace, &place.group, names::service_name(key));
            Ok((service, names::host(registration, key)?))
        };
        let keys = registration.keys.iter().filter(|_| place.mode.interface());
        let providers = keys.map(one).collect::<Result<_, RegistryError>>()?;
        // Servers of a backend are found by their interface alone: several watchers tell of the same ones, and each of their
        // views counts.
        let wanted = place.mode.instance() && registration.instance.role.is_none() && !registration.keys.is_empty();
        let application = if wanted { ApplicationPlan::of(registration, place)? } else { None };
        Ok(Self { providers, application })
    }

    /// The same, as the `change`th that is said of this registration; the first, 0, needs no number.
    ///
    /// # Errors
    /// [`RegistryError::TooLarge`].
    pub(super) fn numbered(mut self, change: u64) -> Result<Self, RegistryError> {
        if change > 0 {
            let application = self.application.iter_mut().map(|plan| &mut plan.host);
            self.providers.values_mut().chain(application).try_for_each(|host| names::say_change(host, change))?;
        }
        Ok(self)
    }

    /// All that is to be seen, in the order in which it is written.
    pub(super) fn marks(&self) -> Vec<Mark<'_>> {
        let mut marks: Vec<_> = self.providers.iter().map(|(service, host)| Mark::Instance(service, host)).collect();
        if let Some(plan) = &self.application {
            marks.extend(plan.mappings.iter().map(|name| Mark::Mapped(name, &plan.name)));
            marks.push(Mark::Stored(&plan.document, &plan.content));
            marks.push(Mark::Instance(&plan.service, &plan.host));
        }
        marks
    }

    /// All instances, in the order in which they are written.
    pub(super) fn instances(&self) -> impl Iterator<Item = (&Service, &Host)> {
        let application = self.application.iter().map(|plan| (&plan.service, &plan.host));
        self.providers.iter().chain(application)
    }
}

impl ApplicationPlan {
    /// None where Nacos takes no such names: what has none there is found by its interface alone.
    fn of(registration: &Registration, place: &Place) -> Result<Option<Self>, RegistryError> {
        let name = registration.instance.application.clone();
        let info = MetadataInfo::of(registration);
        let mapping = |interface: &str| names::mapping(&place.namespace, interface);
        let mappings: Option<_> = registration.keys.iter().map(|key| mapping(&key.interface)).collect();
        let document = names::document(&place.namespace, &name, &info.revision);
        let (Some(mappings), Some(document), true) = (mappings, document, names::is_application(&name)) else {
            return Ok(None);
        };
        let host = names::application_host(&ServiceInstance::of(registration, &info))?;
        let (content, limit) = (info.to_json(), MAX_METADATA);
        if content.len() > limit {
            let what = format!("the document of the application {name} for Nacos");
            return Err(RegistryError::TooLarge { what, size: content.len(), limit });
        }
        let service = names::service(&place.namespace, &place.group, name.clone());
        Ok(Some(Self { name, mappings, document, content, service, host }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instance, InstanceId, Role, ServiceKey, url::RegistryUrl};

    fn place(mode: &str) -> Place {
        Place::of(&RegistryUrl::parse(&format!("nacos://h/n?group=G&register-mode={mode}")).unwrap()).unwrap()
    }

    fn registration(application: &str) -> Registration {
        let instance = Instance::told(InstanceId::new("1"), application, "10.0.0.5", 50051);
        Registration::new(instance, ["a.B:1", "g/a.B:2", "a.C$D"].map(|key| key.parse::<ServiceKey>().unwrap()))
    }

    fn spoken(mark: &Mark<'_>) -> String {
        match mark {
            Mark::Instance(service, host) => format!("{} {}:{}", service.service_name, host.ip, host.port),
            Mark::Mapped(name, application) => format!("{application} in {name}"),
            Mark::Stored(name, _) => format!("{name}"),
        }
    }

    #[test]
    fn what_changed_is_numbered_at_both_levels_and_what_never_did_is_not() {
        let plan = Plan::of(&registration("stock"), &place("all")).unwrap();
        assert_eq!(plan.clone().numbered(0).unwrap(), plan);
        let numbered = plan.clone().numbered(7).unwrap();
        let change = |(_, host): (&Service, &Host)| host.metadata["mainstay.change"].clone();
        assert_eq!(numbered.instances().map(change).collect::<Vec<_>>(), vec![Some("7".to_owned()); 4]);
        let mut large = registration("stock");
        let size = |plan: &Plan| {
            let one = |host: &Host| -> usize {
                host.metadata.iter().map(|(name, value)| name.len() + value.as_ref().unwrap().len()).sum()
            };
            plan.instances().map(|(_, host)| one(host)).max().unwrap()
        };
        large.instance.labels.insert("x".to_owned(), String::new());
        let empty = size(&Plan::of(&large, &place("interface")).unwrap());
        large.instance.labels.insert("x".to_owned(), "y".repeat(names::MAX_METADATA - empty));
        let full = Plan::of(&large, &place("interface")).unwrap();
        assert!(matches!(full.numbered(1), Err(RegistryError::TooLarge { limit: 1024, .. })));
    }

    #[test]
    fn both_levels_are_written_where_dubbo_looks_and_the_instance_last() {
        let plan = Plan::of(&registration("stock"), &place("all")).unwrap();
        let revision = MetadataInfo::of(&registration("stock")).revision;
        let document = format!("{revision}/stock");
        let expected = [
            "providers:a.B:1: 10.0.0.5:50051",
            "providers:a.B:2:g 10.0.0.5:50051",
            "providers:a.C___D:: 10.0.0.5:50051",
            "stock in mapping/a.B",
            "stock in mapping/a.C___D",
            document.as_str(),
            "stock 10.0.0.5:50051",
        ];
        assert_eq!(plan.marks().iter().map(spoken).collect::<Vec<_>>(), expected);
        assert_eq!(plan.instances().count(), 4);
        let application = plan.application.unwrap();
        assert_eq!(application.service, names::service("n", "G", "stock".to_owned()));
        assert_eq!(application.host.metadata["dubbo.metadata.revision"], Some(revision.clone()));
        assert_eq!(MetadataInfo::of_revision(application.content.as_bytes(), &revision).unwrap().services.len(), 3);
    }

    #[test]
    fn a_level_is_left_out_where_the_url_says_so_or_nobody_could_find_it() {
        for (mode, providers, application) in [("interface", 3, false), ("instance", 0, true), ("all", 3, true)] {
            let plan = Plan::of(&registration("stock"), &place(mode)).unwrap();
            assert_eq!((plan.providers.len(), plan.application.is_some()), (providers, application), "{mode}");
        }
        for application in ["", "two words", "providers:a.B::", "bücher"] {
            assert_eq!(Plan::of(&registration(application), &place("all")).unwrap().application, None, "{application}");
        }
        let backend = Registration::of_backend("mymaster", "10.0.0.1", 6379, Role::Primary, 7);
        let plan = Plan::of(&backend, &place("all")).unwrap();
        assert_eq!((plan.providers.len(), plan.application), (1, None));
    }

    #[test]
    fn what_is_too_large_is_refused_by_name() {
        let mut large = registration("stock");
        large.instance.zone = Some("z".repeat(1000));
        let why = Plan::of(&large, &place("instance")).unwrap_err().to_string();
        assert!(why.contains("the metadata of the application stock for Nacos takes 1"), "{why}");
        let mut many = registration("stock");
        let key = many.keys[0].clone();
        many = many.with_methods(key, [&"m".repeat(MAX_METADATA)]);
        let why = Plan::of(&many, &place("instance")).unwrap_err().to_string();
        assert!(why.contains("the document of the application stock"), "{why}");
    }
}
