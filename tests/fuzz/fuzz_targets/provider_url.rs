//! The name of a provider's node in ZooKeeper: whatever it is, it is read or skipped, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainstay_registry::dubbo::ProviderUrl;

fuzz_target!(|name: &str| {
    let Ok(url) = ProviderUrl::from_node(name) else { return };
    assert_eq!(ProviderUrl::from_node(&url.to_node()), Ok(url.clone()));
    let _ = url.offered(url.interface());
});
