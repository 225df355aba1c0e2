//! What a server of Nacos sends: whatever it is, it is read or refused, and everybody whom it names is taken or skipped.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainstay_registry::nacos::read_message;

fuzz_target!(|bytes: &[u8]| {
    read_message(bytes);
});
