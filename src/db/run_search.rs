//! Looking for runs of a task, a page at a time.
//!
//! The plugin's tables have no index for what people look for, so a search goes through the runs of the task's jobs from the newest on, in
//! pieces along the index on jobs, and ends when a page is full, or when its time is over: the page then says how far it came. A run has no
//! date of its own: it began with its first log line. Runs are numbered as they are made, so of those of a period only the numbers at both
//! ends are looked for, by halving, and between them each run is asked.

use std::ops::{Range, RangeInclusive};
use std::time::{Duration, Instant};

use chrono::{NaiveDateTime, TimeDelta};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Value};

use super::{Db, DbError};
use crate::domain::actors::Target;
use crate::domain::ids::{JobId, RunId};
use crate::domain::run::RunState;
use crate::proto::text::encode;

/// Runs that one statement looks at where their rows answer: a few hundredths of a second.
const ROWS: usize = 5_000;

/// The same where their log lines are read too, which lie anywhere on the disk.
const LOGGED: usize = 1_000;

/// How far a date can be from where its number would have it: writers whose clocks differ, transactions that take long, and the hour that
/// comes twice.
pub(super) const SLACK: TimeDelta = TimeDelta::hours(2);

/// How long a search goes on at the most, or half of the time that an operation has if that is less: somebody waits for the page.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Which runs are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunSearch {
    /// In this state.
    pub state: Option<RunState>,
    /// On this target.
    pub target: Option<Target>,
    /// Of an agent whose name has this in it.
    pub agent: Option<String>,
    /// Begun at this moment or later (local time).
    pub from: Option<NaiveDateTime>,
    /// Begun before this moment.
    pub until: Option<NaiveDateTime>,
    /// With a log line that has one of these texts in it; none = any.
    pub texts: Vec<String>,
}

impl RunSearch {
    /// Whether log lines say which runs are meant.
    #[must_use]
    pub const fn reads_log(&self) -> bool {
        self.from.is_some() || self.until.is_some() || !self.texts.is_empty()
    }

    /// Runs that a statement looks at.
    fn piece(&self, page: usize) -> usize {
        let by_row = self.target.is_some() || self.agent.is_some();
        match (self.reads_log(), by_row) {
            (true, _) => LOGGED,
            (false, true) => ROWS,
            // Each one is a hit; one more says whether there are others.
            (false, false) => page + 1,
        }
    }

    /// What a run `r` is asked beside its job and state, and the values for it.
    fn condition(&self) -> (String, Vec<Value>) {
        let (mut parts, mut values) = (Vec::new(), Vec::new());
        if let Some(target) = &self.target {
            parts.push("r.itemtype = ? AND r.items_id = ?".to_owned());
            values.push(target.itemtype.as_str().into());
            values.push(target.items_id.into());
        }
        if let Some(name) = &self.agent {
            parts.push(
                "EXISTS (SELECT 1 FROM {p}agents a WHERE a.id = r.{f}agents_id AND a.name LIKE ?)"
                    .to_owned(),
            );
            values.push(containing(&encode(name)).into());
        }
        let bounds = [(">= ?", self.from), ("< ?", self.until)];
        let bounds = bounds
            .into_iter()
            .filter_map(|(sign, bound)| Some((sign, bound?)));
        let (signs, dates): (Vec<&str>, Vec<NaiveDateTime>) = bounds.unzip();
        if !dates.is_empty() {
            parts.push(format!(
                "(SELECT d.date {} FROM {{p}}taskjoblogs d WHERE d.id = {FIRST_LINE})",
                signs.join(" AND d.date ")
            ));
            values.extend(dates.into_iter().map(Value::from));
        }
        if !self.texts.is_empty() {
            // As the sidecar and GLPI store it, and as an older agent's words were stored.
            let mut wanted: Vec<String> = Vec::new();
            for text in &self.texts {
                for text in [containing(&encode(text)), containing(text)] {
                    if !wanted.contains(&text) {
                        wanted.push(text);
                    }
                }
            }
            let any = vec!["l.comment LIKE ?"; wanted.len()].join(" OR ");
            parts.push(format!(
                "EXISTS (SELECT 1 FROM {{p}}taskjoblogs l WHERE l.{{f}}taskjobstates_id = r.id AND ({any}))"
            ));
            values.extend(wanted.into_iter().map(Value::from));
        }
        if parts.is_empty() {
            parts.push("1".to_owned());
        }
        (parts.join(" AND "), values)
    }
}

/// The pattern of LIKE for texts with `text` in them.
pub(super) fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// The number of the first log line of run `r`.
const FIRST_LINE: &str =
    "(SELECT MIN(l.id) FROM {p}taskjoblogs l WHERE l.{f}taskjobstates_id = r.id)";

/// Where in `numbers`, which grow with the dates, those begin whose date is not `before`: `sql` has the row of a number, or of the next
/// there is, as number and date. Behind the last where all are.
pub(super) async fn halve(
    conn: &mut Conn,
    sql: &str,
    numbers: RangeInclusive<u64>,
    before: impl Fn(Option<NaiveDateTime>) -> bool,
) -> Result<u64, DbError> {
    let (mut low, mut high) = (*numbers.start(), numbers.end() + 1);
    // Most periods end today: the last row is the first guess.
    let mut middle = *numbers.end();
    while low < high {
        let row: Option<(u64, Option<NaiveDateTime>)> = conn.exec_first(sql, (middle,)).await?;
        match row {
            Some((id, date)) if before(date) => low = id + 1,
            _ => high = middle,
        }
        middle = low + high.saturating_sub(low) / 2;
    }
    Ok(low)
}

/// A page of runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunPage {
    /// The newest first.
    pub runs: Vec<RunId>,
    /// Where the next page begins: with the runs before this one; none where there are no more.
    pub next: Option<RunId>,
    /// The time was over before the page was full.
    pub is_cut: bool,
    /// Runs that were looked at.
    pub looked_at: u64,
}

/// How far the search has come in a job.
struct Along {
    job: JobId,
    /// All its runs from this id on were looked at.
    from: u64,
    is_done: bool,
}

impl Db {
    /// A page of at most `page` runs of `jobs`, the newest first, those before `before`. The search is cut after `patience`, but not before
    /// it has come further.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn find_runs(
        &self,
        jobs: &[JobId],
        search: &RunSearch,
        before: Option<RunId>,
        page: usize,
        patience: Duration,
    ) -> Result<RunPage, DbError> {
        self.timed("find_runs", async {
            let until = Instant::now() + patience.min(self.timeout / 2);
            let mut conn = self.conn().await?;
            let numbers = self.numbers_of(&mut conn, search).await?;
            let ceiling = before.map_or(numbers.end, |before| before.0.min(numbers.end));
            let mut along: Vec<Along> = jobs
                .iter()
                .map(|job| Along {
                    job: *job,
                    from: ceiling,
                    is_done: false,
                })
                .collect();
            let (mut hits, mut looked_at) = (Vec::new(), 0);
            loop {
                // Where runs have been looked at in all jobs: the page cannot lack one from there on.
                let behind = along.iter_mut().filter(|along| !along.is_done);
                let behind = behind.max_by_key(|along| along.from);
                let horizon = behind.as_ref().map_or(0, |along| along.from);
                let sure = hits.iter().filter(|id| **id >= horizon).count();
                let is_cut = sure <= page
                    && behind.is_some()
                    && horizon < ceiling
                    && Instant::now() >= until;
                match behind {
                    Some(behind) if sure <= page && !is_cut => {
                        looked_at += self
                            .look_along(&mut conn, behind, numbers.start, search, page, &mut hits)
                            .await?;
                    }
                    _ => {
                        hits.sort_unstable_by(|a, b| b.cmp(a));
                        hits.truncate(sure);
                        let is_more = hits.len() > page;
                        hits.truncate(page);
                        let next = if is_more {
                            hits.last().copied()
                        } else {
                            is_cut.then_some(horizon)
                        };
                        return Ok(RunPage {
                            runs: hits.into_iter().map(RunId).collect(),
                            next: next.map(RunId),
                            is_cut,
                            looked_at,
                        });
                    }
                }
            }
        })
        .await
    }

    /// Between which numbers the runs of the search's period are.
    async fn numbers_of(&self, conn: &mut Conn, search: &RunSearch) -> Result<Range<u64>, DbError> {
        let mut found = 0..u64::MAX;
        if search.from.is_none() && search.until.is_none() {
            return Ok(found);
        }
        let sql = self.sql("/* find_runs */ SELECT MIN(id), MAX(id) FROM {p}taskjobstates");
        let ends: Option<(Option<u64>, Option<u64>)> = conn.query_first(sql.as_ref()).await?;
        let Some((Some(lowest), Some(highest))) = ends else {
            return Ok(found);
        };
        let text = format!(
            "/* find_runs */ SELECT r.id, (SELECT d.date FROM {{p}}taskjoblogs d WHERE d.id = {FIRST_LINE}) \
             FROM {{p}}taskjobstates r WHERE r.id >= ? ORDER BY r.id LIMIT 1"
        );
        let text = self.names.replace(&text);
        // A run without a line says nothing of where it is: towards the end that is looked for there may be runs of the period.
        if let Some(from) = search.from {
            let before = |date: Option<NaiveDateTime>| date.is_some_and(|date| date < from - SLACK);
            found.start = halve(conn, &text, lowest..=highest, before).await?;
        }
        if let Some(until) = search.until {
            let before = |date: Option<NaiveDateTime>| date.is_none_or(|date| date < until + SLACK);
            found.end = halve(conn, &text, lowest..=highest, before).await?;
        }
        Ok(found)
    }

    /// Looks at the next piece of a job's runs, down to number `lowest`; how many.
    async fn look_along(
        &self,
        conn: &mut Conn,
        along: &mut Along,
        lowest: u64,
        search: &RunSearch,
        page: usize,
        hits: &mut Vec<u64>,
    ) -> Result<u64, DbError> {
        let (condition, values) = search.condition();
        let piece = search.piece(page);
        let of_state = search.state.map_or("", |_| " AND state = ?");
        let text = format!(
            "/* find_runs */ SELECT r.id, {condition} FROM (SELECT id FROM {{p}}taskjobstates \
             WHERE {{f}}taskjobs_id = ?{of_state} AND id < ? AND id >= ? ORDER BY id DESC LIMIT {piece}) AS x \
             STRAIGHT_JOIN {{p}}taskjobstates r ON r.id = x.id"
        );
        let state = search.state.map(|state| Value::from(state.code()));
        let last = [Value::from(along.from), Value::from(lowest)];
        let values = values.into_iter();
        let values = values.chain([along.job.0.into()]).chain(state).chain(last);
        let rows: Vec<(u64, Option<bool>)> = conn
            .exec(
                self.names.replace(&text),
                Params::Positional(values.collect()),
            )
            .await?;
        along.is_done = rows.len() < piece;
        along.from = rows.iter().map(|(id, _)| *id).min().unwrap_or(along.from);
        let hit = rows.iter().filter(|(_, is_hit)| *is_hit == Some(true));
        hits.extend(hit.map(|(id, _)| *id));
        Ok(rows.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_is_no_pattern() {
        for (text, pattern) in [
            ("wks", "%wks%"),
            ("", "%%"),
            ("50%_\\x", "%50\\%\\_\\\\x%"),
            ("é", "%é%"),
        ] {
            assert_eq!(containing(text), pattern);
        }
    }

    #[test]
    fn pieces_are_small_where_log_lines_are_read() {
        let all = RunSearch::default();
        assert_eq!(all.piece(50), 51);
        assert_eq!(all.condition(), ("1".to_owned(), vec![]));
        let agent = RunSearch {
            agent: Some("a&b".to_owned()),
            ..all.clone()
        };
        assert_eq!(agent.piece(50), ROWS);
        assert_eq!(agent.condition().1, [Value::from("%a&#38;b%")]);
        let text = RunSearch {
            texts: vec!["exit <1>".to_owned(), "plain".to_owned()],
            ..agent
        };
        assert_eq!(text.piece(50), LOGGED);
        let values: Vec<Value> = ["%a&#38;b%", "%exit &#60;1&#62;%", "%exit <1>%", "%plain%"]
            .map(Value::from)
            .into();
        assert_eq!(text.condition().1, values);
    }
}
