//! Messages in any charset: what is read keeps its bounds, and a text that goes out in an element comes back.
#![no_main]

#[path = "../rules/xml.rs"]
mod rule;

libfuzzer_sys::fuzz_target!(|input: &[u8]| rule::check(input));
