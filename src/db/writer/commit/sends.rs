//! What the sidecar notes of its own: sends, and when agents were heard of.

use mysql_async::{Transaction, Value};

use super::Gathered;
use crate::db::bulk::insert;
use crate::db::{Db, DbError};

pub(super) async fn write(
    db: &Db,
    tx: &mut Transaction<'static>,
    gathered: &Gathered<'_>,
) -> Result<(), DbError> {
    write_sends(db, tx, gathered).await?;
    write_answers(db, tx, gathered).await
}

async fn write_sends(
    db: &Db,
    tx: &mut Transaction<'static>,
    gathered: &Gathered<'_>,
) -> Result<(), DbError> {
    let sends: Vec<[Value; 4]> = gathered
        .sends
        .iter()
        .map(|(run, (agent, sends, at))| {
            [run.0.into(), agent.0.into(), (*sends).into(), (*at).into()]
        })
        .collect();
    let head = "/* count_sends */ INSERT INTO {p}sidecar_runs ({f}taskjobstates_id, {f}agents_id, sends, sent_at)";
    let tail = "ON DUPLICATE KEY UPDATE sends = VALUES(sends), sent_at = VALUES(sent_at)";
    insert(db, tx, head, &sends, tail).await
}

async fn write_answers(
    db: &Db,
    tx: &mut Transaction<'static>,
    gathered: &Gathered<'_>,
) -> Result<(), DbError> {
    let answers: Vec<[Value; 4]> = gathered
        .answers
        .iter()
        .map(|((agent, sent_at), (heard_at, address))| {
            let address = address.map(|address| address.to_string());
            [
                agent.0.into(),
                (*sent_at).into(),
                (*heard_at).into(),
                address.into(),
            ]
        })
        .collect();
    let head = "/* heard_of_answers */ INSERT INTO {p}sidecar_answers ({f}agents_id, sent_at, heard_at, address)";
    let tail = "ON DUPLICATE KEY UPDATE heard_at = GREATEST(heard_at, VALUES(heard_at)), address = COALESCE(VALUES(address), address)";
    insert(db, tx, head, &answers, tail).await
}
