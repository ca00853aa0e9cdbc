//! PHP's `serialize` format and the criteria of groups in it: bounded depth, and a value that is written comes back.
#![no_main]

#[path = "../rules/php.rs"]
mod rule;

libfuzzer_sys::fuzz_target!(|input: &[u8]| rule::check(input));
