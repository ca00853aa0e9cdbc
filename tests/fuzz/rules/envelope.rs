//! Bodies in any coding: nothing inflates past the limit, and what is sealed opens again.

use fusion_sidecar::proto::envelope::{Coding, open, seal};

/// Bytes after inflating.
const LIMIT: usize = 1 << 16;

/// The first byte chooses the content type, the rest is the body.
pub(crate) fn check(input: &[u8]) {
    let Some((kind, body)) = input.split_first() else {
        return;
    };
    let declared = [Coding::Plain, Coding::Zlib, Coding::Gzip, Coding::Deflate]
        .get(usize::from(*kind) % 5)
        .map(|coding| coding.content_type());
    match open(declared, body, LIMIT) {
        // A plain body is taken as it is: its length is the listener's matter.
        Ok(opened) => assert!(opened.body.len() <= LIMIT.max(body.len())),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let Ok(text) = std::str::from_utf8(body) else {
        return;
    };
    for coding in [Coding::Zlib, Coding::Gzip] {
        let sealed = seal(text, coding);
        let opened = open(Some(coding.content_type()), &sealed, text.len());
        assert!(opened.is_ok_and(|opened| opened.body == body && opened.answer == coding));
        if let Some(less) = text.len().checked_sub(1) {
            assert!(open(Some(coding.content_type()), &sealed, less).is_err());
        }
    }
}
