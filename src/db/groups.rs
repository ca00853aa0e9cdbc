//! Dynamic groups: which computers fit their criteria, and the cache of it that PHP reads.

mod condition;
mod place;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Statement, Value};

use self::condition::{Argument, Text};
use self::place::parents;
use super::{Db, DbError};
use crate::domain::actors::IdSet;
use crate::domain::criteria::{Comparison, Condition, Criterion, Field, Link, Unsupported};
use crate::domain::ids::DeployGroupId;

/// Errors of a server that lacks, or does not show, a table or column: no right on the database, no such column, no right on the
/// table, on the column, no such table.
const NOT_THERE: [u16; 5] = [1044, 1054, 1142, 1143, 1146];

/// Rows by their parent.
type Tree = HashMap<u32, Vec<u32>>;

impl Db {
    /// [`Db::search_computers`], stored as the group's cache.
    ///
    /// # Errors
    ///
    /// When the database fails; the inner one when it does not have what a criterion is about.
    pub async fn evaluate_group(
        &self,
        group: DeployGroupId,
        criteria: &[Criterion],
        now: NaiveDateTime,
    ) -> Result<Result<IdSet, Unsupported>, DbError> {
        let found = self.search_computers(criteria, now).await?;
        if let Ok(computers) = &found {
            self.store_members(group, computers).await?;
        }
        Ok(found)
    }

    /// The computers that fit `criteria` at `now`, local time: of all entities, without the trash and templates.
    ///
    /// # Errors
    ///
    /// When the database fails; the inner one when it does not have what a criterion is about.
    pub async fn search_computers(
        &self,
        criteria: &[Criterion],
        now: NaiveDateTime,
    ) -> Result<Result<IdSet, Unsupported>, DbError> {
        self.timed("search_computers", async {
            let Some(text) = Text::new(criteria, now) else {
                let beyond = "a moment beyond the calendar".to_owned();
                return Ok(Err(Unsupported::NotUnderstood(beyond)));
            };
            let mut conn = self.conn().await?;
            let statement = match prepared(&mut conn, &text, criteria).await? {
                Ok(statement) => statement,
                Err(unsupported) => return Ok(Err(unsupported)),
            };
            let values = values(&mut conn, text.arguments).await?;
            let computers: Vec<u32> = conn.exec(&statement, Params::Positional(values)).await?;
            // Each search has its own text: kept, they would push out the statements of the requests that share the connection.
            conn.close(statement).await?;
            Ok(Ok(computers.into_iter().collect()))
        })
        .await
    }

    /// What of `criteria` the database does not have; nothing is searched.
    ///
    /// # Errors
    ///
    /// When the database fails in another way.
    pub async fn lacks_for(&self, criteria: &[Criterion]) -> Result<Option<Unsupported>, DbError> {
        self.timed("lacks_for", async {
            // Moments do not show in the statement, so that any will do.
            let Some(text) = Text::new(criteria, NaiveDateTime::default()) else {
                return Ok(None);
            };
            let mut conn = self.conn().await?;
            Ok(match prepared(&mut conn, &text, criteria).await? {
                Ok(statement) => {
                    conn.close(statement).await?;
                    None
                }
                Err(unsupported) => Some(unsupported),
            })
        })
        .await
    }

    /// Stores a group's members where PHP looks for them, in its form, if they are not there already.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn store_members(
        &self,
        group: DeployGroupId,
        computers: &IdSet,
    ) -> Result<(), DbError> {
        self.timed("store_members", async {
            let sql = self.sql(
                "/* store_members */ UPDATE {p}deploygroups_dynamicdatas SET computers_id_cache = ? \
                 WHERE {f}deploygroups_id = ? AND NOT (computers_id_cache <=> ?)",
            );
            let cache = cache(computers);
            let values = (cache.as_str(), group.0, cache.as_str());
            Ok(self.conn().await?.exec_drop(sql.as_ref(), values).await?)
        })
        .await
    }
}

/// PHP's `json_encode` of an array with the ids as keys and values; an empty one is a list.
fn cache(computers: &IdSet) -> String {
    if computers.is_empty() {
        return "[]".to_owned();
    }
    let pairs: Vec<String> = computers
        .iter()
        .map(|id| format!("\"{id}\":{id}"))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

/// The statement of `text`, with whose preparation the server says whether it has all that is in it.
async fn prepared(
    conn: &mut Conn,
    text: &Text,
    criteria: &[Criterion],
) -> Result<Result<Statement, Unsupported>, DbError> {
    let why = match tried(conn, text).await? {
        Ok(statement) => return Ok(Ok(statement)),
        Err(why) => why,
    };
    let mut fields = Vec::new();
    comparisons(criteria, &mut fields);
    for comparison in fields {
        let option = comparison.field.number();
        let alone = Criterion {
            link: Link::And,
            condition: Condition::Field(comparison.clone()),
        };
        let Some(text) = Text::new(&[alone], NaiveDateTime::default()) else {
            continue;
        };
        match tried(conn, &text).await? {
            Ok(statement) => conn.close(statement).await?,
            Err(why) => return Ok(Err(Unsupported::NotThere { option, why })),
        }
    }
    Err(DbError::Refused(why))
}

/// The inner error is the server's word that something is not there.
async fn tried(conn: &mut Conn, text: &Text) -> Result<Result<Statement, String>, DbError> {
    match conn.prep(text.sql.as_str()).await {
        Ok(statement) => Ok(Ok(statement)),
        Err(mysql_async::Error::Server(error)) if NOT_THERE.contains(&error.code) => {
            Ok(Err(error.message))
        }
        Err(error) => Err(error.into()),
    }
}

fn comparisons<'a>(criteria: &'a [Criterion], found: &mut Vec<&'a Comparison>) {
    for criterion in criteria {
        match &criterion.condition {
            Condition::Field(comparison) => found.push(comparison),
            Condition::Group(nested) => comparisons(nested, found),
        }
    }
}

async fn values(conn: &mut Conn, arguments: Vec<Argument>) -> Result<Vec<Value>, DbError> {
    let mut values = Vec::with_capacity(arguments.len());
    let mut trees: HashMap<Field, Tree> = HashMap::new();
    for argument in arguments {
        values.push(match argument {
            Argument::Text(text) => text.into(),
            Argument::Id(id) => id.into(),
            Argument::Branch(field, id) => {
                let tree = match trees.entry(field) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => unknown.insert(tree(conn, field).await?),
                };
                branch(tree, id).into()
            }
        });
    }
    Ok(values)
}

async fn tree(conn: &mut Conn, field: Field) -> Result<Tree, DbError> {
    let rows: Vec<(u32, Option<u32>)> = conn.query(parents(field)).await?;
    let mut tree = Tree::new();
    for (row, parent) in rows {
        if let Some(parent) = parent {
            tree.entry(parent).or_default().push(row);
        }
    }
    Ok(tree)
}

/// `id` and all rows below it, in the form of `FIND_IN_SET`: one parameter, and one text of the statement, however many they are.
fn branch(tree: &Tree, id: u32) -> String {
    let (mut found, mut next) = (BTreeSet::from([id]), vec![id]);
    while let Some(row) = next.pop() {
        let below = tree.get(&row);
        // A row that was seen already would be one of a circle.
        next.extend(
            below
                .into_iter()
                .flatten()
                .filter(|row| found.insert(**row)),
        );
    }
    let ids: Vec<String> = found.iter().map(u32::to_string).collect();
    ids.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_phps() {
        let members = |ids: &[u32]| cache(&ids.iter().copied().collect());
        assert_eq!(members(&[]), "[]");
        assert_eq!(members(&[10, 9]), r#"{"9":9,"10":10}"#);
    }

    #[test]
    fn branches_end_even_in_circles() {
        let tree = Tree::from([(0, vec![0, 1, 2]), (1, vec![3]), (3, vec![1, 4])]);
        for (id, below) in [(0, "0,1,2,3,4"), (1, "1,3,4"), (2, "2"), (9, "9")] {
            assert_eq!(branch(&tree, id), below);
        }
    }
}
