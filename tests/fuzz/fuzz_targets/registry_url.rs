//! What a person writes where a registry is asked for: an answer or a reason, and what is shown has no user in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainstay_registry::RegistryUrl;

fuzz_target!(|text: &str| {
    if let Ok(url) = RegistryUrl::parse(text) {
        let shown = url.to_string();
        assert!(RegistryUrl::parse(&shown).is_ok(), "{shown}");
    }
    let _ = mainstay_registry::check(text);
});
