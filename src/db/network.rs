//! What network tasks need: address ranges, SNMP credentials, addresses of devices; and the progress of discoveries.

use std::collections::HashMap;

use mysql_async::Row;
use mysql_async::prelude::Queryable;

use super::bulk::{LIST_MAX, list, marks};
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

    const fn itemtype(self) -> &'static str {
        match self {
            Self::Switch => "NetworkEquipment",
            Self::Printer => "Printer",
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

    /// Address and credential of devices of one kind; without an address there is no entry. Loopback addresses are none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn device_addresses(
        &self,
        kind: DeviceKind,
        ids: &[u32],
    ) -> Result<HashMap<u32, (String, Option<u32>)>, DbError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        self.timed("device_addresses", async {
            let mut conn = self.conn().await?;
            let mut found = HashMap::new();
            let (table, key) = match kind {
                DeviceKind::Switch => ("networkequipments", "networkequipments_id"),
                DeviceKind::Printer => ("printers", "printers_id"),
            };
            for chunk in ids.chunks(LIST_MAX) {
                let text = format!(
                    "/* device_addresses */ SELECT p.items_id, a.name, d.{{f}}configsecurities_id FROM glpi_networkports p \
                     JOIN glpi_networknames n ON n.itemtype = 'NetworkPort' AND n.items_id = p.id \
                     JOIN glpi_ipaddresses a ON a.itemtype = 'NetworkName' AND a.items_id = n.id AND a.name NOT IN ('127.0.0.1', '::1') \
                     LEFT JOIN {{p}}{table} d ON d.{key} = p.items_id \
                     WHERE p.itemtype = '{}' AND p.instantiation_type <> 'NetworkPortLocal' AND p.items_id IN ({}) \
                     ORDER BY p.id, n.id, a.id, d.id",
                    kind.itemtype(),
                    marks(chunk.len())
                );
                let rows: Vec<(u32, Option<String>, Option<u32>)> = conn.exec(self.names.replace(&text), list(chunk)).await?;
                for (device, address, credential) in rows {
                    if let Some(address) = address.filter(|address| !address.is_empty()) {
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
