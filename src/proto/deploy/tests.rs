use super::*;

fn order<'a>(
    policy: Policy,
    version: &'a str,
    templates: &'a HashMap<TemplateId, std::sync::Arc<str>>,
    multiparts: &'a HashMap<String, Vec<String>>,
) -> Order<'a> {
    Order {
        policy,
        uuid: "u-1",
        task_version: version,
        nb_retry: 0,
        max_retry: 1,
        templates,
        mirrors: &[],
        multiparts,
    }
}

fn job(stored: &Value, policy: Policy, version: &str) -> Value {
    let package = Package::parse(&stored.to_string()).unwrap();
    let templates = HashMap::from([(
        TemplateId(2),
        std::sync::Arc::from(r#"{"buttons":"ok_async","icon":null,"timeout":60,"other":1}"#),
    )]);
    assemble(
        &package,
        &order(policy, version, &templates, &HashMap::new()),
    )
    .0
}

#[test]
fn broken_packages_are_told_apart() {
    for (stored, error) in [
        ("{", "no JSON"),
        ("[]", "'jobs'"),
        ("{}", "'jobs'"),
        (r#"{"jobs":[]}"#, "'jobs'"),
        (r#"{"jobs":{"actions":"x"}}"#, "'actions'"),
        (r#"{"jobs":{},"associatedFiles":3}"#, "'associatedFiles'"),
        (r#"{"jobs":{},"associatedFiles":{"ab":{"p2p":1}}}"#, "ab"),
    ] {
        let said = Package::parse(stored).unwrap_err().to_string();
        assert!(said.contains(error), "{stored}: {said}");
    }
}

#[test]
fn a_job_names_only_files_that_are_described() {
    let stored = json!({"jobs": {"associatedFiles": ["ab", "cd"]}, "associatedFiles": {"ab": {"name": "x"}}});
    let package = Package::parse(&stored.to_string()).unwrap();
    assert_eq!(package.complete(), Err(BrokenPackage::File("cd".into())));
}

#[test]
fn what_the_agent_insists_on_is_there() {
    let stored = json!({"jobs": {}, "associatedFiles": {"ab": {"name": "x"}}});
    let package = Package::parse(&stored.to_string()).unwrap();
    let (templates, parts) = (
        HashMap::new(),
        HashMap::from([("ab".to_owned(), vec!["cd".to_owned()])]),
    );
    let (job, files) = assemble(&package, &order(Policy::Redux, "2.8", &templates, &parts));
    assert_eq!(
        job,
        json!({"checks": [], "actions": [], "associatedFiles": [], "uuid": "u-1"})
    );
    assert_eq!(
        files["ab"],
        json!({"name": "x", "mirrors": [], "multiparts": ["cd"], "p2p": 0, "p2p-retention-duration": 0, "uncompress": 0})
    );
}

#[test]
fn old_agents_get_checks_that_they_know_and_interactions_as_stored() {
    let stored = json!({"jobs": {
        "checks": [{"return": "skip"}, {"return": "info"}, {"return": "warning"}, {"return": "error"}, {"type": "x"}],
        "userinteractions": [{"type": "after", "template": "2"}],
    }});
    for version in ["0", "2.1.9"] {
        let job = job(&stored, Policy::Plugin, version);
        let verdicts: Vec<Option<&str>> = job["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["return"].as_str())
            .collect();
        assert_eq!(
            verdicts,
            [
                Some("ignore"),
                Some("ignore"),
                Some("ignore"),
                Some("error"),
                None
            ]
        );
        assert_eq!(job["userinteractions"], stored["jobs"]["userinteractions"]);
    }
    assert_eq!(
        job(&stored, Policy::Plugin, "2.2")["checks"],
        stored["jobs"]["checks"]
    );
}

#[test]
fn templates_are_filled_in() {
    let stored = json!({"jobs": {"userinteractions": [
        {"type": "after", "template": "2", "text": "a$#r$#nb"}, {"type": "before", "template": 9}, {"type": "x", "template": "0"}]}});
    let asked = &job(&stored, Policy::Redux, "2.8")["userinteractions"];
    assert_eq!(
        asked[0],
        json!({"type": "after", "text": "a\r\nb", "buttons": "ok", "timeout": 60, "wait": "no"})
    );
    assert_eq!(
        asked[1],
        json!({"type": "before", "template": 9}),
        "a template that is gone leaves the question as stored"
    );
    assert_eq!(asked[2], json!({"type": "x", "template": "0"}));
}

#[test]
fn nobody_is_asked_once_the_retries_are_used_up() {
    let stored = json!({"jobs": {"userinteractions": [{"type": "after"}]}});
    let package = Package::parse(&stored.to_string()).unwrap();
    let (templates, parts) = (HashMap::new(), HashMap::new());
    for (nb_retry, max_retry, asked) in [(0, 1, true), (1, 1, false), (2, 1, false), (5, 0, true)] {
        let order = Order {
            nb_retry,
            max_retry,
            ..order(Policy::Redux, "2.8", &templates, &parts)
        };
        assert_eq!(
            assemble(&package, &order)
                .0
                .get("userinteractions")
                .is_some(),
            asked,
            "{nb_retry} of {max_retry}"
        );
    }
}

#[test]
fn texts_by_policy() {
    let stored =
        json!({"jobs": {"actions": [{"cmd": {"exec": "a &#62; \"b\"", "name": "R&#38;D"}}]}});
    assert_eq!(
        job(&stored, Policy::Plugin, "2.8")["actions"],
        json!([{"cmd": {"exec": "a > \\\"b\\\"", "name": "R&#38;D"}}])
    );
    assert_eq!(
        job(&stored, Policy::Redux, "2.8")["actions"],
        json!([{"cmd": {"exec": "a > \"b\"", "name": "R&D"}}])
    );
}

#[test]
fn nothing_to_do_is_an_empty_object() {
    assert_eq!(answer(&[], &Map::new()), json!({}));
    assert_eq!(
        answer(&[json!({})], &Map::new()),
        json!({"jobs": [{}], "associatedFiles": {}})
    );
}

#[test]
fn interactions_name_their_templates() {
    let stored = json!({"jobs": {"userinteractions": [{"type": "before", "template": "1"}, {"type": "after"}]}});
    let package = Package::parse(&stored.to_string()).unwrap();
    assert_eq!(
        package.interactions().collect::<Vec<_>>(),
        [("before", TemplateId(1))]
    );
}

#[test]
fn definitions_that_php_gets_over() {
    for (stored, gets_over) in [
        (r#"{"jobs":{},"associatedFiles":{}}"#, true),
        (r#"{"jobs":[],"associatedFiles":[]}"#, true),
        (
            r#"{"jobs":{"checks":"none"},"associatedFiles":{"a":7}}"#,
            true,
        ),
        (r#"{"associatedFiles":[]}"#, true),
        (r#"{"jobs":null,"associatedFiles":[]}"#, true),
        (r#"{"jobs":{}}"#, false),
        (r#"{"jobs":{},"associatedFiles":null}"#, false),
        (r#"{"jobs":{},"associatedFiles":"a"}"#, false),
        (r#"{"jobs":"a","associatedFiles":{}}"#, false),
        ("[[[[]]]]", false),
        ("null", false),
        ("", false),
        ("{", false),
    ] {
        assert_eq!(Package::php_gets_over(stored), gets_over, "{stored}");
    }
}
