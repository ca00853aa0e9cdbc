use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Request, XmlError> {
    parse_request(text, &Limits::default())
}

fn is_malformed(text: &str) -> bool {
    matches!(parse(text), Err(XmlError::Malformed { .. }))
}

fn request(device_id: &str, query: &str) -> Request {
    Request {
        device_id: Some(device_id.to_owned()),
        query: Some(query.to_owned()),
        ..Request::default()
    }
}

#[test]
fn recorded_messages() {
    let prolog = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<REQUEST>\n  <DEVICEID>vm-2026-11-24-01-54-15</DEVICEID>\n  \
                  <QUERY>PROLOG</QUERY>\n  <TOKEN>12345678</TOKEN>\n</REQUEST>\n";
    let expected = Request {
        token: Some("12345678".into()),
        ..request("vm-2026-11-24-01-54-15", "PROLOG")
    };
    assert_eq!(parse(prolog), Ok(expected));

    let discovery = "<REQUEST><CONTENT><AGENT><START>1</START><AGENTVERSION>2.6</AGENTVERSION></AGENT><MODULEVERSION>2.6</MODULEVERSION>\
                     <PROCESSNUMBER>1</PROCESSNUMBER></CONTENT><DEVICEID>d</DEVICEID><QUERY>NETDISCOVERY</QUERY></REQUEST>";
    let expected = Request {
        module_version: Some("2.6".into()),
        process_number: Some("1".into()),
        ..request("d", "NETDISCOVERY")
    };
    assert_eq!(parse(discovery), Ok(expected));

    let inventory = "<REQUEST><CONTENT><OPERATINGSYSTEM><NAME>Linux</NAME></OPERATINGSYSTEM>\
                     <VERSIONCLIENT>FusionInventory-Agent_v2.6</VERSIONCLIENT></CONTENT><DEVICEID>d</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>";
    let expected = Request {
        version_client: Some("FusionInventory-Agent_v2.6".into()),
        ..request("d", "INVENTORY")
    };
    assert_eq!(parse(inventory), Ok(expected));

    let without_id = Request {
        device_id: None,
        ..request("", "PROLOG")
    };
    assert_eq!(
        parse("<REQUEST><QUERY>PROLOG</QUERY></REQUEST>"),
        Ok(without_id)
    );
}

#[test]
fn what_counts_as_a_field() {
    let cases = [
        (
            "other case",
            "<request><DeviceId>d</DeviceId><query>q</query></request>",
        ),
        (
            "other root",
            "<X><DEVICEID>d</DEVICEID><QUERY>q</QUERY></X>",
        ),
        (
            "prefix",
            "<r:REQUEST xmlns:r='u'><r:DEVICEID>d</r:DEVICEID><r:QUERY>q</r:QUERY></r:REQUEST>",
        ),
        (
            "default namespace",
            "<REQUEST xmlns='u'><DEVICEID>d</DEVICEID><QUERY>q</QUERY></REQUEST>",
        ),
        (
            "attributes",
            "<REQUEST><DEVICEID a='1' b=\"&lt;\">d</DEVICEID><QUERY>q</QUERY></REQUEST>",
        ),
        (
            "CDATA",
            "<REQUEST><DEVICEID><![CDATA[d]]></DEVICEID><QUERY><![CDATA[]]>q</QUERY></REQUEST>",
        ),
        (
            "references",
            "<REQUEST><DEVICEID>&#100;</DEVICEID><QUERY>&#x71;</QUERY></REQUEST>",
        ),
        (
            "comment inside",
            "<REQUEST><DEVICEID><!-- x -->d<!----></DEVICEID><QUERY><?pi x?>q</QUERY></REQUEST>",
        ),
        (
            "first counts",
            "<REQUEST><DEVICEID>d</DEVICEID><DEVICEID>e</DEVICEID><QUERY>q</QUERY></REQUEST>",
        ),
        (
            "deeper ones do not",
            "<REQUEST><A><DEVICEID>x</DEVICEID><TOKEN>t</TOKEN></A><DEVICEID>d</DEVICEID><QUERY>q</QUERY></REQUEST>",
        ),
        (
            "nor those in CONTENT",
            "<REQUEST><CONTENT><DEVICEID>x</DEVICEID></CONTENT><DEVICEID>d</DEVICEID><QUERY>q</QUERY></REQUEST>",
        ),
        (
            "CONTENT only at the top",
            "<REQUEST><A><CONTENT><MODULEVERSION>x</MODULEVERSION></CONTENT></A><DEVICEID>d</DEVICEID><QUERY>q</QUERY></REQUEST>",
        ),
        (
            "its fields only in CONTENT",
            "<REQUEST><MODULEVERSION>x</MODULEVERSION><CONTENT><A><MODULEVERSION>x</MODULEVERSION></A></CONTENT><A><PROCESSNUMBER>1\
             </PROCESSNUMBER></A><CONTENT><MODULEVERSION>x</MODULEVERSION></CONTENT><DEVICEID>d</DEVICEID><QUERY>q</QUERY></REQUEST>",
        ),
        (
            "no text beside elements",
            "<REQUEST><TOKEN>t<A>u</A>v</TOKEN><DEVICEID>d</DEVICEID><QUERY>q</QUERY></REQUEST>",
        ),
    ];
    for (name, text) in cases {
        assert_eq!(parse(text), Ok(request("d", "q")), "{name}");
    }
}

#[test]
fn texts_are_kept_as_sent() {
    let cases = [
        ("o'edge", "o'edge"),
        (" d ", " d "),
        ("a&amp;b&lt;c&gt;&quot;&apos;", "a&b<c>\"'"),
        ("<![CDATA[<&amp;>]]>", "<&amp;>"),
        ("a\r\nb\rc", "a\nb\nc"),
        (" \t\r\n", ""),
        ("", ""),
        ("\u{feff}é", "\u{feff}é"),
    ];
    for (sent, kept) in cases {
        let text = format!("<REQUEST><DEVICEID>{sent}</DEVICEID><QUERY>q</QUERY></REQUEST>");
        assert_eq!(parse(&text), Ok(request(kept, "q")), "{sent:?}");
    }
    assert_eq!(
        parse("<REQUEST><DEVICEID/><QUERY>q</QUERY></REQUEST>"),
        Ok(request("", "q"))
    );
}

#[test]
fn malformed_documents() {
    let cases = [
        "",
        " \n",
        "text",
        "<REQUEST><DEVICEID>x",
        "<REQUEST><DEVICEID>x</DEVICEID><QUERY>PROLOG",
        "<REQUEST><DEVICEID>x</DEVICEID>",
        "<REQUEST><DEVICEID>x</QUERY></REQUEST>",
        "<REQUEST><A></REQUEST></A>",
        "<REQUEST><A/></REQUEST></REQUEST>",
        "</REQUEST>",
        "<REQUEST><A/></REQUEST>x",
        "x<REQUEST><A/></REQUEST>",
        "<REQUEST><A/></REQUEST><REQUEST><A/></REQUEST>",
        "<REQUEST><A/></REQUEST><A/>",
        "<REQUEST><A/></REQUEST>&amp;",
        "<REQUEST><A/></REQUEST><![CDATA[x]]>",
        "<REQUEST>&none;</REQUEST>",
        "<REQUEST>&</REQUEST>",
        "<REQUEST>& x</REQUEST>",
        "<REQUEST>&lt</REQUEST>",
        "<REQUEST>&#0;</REQUEST>",
        "<REQUEST>&#1;</REQUEST>",
        "<REQUEST>&#xd800;</REQUEST>",
        "<REQUEST>&#x110000;</REQUEST>",
        "<REQUEST>&#zz;</REQUEST>",
        "<REQUEST>\u{1}</REQUEST>",
        "<REQUEST>\0</REQUEST>",
        "<REQUEST>\u{ffff}</REQUEST>",
        "<REQUEST>]]></REQUEST>",
        "<REQUEST><!-- a -- b --><A/></REQUEST>",
        "<REQUEST><!-- a </REQUEST>",
        "<REQUEST><![CDATA[ a </REQUEST>",
        "<REQUEST><A b=1/></REQUEST>",
        "<REQUEST><A b/></REQUEST>",
        "<REQUEST><A b='1' b='2'/></REQUEST>",
        "<REQUEST><A b='1'c='2'/></REQUEST>",
        "<REQUEST><A b='<'/></REQUEST>",
        "<REQUEST><A b='&none;'/></REQUEST>",
        "<REQUEST><A b='&#1;'/></REQUEST>",
        "<REQUEST><A 1='1'/></REQUEST>",
        "<REQUEST><A b='/></REQUEST>",
        "<REQUEST>< A/></REQUEST>",
        "<REQUEST><1/></REQUEST>",
        "<REQUEST></ A></REQUEST>",
        "<REQUEST><?xml version='1.0'?></REQUEST>",
        "<REQUEST><?XML x?></REQUEST>",
        "<REQUEST><? x?></REQUEST>",
        " <?xml version='1.0'?><REQUEST><A/></REQUEST>",
        "<?xml?><REQUEST><A/></REQUEST>",
        "<?xml encoding='utf-8'?><REQUEST><A/></REQUEST>",
        "<?xml version='1.0' x='y'?><REQUEST><A/></REQUEST>",
        "<?xml version='1.0' standalone='yes' encoding='utf-8'?><REQUEST><A/></REQUEST>",
        "<?xml version='1.0'encoding='utf-8'?><REQUEST><A/></REQUEST>",
        "<?xml version='1.0' x?><REQUEST><A/></REQUEST>",
        "<?xml version='1.0'?><?xml version='1.0'?><REQUEST><A/></REQUEST>",
        "<?xml version='1.0'?>",
    ];
    for text in cases {
        assert!(is_malformed(text), "{text:?}: {:?}", parse(text));
    }
}

#[test]
fn unusual_but_well_formed() {
    let cases = [
        "\u{feff}<?xml version='1.0'?>\n<!-- c -->\n<REQUEST><DEVICEID>d</DEVICEID ><QUERY>q</QUERY></REQUEST>\n<!-- c --><?p x?>\n",
        "<?xml version='1.0' encoding='utf-8' standalone='no' ?><REQUEST><DEVICEID>d</DEVICEID><QUERY>q</QUERY></REQUEST>",
        "<REQUEST\n a = '>' ><DEVICEID>d</DEVICEID><QUERY\t>q</QUERY\n></REQUEST>",
        "<REQUEST><é/>>&#x10ffff;<DEVICEID>d</DEVICEID><QUERY>q</QUERY></REQUEST>",
    ];
    for text in cases {
        assert_eq!(parse(text), Ok(request("d", "q")), "{text:?}");
    }
}

#[test]
fn an_empty_root_is_refused() {
    for text in [
        "<REQUEST/>",
        "<REQUEST></REQUEST>",
        "<?xml version='1.0'?><REQUEST> \n</REQUEST>",
        "<REQUEST><!-- c --></REQUEST>",
    ] {
        assert_eq!(parse(text), Err(XmlError::Empty), "{text}");
    }
    for text in [
        "<REQUEST a=''/>",
        "<REQUEST>x</REQUEST>",
        "<REQUEST><A/></REQUEST>",
    ] {
        assert_eq!(parse(text), Ok(Request::default()), "{text}");
    }
}

#[test]
fn a_document_type_is_refused() {
    let laughs = "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'ha'><!ENTITY c '&b;&b;&b;'>]><REQUEST><DEVICEID>&c;</DEVICEID></REQUEST>";
    for text in [
        laughs,
        "<!DOCTYPE html><html><body/></html>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a><b/></a>",
    ] {
        assert_eq!(parse(text), Err(XmlError::Doctype), "{text}");
    }
}

#[test]
fn limits_are_exact() {
    let limits = Limits {
        max_depth: 3,
        max_elements: 4,
        max_text: 5,
    };
    let cases = [
        ("<A><B><C/></B></A>", None),
        (
            "<A><B><C><D/></C></B></A>",
            Some(XmlError::TooDeep { limit: 3 }),
        ),
        ("<A><B/><B/><B/></A>", None),
        (
            "<A><B/><B/><B/><B/></A>",
            Some(XmlError::TooManyElements { limit: 4 }),
        ),
        ("<A><QUERY>1&lt;<![CDATA[345]]></QUERY></A>", None),
        ("<A><B>123456</B></A>", None),
        (
            "<A><QUERY>1&lt;<![CDATA[3456]]></QUERY></A>",
            Some(XmlError::TooLong {
                field: "QUERY",
                limit: 5,
            }),
        ),
    ];
    for (text, error) in cases {
        assert_eq!(parse_request(text, &limits).err(), error, "{text}");
    }
}

#[test]
fn deep_nesting_needs_no_stack() {
    let text = "<A>".repeat(100_000);
    assert_eq!(parse(&text), Err(XmlError::TooDeep { limit: 256 }));
    let limits = Limits {
        max_depth: 100_000,
        ..Limits::default()
    };
    let text = text + &"</A>".repeat(100_000);
    assert_eq!(parse_request(&text, &limits), Ok(Request::default()));
}

#[test]
fn many_attributes_cost_no_more_than_their_length() {
    let attributes: Vec<String> = (0..100_000).map(|index| format!(" a{index}=''")).collect();
    let begun = std::time::Instant::now();
    let text = format!(
        "<REQUEST{}><DEVICEID>d</DEVICEID><QUERY>q</QUERY></REQUEST>",
        attributes.concat()
    );
    assert_eq!(parse(&text), Ok(request("d", "q")));
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

proptest! {
    #[test]
    fn never_panics(text in any::<String>(), parts in proptest::collection::vec(0..20_usize, 0..12)) {
        const PARTS: [&str; 20] = [
            "<REQUEST>", "</REQUEST>", "<DEVICEID", ">", "/>", "</DEVICEID>", "<CONTENT>", "</CONTENT>", "<![CDATA[", "]]>", "<!--", "-->",
            "<!DOCTYPE", "[", "<?xml", "?>", "&#", ";", " a='", "'",
        ];
        let _ = parse(&text);
        let mut mixed: String = parts.iter().map(|part| PARTS[*part]).collect();
        let _ = parse(&mixed);
        mixed.push_str(&text);
        let _ = parse(&mixed);
    }
}
