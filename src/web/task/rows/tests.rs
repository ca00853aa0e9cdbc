use rstest::rstest;

use super::*;
use crate::domain::expiry::Signs;
use crate::domain::ids::{AgentId, ComputerId, EntityId, JobId, RunId, TaskId};

const HOUR: Duration = Duration::from_hours(1);

fn at(time: &str) -> NaiveDateTime {
    format!("2026-03-04T{time}:00").parse().unwrap()
}

fn row(state: Option<RunState>) -> RunRow {
    let last = LogLine {
        id: 2,
        date: Some(at("11:30")),
        state: 6,
        comment: "3 ==devicesfound==,[[Printer::7]]".to_owned(),
    };
    RunRow {
        id: RunId(9),
        job: JobId(1),
        task: Some((TaskId(1), EntityId(0))),
        target: Target {
            itemtype: "PluginFusioninventoryDeployPackage".to_owned(),
            items_id: 11,
        },
        state,
        agent: AgentId(4),
        agent_name: "wks-4".to_owned(),
        computer: ComputerId(40),
        computer_name: "pc-40".to_owned(),
        not_before: Some(at("13:00")),
        began: Some(at("11:00")),
        signs: Signs {
            line: last.date,
            ..Signs::default()
        },
        last: Some(last),
    }
}

fn shown(row: &RunRow, timeout: Option<Duration>, language: Language) -> Line {
    let target = row.target.clone();
    let names = HashMap::from([(target, "editor".to_owned())]);
    let glpi = "https://g.example".parse().unwrap();
    let plugin = "https://g.example/plugins/fusioninventory";
    let eyes = Eyes {
        language,
        links: &Links::new(Some(&glpi), Some(plugin)),
        names: &names,
        now: at("12:00").and_utc().with_timezone(&Tz::UTC),
    };
    eyes.line(row, "job", timeout)
}

#[rstest]
#[case(Some(RunState::Prepared), "1 h", None)]
#[case(Some(RunState::Sent), "1 h", Some("30 min of 1 h"))]
#[case(Some(RunState::Running), "1 h", Some("30 min of 1 h"))]
#[case(Some(RunState::Finished), "30 min", None)]
#[case(Some(RunState::InError), "30 min", None)]
#[case(Some(RunState::Cancelled), "30 min", None)]
#[case(Some(RunState::Postponed), "1 h", None)]
#[case(None, "1 h", None)]
fn times(#[case] state: Option<RunState>, #[case] duration: &str, #[case] elapsed: Option<&str>) {
    let line = shown(&row(state), Some(HOUR), Language::English);
    assert_eq!(line.duration.as_deref(), Some(duration));
    assert_eq!(line.elapsed.as_ref().map(|of| of.text.as_str()), elapsed);
    let meter = line.elapsed.and_then(|of| of.meter);
    assert_eq!(meter, elapsed.map(|_| (1_800, 3_600)));
    let waits = matches!(state, Some(RunState::Prepared | RunState::Postponed));
    assert_eq!(line.not_before.is_some(), waits);
}

#[test]
fn a_line_in_words() {
    let line = shown(&row(Some(RunState::Running)), None, Language::French);
    assert_eq!(line.href, "/sidecar/runs/9");
    assert_eq!(line.state, ("running", "En cours"));
    assert_eq!(
        line.last.as_deref(),
        Some("3 équipements trouvés; Imprimante n° 7")
    );
    assert_eq!(line.elapsed.unwrap().text, "30 min, sans délai");
    let named = |text: &str, page: &str| Named {
        text: text.to_owned(),
        href: Some(format!("https://g.example/{page}")),
    };
    assert_eq!(
        line.target,
        named(
            "editor",
            "plugins/fusioninventory/front/deploypackage.form.php?id=11"
        )
    );
    assert_eq!(
        line.agent,
        named("wks-4", "plugins/fusioninventory/front/agent.form.php?id=4")
    );
    assert_eq!(
        line.computer,
        Some(named("pc-40", "front/computer.form.php?id=40"))
    );
}

#[test]
fn what_is_gone_or_says_nothing() {
    let mut row = row(Some(RunState::Finished));
    (row.agent_name, row.computer_name) = (String::new(), String::new());
    row.last = Some(LogLine {
        id: 2,
        date: None,
        state: 2,
        comment: String::new(),
    });
    let line = shown(&row, None, Language::English);
    assert_eq!(
        (line.agent.text.as_str(), line.agent.href, line.computer),
        ("agent 4 (deleted)", None, None)
    );
    assert_eq!((line.last.as_deref(), line.duration), (Some("OK"), None));
    (row.last, row.began) = (None, None);
    let line = shown(&row, None, Language::English);
    assert_eq!((line.last, line.began, line.duration), (None, None, None));
}

#[test]
fn every_state_and_code_has_its_words() {
    let t = task::of(Language::English);
    let words: std::collections::BTreeSet<&str> = Code::ALL
        .into_iter()
        .map(|code| code_words(code, t))
        .collect();
    assert_eq!(words.len(), Code::ALL.len());
    let states: std::collections::BTreeSet<_> = RunState::ALL
        .into_iter()
        .map(|of| state(Some(of), t))
        .collect();
    assert_eq!(states.len(), RunState::ALL.len());
    let lines: Vec<&str> = (0..9).map(|of| line_state(of, t).1).collect();
    assert_eq!(
        lines,
        [
            "Unknown", "Started", "OK", "Unknown", "Error", "Info", "Running", "Prepared",
            "Unknown"
        ]
    );
}
