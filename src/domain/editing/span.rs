//! Lengths of time as people write them: `90`, `5 min`, `1 d 12 h`.

/// The units, and their seconds. French days are `j`.
const UNITS: [(&str, u32); 7] = [
    ("d", 86_400),
    ("j", 86_400),
    ("h", 3_600),
    ("min", 60),
    ("m", 60),
    ("s", 1),
    ("", 1),
];

/// `seconds` exactly, in the largest units.
#[must_use]
pub fn text(seconds: u32) -> String {
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, size) in [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)] {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            parts.push(format!("{count} {unit}"));
        }
    }
    if parts.is_empty() {
        "0 s".to_owned()
    } else {
        parts.join(" ")
    }
}

/// The seconds of `text`: whole numbers, each with its unit, the larger units first; a number alone is seconds. None if it is something else
/// or longer than [`super::LONGEST`].
#[must_use]
pub fn parse(text: &str) -> Option<u32> {
    let mut rest = text.trim();
    let mut total: u32 = 0;
    let mut smallest = u32::MAX;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit = unit.to_ascii_lowercase();
        let (_, size) = UNITS.into_iter().find(|(word, _)| *word == unit)?;
        // A number without a unit stands alone.
        if size >= smallest || unit.is_empty() && (smallest != u32::MAX || !after.is_empty()) {
            return None;
        }
        smallest = size;
        total = number
            .parse::<u32>()
            .ok()?
            .checked_mul(size)?
            .checked_add(total)?;
        rest = after.trim_start();
    }
    (total <= super::LONGEST).then_some(total)
}
