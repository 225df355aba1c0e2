//! The services of the benchmark and who offers them: an application each, whose instances listen on one port of many hosts.

use mainstay_registry::{Instance, InstanceId, Registration, ServiceKey};

/// How many services there are.
pub(crate) const COUNT: usize = 100;
/// How many instances there may be.
pub(crate) const MOST: usize = 100_000;
/// The weight of who never changes; who changes weighs more, each time another weight.
pub(crate) const STILL: u32 = 100;

pub(crate) fn key(service: usize) -> ServiceKey {
    ServiceKey::new(format!("bench.v1.Service{service:02}"))
}

/// What instance `number` of `service` registers. Nobody connects to it.
pub(crate) fn registration(service: usize, number: usize) -> Registration {
    let host = format!("10.{service}.{}.{}", number / 250, number % 250 + 1);
    let id = InstanceId::new(format!("{service}-{number}"));
    let mut instance = Instance::new(format!("app-{service:02}"), host, 20880).with_id(id).with_weight(STILL);
    instance.started_at = 1_700_000_000_000;
    Registration::new(instance, [key(service)])
}
