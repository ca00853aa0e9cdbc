//! What was heard long ago goes: it is found by plain reads and deleted by its key. A DELETE that looks at another table locks what it reads
//! there, and who notes a download would wait.

use chrono::NaiveDateTime;
use mysql_async::Transaction;
use mysql_async::prelude::Queryable;

use crate::db::{Db, DbError, OnLock};

/// Most rows about answers, and about addresses, that one transaction forgets.
const FORGOTTEN_AT_ONCE: u32 = 1000;

/// An answer: agent, and when it was sent in Unix time, as local time has an hour twice.
type Answer = (u32, i64);

impl Db {
    /// Forgets some answers and downloads that are older than `before`; whether there may be more.
    ///
    /// # Errors
    ///
    /// When the database fails; answers may have been forgotten, and no downloads.
    pub async fn forget_signs(&self, before: NaiveDateTime) -> Result<bool, DbError> {
        let (answers, addresses) = self.timed("old_signs", old(self, before)).await?;
        let mut forgotten = 0;
        if !answers.is_empty() {
            forgotten += self
                .tx(
                    "forget_answers",
                    OnLock::TryAgain,
                    (&answers, before),
                    |db, (answers, before), tx| Box::pin(forget_answers(db, tx, answers, *before)),
                )
                .await?;
        }
        if !addresses.is_empty() {
            forgotten += self
                .tx(
                    "forget_downloads",
                    OnLock::TryAgain,
                    (&addresses, before),
                    |db, (addresses, before), tx| {
                        Box::pin(forget_downloads(db, tx, addresses, *before))
                    },
                )
                .await?;
        }
        let most = usize::try_from(FORGOTTEN_AT_ONCE).unwrap_or(usize::MAX);
        // Where nothing could be forgotten another look would find the same.
        Ok(forgotten > 0 && (answers.len() >= most || addresses.len() >= most))
    }
}

/// The oldest answers and addresses from before `before`. An answer stays as long as file parts are fetched from its address.
async fn old(db: &Db, before: NaiveDateTime) -> Result<(Vec<Answer>, Vec<String>), DbError> {
    let mut conn = db.conn().await?;
    let sql = db.sql(
        "/* old_signs */ SELECT w.{f}agents_id, UNIX_TIMESTAMP(w.sent_at) FROM {p}sidecar_answers w \
         LEFT JOIN {p}sidecar_downloads d ON d.address = w.address AND d.fetched_at >= ? \
         WHERE w.heard_at < ? AND d.address IS NULL ORDER BY w.heard_at LIMIT ?",
    );
    let values = (before, before, FORGOTTEN_AT_ONCE);
    let answers = conn.exec(sql.as_ref(), values).await?;
    let sql = db.sql(
        "/* old_signs */ SELECT address FROM {p}sidecar_downloads WHERE fetched_at < ? ORDER BY fetched_at LIMIT ?",
    );
    let values = (before, FORGOTTEN_AT_ONCE);
    let addresses = conn.exec(sql.as_ref(), values).await?;
    Ok((answers, addresses))
}

/// Those of `answers` of which nothing was heard meanwhile: how many. One by one, as a list makes the server go through a small table and
/// lock all of it.
async fn forget_answers(
    db: &Db,
    tx: &mut Transaction<'static>,
    answers: &[Answer],
    before: NaiveDateTime,
) -> Result<u64, DbError> {
    let sql = db.sql(
        "/* forget_answers */ DELETE FROM {p}sidecar_answers WHERE {f}agents_id = ? AND UNIX_TIMESTAMP(sent_at) = ? AND heard_at < ?",
    );
    let mut forgotten = 0;
    for (agent, sent) in answers {
        tx.exec_drop(sql.as_ref(), (agent, sent, before)).await?;
        forgotten += tx.affected_rows();
    }
    Ok(forgotten)
}

/// Those of `addresses` from which nothing was fetched meanwhile: how many. One by one, as [`forget_answers`].
async fn forget_downloads(
    db: &Db,
    tx: &mut Transaction<'static>,
    addresses: &[String],
    before: NaiveDateTime,
) -> Result<u64, DbError> {
    let sql = db.sql(
        "/* forget_downloads */ DELETE d FROM {p}sidecar_downloads d FORCE INDEX (PRIMARY) WHERE d.address = ? AND d.fetched_at < ?",
    );
    let mut forgotten = 0;
    for address in addresses {
        tx.exec_drop(sql.as_ref(), (address, before)).await?;
        forgotten += tx.affected_rows();
    }
    Ok(forgotten)
}
