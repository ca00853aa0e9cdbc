//! Passwords as GLPI stores them.
//!
//! PHP's `password_hash` makes bcrypt (`$2y$`) or Argon2 (`$argon2i$`, `$argon2id$`). `Auth::checkPassword` of GLPI 10 also takes what old
//! versions stored: 32 hexadecimal digits are MD5, 40 are SHA-1, anything else is a salt of eight characters and the SHA-1 of salt and password.

use std::fmt::Write as _;

use argon2::password_hash::{PasswordHash, PasswordVerifier as _};
use argon2::{Argon2, Params};
use md5::Md5;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq as _;

/// Longest password that is looked at, bytes; bcrypt reads 72 of them.
pub const MOST_BYTES: usize = 4096;

/// The work factor of bcrypt that PHP takes by itself up to 8.3.
pub const USUAL_COST: u32 = 10;
/// Beyond it a stored hash would keep a core busy for minutes.
const MOST_COST: u32 = 16;
/// Most memory that a stored Argon2 hash may ask for, KiB: four times what PHP takes by itself.
const MOST_MEMORY: u32 = 256 * 1024;
/// Most passes that a stored Argon2 hash may ask for, times its lanes.
const MOST_PASSES: u32 = 64;

/// Whether `hash` is that of `password`. Takes a tenth of a second and more: not for a thread that others wait for.
#[must_use]
pub fn verify(password: &str, hash: &str) -> bool {
    // bcrypt ends a password at a NUL, and PHP refuses to hash one with it.
    if password.is_empty() || password.len() > MOST_BYTES || password.contains('\0') {
        return false;
    }
    if hash.starts_with("$2") {
        // `password_verify` reads all of these; those that a crypt of before 2011 made are beyond it.
        return cost(hash).is_some_and(|cost| cost <= MOST_COST)
            && bcrypt::verify(password, hash).unwrap_or(false);
    }
    if hash.starts_with("$argon2") {
        return argon2(password, hash).unwrap_or(false);
    }
    if hash.starts_with('$') {
        return false;
    }
    match hash.len() {
        32 => same(&hex(&Md5::digest(password)), hash),
        40 => same(&hex(&Sha1::digest(password)), hash),
        _ => hash.get(..8).is_some_and(|salt| {
            let digest = Sha1::new().chain_update(salt).chain_update(password);
            same(&format!("{salt}{}", hex(&digest.finalize())), hash)
        }),
    }
}

fn argon2(password: &str, hash: &str) -> Option<bool> {
    let hash = PasswordHash::new(hash).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let passes = params.t_cost().saturating_mul(params.p_cost());
    if params.m_cost() > MOST_MEMORY || passes > MOST_PASSES {
        return Some(false);
    }
    let verified = Argon2::default().verify_password(password.as_bytes(), &hash);
    Some(verified.is_ok())
}

/// The work factor of a bcrypt hash.
#[must_use]
pub fn cost(hash: &str) -> Option<u32> {
    hash.strip_prefix("$2")?.get(2..4)?.parse().ok()
}

/// As much work as [`verify`] has with a bcrypt hash of this `cost`, for an account that there is not.
pub fn work(password: &str, cost: u32) {
    let cost = cost.clamp(4, MOST_COST);
    let hash = format!("$2y${cost:02}$abcdefghijklmnopqrstuuILY6irRRauoWeFL7ywbLnISYRX9jblC");
    // The text itself is of no matter, and one with a NUL might be refused at once.
    let text = if password.is_empty() || password.contains('\0') {
        "-"
    } else {
        password
    };
    let _ = bcrypt::verify(text, &hash);
}

fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// Hashes of `glpi`, made by others: GLPI's installation (its account of that name), crypt(3), the reference implementation of Argon2,
    /// MD5 and SHA-1 of Python.
    #[rstest]
    #[case::installation("$2y$10$rXXzbc2ShaiCldwkw4AZL.n.9QSH7c0c9XJAyyjrbL9BwmWditAYm")]
    #[case::bcrypt("$2y$04$abcdefghijklmnopqrstuunJQqCybpbLdtmmyvOibltKi2IeZvLiO")]
    #[case::argon2id(
        "$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHRzb21lc2FsdA$5j9DFFGgBVV+6K1BZ1DhHb39EkOua1Qc+gO0gyRJUsg"
    )]
    #[case::argon2i(
        "$argon2i$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$HDTXo+yDFF1yHSHWjArZzHDFQa2KDk3kpwhQY4E9iNc"
    )]
    #[case::md5("41ece51526515624ff89973668497d00")]
    #[case::sha1("0915bd0a5c6e56d8f38ca2b390857d4949073f41")]
    #[case::salted_sha1("a1b2c3d4433b4da82015b5fb2aa1ae71034871ddafd5a9ca")]
    fn every_form_is_read(#[case] hash: &str) {
        assert!(verify("glpi", hash));
        for wrong in ["", "glp", "glpi ", "GLPI", "glpi\0", "\0"] {
            assert!(!verify(wrong, hash), "{wrong:?}");
        }
        // One digit less or other is no hash of it.
        assert!(!verify("glpi", &hash[..hash.len() - 1]));
        let other = if hash.ends_with('a') { "b" } else { "a" };
        assert!(!verify(
            "glpi",
            &format!("{}{other}", &hash[..hash.len() - 1])
        ));
    }

    #[test]
    fn bytes_of_utf8_and_the_first_72_count_as_in_php() {
        let umlaut = "$2y$04$abcdefghijklmnopqrstuuF7KK/SfP9IRGj0pPJMr8GdtCS8xpmpC";
        assert!(verify("p\u{e4}ss", umlaut) && !verify("pass", umlaut));
        let long = "$2y$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i";
        assert!(verify(&"x".repeat(80), long) && verify(&"x".repeat(72), long));
        assert!(!verify(&"x".repeat(71), long));
        assert!(!verify(&"x".repeat(MOST_BYTES + 1), long));
    }

    #[rstest]
    #[case::empty("")]
    #[case::unknown("$6$salt$hash")]
    #[case::too_dear("$2y$31$abcdefghijklmnopqrstuunJQqCybpbLdtmmyvOibltKi2IeZvLiO")]
    #[case::too_much_memory(
        "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$5j9DFFGgBVV+6K1BZ1DhHb39EkOua1Qc+gO0gyRJUsg"
    )]
    #[case::too_many_passes(
        "$argon2id$v=19$m=8,t=4000000,p=1$c29tZXNhbHRzb21lc2FsdA$5j9DFFGgBVV+6K1BZ1DhHb39EkOua1Qc+gO0gyRJUsg"
    )]
    fn what_is_none_is_refused_at_once(#[case] hash: &str) {
        let begun = std::time::Instant::now();
        assert!(!verify("glpi", hash));
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    }

    #[test]
    fn the_work_for_nobody_is_that_of_a_real_hash() {
        let took = |work: &dyn Fn()| {
            let begun = std::time::Instant::now();
            work();
            begun.elapsed()
        };
        let real = took(&|| {
            let hash = "$2y$10$rXXzbc2ShaiCldwkw4AZL.n.9QSH7c0c9XJAyyjrbL9BwmWditAYm";
            assert_eq!(cost(hash), Some(USUAL_COST));
            assert!(verify("glpi", hash));
        });
        for password in ["glpi", "", "a\0b"] {
            let spent = took(&|| work(password, USUAL_COST));
            assert!(spent > real / 4, "{spent:?} {real:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(password in ".{0,20}", hash in "([$]2y[$]0[0-9][$])?[ -~é]{0,60}") {
            let _ = verify(&password, &hash);
            let _ = cost(&hash);
        }
    }
}
