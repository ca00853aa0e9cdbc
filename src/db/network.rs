//! What network tasks need: address ranges, SNMP credentials, addresses of devices; and the progress of discoveries.

use std::collections::HashMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Params, Row, Value};

use super::bulk::{LIST_MAX, list, marks, pad};
use super::row::Columns;
use super::{Db, DbError};
use crate::proto::network::{Credential, Range};

/// A kind of device that is queried by SNMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// `NetworkEquipment`.
    Switch,
    /// `Printer`.
    Printer,
}

impl DeviceKind {
    /// By GLPI's class.
    #[must_use]
    pub fn from_itemtype(itemtype: &str) -> Option<Self> {
        match itemtype {
            "NetworkEquipment" => Some(Self::Switch),
            "Printer" => Some(Self::Printer),
            _ => None,
        }
    }
}

/// Range, first and last address, entity, credential.
type RangeRow = (u32, Option<String>, Option<String>, u32, Option<u32>);

/// What changes in a discovery's row of `statediscoveries`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// It begins now.
    pub started: bool,
    /// Addresses more that are tried.
    pub addresses: u32,
    /// Devices more that were found.
    pub found: u32,
    /// It is over.
    pub ended: bool,
    /// It is only told of where it has a row already.
    pub known_only: bool,
}

impl Db {
    /// Address ranges, each with the rows of its credentials by rank.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn ip_ranges(&self, ids: &[u32]) -> Result<HashMap<u32, (Range, Vec<u32>)>, DbError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        self.timed("ip_ranges", async {
            let mut conn = self.conn().await?;
            let mut ranges: HashMap<u32, (Range, Vec<u32>)> = HashMap::new();
            for chunk in ids.chunks(LIST_MAX) {
                let text = format!(
                    "/* ip_ranges */ SELECT r.id, r.ip_start, r.ip_end, r.entities_id, c.{{f}}configsecurities_id FROM {{p}}ipranges r \
                     LEFT JOIN {{p}}ipranges_configsecurities c ON c.{{f}}ipranges_id = r.id \
                     WHERE r.id IN ({}) ORDER BY r.id, c.`rank`, c.id",
                    marks(chunk.len())
                );
                let rows: Vec<RangeRow> =
                    conn.exec(self.names.replace(&text), list(chunk)).await?;
                for (id, start, end, entity, credential) in rows {
                    let range = || Range { id, start: start.unwrap_or_default(), end: end.unwrap_or_default(), entity };
                    ranges.entry(id).or_insert_with(|| (range(), Vec::new())).1.extend(credential);
                }
            }
            Ok(ranges)
        })
        .await
    }

    /// All SNMP credentials, by row.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn credentials(&self) -> Result<Vec<Credential>, DbError> {
        self.timed("credentials", async {
            let sql = self.sql(
                "/* credentials */ SELECT id, snmpversion, community, username, authentication, auth_passphrase, encryption, \
                 priv_passphrase FROM {p}configsecurities ORDER BY id",
            );
            let rows: Vec<Row> = self.conn().await?.query(sql.as_ref()).await?;
            rows.into_iter().map(credential).collect()
        })
        .await
    }

    /// The first address, as stored, and the credential of devices of a class; without one there is no entry. Loopback addresses are none,
    /// nor, unless `blank_counts`, are empty ones. Only switches and printers have credentials; that of others is 0.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn device_addresses(
        &self,
        itemtype: &str,
        ids: &[u32],
        blank_counts: bool,
    ) -> Result<HashMap<u32, (String, Option<u32>)>, DbError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        self.timed("device_addresses", async {
            let mut conn = self.conn().await?;
            let mut found = HashMap::new();
            let (credential, extension) = match DeviceKind::from_itemtype(itemtype) {
                Some(DeviceKind::Switch) => ("d.{f}configsecurities_id", "LEFT JOIN {p}networkequipments d ON d.networkequipments_id = p.items_id"),
                Some(DeviceKind::Printer) => ("d.{f}configsecurities_id", "LEFT JOIN {p}printers d ON d.printers_id = p.items_id"),
                None => ("0", ""),
            };
            let order = if extension.is_empty() { "a.id" } else { "a.id, d.id" };
            for chunk in ids.chunks(LIST_MAX) {
                let text = format!(
                    "/* device_addresses */ SELECT p.items_id, COALESCE(a.name, ''), {credential} FROM glpi_networkports p \
                     JOIN glpi_networknames n ON n.itemtype = 'NetworkPort' AND n.items_id = p.id \
                     JOIN glpi_ipaddresses a ON a.itemtype = 'NetworkName' AND a.items_id = n.id \
                     AND COALESCE(a.name, '') NOT IN ('127.0.0.1', '::1') {extension} \
                     WHERE p.itemtype = ? AND p.instantiation_type <> 'NetworkPortLocal' AND p.items_id IN ({}) ORDER BY p.id, n.id, {order}",
                    marks(chunk.len())
                );
                let values = std::iter::once(Value::from(itemtype)).chain(pad(chunk).map(Value::from));
                let values = Params::Positional(values.collect());
                let rows: Vec<(u32, String, Option<u32>)> = conn.exec(self.names.replace(&text), values).await?;
                for (device, address, credential) in rows {
                    if blank_counts || !address.is_empty() {
                        found.entry(device).or_insert((address, credential));
                    }
                }
            }
            Ok(found)
        })
        .await
    }

    /// Hardware addresses of computers' network ports, in order.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn hardware_addresses(
        &self,
        computers: &[u32],
    ) -> Result<HashMap<u32, Vec<String>>, DbError> {
        if computers.is_empty() {
            return Ok(HashMap::new());
        }
        self.timed("hardware_addresses", async {
            let mut conn = self.conn().await?;
            let mut found: HashMap<u32, Vec<String>> = HashMap::new();
            for chunk in computers.chunks(LIST_MAX) {
                let text = format!(
                    "/* hardware_addresses */ SELECT items_id, mac FROM glpi_networkports \
                     WHERE itemtype = 'Computer' AND mac <> '' AND items_id IN ({}) ORDER BY id",
                    marks(chunk.len())
                );
                let rows: Vec<(u32, String)> = conn.exec(text, list(chunk)).await?;
                for (computer, mac) in rows {
                    found.entry(computer).or_default().push(mac);
                }
            }
            Ok(found)
        })
        .await
    }
}

fn credential(row: Row) -> Result<Credential, DbError> {
    let mut columns = Columns::new("configsecurities", row);
    Ok(Credential {
        id: columns.take("id")?,
        version: columns.text("snmpversion")?,
        community: columns.text("community")?,
        username: columns.text("username")?,
        authentication: columns.text("authentication")?,
        auth_passphrase: columns.text("auth_passphrase")?,
        encryption: columns.text("encryption")?,
        priv_passphrase: columns.text("priv_passphrase")?,
    })
}
