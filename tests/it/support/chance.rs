//! What is chosen at random, so that it can be chosen again.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Choices that follow from the seed in the environment's `variable`, or from a new one. It is printed: a test that fails shows it.
pub(crate) fn seeded(variable: &str) -> StdRng {
    let seed = number(variable).unwrap_or_else(|| rand::rng().random());
    show(&format!("{variable}={seed}"));
    StdRng::seed_from_u64(seed)
}

/// The number in the environment's `variable`.
pub(crate) fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|error| panic!("{variable}: {error}")))
}

/// Says something to whoever runs a test with `--no-capture`.
#[expect(clippy::print_stdout, reason = "that is what it is for")]
pub(crate) fn show(line: &str) {
    println!("{line}");
}
