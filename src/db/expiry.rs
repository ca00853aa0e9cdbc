//! Expiry: runs that are under way, when they were last heard of, and their end.
//!
//! Runs under way are found job by job along an index: those that have ended are not read. What a run's signs are is asked again under
//! its lock, so that a report that comes at the same moment is either counted, or comes after the end.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};
use chrono_tz::Tz;
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Transaction, Value};

use super::bulk::{LIST_MAX, add_lines, insert, list, marks};
use super::cleaning::Window;
use super::row::{Columns, readable};
use super::{Db, DbError, OnLock};
use crate::domain::expiry::{Signs, Verdict, verdict};
use crate::domain::ids::{AgentId, JobId, RunId};
use crate::domain::policy::Policy;
use crate::domain::run::{LogState, RunState};

/// Most runs that one transaction ends.
pub const ENDED_AT_ONCE: usize = LIST_MAX;

/// Most rows about answers, and about addresses, that one transaction forgets.
const FORGOTTEN_AT_ONCE: u32 = 1000;

/// A moment as read.
type Moment = Option<NaiveDateTime>;

/// Job, method, time-out, and whether it has sent and running runs.
type JobRow = (u32, Option<String>, Option<u32>, bool, bool);

/// What stands for the method of a job that is gone.
pub const GONE: &str = "gone";

/// A job, and whether it has runs under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobUnderWay {
    /// Its row.
    pub id: JobId,
    /// Its method; [`GONE`] of a job that was deleted without its runs.
    pub method: String,
    /// The time-out in seconds that it has of its own.
    pub timeout: Option<u32>,
    /// The states in which it has runs.
    pub states: Vec<RunState>,
}

/// By what a run is judged.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Whose rules.
    pub policy: Policy,
    /// How long its agent may be silent; none = for ever.
    pub timeout: Option<Duration>,
    /// When it is.
    pub now: DateTime<Tz>,
}

impl Terms {
    fn verdict(&self, state: RunState, signs: &Signs) -> Verdict {
        verdict(self.policy, state, self.timeout, signs, self.now)
    }
}

/// A run with all that is known of it.
#[derive(Debug, Clone)]
struct Known {
    run: RunId,
    agent: AgentId,
    itemtype: String,
    items_id: u32,
    state: RunState,
    signs: Signs,
}

/// Whether a spool has messages about a run `r`.
macro_rules! spooled {
    () => {
        "(SELECT 1 FROM {p}sidecar_spooled q WHERE q.{f}taskjobstates_id = r.id LIMIT 1) IS NOT NULL"
    };
}

/// The joins from a run `r` to what the sidecar noted of it: itself (`s`), its answer (`w`), the downloads from there (`d`).
macro_rules! noted {
    () => {
        "LEFT JOIN {p}sidecar_runs s ON s.{f}taskjobstates_id = r.id \
         LEFT JOIN {p}sidecar_answers w ON w.{f}agents_id = s.{f}agents_id AND w.sent_at = s.sent_at \
         LEFT JOIN {p}sidecar_downloads d ON d.address = w.address "
    };
}

pub(super) use {noted, spooled};

impl Db {
    /// Every job with its time-out and the states under way in which it has runs, also a job of which there is nothing but these.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn jobs_under_way(&self) -> Result<Vec<JobUnderWay>, DbError> {
        self.timed("jobs_under_way", async {
            // Whether there is one is answered by the first entry of the index on job and state.
            let sql = self.sql(
                "/* jobs_under_way */ SELECT j.id, j.method, o.timeout, \
                 (SELECT 1 FROM {p}taskjobstates r WHERE r.{f}taskjobs_id = j.id AND r.state = 1 LIMIT 1) IS NOT NULL, \
                 (SELECT 1 FROM {p}taskjobstates r WHERE r.{f}taskjobs_id = j.id AND r.state = 2 LIMIT 1) IS NOT NULL \
                 FROM {p}taskjobs j LEFT JOIN {p}sidecar_jobs o ON o.{f}taskjobs_id = j.id ORDER BY j.id",
            );
            let mut conn = self.conn().await?;
            let mut rows: Vec<JobRow> = conn.query(sql.as_ref()).await?;
            // The jobs that runs name are the first entries of the groups of that index: it is not read through.
            let sql = self.sql(
                "/* jobs_under_way */ SELECT g.id, 'gone', NULL, \
                 (SELECT 1 FROM {p}taskjobstates r WHERE r.{f}taskjobs_id = g.id AND r.state = 1 LIMIT 1) IS NOT NULL, \
                 (SELECT 1 FROM {p}taskjobstates r WHERE r.{f}taskjobs_id = g.id AND r.state = 2 LIMIT 1) IS NOT NULL \
                 FROM (SELECT DISTINCT {f}taskjobs_id AS id FROM {p}taskjobstates) g LEFT JOIN {p}taskjobs j ON j.id = g.id WHERE j.id IS NULL",
            );
            let gone: Vec<JobRow> = conn.query(sql.as_ref()).await?;
            rows.extend(gone);
            let jobs = rows.into_iter().map(|(id, method, timeout, sent, running)| {
                let states = [(RunState::Sent, sent), (RunState::Running, running)];
                JobUnderWay {
                    id: JobId(id),
                    method: method.unwrap_or_default(),
                    timeout,
                    states: states.into_iter().filter(|(_, has)| *has).map(|(state, _)| state).collect(),
                }
            });
            Ok(jobs.collect())
        })
        .await
    }

    /// Among the next `most` runs of `job` in `state`, from id `from` on, those that may have been silent for too long: what their logs say
    /// is not looked at.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn silent_candidates(
        &self,
        job: JobId,
        state: RunState,
        from: u64,
        most: u32,
        terms: &Terms,
    ) -> Result<Window<RunId>, DbError> {
        self.timed("silent_candidates", async {
            let sql = self.sql(concat!(
                "/* silent_candidates */ SELECT r.id, s.sent_at, w.heard_at, d.fetched_at, ",
                spooled!(),
                " FROM {p}taskjobstates r ",
                noted!(),
                "WHERE r.{f}taskjobs_id = ? AND r.state = ? AND r.id >= ? ORDER BY r.id LIMIT ?"
            ));
            let values = (job.0, state.code(), from, most);
            let rows: Vec<(u64, Moment, Moment, Moment, bool)> =
                self.conn().await?.exec(sql.as_ref(), values).await?;
            let next = rows.last().and_then(|row| row.0.checked_add(1));
            let seen = rows
                .into_iter()
                .filter(|&(_, sent, heard, fetched, spooled)| {
                    let signs = Signs {
                        sent,
                        heard,
                        fetched,
                        spooled,
                        ..Signs::default()
                    };
                    terms.verdict(state, &signs) != Verdict::Stays
                });
            Ok(Window {
                seen: seen.map(|row| RunId(row.0)).collect(),
                next,
            })
        })
        .await
    }

    /// What becomes of each of `runs`, at most [`ENDED_AT_ONCE`], that does not just stay. Nothing is written.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn verdicts(
        &self,
        runs: &[RunId],
        terms: &Terms,
    ) -> Result<Vec<(RunId, Verdict)>, DbError> {
        self.timed("verdicts", async {
            let known = known(self, &mut self.conn().await?, runs).await?;
            let judged = known
                .into_iter()
                .map(|known| (known.run, terms.verdict(known.state, &known.signs)));
            Ok(judged
                .filter(|(_, verdict)| *verdict != Verdict::Stays)
                .collect())
        })
        .await
    }

    /// How many runs a transaction ends: where rows that somebody else has locked cannot be left out, one, so that it holds up no other.
    pub async fn ended_at_once(&self) -> usize {
        if self.skips_locked().await {
            ENDED_AT_ONCE
        } else {
            1
        }
    }

    /// Ends those of `runs`, at most [`ENDED_AT_ONCE`], that are to end: how many. One that somebody else has locked is left to the next
    /// time; a server without `SKIP LOCKED` refuses them all then.
    ///
    /// # Errors
    ///
    /// When the database fails; then none was ended.
    pub async fn expire_runs(&self, runs: &[RunId], terms: &Terms) -> Result<usize, DbError> {
        let skip = self.skips_locked().await;
        self.tx(
            "expire_runs",
            OnLock::TryAgain,
            (runs, terms, skip),
            |db, (runs, terms, skip), tx| Box::pin(expire(db, tx, runs, terms, *skip)),
        )
        .await
    }

    /// Notes that at `at` file parts were fetched from `addresses`, and that the agents of `runs` spoke of them.
    ///
    /// # Errors
    ///
    /// When the database fails; part may be noted.
    pub async fn note_signs(
        &self,
        addresses: &[IpAddr],
        runs: &[RunId],
        at: NaiveDateTime,
    ) -> Result<(), DbError> {
        for addresses in addresses.chunks(LIST_MAX) {
            self.tx(
                "note_downloads",
                OnLock::TryAgain,
                (addresses, at),
                |db, (addresses, at), tx| Box::pin(note_downloads(db, tx, addresses, *at)),
            )
            .await?;
        }
        for runs in runs.chunks(LIST_MAX) {
            self.tx(
                "note_messages",
                OnLock::TryAgain,
                (runs, at),
                |db, (runs, at), tx| Box::pin(note_messages(db, tx, runs, *at)),
            )
            .await?;
        }
        Ok(())
    }

    /// Forgets some answers and downloads that are older than `before`; whether there may be more.
    ///
    /// # Errors
    ///
    /// When the database fails; then none was forgotten.
    pub async fn forget_signs(&self, before: NaiveDateTime) -> Result<bool, DbError> {
        self.tx(
            "forget_signs",
            OnLock::TryAgain,
            before,
            |db, before, tx| Box::pin(forget(db, tx, *before)),
        )
        .await
    }
}

/// All that is known of those of `runs` that there are.
async fn known(db: &Db, conn: &mut impl Queryable, runs: &[RunId]) -> Result<Vec<Known>, DbError> {
    let ids: Vec<u64> = runs.iter().map(|run| run.0).collect();
    let mut all = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(LIST_MAX) {
        let text = [
            "/* signs_of_runs */ SELECT r.id, r.{f}agents_id, r.itemtype, r.items_id, r.state, s.sent_at, w.heard_at, d.fetched_at, \
             (SELECT MAX(l.date) FROM {p}taskjoblogs l WHERE l.{f}taskjobstates_id = r.id), \
             IF(s.{f}taskjobstates_id IS NULL AND r.state = 1 AND (\
               SELECT 1 FROM {p}taskjoblogs l WHERE l.{f}taskjobstates_id = r.id AND l.state <> 7 LIMIT 1) IS NULL, a.last_contact, NULL), ",
            spooled!(),
            " FROM {p}taskjobstates r LEFT JOIN {p}agents a ON a.id = r.{f}agents_id ",
            noted!(),
            "WHERE r.id IN (",
            &marks(chunk.len()),
            ") ORDER BY r.id",
        ]
        .concat();
        let rows: Vec<Row> = conn.exec(db.names.replace(&text), list(chunk)).await?;
        all.extend(readable(rows.into_iter().map(read)));
    }
    Ok(all)
}

fn read(row: Row) -> Result<Known, DbError> {
    let mut columns = Columns::new("taskjobstates", row);
    Ok(Known {
        run: RunId(columns.take("id")?),
        agent: AgentId(columns.take("agents_id")?),
        itemtype: columns.text("itemtype")?,
        items_id: columns.take("items_id")?,
        state: {
            let code: u32 = columns.take("state")?;
            RunState::from_code(code).ok_or_else(|| columns.corrupt("state", code.to_string()))?
        },
        signs: Signs {
            sent: columns.take("sent_at")?,
            heard: columns.take("heard_at")?,
            fetched: columns.take("fetched_at")?,
            line: columns.take("date")?,
            contact: columns.take("last_contact")?,
            spooled: columns.take("spooled")?,
        },
    })
}

async fn expire(
    db: &Db,
    tx: &mut Transaction<'static>,
    runs: &[RunId],
    terms: &Terms,
    skip: bool,
) -> Result<usize, DbError> {
    let skip = if skip { " SKIP LOCKED" } else { "" };
    let ids: Vec<u64> = runs.iter().map(|run| run.0).collect();
    let mut free = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(LIST_MAX) {
        let text = format!(
            "/* expire_runs */ SELECT id FROM {{p}}taskjobstates WHERE id IN ({}) AND state IN (1, 2) ORDER BY id FOR UPDATE{skip}",
            marks(chunk.len())
        );
        let rows: Vec<u64> = tx.exec(db.names.replace(&text), list(chunk)).await?;
        free.extend(rows.into_iter().map(RunId));
    }
    if free.is_empty() {
        return Ok(0);
    }
    // Another one's last word is committed by now, or comes after this transaction.
    let known = known(db, tx, &free).await?;
    let mut ended = Vec::new();
    let mut lines: Vec<[Value; 6]> = Vec::new();
    let mut sent: Vec<[Value; 4]> = Vec::new();
    for known in known {
        match terms.verdict(known.state, &known.signs) {
            Verdict::Stays => {}
            Verdict::CountsAsSent(at) => {
                let (run, agent) = (known.run.0.into(), known.agent.0.into());
                sent.push([run, agent, 0.into(), at.into()]);
            }
            Verdict::Expires(expired) => {
                ended.push(known.run.0);
                lines.push([
                    known.run.0.into(),
                    terms.now.naive_local().into(),
                    known.items_id.into(),
                    known.itemtype.into(),
                    LogState::Error.code().into(),
                    expired.to_string().into(),
                ]);
            }
        }
    }
    for chunk in ended.chunks(LIST_MAX) {
        let text = format!(
            "/* expire_runs */ UPDATE {{p}}taskjobstates SET state = 4 WHERE id IN ({})",
            marks(chunk.len())
        );
        tx.exec_drop(db.names.replace(&text), list(chunk)).await?;
    }
    add_lines(db, tx, &lines).await?;
    let head = "/* expire_runs */ INSERT INTO {p}sidecar_runs ({f}taskjobstates_id, {f}agents_id, sends, sent_at)";
    let tail = "ON DUPLICATE KEY UPDATE sent_at = COALESCE(sent_at, VALUES(sent_at))";
    insert(db, tx, head, &sent, tail).await?;
    Ok(ended.len())
}

async fn note_downloads(
    db: &Db,
    tx: &mut Transaction<'static>,
    addresses: &[IpAddr],
    at: NaiveDateTime,
) -> Result<(), DbError> {
    let rows: Vec<[Value; 2]> = addresses
        .iter()
        .map(|address| [address.to_string().into(), at.into()])
        .collect();
    let head = "/* note_downloads */ INSERT INTO {p}sidecar_downloads (address, fetched_at)";
    let tail = "ON DUPLICATE KEY UPDATE fetched_at = GREATEST(fetched_at, VALUES(fetched_at))";
    insert(db, tx, head, &rows, tail).await
}

async fn note_messages(
    db: &Db,
    tx: &mut Transaction<'static>,
    runs: &[RunId],
    at: NaiveDateTime,
) -> Result<(), DbError> {
    let ids: Vec<u64> = runs.iter().map(|run| run.0).collect();
    let text = format!(
        "/* note_messages */ SELECT DISTINCT {{f}}agents_id, sent_at FROM {{p}}sidecar_runs WHERE {{f}}taskjobstates_id IN ({}) \
         AND sent_at IS NOT NULL ORDER BY {{f}}agents_id, sent_at",
        marks(ids.len())
    );
    let answers: Vec<(u32, NaiveDateTime)> = tx.exec(db.names.replace(&text), list(&ids)).await?;
    let rows: Vec<[Value; 3]> = answers
        .into_iter()
        .map(|(agent, sent_at)| [agent.into(), sent_at.into(), at.into()])
        .collect();
    let head =
        "/* note_messages */ INSERT INTO {p}sidecar_answers ({f}agents_id, sent_at, heard_at)";
    let tail = "ON DUPLICATE KEY UPDATE heard_at = GREATEST(heard_at, VALUES(heard_at))";
    insert(db, tx, head, &rows, tail).await
}

async fn forget(
    db: &Db,
    tx: &mut Transaction<'static>,
    before: NaiveDateTime,
) -> Result<bool, DbError> {
    // An answer stays as long as file parts are fetched from its address.
    let answers = db.sql(
        "/* forget_signs */ DELETE FROM {p}sidecar_answers WHERE heard_at < ? AND NOT EXISTS (\
         SELECT 1 FROM {p}sidecar_downloads d WHERE d.address = {p}sidecar_answers.address AND d.fetched_at >= ?) \
         ORDER BY heard_at LIMIT ?",
    );
    tx.exec_drop(answers.as_ref(), (before, before, FORGOTTEN_AT_ONCE))
        .await?;
    let answers = tx.affected_rows();
    let downloads = db.sql(
        "/* forget_signs */ DELETE FROM {p}sidecar_downloads WHERE fetched_at < ? ORDER BY fetched_at LIMIT ?",
    );
    tx.exec_drop(downloads.as_ref(), (before, FORGOTTEN_AT_ONCE))
        .await?;
    let most = u64::from(FORGOTTEN_AT_ONCE);
    Ok(answers >= most || tx.affected_rows() >= most)
}
