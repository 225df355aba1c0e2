//! The JSON of an application's instance: whatever it is, it is read or refused, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainstay_registry::dubbo::ServiceInstance;

fuzz_target!(|bytes: &[u8]| {
    let Ok(instance) = ServiceInstance::from_json(bytes) else { return };
    let _ = (instance.revision(), instance.source(), instance.endpoint("tri"));
    assert_eq!(ServiceInstance::from_json(instance.to_json(1).as_bytes()), Ok(instance));
});
