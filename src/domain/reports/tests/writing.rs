use super::*;

fn sample(texts: &[&str]) -> Table {
    const COLUMNS: &[Column] = &[
        Column {
            name: "text",
            title: words("Text", "Texte"),
            holds: Type::Text,
        },
        Column {
            name: "count",
            title: words("Count", "Nombre"),
            holds: Type::Count,
        },
    ];
    let rows = texts
        .iter()
        .map(|text| vec![Cell::Text((*text).to_owned()), Cell::Count(7)]);
    Table::of(
        ("sample", words("Sample", "Exemple")),
        COLUMNS,
        rows.collect(),
        100,
    )
}

#[test]
fn csv_is_quoted_and_holds_no_formula() {
    for (text, written) in [
        ("plain", "\"plain\""),
        ("", "\"\""),
        ("a,b", "\"a,b\""),
        ("say \"hi\"", "\"say \"\"hi\"\"\""),
        ("two\r\nlines", "\"two\r\nlines\""),
        ("=1+1", "\"'=1+1\""),
        ("+1", "\"'+1\""),
        ("-1", "\"'-1\""),
        ("@SUM(A1)", "\"'@SUM(A1)\""),
        ("\t=1", "\"'\t=1\""),
        ("\r=1", "\"'\r=1\""),
        ("a=1", "\"a=1\""),
        ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
        ("é", "\"é\""),
    ] {
        assert_eq!(
            write::csv(&sample(&[text])),
            format!("text,count\r\n{written},7\r\n"),
            "{text:?}"
        );
    }
    assert_eq!(write::csv(&sample(&[])), "text,count\r\n");
}

#[test]
fn json_and_text_have_all_tables() {
    let report = Report {
        name: Name::Deploy,
        made: at("2026-03-04T12:00:00"),
        period: Some((day("2026-03-01"), day("2026-03-04"))),
        days: None,
        notes: vec![Note::Counted(3), Note::OneTask],
        tables: vec![sample(&["=a", "b\u{1b}[2Jc"]), sample(&[])],
    };
    let json = write::json(&report);
    assert_eq!(json["report"], "deploy");
    assert_eq!(
        (&json["from"], &json["days"]),
        (&"2026-03-01".into(), &serde_json::Value::Null)
    );
    assert_eq!(json["notes"][0], "Tasks were counted 3 s ago.");
    assert_eq!(json["tables"][0]["columns"][1]["type"], "count");
    assert_eq!(
        json["tables"][0]["rows"][0],
        serde_json::json!({"text": "=a", "count": 7})
    );
    assert_eq!(json["tables"][1]["rows"], serde_json::json!([]));
    assert_eq!(
        write::text(&report),
        "Deploy campaigns\n2026-03-01 to 2026-03-04\nTasks were counted 3 s ago.\n\
         Choose a task to see the hosts that still lack its package.\n\nSample (sample)\n  Text    Count\n  =a          7\n  b [2Jc      7\n\n\
         Sample (sample)\n  nothing"
    );
    assert!(report.table(Some("other")).is_none());
}

#[test]
fn notes_are_in_both_languages() {
    for note in [
        Note::Counted(1),
        Note::NotCounted,
        Note::Pending(2),
        Note::Lines(9, None),
        Note::Lines(9, Some(at("2026-03-04T12:00:00"))),
        Note::Findings(1),
        Note::Devices(1),
        Note::Results(1),
        Note::OneTask,
    ] {
        let (english, french) = (note.text(Tongue::English), note.text(Tongue::French));
        assert!(english.ends_with('.') && french.ends_with('.') && english != french);
    }
}
