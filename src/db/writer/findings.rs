//! What agents found: the tables `collects_…_contents` and `statediscoveries`.
//!
//! They have no unique keys, and most no index but their primary key. So what is stored there already is read once for all findings of
//! a transaction, before a run or an agent is locked, and changed by its ids. Lock rows of the sidecar's own, one for each bucket of
//! computer and order or of run, taken first and in one order, keep two transactions from storing the same twice; nobody waits for
//! them but who finds something himself.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::NaiveDateTime;
use flate2::Crc;
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Params, Transaction, Value};

use super::{Finding, Request};
use crate::db::bulk::{LIST_MAX, insert, list, marks, pad};
use crate::db::collect::{Found, Kind};
use crate::db::network::Progress;
use crate::db::schema::found_bucket;
use crate::db::{Db, DbError};
use crate::domain::ids::{AgentId, ComputerId, RunId};

/// Computer and order.
type Place = (u32, u32);

/// What is stored already of what a transaction is about.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// Rows of the files of an order.
    searches: HashMap<Place, Vec<u64>>,
    /// Row and size of each file.
    files: HashMap<(Place, String), (u64, u32)>,
    /// Rows and keys of what an order found.
    values: HashMap<(Kind, Place), Vec<(u64, String)>>,
    /// Rows of a discovery, which PHP makes several of when two messages come at once.
    discoveries: HashMap<(u64, u32), Vec<u64>>,
}

/// Takes the lock rows of all findings, and reads what is stored.
pub(super) async fn read(
    db: &Db,
    tx: &mut Transaction<'static>,
    requests: &[Request],
) -> Result<Stored, DbError> {
    let findings: Vec<(RunId, &Finding)> = requests
        .iter()
        .flat_map(|request| &request.changes)
        .filter_map(|change| Some((change.run, change.finding.as_ref()?)))
        .collect();
    if findings.is_empty() {
        return Ok(Stored::default());
    }
    let mut buckets: BTreeSet<u32> = BTreeSet::new();
    let (mut searches, mut files) = (BTreeSet::new(), BTreeSet::new());
    let (mut values, mut discoveries) = (HashMap::new(), BTreeSet::new());
    for (run, finding) in findings {
        match finding {
            Finding::Collected {
                computer,
                order,
                found,
            } => {
                let place = (computer.0, *order);
                buckets.insert(found_bucket(u64::from(computer.0), *order));
                match found {
                    Found::File(path, _) => files.insert((place, path.as_str())),
                    Found::FileAgain(..) => false,
                    Found::Values(kind, _) => values
                        .entry(*kind)
                        .or_insert_with(BTreeSet::new)
                        .insert(place),
                };
            }
            Finding::FilesAnew { computer, orders } => {
                for order in orders {
                    buckets.insert(found_bucket(u64::from(computer.0), *order));
                    searches.insert((computer.0, *order));
                }
            }
            Finding::Discovered { agent, .. } => {
                buckets.insert(found_bucket(run.0, agent.0));
                discoveries.insert((run.0, agent.0));
            }
        }
    }
    lock(db, tx, &buckets).await?;
    let mut stored = Stored::default();
    read_searches(db, tx, &searches, &mut stored).await?;
    read_files(db, tx, &files, &mut stored).await?;
    for (kind, places) in &values {
        read_values(db, tx, *kind, places, &mut stored).await?;
    }
    read_discoveries(db, tx, &discoveries, &mut stored).await?;
    Ok(stored)
}

async fn lock(
    db: &Db,
    tx: &mut Transaction<'static>,
    buckets: &BTreeSet<u32>,
) -> Result<(), DbError> {
    let rows: Vec<[Value; 1]> = buckets
        .iter()
        .map(|bucket| [format!("found:{bucket}").into()])
        .collect();
    let head = "/* lock_found */ INSERT INTO {p}sidecar_locks (name)";
    let tail = "ON DUPLICATE KEY UPDATE counter = counter + 1";
    match insert(db, tx, head, &rows, tail).await {
        // Another sidecar reads through a table: it is done soon, and no row of the tables' own is in the way.
        Err(DbError::Locked(reason)) => Err(DbError::Conflict(reason)),
        other => other,
    }
}

/// The rows of a table of contents of these places, and whatever else has one's computer and another's order.
async fn contents<R: FromRow + Send + 'static>(
    db: &Db,
    tx: &mut Transaction<'static>,
    table: &str,
    columns: &str,
    places: &BTreeSet<Place>,
    also: (&str, &[u32]),
) -> Result<Vec<R>, DbError> {
    let mut rows = Vec::new();
    let computers: BTreeSet<u32> = places.iter().map(|(computer, _)| *computer).collect();
    let orders: BTreeSet<u32> = places.iter().map(|(_, order)| *order).collect();
    let (computers, orders): (Vec<u32>, Vec<u32>) = (
        computers.into_iter().collect(),
        orders.into_iter().collect(),
    );
    for computers in computers.chunks(LIST_MAX) {
        for orders in orders.chunks(LIST_MAX) {
            let (condition, values) = also;
            let condition = if values.is_empty() {
                String::new()
            } else {
                format!(" AND {condition} IN ({})", marks(values.len()))
            };
            let text = format!(
                "/* read_found */ SELECT id, computers_id, {{f}}{table}_id, {columns} FROM {{p}}{table}_contents \
                 WHERE computers_id IN ({}) AND {{f}}{table}_id IN ({}){condition} ORDER BY id",
                marks(computers.len()),
                marks(orders.len())
            );
            let bound = pad(computers).chain(pad(orders)).chain(pad(values));
            let bound = Params::Positional(bound.map(Value::from).collect());
            rows.extend(tx.exec::<R, _, _>(db.names.replace(&text), bound).await?);
        }
    }
    Ok(rows)
}

async fn read_searches(
    db: &Db,
    tx: &mut Transaction<'static>,
    searches: &BTreeSet<Place>,
    stored: &mut Stored,
) -> Result<(), DbError> {
    let rows: Vec<(u64, u32, u32, u32)> =
        contents(db, tx, "collects_files", "size", searches, ("", &[])).await?;
    for (id, computer, order, _) in rows {
        stored
            .searches
            .entry((computer, order))
            .or_default()
            .push(id);
    }
    Ok(())
}

async fn read_files(
    db: &Db,
    tx: &mut Transaction<'static>,
    files: &BTreeSet<(Place, &str)>,
    stored: &mut Stored,
) -> Result<(), DbError> {
    let files: Vec<_> = files.iter().collect();
    for files in files.chunks(LIST_MAX) {
        let places = files.iter().map(|(place, _)| *place).collect();
        // Of the paths only their sums are sent: they may be long.
        let sums: Vec<u32> = files
            .iter()
            .map(|(_, path)| {
                let mut crc = Crc::new();
                crc.update(path.as_bytes());
                crc.sum()
            })
            .collect();
        let rows: Vec<(u64, u32, u32, Option<String>, u32)> = contents(
            db,
            tx,
            "collects_files",
            "pathfile, size",
            &places,
            ("CRC32(pathfile)", &sums),
        )
        .await?;
        for (id, computer, order, path, size) in rows {
            let file = ((computer, order), path.unwrap_or_default());
            stored.files.entry(file).or_insert((id, size));
        }
    }
    Ok(())
}

async fn read_values(
    db: &Db,
    tx: &mut Transaction<'static>,
    kind: Kind,
    places: &BTreeSet<Place>,
    stored: &mut Stored,
) -> Result<(), DbError> {
    let (table, key) = table(kind);
    for place in places {
        stored.values.insert((kind, *place), Vec::new());
    }
    let rows: Vec<(u64, u32, u32, Option<String>)> =
        contents(db, tx, table, &format!("`{key}`"), places, ("", &[])).await?;
    for (id, computer, order, key) in rows {
        if let Some(rows) = stored.values.get_mut(&(kind, (computer, order))) {
            rows.push((id, key.unwrap_or_default()));
        }
    }
    Ok(())
}

async fn read_discoveries(
    db: &Db,
    tx: &mut Transaction<'static>,
    discoveries: &BTreeSet<(u64, u32)>,
    stored: &mut Stored,
) -> Result<(), DbError> {
    let runs: BTreeSet<u64> = discoveries.iter().map(|(run, _)| *run).collect();
    let runs: Vec<u64> = runs.into_iter().collect();
    for chunk in runs.chunks(LIST_MAX) {
        let text = format!(
            "/* read_found */ SELECT id, {{f}}taskjob_id, {{f}}agents_id FROM {{p}}statediscoveries WHERE {{f}}taskjob_id IN ({}) ORDER BY id",
            marks(chunk.len())
        );
        let rows: Vec<(u64, u64, u32)> = tx.exec(db.names.replace(&text), list(chunk)).await?;
        for (id, run, agent) in rows {
            stored.discoveries.entry((run, agent)).or_default().push(id);
        }
    }
    Ok(())
}

/// The table of an order of values, without prefix and `_contents`, and its column for what a value is called.
const fn table(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Registry => ("collects_registries", "key"),
        Kind::Wmi => ("collects_wmis", "property"),
        Kind::File => ("collects_files", "pathfile"),
    }
}

impl Stored {
    /// Stores what came with a change to `run`.
    pub(super) async fn add(
        &mut self,
        db: &Db,
        tx: &mut Transaction<'static>,
        at: NaiveDateTime,
        run: RunId,
        finding: &Finding,
    ) -> Result<(), DbError> {
        match finding {
            Finding::Collected {
                computer,
                order,
                found: Found::File(path, size),
            } => self.file(db, tx, (computer.0, *order), path, *size).await,
            Finding::Collected {
                computer,
                order,
                found: Found::FileAgain(path, size),
            } => {
                self.add_file(db, tx, (computer.0, *order), path, *size)
                    .await
            }
            Finding::Collected {
                computer,
                order,
                found: Found::Values(kind, values),
            } => {
                let place = (computer.0, *order);
                self.values(db, tx, *kind, place, values).await
            }
            Finding::FilesAnew { computer, orders } => {
                self.forget_files(db, tx, *computer, orders).await
            }
            Finding::Discovered { agent, progress } => {
                self.note(db, tx, at, run, *agent, *progress).await
            }
        }
    }

    /// A file is stored once, however often its agent names it.
    async fn file(
        &mut self,
        db: &Db,
        tx: &mut Transaction<'static>,
        place: Place,
        path: &str,
        size: u32,
    ) -> Result<(), DbError> {
        let file = (place, path.to_owned());
        match self.files.get_mut(&file) {
            Some((_, known)) if *known == size => {}
            Some((id, known)) => {
                let sql = db.sql(
                    "/* store_found */ UPDATE {p}collects_files_contents SET size = ? WHERE id = ?",
                );
                tx.exec_drop(sql.as_ref(), (size, *id)).await?;
                *known = size;
            }
            None => self.add_file(db, tx, place, path, size).await?,
        }
        Ok(())
    }

    async fn add_file(
        &mut self,
        db: &Db,
        tx: &mut Transaction<'static>,
        place: Place,
        path: &str,
        size: u32,
    ) -> Result<(), DbError> {
        let sql = db.sql(
            "/* store_found */ INSERT INTO {p}collects_files_contents (computers_id, {f}collects_files_id, pathfile, size) VALUES (?, ?, ?, ?)",
        );
        tx.exec_drop(sql.as_ref(), (place.0, place.1, path, size))
            .await?;
        let id = tx.last_insert_id().unwrap_or_default();
        self.files.insert((place, path.to_owned()), (id, size));
        self.searches.entry(place).or_default().push(id);
        Ok(())
    }

    /// Forgets the files that these orders found on `computer` before.
    async fn forget_files(
        &mut self,
        db: &Db,
        tx: &mut Transaction<'static>,
        computer: ComputerId,
        orders: &[u32],
    ) -> Result<(), DbError> {
        let places = orders.iter().map(|order| (computer.0, *order));
        let ids: Vec<u64> = places
            .flat_map(|place| self.searches.remove(&place).unwrap_or_default())
            .collect();
        self.files
            .retain(|((of, order), _), _| *of != computer.0 || !orders.contains(order));
        remove(db, tx, "collects_files", &ids).await
    }

    /// Stores all values of an order, and removes those that are no more.
    async fn values(
        &mut self,
        db: &Db,
        tx: &mut Transaction<'static>,
        kind: Kind,
        place: Place,
        values: &[(String, String, String)],
    ) -> Result<(), DbError> {
        if !self.values.contains_key(&(kind, place)) {
            // Stored by this transaction already, so that the rows are not known: two runs of one order in one batch.
            read_values(db, tx, kind, &BTreeSet::from([place]), self).await?;
        }
        let stored = self.values.remove(&(kind, place)).unwrap_or_default();
        let (table, key) = table(kind);
        let wanted: HashSet<&str> = values.iter().map(|(key, ..)| key.as_str()).collect();
        let mut known: HashMap<String, u64> = HashMap::new();
        let mut gone: Vec<u64> = Vec::new();
        for (row, key) in stored {
            // Of several rows of a key the first is kept.
            if wanted.contains(key.as_str()) && !known.contains_key(&key) {
                known.insert(key, row);
            } else {
                gone.push(row);
            }
        }
        remove(db, tx, table, &gone).await?;
        // A row that is there is named by its id, every other one gets the next.
        let rows: Vec<[Value; 5]> = values
            .iter()
            .map(|(key, new, again)| {
                let row = known.get(key);
                let value = if row.is_some() { again } else { new };
                [
                    row.into(),
                    place.0.into(),
                    place.1.into(),
                    key.as_str().into(),
                    value.as_str().into(),
                ]
            })
            .collect();
        let head = format!(
            "/* store_found */ INSERT INTO {{p}}{table}_contents (id, computers_id, {{f}}{table}_id, `{key}`, value)"
        );
        let tail = "ON DUPLICATE KEY UPDATE value = VALUES(value)";
        insert(db, tx, &head, &rows, tail).await
    }

    /// Notes the progress of a discovery; its end moves on with every message, as the plugin has it, unless threads that an older plugin
    /// counted are still at work.
    async fn note(
        &mut self,
        db: &Db,
        tx: &mut Transaction<'static>,
        at: NaiveDateTime,
        run: RunId,
        agent: AgentId,
        progress: Progress,
    ) -> Result<(), DbError> {
        let known = self.discoveries.entry((run.0, agent.0)).or_default();
        let started = progress.started.then_some(at);
        if known.is_empty() && progress.known_only {
            return Ok(());
        }
        if known.is_empty() {
            let insert = db.sql(
                "/* discovery_progress */ INSERT INTO {p}statediscoveries \
                 ({f}taskjob_id, {f}agents_id, start_time, end_time, date_mod, nb_ip, nb_found) VALUES (?, ?, ?, ?, ?, ?, ?)",
            );
            let values = (
                run.0,
                agent.0,
                started,
                at,
                at,
                progress.addresses,
                progress.found,
            );
            tx.exec_drop(insert.as_ref(), values).await?;
            known.extend(tx.last_insert_id());
            return Ok(());
        }
        for chunk in known.chunks(LIST_MAX) {
            let text = format!(
                "/* discovery_progress */ UPDATE {{p}}statediscoveries SET start_time = COALESCE(?, start_time), \
                 end_time = IF(? OR threads = 0 OR end_time IS NOT NULL, ?, NULL), date_mod = ?, \
                 nb_ip = LEAST(nb_ip + ?, 4294967295), nb_found = LEAST(nb_found + ?, 4294967295) WHERE id IN ({})",
                marks(chunk.len())
            );
            let told: [Value; 6] = [
                started.into(),
                progress.ended.into(),
                at.into(),
                at.into(),
                progress.addresses.into(),
                progress.found.into(),
            ];
            let values = told.into_iter().chain(pad(chunk).map(Value::from));
            tx.exec_drop(
                db.names.replace(&text),
                Params::Positional(values.collect()),
            )
            .await?;
        }
        Ok(())
    }
}

/// Removes rows of contents by their ids. Without an index a condition on other columns would lock, one after the other, the rows of
/// everybody else.
async fn remove(
    db: &Db,
    tx: &mut Transaction<'static>,
    table: &str,
    ids: &[u64],
) -> Result<(), DbError> {
    for chunk in ids.chunks(LIST_MAX) {
        let text = format!(
            "/* remove_found */ DELETE FROM {{p}}{table}_contents WHERE id IN ({})",
            marks(chunk.len())
        );
        tx.exec_drop(db.names.replace(&text), list(chunk)).await?;
    }
    Ok(())
}
