//! Records of the spool, as they are found after damage.
#![no_main]

#[path = "../rules/record.rs"]
mod rule;

libfuzzer_sys::fuzz_target!(|input: &[u8]| rule::check(input));
