//! Query strings: what is listed is there, and what is encoded comes back.
#![no_main]

#[path = "../rules/query.rs"]
mod rule;

libfuzzer_sys::fuzz_target!(|input: &[u8]| rule::check(input));
