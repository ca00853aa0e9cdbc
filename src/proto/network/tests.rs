use proptest::prelude::*;

use super::super::xml::Reply;
use super::*;

fn credential(version: &str, authentication: &str, encryption: &str) -> Credential {
    Credential {
        id: 3,
        version: version.into(),
        community: "c&o".into(),
        username: "op".into(),
        authentication: authentication.into(),
        auth_passphrase: "a".into(),
        encryption: encryption.into(),
        priv_passphrase: "p".into(),
    }
}

fn shown(element: Element) -> String {
    let xml = Reply::new().child(element).to_xml();
    xml.lines()
        .filter(|line| line.starts_with("   "))
        .map(str::trim)
        .collect()
}

#[test]
fn credentials_by_version() {
    for (version, authentication, encryption, expected) in [
        (
            "1",
            "0",
            "0",
            r#"<AUTHENTICATION ID="3" VERSION="1" COMMUNITY="c&amp;o"/>"#,
        ),
        (
            "2",
            "0",
            "0",
            r#"<AUTHENTICATION ID="3" VERSION="2c" COMMUNITY="c&amp;o"/>"#,
        ),
        (
            "3",
            "2",
            "5",
            r#"<AUTHENTICATION ID="3" VERSION="3" USERNAME="op" AUTHPROTOCOL="SHA" AUTHPASSPHRASE="a" PRIVPROTOCOL="3DES" PRIVPASSPHRASE="p"/>"#,
        ),
        (
            "3",
            "0",
            "0",
            r#"<AUTHENTICATION ID="3" VERSION="3" USERNAME="op" AUTHPASSPHRASE="a" PRIVPASSPHRASE="p"/>"#,
        ),
    ] {
        assert_eq!(
            shown(credential(version, authentication, encryption).element()),
            expected
        );
    }
    let debug = format!("{:?}", credential("3", "1", "1"));
    assert!(
        !debug.contains("c&o") && !debug.contains("\"a\""),
        "{debug}"
    );
}

#[test]
fn parts_of_ranges() {
    let range = |start: &str| Range {
        id: 5,
        start: start.into(),
        end: "192.0.2.62".into(),
        entity: 0,
    };
    for (start, specificity, part) in [
        ("192.0.2.1", "0-15", Some(("192.0.2.1", "192.0.2.16"))),
        ("192.0.2.250", "10-20", Some(("192.0.3.4", "192.0.3.14"))),
        ("192.0.2.1", "x", None),
        ("192.0.2.1", "1-", None),
        ("255.255.255.255", "0-1", None),
        ("nowhere", "0-1", None),
    ] {
        let part = part.map(|(a, b): (&str, &str)| (a.to_owned(), b.to_owned()));
        assert_eq!(
            range(start).part(specificity),
            part,
            "{start} {specificity}"
        );
    }
}

#[test]
fn parts_of_ranges_as_php_reckons() {
    let range = |start: &str| Range {
        id: 5,
        start: start.into(),
        end: String::new(),
        entity: 0,
    };
    let part = |a: &str, b: &str| Ok(Some((a.to_owned(), b.to_owned())));
    for (start, specificity, expected) in [
        ("192.0.2.1", "0-15", part("192.0.2.1", "192.0.2.16")),
        ("192.0.2.1", " 4-2-9", part("192.0.2.5", "192.0.2.3")),
        ("192.0.2.1", "3", part("192.0.2.4", "192.0.2.1")),
        ("192.0.2.1", "3x-4", part("192.0.2.4", "192.0.2.5")),
        ("192.0.2.1", "0-4294967296", part("192.0.2.1", "192.0.2.1")),
        ("nowhere", "1-2", part("0.0.0.1", "0.0.0.2")),
        ("2001:db8::1", "1-2", part("0.0.0.1", "0.0.0.2")),
        ("", "0-2", Ok(None)),
        ("255.255.255.255", "0-1", Ok(None)),
        ("255.255.255.255", "0-2", part("255.255.255.255", "0.0.0.1")),
        ("192.0.2.1", "", Err(NoOffset)),
        ("192.0.2.1", "x", Err(NoOffset)),
        ("192.0.2.1", "1-", Err(NoOffset)),
        ("192.0.2.1", "-1-2", Err(NoOffset)),
    ] {
        let found = range(start).part_as_plugin(specificity);
        assert_eq!(found, expected, "{start} {specificity}");
    }
}

#[test]
fn walkable_ranges() {
    for (start, end, walkable) in [
        ("192.0.2.1", "192.0.2.9", true),
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.255", "192.0.3.0", true),
        ("192.0.2.2", "192.0.2.1", false),
        ("", "192.0.2.1", false),
        ("192.0.2.1", "", false),
        ("192.0.2.1", "192.0.2.256", false),
        ("2001:db8::1", "2001:db8::2", false),
    ] {
        let ends = (start.to_owned(), end.to_owned());
        assert_eq!(Range::is_walkable(&ends), walkable, "{start} {end}");
    }
}

#[test]
fn orders_as_the_plugin_writes_them() {
    let pace = Pace {
        threads: "20".into(),
        timeout: "1".into(),
    };
    let range = Range {
        id: 5,
        start: "192.0.2.1".into(),
        end: "192.0.2.62".into(),
        entity: 0,
    };
    let whole = (range.start.clone(), range.end.clone());
    assert_eq!(
        shown(discovery(1, &pace, &range, Some(&whole), &[])),
        r#"<OPTION><NAME>NETDISCOVERY</NAME><PARAM THREADS_DISCOVERY="20" TIMEOUT="1" PID="1"/><RANGEIP ID="5" IPSTART="192.0.2.1" IPEND="192.0.2.62" ENTITY="0"/></OPTION>"#
    );
    let device = Device {
        kind: Some("PRINTER"),
        id: 4,
        ip: "192.0.2.11",
        credential: Some(2),
    };
    assert_eq!(
        shown(inventory(1, &pace, device, &[&credential("1", "0", "0")])),
        r#"<OPTION><NAME>SNMPQUERY</NAME><PARAM THREADS_QUERY="20" TIMEOUT="1" PID="1"/><DEVICE TYPE="PRINTER" ID="4" IP="192.0.2.11" AUTHSNMP_ID="2"/><AUTHENTICATION ID="3" VERSION="1" COMMUNITY="c&amp;o"/></OPTION>"#
    );
    assert_eq!(
        shown(wake(&[
            "00:00:5e:00:53:01".into(),
            "00:00:5e:00:53:02".into()
        ])),
        r#"<OPTION><NAME>WAKEONLAN</NAME><PARAM MAC="00:00:5e:00:53:01"/><PARAM MAC="00:00:5e:00:53:02"/></OPTION>"#
    );
}

#[test]
fn reports() {
    let content = |inner: &str| read(&format!("<REQUEST><CONTENT>{inner}</CONTENT></REQUEST>"));
    assert!(content("<AGENT><START>1</START></AGENT>").start);
    assert!(content("<AGENT><END/></AGENT>").end);
    assert!(content("<AGENT><EXIT>1</EXIT></AGENT>").exit);
    assert_eq!(
        content("<AGENT><NBIP>62</NBIP></AGENT>").addresses,
        Some(62)
    );
    assert_eq!(content("<AGENT><NBIP>x</NBIP></AGENT>").addresses, None);
    assert_eq!(content("<DEVICE><IP>1</IP></DEVICE><DEVICE/>").devices, 2);
    let errors = content(
        "<DEVICE><ERROR><ID>3</ID><TYPE>NETWORKING</TYPE><MESSAGE>a &amp; b</MESSAGE></ERROR></DEVICE><DEVICE><ERROR/></DEVICE>",
    )
    .errors;
    assert_eq!(
        (
            errors[0].id.as_str(),
            errors[0].itemtype(),
            errors[0].message.as_str()
        ),
        ("3", "NetworkEquipment", "a & b")
    );
    assert_eq!((errors.len(), errors[1].itemtype()), (2, ""));
    // Elsewhere these names mean nothing.
    assert_eq!(
        read("<REQUEST><AGENT><START/></AGENT><DEVICE/></REQUEST>"),
        Report::default()
    );
}

#[test]
fn remarks_on_inventories() {
    let remarks =
        |inner: &str| read(&format!("<REQUEST><CONTENT>{inner}</CONTENT></REQUEST>")).remarks;
    let silent = |class: &'static str, id: &str| Remark::Silent {
        class,
        id: id.into(),
    };
    let unattended = |name: &str| Remark::Unattended(name.into());
    for (inner, expected) in [
        (
            "<AGENT><START/></AGENT><PROCESSNUMBER>1</PROCESSNUMBER><MODULEVERSION>2</MODULEVERSION>",
            vec![],
        ),
        ("<ENVS/><PROCESSES/><PORTS/>", vec![]),
        // Once each, in upper case.
        ("<A>1</A><b/><A/>", vec![unattended("A"), unattended("B")]),
        // All devices where the first one stands.
        (
            "<A/><DEVICE><ERROR><ID>1</ID></ERROR></DEVICE><B/><DEVICE><INFO><ID>2</ID></INFO></DEVICE>",
            vec![
                unattended("A"),
                Remark::Error(0),
                silent("", "2"),
                unattended("B"),
            ],
        ),
        (
            "<DEVICE><INFO><ID>3</ID><TYPE>NETWORKING</TYPE></INFO></DEVICE><DEVICE><INFO><ID>4</ID><TYPE>STORAGE</TYPE><NAME> </NAME></INFO></DEVICE>",
            vec![
                silent("NetworkEquipment", "3"),
                silent("NetworkEquipment", "4"),
            ],
        ),
        (
            "<DEVICE><INFO><TYPE>PRINTER</TYPE><SERIAL/><COMMENTS/></INFO></DEVICE><DEVICE><IP>1</IP></DEVICE>",
            vec![silent("Printer", ""), silent("", "")],
        ),
        // A kind that is not known, whatever it says.
        (
            "<DEVICE><INFO><ID>5</ID><TYPE>COMPUTER</TYPE><NAME>n</NAME></INFO></DEVICE>",
            vec![silent("", "5")],
        ),
        // Imported.
        (
            "<DEVICE><INFO><TYPE>PRINTER</TYPE><NAME>n</NAME></INFO></DEVICE>",
            vec![],
        ),
        (
            "<DEVICE><INFO><TYPE>PRINTER</TYPE><SERIAL>n</SERIAL></INFO></DEVICE>",
            vec![],
        ),
        (
            "<DEVICE><INFO><TYPE>NETWORKING</TYPE><COMMENTS>n</COMMENTS></INFO></DEVICE>",
            vec![],
        ),
        // PHP fails over it.
        ("<DEVICE/>", vec![]),
    ] {
        assert_eq!(remarks(inner), expected, "{inner}");
    }
    let many: Vec<String> = (0..500).map(|i| format!("<X{i}/>")).collect();
    assert_eq!(remarks(&many.concat()).len(), 100);
}

proptest! {
    #[test]
    fn any_text_is_read(text in "(<[A-Z]{1,7}/?>|</[A-Z]{1,7}>|&amp;|[a-z]){0,40}|.{0,60}") {
        let _ = read(&text);
    }
}

/// However often an element comes, and however much was said before it.
#[test]
fn what_is_repeated_costs_little() {
    let text = format!(
        "<REQUEST><CONTENT>{}{}</CONTENT></REQUEST>",
        "<DEVICE><ERROR/></DEVICE>".repeat(40_000),
        "<a/>".repeat(60_000)
    );
    let begun = std::time::Instant::now();
    let report = read(&text);
    assert_eq!(
        (report.errors.len(), report.remarks.len()),
        (40_000, 40_001)
    );
    // As long as ever it took before: a quarter of a minute.
    assert!(begun.elapsed() < std::time::Duration::from_secs(3));
}
