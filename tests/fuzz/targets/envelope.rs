//! Bodies in any coding: nothing inflates past the limit, and what is sealed opens again.
#![no_main]

#[path = "../rules/envelope.rs"]
mod rule;

libfuzzer_sys::fuzz_target!(|input: &[u8]| rule::check(input));
