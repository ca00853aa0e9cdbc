//! Files of records of the spool: every byte is in exactly one place, what was written is found whatever lies beside it, and no content of a
//! record stops the start.

use fusion_sidecar::spool::stretches::{Is, Stretch, found, message, moved, stretches};

pub(crate) fn check(input: &[u8]) {
    let Some((mark, bytes)) = input.split_first_chunk::<8>() else {
        return;
    };
    let marked = bytes.windows(mark.len()).any(|part| part == mark);
    let mark = u64::from_le_bytes(*mark);
    whole(bytes, mark);

    let first = message(mark, bytes, b"body").unwrap();
    let last = message(mark, b"{}", bytes).unwrap();
    let file = [&first[..], bytes, &last].concat();
    let parts = whole(&file, mark);
    assert!(is_record(&parts[0], 0, &first, bytes));
    // What lies between may itself be a head that reaches further.
    if !marked {
        let at = file.len() - last.len();
        assert!(is_record(&parts[parts.len() - 1], at, &last, b"{}"));
        assert_eq!(parts.len(), if bytes.is_empty() { 2 } else { 3 });
    }
    // Cut off anywhere, what is whole is still there.
    let cut = bytes.first().map_or(0, |byte| usize::from(*byte)) % last.len();
    let parts = whole(&file[..file.len() - cut], mark);
    assert!(is_record(&parts[0], 0, &first, bytes));

    let moves = moved(mark, bytes).unwrap();
    for moves in [bytes, &moves] {
        for segment in [bytes, &file] {
            let (recovery, ids) = found(segment, moves, mark).unwrap();
            assert_eq!((recovery.segments, recovery.unreadable.len()), (1, 0));
            assert_eq!(recovery.waiting + recovery.parked, ids.len() as u64);
        }
    }
}

/// The parts of `file`, which are all of it.
fn whole(file: &[u8], mark: u64) -> Vec<Stretch> {
    let parts = stretches(file, mark).unwrap();
    let mut at = 0;
    for part in &parts {
        assert!(part.from == at && part.to > at, "{parts:?}");
        at = part.to;
    }
    assert_eq!(at, file.len() as u64);
    parts
}

fn is_record(part: &Stretch, at: usize, record: &[u8], meta: &[u8]) -> bool {
    let is = Is::Record {
        meta: meta.to_vec(),
        sound: true,
    };
    part.from == at as u64 && part.to == (at + record.len()) as u64 && part.is == is
}
