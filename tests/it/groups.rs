//! Dynamic groups on a real database: against a model of GLPI's search, and what a pass does with groups that it cannot evaluate.

#[path = "groups/model.rs"]
pub(crate) mod model;
#[path = "groups/random.rs"]
mod random;
#[path = "groups/requests.rs"]
mod requests;

use std::fmt::Write as _;

use chrono::{NaiveDate, NaiveDateTime};
use chrono_tz::Tz;
use std::sync::Arc;

use fusion_sidecar::db::{Db, grants};
use fusion_sidecar::domain::ids::DeployGroupId;
use fusion_sidecar::domain::opening::Reason;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::proto::criteria;
use fusion_sidecar::work::groups::Kept;
use fusion_sidecar::work::prepare::{Outcome, Pass, Preparation};
use proptest::test_runner::{Config, TestRunner};
use rstest::rstest;

use self::model::{Criterion, Leaf, leaf};
use crate::support::account;
use crate::support::app::TestApp;
use crate::support::database::fresh;
use crate::support::network::site;
use crate::support::site::text;

fn now() -> NaiveDateTime {
    let day = NaiveDate::from_ymd_opt(2026, 3, 4).unwrap();
    day.and_hms_opt(12, 0, 0).unwrap()
}

/// The ids that the sidecar finds for criteria stored as PHP does.
async fn found(db: &Db, criteria: &[Criterion]) -> Vec<u32> {
    let stored = model::stored(criteria);
    let criteria = criteria::parse(stored.as_bytes()).unwrap_or_else(|e| panic!("{e}: {stored}"));
    let computers = db.search_computers(&criteria, now()).await.unwrap();
    computers.unwrap().iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn random_computers_fit_random_criteria_as_in_the_model() {
    let test_db = fresh().await;
    test_db.set(&random::surroundings()).await;
    let db = Db::new(&test_db.database, "").unwrap();
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(120)
    });
    let run = runner.run(&random::case(), |(computers, searches)| {
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                test_db.set(&random::rows(&computers)).await;
                for search in &searches {
                    let expected = model::members(&computers, search);
                    proptest::prop_assert_eq!(found(&db, search).await, expected, "{:?}", search);
                }
                Ok(())
            })
        })
    });
    run.unwrap();
    db.close().await;
}

/// What the test above has found.
#[tokio::test]
async fn cases_that_were_found() {
    use model::{Computer, Criterion, Leaf};
    let test_db = fresh().await;
    test_db.set(&random::surroundings()).await;
    let db = Db::new(&test_db.database, "").unwrap();
    let leaf = |link: &str, option, verb: &str, value: &str| {
        Criterion::Leaf(Leaf::new(link, option, verb, value))
    };
    let software = |link: &str, value: &str| {
        Criterion::Leaf(Leaf {
            software: true,
            ..Leaf::new(link, 1, "contains", value)
        })
    };
    let computers = [Computer {
        id: 1,
        changed: Some("2026-03-04 00:00:00".into()),
        software: vec![(1, false)],
        ..Computer::default()
    }];
    let search = [
        Criterion::Group(
            "OR".into(),
            vec![
                leaf("OR NOT", 3, "contains", "a"),
                leaf("OR", 70, "notcontains", "^$"),
                software("AND NOT", "b_"),
            ],
        ),
        Criterion::Group(
            "AND".into(),
            vec![
                leaf("AND NOT", 19, "lessthan", "TODAY"),
                software("AND NOT", "a"),
                leaf("OR NOT", 70, "notequals", "2"),
            ],
        ),
    ];
    test_db.set(&random::rows(&computers)).await;
    assert_eq!(
        found(&db, &search).await,
        model::members(&computers, &search)
    );
    db.close().await;
}

/// Who nobody uses is found where nobody (0) is looked for, and never by another user: unlike other rows.
#[tokio::test(flavor = "multi_thread")]
async fn computers_without_a_user_are_found_by_nobody_alone() {
    use model::{Computer, Criterion, Leaf};
    let test_db = fresh().await;
    test_db.set(&random::surroundings()).await;
    let db = Db::new(&test_db.database, "").unwrap();
    let of = |id, user| Computer {
        id,
        user,
        ..Computer::default()
    };
    let computers = [of(1, 0), of(2, 1), of(3, 2)];
    test_db.set(&random::rows(&computers)).await;
    for (link, verb, value, expected) in [
        ("AND", "equals", "2", vec![3]),
        ("AND", "notequals", "2", vec![2]),
        ("AND NOT", "equals", "2", vec![2]),
        ("AND NOT", "notequals", "2", vec![3]),
        ("AND", "equals", "0", vec![1]),
        ("AND", "notequals", "0", vec![2, 3]),
        ("AND NOT", "equals", "0", vec![1, 2, 3]),
        ("AND NOT", "notequals", "0", vec![2, 3]),
    ] {
        let search = [Criterion::Leaf(Leaf::new(link, 70, verb, value))];
        let members = found(&db, &search).await;
        assert_eq!(members, expected, "{link} {verb} {value}");
        assert_eq!(
            model::members(&computers, &search),
            expected,
            "{link} {verb} {value}"
        );
    }
    db.close().await;
}

/// A site whose job 1 is for the dynamic group 5 with this search, and PHP's cache says that computer 2 is its member.
async fn with_group(stored: &str) -> TestApp {
    let app = site(Policy::Redux).await;
    app.db.set(&group(stored)).await;
    app
}

fn group(stored: &str) -> String {
    let mut sql =
        "UPDATE {p}taskjobs SET actors = '[{\"PluginFusioninventoryDeployGroup\":\"5\"}]';
         INSERT INTO {p}deploygroups (id, name, type) VALUES (5, 'Lab', 'DYNAMIC');"
            .to_owned();
    write!(
        sql,
        "INSERT INTO {{p}}deploygroups_dynamicdatas ({{f}}deploygroups_id, fields_array, computers_id_cache) VALUES (5, {}, '{{\"2\":2}}')",
        text(stored)
    )
    .unwrap();
    sql
}

async fn pass(app: &TestApp) -> Arc<Pass> {
    let db = Db::new(&app.db.database, "").unwrap();
    let preparation = Preparation::new(db.clone(), app.clock.clone(), Tz::UTC, Policy::Redux);
    let summary = preparation.pass().await.unwrap();
    db.close().await;
    summary
}

async fn cache(app: &TestApp) -> Vec<Option<String>> {
    app.db
        .ask("SELECT computers_id_cache FROM {p}deploygroups_dynamicdatas")
        .await
}

async fn prepared_for(app: &TestApp) -> Vec<u32> {
    app.db
        .ask("SELECT {f}agents_id FROM {p}taskjobstates ORDER BY 1")
        .await
}

#[tokio::test]
async fn a_pass_stores_the_members_for_php_and_only_what_is_new() {
    let app = with_group(&model::stored(&[leaf(1, "contains", "^wks-1$")])).await;
    app.db
        .set(
            "CREATE TABLE written (at INT); \
             CREATE TRIGGER seen BEFORE UPDATE ON {p}deploygroups_dynamicdatas FOR EACH ROW INSERT INTO written VALUES (1)",
        )
        .await;
    for _ in 0..3 {
        assert_eq!(pass(&app).await.kept, []);
        assert_eq!(cache(&app).await, [Some(r#"{"1":1}"#.to_owned())]);
    }
    assert_eq!(prepared_for(&app).await, [1]);
    assert_eq!(app.db.ask::<u32>("SELECT COUNT(*) FROM written").await, [1]);

    app.db.set("UPDATE glpi_computers SET name = 'x'").await;
    let summary = pass(&app).await;
    assert_eq!(summary.jobs[0].1, Outcome::Passed(Reason::NoAgents));
    assert_eq!(cache(&app).await, [Some("[]".to_owned())]);
    app.db.set("DROP TABLE written").await;
}

#[rstest]
#[case::not_understood(leaf(205, "contains", "x"), "search option 205 is not understood")]
#[case::table_that_is_not_there(
    leaf(41, "contains", "SP1"),
    "search option 41 cannot be searched: Table"
)]
#[case::half_understood(
    Criterion::Group("OR".into(), vec![leaf(5, "contains", "SN"), leaf(1, "regex", "x")]),
    "search option 1 with 'regex' 'x' is not understood"
)]
#[tokio::test]
async fn a_group_that_cannot_be_evaluated_keeps_what_php_stored(
    #[case] bad: Criterion,
    #[case] why: &str,
) {
    let app = with_group(&model::stored(&[leaf(1, "contains", "wks"), bad])).await;
    let summary = pass(&app).await;
    let [
        Kept {
            group,
            name,
            why: said,
        },
    ] = summary.kept.as_slice()
    else {
        panic!("{summary:?}");
    };
    assert_eq!((*group, name.as_str()), (DeployGroupId(5), "Lab"));
    assert!(said.to_string().starts_with(why), "{said}");
    let shown = format!("group 'Lab' (5) keeps the members that GLPI stored: {why}");
    assert!(summary.to_string().starts_with(&shown), "{summary}");
    assert_eq!(cache(&app).await, [Some(r#"{"2":2}"#.to_owned())]);
    assert_eq!(prepared_for(&app).await, [2]);
}

#[tokio::test]
async fn a_pass_evaluates_a_group_once_for_all_jobs() {
    let app = with_group(&model::stored(&[leaf(205, "contains", "x")])).await;
    app.db
        .set(
            "INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) \
             SELECT 2, 1, 'job 2', method, targets, actors FROM {p}taskjobs WHERE id = 1",
        )
        .await;
    let summary = pass(&app).await;
    assert_eq!((summary.kept.len(), summary.jobs.len()), (1, 2));
    assert_eq!(prepared_for(&app).await, [2, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_may_not_be_read_concern_only_the_groups_that_ask_about_them() {
    let test_db = fresh().await;
    test_db.set(&random::surroundings()).await;
    test_db
        .set("INSERT INTO glpi_computers (id, name, users_id) VALUES (1, 'a', 1)")
        .await;
    let account = account::sidecar(&test_db).await;
    let db = Db::new(&account.database, "").unwrap();
    let search = async |criteria: &[Criterion]| {
        let stored = model::stored(criteria);
        let criteria = criteria::parse(stored.as_bytes()).unwrap();
        let found = db.search_computers(&criteria, now()).await.unwrap();
        assert_eq!(db.lacks_for(&criteria).await.unwrap(), found.clone().err());
        found
            .map(|computers| computers.len())
            .map_err(|why| why.to_string())
    };
    let of_user = [leaf(1, "contains", "a"), leaf(70, "contains", "ab")];
    let refused = search(&of_user).await.unwrap_err();
    assert!(
        refused.starts_with("search option 70 cannot be searched: SELECT command denied"),
        "{refused}"
    );
    assert_eq!(search(&of_user[..1]).await, Ok(1));
    let grants = grants::for_groups();
    let mut users = grants.iter().filter(|grant| grant.table == "glpi_users");
    let grant = users.next().unwrap();
    let statement = grant.statement(&test_db.database.name, &account.name);
    test_db.exec(&statement).await;
    assert_eq!(search(&of_user).await, Ok(1));

    for table in [
        "networks",
        "autoupdatesystems",
        "operatingsystemservicepacks",
    ] {
        let made =
            format!("CREATE TABLE glpi_{table} (id INT UNSIGNED PRIMARY KEY, name VARCHAR(255))");
        test_db.exec(&made).await;
    }
    for grant in &grants {
        let statement = grant.statement(&test_db.database.name, &account.name);
        test_db.exec(&statement).await;
    }
    let mut all = 0;
    for (option, software) in (1..1000)
        .zip(std::iter::repeat(false))
        .chain([(1, true), (5, true)])
    {
        let mut asked = Leaf::new("OR", option, "empty", "null");
        asked.software = software;
        let stored = model::stored(&[Criterion::Leaf(asked)]);
        let Ok(criteria) = criteria::parse(stored.as_bytes()) else {
            continue;
        };
        all += 1;
        assert_eq!(db.lacks_for(&criteria).await.unwrap(), None, "{option}");
        assert!(db.search_computers(&criteria, now()).await.unwrap().is_ok());
    }
    // All but the id, which is never empty.
    assert_eq!(all, 39);
    let branches = [3, 31, 49, 71, 80].map(|option| leaf(option, "under", "1"));
    assert_eq!(search(&branches).await, Ok(0));
    db.close().await;
}

#[tokio::test]
async fn without_criteria_every_computer_is_a_member() {
    let test_db = fresh().await;
    test_db
        .set(
            "INSERT INTO glpi_computers (id, is_deleted, is_template, entities_id) \
             VALUES (1, 0, 0, 0), (2, 0, 0, 7), (3, 1, 0, 0), (4, 0, 1, 0)",
        )
        .await;
    let db = Db::new(&test_db.database, "").unwrap();
    let without_value = Criterion::Leaf(Leaf {
        option: 205,
        ..Leaf::new("AND", 1, "contains", "")
    });
    for criteria in [
        vec![],
        vec![without_value],
        vec![Criterion::Group("AND NOT".into(), vec![])],
    ] {
        assert_eq!(found(&db, &criteria).await, [1, 2], "{criteria:?}");
    }
    db.close().await;
}
