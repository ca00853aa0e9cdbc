//! Messages in any charset: what is read keeps its bounds, and a text that goes out in an element comes back.

use fusion_sidecar::proto::charset::to_utf8;
use fusion_sidecar::proto::network;
use fusion_sidecar::proto::xml::{Element, Limits, Reply, parse_request};

pub(crate) fn check(body: &[u8]) {
    let text = to_utf8(body);
    // Reading twice changes nothing. A NUL may make UTF-16 of it, which no document has.
    if !text.contains('\0') {
        assert_eq!(
            to_utf8(text.as_bytes()).trim_start_matches('\u{feff}'),
            text.trim_start_matches('\u{feff}')
        );
    }
    let limits = Limits {
        max_depth: 16,
        max_elements: 1000,
        ..Limits::default()
    };
    if let Ok(request) = parse_request(&text, &limits) {
        // A looser limit reads the same.
        assert_eq!(parse_request(&text, &Limits::default()).ok(), Some(request));
    }
    let report = network::read(&text);
    assert!(report.errors.len() <= text.len());

    let reply = Reply::new()
        .child(Element::new("DEVICEID").text(&*text))
        .to_xml();
    let read = parse_request(&reply, &Limits::default());
    // What XML 1.0 cannot hold is left out on the way.
    if let Ok(read) = read {
        let kept: String = text.chars().filter(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)).collect();
        let blank = kept
            .bytes()
            .all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        assert_eq!(
            read.device_id.as_deref(),
            Some(if blank { "" } else { kept.as_str() })
        );
    } else {
        assert!(text.len() > Limits::default().max_text, "{read:?}");
    }
}
