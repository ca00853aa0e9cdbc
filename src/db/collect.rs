//! What agents collect (`collects` and its kinds), and what they found (`…_contents`).

use std::collections::{HashMap, HashSet};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::bulk::{LIST_MAX, list, marks};
use super::row::Columns;
use super::{Db, DbError};
use crate::proto::collect::{FileSearch, Item, What};

/// Kinds of collects, by `collects.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Windows registry.
    Registry,
    /// WMI.
    Wmi,
    /// Files.
    File,
}

impl Kind {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "registry" => Some(Self::Registry),
            "wmi" => Some(Self::Wmi),
            "file" => Some(Self::File),
            _ => None,
        }
    }
}

/// What is stored of one order's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// All values of the order: those that are stored and not among them are removed. (key, value when it is new, value when its key is
    /// stored already).
    Values(Kind, Vec<(String, String, String)>),
    /// A file: path, size in bytes. It is stored once.
    File(String, u32),
    /// One more row of a file, whether or not it is stored already.
    FileAgain(String, u32),
}

impl Db {
    /// What each of these collects looks for, by collect.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn collect_items(&self, ids: &[u32]) -> Result<HashMap<u32, Vec<Item>>, DbError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        self.timed("collect_items", async {
            let mut conn = self.conn().await?;
            let mut items: HashMap<u32, Vec<Item>> = HashMap::new();
            for chunk in ids.chunks(LIST_MAX) {
                for (collect, item) in self.registries(&mut conn, chunk).await? {
                    items.entry(collect).or_default().push(item);
                }
                for (collect, item) in self.wmis(&mut conn, chunk).await? {
                    items.entry(collect).or_default().push(item);
                }
                for (collect, item) in self.files(&mut conn, chunk).await? {
                    items.entry(collect).or_default().push(item);
                }
            }
            Ok(items)
        })
        .await
    }

    /// Those of these collects that exist.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn collects(&self, ids: &[u32]) -> Result<HashSet<u32>, DbError> {
        self.timed("collects", async {
            let mut conn = self.conn().await?;
            let mut found = HashSet::new();
            for chunk in ids.chunks(LIST_MAX) {
                let text = format!(
                    "/* collects */ SELECT id FROM {{p}}collects WHERE id IN ({})",
                    marks(chunk.len())
                );
                let rows: Vec<u32> = conn.exec(self.names.replace(&text), list(chunk)).await?;
                found.extend(rows);
            }
            Ok(found)
        })
        .await
    }

    async fn registries(&self, conn: &mut Conn, ids: &[u32]) -> Result<Vec<(u32, Item)>, DbError> {
        let text = format!(
            "/* collect_items */ SELECT i.{{f}}collects_id, i.id, CONCAT(COALESCE(i.hive, ''), COALESCE(i.path, ''), COALESCE(i.`key`, '')) \
             FROM {{p}}collects_registries i JOIN {{p}}collects c ON c.id = i.{{f}}collects_id AND c.type = 'registry' \
             WHERE i.{{f}}collects_id IN ({}) ORDER BY i.id",
            marks(ids.len())
        );
        let rows: Vec<(u32, u32, String)> = conn.exec(self.names.replace(&text), list(ids)).await?;
        Ok(rows
            .into_iter()
            .map(|(collect, id, path)| {
                (
                    collect,
                    Item {
                        id,
                        what: What::Registry { path },
                    },
                )
            })
            .collect())
    }

    async fn wmis(&self, conn: &mut Conn, ids: &[u32]) -> Result<Vec<(u32, Item)>, DbError> {
        let text = format!(
            "/* collect_items */ SELECT i.{{f}}collects_id, i.id, COALESCE(i.moniker, ''), COALESCE(i.class, ''), COALESCE(i.properties, '') \
             FROM {{p}}collects_wmis i JOIN {{p}}collects c ON c.id = i.{{f}}collects_id AND c.type = 'wmi' \
             WHERE i.{{f}}collects_id IN ({}) ORDER BY i.id",
            marks(ids.len())
        );
        let rows: Vec<(u32, u32, String, String, String)> =
            conn.exec(self.names.replace(&text), list(ids)).await?;
        Ok(rows
            .into_iter()
            .map(|(collect, id, moniker, class, property)| {
                (
                    collect,
                    Item {
                        id,
                        what: What::Wmi {
                            moniker,
                            class,
                            property,
                        },
                    },
                )
            })
            .collect())
    }

    async fn files(&self, conn: &mut Conn, ids: &[u32]) -> Result<Vec<(u32, Item)>, DbError> {
        let text = format!(
            "/* collect_items */ SELECT i.{{f}}collects_id, i.id, i.dir, i.`limit`, i.is_recursive, i.filter_is_file, i.filter_is_dir, \
             i.filter_sizeequals, i.filter_sizegreater, i.filter_sizelower, i.filter_regex, i.filter_checksumsha512, \
             i.filter_checksumsha2, i.filter_name, i.filter_iname \
             FROM {{p}}collects_files i JOIN {{p}}collects c ON c.id = i.{{f}}collects_id AND c.type = 'file' \
             WHERE i.{{f}}collects_id IN ({}) ORDER BY i.id",
            marks(ids.len())
        );
        let rows: Vec<Row> = conn.exec(self.names.replace(&text), list(ids)).await?;
        rows.into_iter().map(file_search).collect()
    }

    /// The kind of a collect, and whether `order` is one of its orders; none when it does not exist or is of no known kind.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn collect_kind(
        &self,
        collect: u32,
        order: u32,
    ) -> Result<Option<(Kind, bool)>, DbError> {
        self.timed("collect_kind", async {
            let sql = self.sql(
                "/* collect_kind */ SELECT c.type, CASE c.type \
                 WHEN 'registry' THEN EXISTS (SELECT 1 FROM {p}collects_registries i WHERE i.id = ? AND i.{f}collects_id = c.id) \
                 WHEN 'wmi' THEN EXISTS (SELECT 1 FROM {p}collects_wmis i WHERE i.id = ? AND i.{f}collects_id = c.id) \
                 WHEN 'file' THEN EXISTS (SELECT 1 FROM {p}collects_files i WHERE i.id = ? AND i.{f}collects_id = c.id) \
                 ELSE 0 END FROM {p}collects c WHERE c.id = ?",
            );
            let row: Option<(Option<String>, bool)> = self
                .conn()
                .await?
                .exec_first(sql.as_ref(), (order, order, order, collect))
                .await?;
            Ok(row.and_then(|(kind, known)| Some((Kind::parse(kind?.as_str())?, known))))
        })
        .await
    }
}

fn file_search(row: Row) -> Result<(u32, Item), DbError> {
    let mut columns = Columns::new("collects_files", row);
    let collect = columns.take("collects_id")?;
    let id = columns.take("id")?;
    let mut search = FileSearch {
        dir: columns.text("dir")?,
        limit: columns.take("limit")?,
        recursive: columns.take("is_recursive")?,
        is_file: columns.take("filter_is_file")?,
        is_dir: columns.take("filter_is_dir")?,
        size: [
            columns.take("filter_sizeequals")?,
            columns.take("filter_sizegreater")?,
            columns.take("filter_sizelower")?,
        ],
        filters: Vec::new(),
    };
    for (column, name) in [
        ("filter_regex", "regex"),
        ("filter_checksumsha512", "checkSumSHA512"),
        ("filter_checksumsha2", "checkSumSHA2"),
        ("filter_name", "name"),
        ("filter_iname", "iname"),
    ] {
        search.filters.push((name, columns.text(column)?));
    }
    let what = What::File(search);
    Ok((collect, Item { id, what }))
}
