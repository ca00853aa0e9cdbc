use super::super::charset::to_utf8;
use super::super::envelope::{open, seal};
use super::*;

/// Whether PHP reads `body` as it is read here.
fn alike(body: &[u8]) -> bool {
    let text = to_utf8(body);
    let (request, clear) = judge_request(&text, &Limits::default()).unwrap();
    clear && reads_alike(body, &text, &request, &Limits::default())
}

fn message(head: &str, device: &str, rest: &str) -> String {
    format!(
        "{head}<REQUEST><DEVICEID>{device}</DEVICEID><QUERY>INVENTORY</QUERY><CONTENT>{rest}</CONTENT></REQUEST>"
    )
}

#[test]
fn declarations() {
    for (head, expected) in [
        ("", true),
        ("<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n", true),
        (
            "<?xml version='1.0' encoding = 'utf-8' standalone='yes'?>",
            true,
        ),
        ("<?xml version='1.0'?>", true),
        ("<?xml version='1.0' standalone='no'?>", true),
        ("\u{feff}<?xml version='1.0' encoding='UTF-8'?>", true),
        ("<?xml version='1.0' encoding='ISO-8859-1'?>", true),
        ("<?xml version='1.0' encoding='iso-8859-15'?>", true),
        ("<?xml version='1.0' encoding='Windows-1252'?>", true),
        ("<?xml-stylesheet href='a'?>", true),
        // Others than XML 1.0, or not as it has them.
        ("<?xml version='2.0'?>", false),
        ("<?xml version='1.1'?>", false),
        ("<?xml version='1.0' standalone='maybe'?>", false),
        (
            "<?xml version='1.0' encoding='nosuch' encoding='UTF-8'?>",
            false,
        ),
        // Decoders differ, or there is none here.
        ("<?xml version='1.0' encoding='UTF-7'?>", false),
        ("<?xml version='1.0' encoding='nosuch'?>", false),
        ("<?xml version='1.0' encoding=''?>", false),
        ("<?xml version='1.0' encoding='IBM037'?>", false),
        ("<?xml version='1.0' encoding='UTF-16'?>", false),
        ("<?xml version='1.0' encoding='UTF-32'?>", false),
        ("<?xml version='1.0' encoding='ISO-2022-JP'?>", false),
        ("<?xml version='1.0' encoding='Shift_JIS'?>", false),
        ("<?xml version='1.0' encoding='GB18030'?>", false),
        ("<?xml version='1.0' encoding='iso-8859-17'?>", false),
        ("<?xml version='1.0' encoding='windows-1259'?>", false),
        ("\u{feff}<?xml version='1.0' encoding='ISO-8859-1'?>", false),
    ] {
        assert_eq!(
            alike(message(head, "pc-1", "").as_bytes()),
            expected,
            "{head}"
        );
    }
    let long = format!("<?xml version='1.0'{}encoding='UTF-8'?>", " ".repeat(300));
    assert!(!alike(message(&long, "pc-1", "").as_bytes()));
}

#[test]
fn marks_that_parsers_read_differently() {
    for (content, expected) in [
        ("<!-- a --><?p i?><A b='c'>&#233;<![CDATA[d]]></A>", true),
        ("<!-- a --->", false),
        ("<é/>", false),
        ("<A é='b'/>", false),
        ("<?é b?>", false),
    ] {
        let text = message("", "pc-1", content);
        let read = judge_request(&text, &Limits::default());
        let clear = read.is_ok_and(|(request, clear)| {
            clear && reads_alike(text.as_bytes(), &text, &request, &Limits::default())
        });
        assert_eq!(clear, expected, "{content}");
    }
}

/// libxml refuses what is longer, and PHP then reads it in a charset that it guesses.
#[test]
fn marks_that_are_too_long_for_some_parsers() {
    let limits = Limits {
        max_depth: 1000,
        ..Limits::default()
    };
    let long = |size: usize| "n".repeat(size);
    let nested = |depth: usize| format!("{}{}", "<A>".repeat(depth), "</A>".repeat(depth));
    for (content, expected) in [
        (format!("<A>{}</A>", long(2_000_000)), true),
        (format!("<{0}></{0}>", long(1000)), true),
        (format!("<{0}></{0}>", long(60_000)), false),
        (format!("<A b='{}'/>", long(60_000)), false),
        (format!("<?{} i?>", long(60_000)), false),
        (format!("<!--{}-->", long(60_000)), false),
        (format!("<A><![CDATA[{}]]></A>", long(60_000)), true),
        (format!("<A><![CDATA[{}]]></A>", long(2_000_000)), false),
        (nested(200), true),
        (nested(300), false),
    ] {
        let text = message("", "pc-1", &content);
        let (_, clear) = judge_request(&text, &limits).unwrap();
        assert_eq!(clear, expected, "{}", &content[..content.len().min(40)]);
    }
}

/// The plugin looks for the length of gzip's extra field in the wrong place, and finds another stream behind it.
#[test]
fn gzip_with_more_than_a_name_in_its_head_is_not_passed_on() {
    let text = message("", "pc-1", "");
    let plain = seal(&text, Coding::Gzip);
    let with = |flags: u8, field: &[u8]| {
        let mut body = plain[..10].to_vec();
        body[3] = flags;
        body.extend_from_slice(field);
        body.extend_from_slice(&plain[10..]);
        body
    };
    for (body, expected) in [
        (plain.clone(), true),
        (with(0x08, b"name\0"), true),
        (with(0x04, b"\x02\0ab"), false),
        (with(0x10, b"comment\0"), false),
    ] {
        let opened = open(Some("application/x-compress-gzip"), &body, 1 << 16).unwrap();
        assert_eq!(opened.body, text.as_bytes());
        assert_eq!(relayed_as(&opened, &body, 1 << 16).is_some(), expected);
    }
}

#[test]
fn bytes_that_are_no_utf8() {
    let bytes = |text: String| -> Vec<u8> {
        text.chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect()
    };
    let latin1 = "<?xml version='1.0' encoding='ISO-8859-1'?>";
    let cp1252 = "<?xml version='1.0' encoding='windows-1252'?>";
    for (head, device, rest, expected) in [
        // Beside the fields: as PHP does, such bytes are taken for another charset's.
        ("", "pc-1", "<A>\u{e9}</A>", true),
        (
            "<?xml version='1.0' encoding='UTF-8'?>",
            "pc-1",
            "<A>\u{e9}</A>",
            true,
        ),
        (cp1252, "pc-1", "<A>\u{80}</A>", true),
        (latin1, "\u{e9}", "", true),
        // In a field it matters which.
        ("", "\u{e9}", "", false),
        (
            "<?xml version='1.0' encoding='UTF-8'?>",
            "\u{e9}",
            "",
            false,
        ),
        (cp1252, "\u{80}", "", false),
    ] {
        let body = bytes(message(head, device, rest));
        assert_eq!(alike(&body), expected, "{head} {device} {rest}");
    }
    assert!(alike(message("", "é", "").as_bytes()));
    // As PHP would take the whole for another charset's, also what is UTF-8 in it.
    let mut mixed = message("", "é", "<A>x</A>").into_bytes();
    let at = mixed.iter().position(|byte| *byte == b'x').unwrap();
    mixed[at] = 0xe9;
    assert!(!alike(&mixed));
}

#[test]
fn wide_characters() {
    let text = message("", "pc-1", "");
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for body in [
        little.clone(),
        big.clone(),
        [b"\xff\xfe", &little[..]].concat(),
        [b"\xfe\xff", &big[..]].concat(),
    ] {
        assert!(!alike(&body));
    }
}

#[test]
fn what_php_cuts_out_leaves_the_fields() {
    let software = "<S><FOLDER>a</FOLDER><SOURCE>b</SOURCE></S>".repeat(3);
    assert!(alike(message("", "pc-1", &software).as_bytes()));
    // What is left is no XML: PHP says so.
    let broken = "<S><FOLDER>a</FOLDER></S><S><T><SOURCE>b</SOURCE></T></S>";
    assert!(alike(message("", "pc-1", broken).as_bytes()));
    let hidden = "<REQUEST><A><FOLDER>a</FOLDER></A><DEVICEID>pc-1</DEVICEID><QUERY>INVENTORY</QUERY><A><SOURCE>b</SOURCE></A></REQUEST>";
    assert!(!alike(hidden.as_bytes()));
    // In lines of their own nothing is cut.
    assert!(alike(
        hidden.replace("<DEVICEID>", "\n<DEVICEID>").as_bytes()
    ));
    assert_eq!(
        cut("a<FOLDER>b</SOURCE>c</SOURCE><FOLDER>\n</SOURCE>").as_deref(),
        Some("ac</SOURCE><FOLDER>\n</SOURCE>")
    );
    assert_eq!(cut("<SOURCE></SOURCE><FOLDER></FOLDER>"), None);
}

#[test]
fn the_plugin_opens_what_is_relayed() {
    let text = message("", "pc-1", "");
    let zlib = seal(&text, Coding::Zlib);
    let gzip = seal(&text, Coding::Gzip);
    let deflate = seal(&text, Coding::Deflate);
    for (body, expected) in [
        (zlib, Some("application/x-compress-zlib")),
        (gzip, Some("application/x-compress-gzip")),
        (text.clone().into(), Some("application/xml")),
        (
            [b"x\x9c", &deflate[..]].concat(),
            Some("application/x-compress"),
        ),
        // The plugin knows it behind two bytes only.
        (deflate, None),
    ] {
        let opened = open(Some("text/plain"), &body, 1 << 16).unwrap();
        assert_eq!(relayed_as(&opened, &body, 1 << 16), expected);
    }
}
