//! What requests that are written together make of each other.

use std::time::{Duration, Instant};

use chrono::{NaiveDate, NaiveDateTime};
use fusion_sidecar::db::Db;
use fusion_sidecar::db::agents::Contact;
use fusion_sidecar::db::writer::{Change, Driven, Finding, Outcome, Request, Step, Writer};
use fusion_sidecar::domain::ids::{AgentId, ComputerId, RunId};
use fusion_sidecar::domain::run::{RunState, StateSet};
use futures_util::future::join;
use mysql_async::prelude::Queryable as _;
use tokio_util::sync::CancellationToken;

use crate::support::database::{self, TestDb};
use crate::support::site::{expand, office};

fn noon() -> NaiveDateTime {
    let day = NaiveDate::from_ymd_opt(2026, 3, 4).unwrap();
    day.and_hms_opt(12, 0, 0).unwrap()
}

/// The outcomes of two requests that come in one batch.
async fn together(db: &TestDb, first: Request, second: Request) -> [Vec<Outcome>; 2] {
    let pool = Db::new(&db.database, "").unwrap();
    let (writer, task) = Writer::new(pool.clone(), 2, CancellationToken::new());
    let both = join(writer.write(first), writer.write(second));
    // Both are in the queue before the task first looks.
    let (first, second) = tokio::select! {
        biased;
        outcomes = both => outcomes,
        () = task => unreachable!("the writer is still there"),
    };
    pool.close().await;
    [first.unwrap(), second.unwrap()]
}

fn step(step: Step) -> Request {
    Request {
        at: noon(),
        contact: None,
        driven: Driven::default(),
        changes: vec![Change {
            run: RunId(1),
            itemtype: "PluginFusioninventoryDeployPackage".into(),
            items_id: 1,
            step,
            unless: StateSet::default(),
            lines: Vec::new(),
            finding: None,
        }],
    }
}

fn contact(agent: u32, useragent: &str) -> Request {
    let contact = Contact {
        at: noon(),
        useragent: Some(useragent.into()),
        token: None,
        version: None,
    };
    Request {
        at: noon(),
        contact: Some((AgentId(agent), contact)),
        driven: Driven::default(),
        // About no run that there is; with a finding it goes where rows are waited for.
        changes: vec![Change {
            run: RunId(99),
            finding: Some(Finding::FilesAnew {
                computer: ComputerId(1),
                orders: vec![1],
            }),
            ..step(Step::Log).changes.remove(0)
        }],
    }
}

#[tokio::test]
async fn a_run_that_is_sent_and_put_off_at_once_has_no_sends() {
    let db = database::fresh().await;
    office(&db).await;
    db.run(1, 1, 0).await;
    let send = Step::Send {
        agent: AgentId(1),
        before: 0,
        counted: true,
        to: None,
    };
    let defer = Step::Defer {
        from: StateSet::from(RunState::Sent),
        date_start: noon() + Duration::from_hours(1),
        nb_retry: 1,
        max_retry: 3,
    };
    let outcomes = together(&db, step(send), step(defer)).await;
    assert_eq!(outcomes, [[Outcome::Done], [Outcome::Done]]);
    let run: Vec<(u32, String, u32, u32)> = db
        .ask("SELECT state, CAST(date_start AS CHAR), nb_retry, max_retry FROM {p}taskjobstates")
        .await;
    assert_eq!(run, [(0, "2026-03-04 13:00:00".to_owned(), 1, 3)]);
    let sends: Vec<u32> = db.ask("SELECT sends FROM {p}sidecar_runs").await;
    assert!(sends.is_empty(), "{sends:?}");
}

/// Two instances never wait for each other crosswise: whoever waits for agent 1 does not hold agent 2, in whatever order they came and
/// whatever they say.
#[tokio::test(flavor = "multi_thread")]
async fn agents_are_locked_in_one_order() {
    let db = database::fresh().await;
    office(&db).await;
    let locking = |agent: u32, tail: &str| {
        expand(&format!(
            "SELECT id FROM {{p}}agents WHERE id = {agent} FOR UPDATE {tail}"
        ))
    };
    let mut holder = db.conn().await;
    holder.query_drop("BEGIN").await.unwrap();
    holder.query_drop(locking(1, "")).await.unwrap();
    let mut looker = db.conn().await;
    let watched = async {
        let begun = Instant::now();
        let mut free = true;
        while free && begun.elapsed() < Duration::from_millis(500) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            free = looker.query_drop(locking(2, "NOWAIT")).await.is_ok();
        }
        holder.query_drop("ROLLBACK").await.unwrap();
        free
    };
    let written = together(&db, contact(2, "new"), contact(1, "old"));
    let (_, free) = join(written, watched).await;
    assert!(free, "agent 2 was held while agent 1 was waited for");
    let useragents: Vec<String> = db.ask("SELECT useragent FROM {p}agents ORDER BY id").await;
    assert_eq!(useragents, ["old", "new"]);
    holder.disconnect().await.unwrap();
    looker.disconnect().await.unwrap();
}
