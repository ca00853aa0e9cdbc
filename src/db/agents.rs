//! The plugin's `agents`.

use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Transaction};
use serde_json::{Map, Value};

use super::row::Columns;
use super::schema::AGENT_BUCKETS;
use super::{Db, DbError, OnLock};
use crate::domain::actors::{Agent, Computer};
use crate::domain::ids::{AgentId, ComputerId, EntityId, GroupId, LocationId, UserId};

/// `device_id` has no unique key: agents that PHP registered twice are read, but never more than this.
pub(super) const MOST_DUPLICATES: usize = 16;

/// Longest `device_id`, `token` and `useragent` that the table holds, in characters.
pub const MAX_TEXT: usize = 255;

/// What an agent says of itself in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// When, local time.
    pub at: NaiveDateTime,
    /// Its User-Agent, cut to what the table holds.
    pub useragent: Option<String>,
    /// The token that it obeys.
    pub token: Option<String>,
    /// The module whose version it tells, and that version; none = they are as they were.
    pub version: Option<(String, String)>,
}

/// How an agent works through network tasks; 0 = as the general settings say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetworkPace {
    /// Threads of a discovery.
    pub discovery_threads: u32,
    /// Time-out of a discovery, seconds.
    pub discovery_timeout: u32,
    /// Threads of an inventory.
    pub inventory_threads: u32,
    /// Time-out of an inventory, seconds.
    pub inventory_timeout: u32,
}

macro_rules! select_agents {
    ($name:literal, $condition:literal) => {
        concat!(
            "/* ",
            $name,
            " */ SELECT a.id, a.device_id, a.entities_id, a.`lock`, c.id, c.entities_id, c.locations_id, c.groups_id, c.users_id, \
             c.is_deleted, c.is_template FROM {p}agents a LEFT JOIN glpi_computers c ON c.id = a.computers_id WHERE ",
            $condition
        )
    };
}

impl Db {
    /// The agent of a row.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn agent(&self, id: AgentId) -> Result<Option<Agent>, DbError> {
        self.timed("agent", async {
            let sql = self.sql(select_agents!("agent", "a.id = ?"));
            let row: Option<Row> = self.conn().await?.exec_first(sql.as_ref(), (id.0,)).await?;
            row.map(agent).transpose()
        })
        .await
    }

    /// All agents that call themselves `device_id`, oldest first, with their computers.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn agents_by_device_id(&self, device_id: &str) -> Result<Vec<Agent>, DbError> {
        if !can_match(device_id) {
            return Ok(Vec::new());
        }
        self.timed("agents_by_device_id", async {
            let sql = self.sql(select_agents!(
                "agents_by_device_id",
                "a.device_id = ? ORDER BY a.id LIMIT ?"
            ));
            let rows: Vec<Row> = self
                .conn()
                .await?
                .exec(sql.as_ref(), (device_id, MOST_DUPLICATES))
                .await?;
            rows.into_iter().map(agent).collect()
        })
        .await
    }

    /// The pace of an agent's network tasks, and the versions of its tasks as stored.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn agent_settings(&self, id: AgentId) -> Result<(NetworkPace, String), DbError> {
        self.timed("agent_settings", async {
            let sql = self.sql(
                "/* agent_settings */ SELECT threads_networkdiscovery, timeout_networkdiscovery, threads_networkinventory, \
                 timeout_networkinventory, version FROM {p}agents WHERE id = ?",
            );
            let row: Option<(u32, u32, u32, u32, Option<String>)> =
                self.conn().await?.exec_first(sql.as_ref(), (id.0,)).await?;
            let (discovery_threads, discovery_timeout, inventory_threads, inventory_timeout, versions) = row.unwrap_or_default();
            let pace = NetworkPace { discovery_threads, discovery_timeout, inventory_threads, inventory_timeout };
            Ok((pace, versions.unwrap_or_default()))
        })
        .await
    }

    /// Registers `device_id`, unless somebody else just did; its row.
    ///
    /// A lock row of the sidecar's serialises first contacts of one device, since the table has no unique key for it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn register_agent(
        &self,
        device_id: &str,
        contact: &Contact,
    ) -> Result<AgentId, DbError> {
        self.tx(
            "register_agent",
            OnLock::TryAgain,
            (device_id, contact),
            |db, (device_id, contact), tx| Box::pin(register(db, tx, device_id, contact)),
        )
        .await
    }
}

/// The JSON map of the column `version` with `version` of `module` in it; none when nothing changes or the table cannot hold it.
#[must_use]
pub fn with_version(stored: &str, module: &str, version: &str) -> Option<String> {
    let mut map = match serde_json::from_str(stored) {
        Ok(Value::Object(map)) => map,
        // Before it was a map it was the inventory's version alone.
        _ if !stored.is_empty() && !stored.starts_with(['[', '{']) => {
            Map::from_iter([("INVENTORY".to_owned(), stored.into())])
        }
        _ => Map::new(),
    };
    let version = Value::from(version);
    if map.get(module) == Some(&version) {
        return None;
    }
    map.insert(module.to_owned(), version);
    Some(Value::Object(map).to_string()).filter(|text| text.chars().count() <= MAX_TEXT)
}

/// Whether a column of [`MAX_TEXT`] characters can hold `name`. One with control characters is nobody's: the tables' collation ignores
/// them, so that it would match the name without.
pub(super) fn can_match(name: &str) -> bool {
    name.chars().count() <= MAX_TEXT && !name.contains(char::is_control)
}

async fn register(
    db: &Db,
    tx: &mut Transaction<'static>,
    device_id: &str,
    contact: &Contact,
) -> Result<AgentId, DbError> {
    let lock = db.sql(
        "/* register_agent */ UPDATE {p}sidecar_locks SET counter = counter + 1 WHERE name = ?",
    );
    tx.exec_drop(lock.as_ref(), (format!("agent:{}", bucket(device_id)),))
        .await?;
    let known = db.sql(
        "/* register_agent */ SELECT id FROM {p}agents WHERE device_id = ? ORDER BY id LIMIT 1",
    );
    if let Some(id) = tx
        .exec_first::<u32, _, _>(known.as_ref(), (device_id,))
        .await?
    {
        return Ok(AgentId(id));
    }
    let insert = db.sql(
        "/* register_agent */ INSERT INTO {p}agents (name, device_id, entities_id, last_contact, useragent, token, version, \
         threads_networkdiscovery, threads_networkinventory) VALUES (?, ?, 0, ?, ?, ?, ?, 0, 0)",
    );
    let versions = contact.version.as_ref();
    let versions = versions.and_then(|(module, version)| with_version("", module, version));
    let values = (
        device_id,
        device_id,
        contact.at,
        contact.useragent.as_deref(),
        contact.token.as_deref(),
        versions,
    );
    tx.exec_drop(insert.as_ref(), values).await?;
    let id = tx.last_insert_id().unwrap_or_default();
    u32::try_from(id)
        .map(AgentId)
        .map_err(|_| DbError::CorruptRow {
            table: "agents",
            column: "id",
            value: id.to_string(),
        })
}

/// FNV-1a: the same on every instance and in every version, which `std`'s hasher does not promise.
fn bucket(device_id: &str) -> u64 {
    // The table compares without case and accents: names that it takes for the same must share a lock. Their digits are the same, and
    // differ between the machines of a site, as agents put the date of their installation into the name.
    let hash = device_id
        .bytes()
        .filter(u8::is_ascii_digit)
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    hash % u64::from(AGENT_BUCKETS)
}

fn agent(row: Row) -> Result<Agent, DbError> {
    read_agent(&mut Columns::new("agents", row))
}

/// An agent from the columns that [`select_agents`] reads.
pub(super) fn read_agent(columns: &mut Columns) -> Result<Agent, DbError> {
    Ok(Agent {
        id: AgentId(columns.take("id")?),
        device_id: columns.text("device_id")?,
        entity: EntityId(columns.take("entities_id")?),
        locked: columns.flag("lock")?,
        computer: match columns.take::<Option<u32>>("computers_id")? {
            None => {
                columns.pass(6);
                None
            }
            Some(id) => Some(Computer {
                id: ComputerId(id),
                entity: EntityId(columns.take("entities_id")?),
                location: LocationId(columns.take("locations_id")?),
                group: GroupId(columns.take("groups_id")?),
                user: UserId(columns.take("users_id")?),
                deleted: columns.flag("is_deleted")?,
                template: columns.flag("is_template")?,
            }),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_match_nothing() {
        assert!(can_match("wks-1") && can_match(&"é".repeat(255)));
        for name in ["wks-1\0", "wks\u{1}-1", &"x".repeat(256)] {
            assert!(!can_match(name), "{name:?}");
        }
    }

    #[test]
    fn one_device_has_one_lock() {
        assert_eq!(bucket("WKS-1"), bucket("wks-1"));
        assert_eq!(bucket("poste-été-1"), bucket("poste-ete-1"));
        assert!(bucket("") < u64::from(AGENT_BUCKETS));
        let used: std::collections::HashSet<u64> =
            (0..2000).map(|i| bucket(&format!("wks-{i}"))).collect();
        assert!(used.len() > 200, "{} locks in use", used.len());
    }

    #[test]
    fn versions_are_kept_by_module() {
        for (stored, result) in [
            (
                r#"{"INVENTORY": "v2.6"}"#,
                Some(r#"{"INVENTORY":"v2.6","NETWORKDISCOVERY":"2.6"}"#),
            ),
            ("", Some(r#"{"NETWORKDISCOVERY":"2.6"}"#)),
            (
                "v2.5",
                Some(r#"{"INVENTORY":"v2.5","NETWORKDISCOVERY":"2.6"}"#),
            ),
            ("[]", Some(r#"{"NETWORKDISCOVERY":"2.6"}"#)),
            (r#"{"NETWORKDISCOVERY":"2.6"}"#, None),
        ] {
            assert_eq!(
                with_version(stored, "NETWORKDISCOVERY", "2.6").as_deref(),
                result,
                "{stored}"
            );
        }
        assert_eq!(with_version("", "X", &"9".repeat(300)), None);
    }
}
