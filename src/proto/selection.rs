//! What somebody was shown before they confirmed it: rows by number, in groups, in a form's field.
//!
//! Runs are prepared in one go, so their ids lie close together: differences as variable-length numbers (LEB128), deflated, in URL-safe
//! base64. Twenty thousand runs take some hundred bytes, or some ten thousand where their ids are scattered.

use std::io::Read as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// Groups (jobs, say) with rows each (runs, say).
pub type Selection = Vec<(u32, Vec<u64>)>;

/// Longest that one row takes, bytes.
const LONGEST: usize = 10;

/// How many rows it has.
#[must_use]
pub fn rows(selection: &Selection) -> usize {
    selection.iter().map(|(_, rows)| rows.len()).sum()
}

/// `selection` as text. The rows of each group must rise.
#[must_use]
pub fn pack(selection: &Selection) -> String {
    let mut bytes = Vec::new();
    let mut add = |mut value: u64| {
        loop {
            let low = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                bytes.push(low);
                return;
            }
            bytes.push(low | 0x80);
        }
    };
    for (group, rows) in selection {
        add(u64::from(*group));
        add(rows.len() as u64);
        let mut last = 0;
        for row in rows {
            add(row.wrapping_sub(last));
            last = *row;
        }
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(&bytes).and_then(|()| encoder.finish());
    // Writing into memory does not fail.
    URL_SAFE_NO_PAD.encode(packed.unwrap_or_default())
}

/// What [`pack`] made, if it is that: of at most so many rows and groups, those of each group rising.
#[must_use]
pub fn unpack(text: &str, most: usize) -> Option<Selection> {
    let packed = URL_SAFE_NO_PAD.decode(text).ok()?;
    let limit = most.saturating_mul(3 * LONGEST);
    let mut bytes = Vec::new();
    let decoder = DeflateDecoder::new(&*packed);
    let read = decoder
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .ok()?;
    if read > limit {
        return None;
    }
    let mut rest = bytes.as_slice();
    let (mut selection, mut count) = (Selection::new(), 0);
    while !rest.is_empty() {
        let group = u32::try_from(take(&mut rest)?).ok()?;
        let length = usize::try_from(take(&mut rest)?).ok()?;
        count += length.max(1);
        if count > most || length > rest.len() {
            return None;
        }
        let (mut rows, mut last) = (Vec::with_capacity(length), 0_u64);
        for _ in 0..length {
            let row = last.checked_add(take(&mut rest)?)?;
            if row <= last {
                return None;
            }
            rows.push(row);
            last = row;
        }
        selection.push((group, rows));
    }
    Some(selection)
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, after) = rest.split_first()?;
        *rest = after;
        let low = u64::from(first & 0x7f);
        if low << shift >> shift != low {
            return None;
        }
        value |= low << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(groups in vec((any::<u32>(), btree_set(1_u64.., 0..40)), 0..8)) {
            let selection: Selection = groups.into_iter().map(|(group, rows)| (group, rows.into_iter().collect())).collect();
            prop_assert_eq!(unpack(&pack(&selection), 1000), Some(selection));
        }

        #[test]
        fn whatever_is_sent_is_bounded(text in "[A-Za-z0-9_-]{0,60}", most in 0_usize..5) {
            if let Some(selection) = unpack(&text, most) {
                prop_assert!(rows(&selection) <= most && selection.len() <= most);
            }
        }
    }

    #[test]
    fn what_nobody_packed_is_none() {
        let packed = pack(&vec![(7, vec![1, 2, 3]), (8, vec![])]);
        assert_eq!(unpack(&packed, 4).map(|all| rows(&all)), Some(3));
        for (text, most) in [(packed.as_str(), 3), ("=", 9), ("é", 9), (&packed[1..], 9)] {
            assert_eq!(unpack(text, most), None, "{text} {most}");
        }
        assert_eq!(unpack(&pack(&vec![(1, vec![0])]), 9), None, "no row is 0");
        assert_eq!(unpack(&pack(&vec![(1, vec![2, 1])]), 9), None);
        // A bomb is not unpacked.
        let bomb = pack(&vec![(1, (1..2_000_000).collect())]);
        assert!(bomb.len() < 50_000 && unpack(&bomb, 1000).is_none());
    }

    #[test]
    fn twenty_thousand_runs_fit_into_a_form() {
        let together = pack(&vec![(1, (4_000_000..4_020_000).collect())]);
        assert!(together.len() < 1000, "{}", together.len());
        let scattered = (1_u64..=20_000).map(|at| 4_000_000 + at * 50 + at * at % 47);
        let scattered = pack(&vec![(1, scattered.collect())]);
        assert!(scattered.len() < 40_000, "{}", scattered.len());
    }
}
