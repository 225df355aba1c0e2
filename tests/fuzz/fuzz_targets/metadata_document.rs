//! The document of what an application offers: whatever it is, it is read or refused, and every service of it has a reason.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use mainstay_registry::dubbo::{MetadataInfo, ServiceInstance};

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = MetadataInfo::from_json(bytes) else { return };
    let instance = ServiceInstance::new("a", "h", 1, BTreeMap::new());
    for service in document.services.values() {
        let _ = document.offered(&instance, &service.name);
    }
});
