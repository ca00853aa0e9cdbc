//! Devices: what was found, what lies in ranges, what was collected.

use std::net::Ipv4Addr;

use chrono::NaiveDateTime;
use mysql_async::Value;

use super::super::{Db, DbError};
use super::{Of, Period, Way, joined, within};
use crate::domain::ids::EntityId;
use crate::domain::reports::ask::Step;
use crate::domain::reports::counted::{Discovered, Stored};
use crate::domain::reports::coverage::{Addressed, IpRange};
use crate::proto::text::decode;

/// GLPI's table of a kind of device, the plugin's beside it with its key, and the class.
const KINDS: [(&str, &str, &str, &str); 2] = [
    (
        "NetworkEquipment",
        "glpi_networkequipments",
        "{p}networkequipments",
        "networkequipments_id",
    ),
    ("Printer", "glpi_printers", "{p}printers", "printers_id"),
];

/// Kinds of collects: their word, the table of results, its key to the table of orders, that table, and where an order looks.
const COLLECTS: [(&str, &str, &str, &str, &str); 3] = [
    (
        "file",
        "{p}collects_files_contents",
        "{f}collects_files_id",
        "{p}collects_files",
        "o.dir",
    ),
    (
        "registry",
        "{p}collects_registries_contents",
        "{f}collects_registries_id",
        "{p}collects_registries",
        "CONCAT_WS('', o.hive, o.path, o.`key`)",
    ),
    (
        "wmi",
        "{p}collects_wmis_contents",
        "{f}collects_wmis_id",
        "{p}collects_wmis",
        "CONCAT_WS(' ', o.class, o.properties)",
    ),
];

/// Step, class and row of the target, class of the devices, new ones, updated ones, lines.
type DiscoveredRow = (String, Option<String>, u32, String, u64, u64, u64);

impl Db {
    /// What discoveries found, by `step`, range and class, of at most `most` lines, and of how many, from the coded lines that PHP writes as it imports
    /// (`==addtheitem== … [[Class::id]]`, `==updatetheitem== …`).
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_discovered(
        &self,
        of: &Of<'_>,
        period: &Period,
        way: Way,
        step: Step,
        most: u64,
    ) -> Result<(Vec<Discovered>, u64), DbError> {
        let joined = joined(of, period, way);
        let text = format!(
            "SELECT step, itemtype, items_id, SUBSTRING_INDEX(SUBSTRING_INDEX(comment, '[[', -1), '::', 1), \
             CAST(SUM(INSTR(comment, '==addtheitem==') > 0) AS UNSIGNED), \
             CAST(SUM(INSTR(comment, '==updatetheitem==') > 0) AS UNSIGNED), COUNT(*) FROM \
             (SELECT LEFT(l.date, ?) AS step, r.itemtype, r.items_id, l.comment FROM {} \
             AND INSTR(l.comment, 'theitem==') > 0 AND INSTR(l.comment, '[[') > 0 LIMIT ?) AS x GROUP BY 1, 2, 3, 4",
            joined.text
        );
        let mut values: Vec<Value> = vec![step.characters().into()];
        values.extend(joined.values);
        values.push(most.into());
        let rows: Vec<DiscoveredRow> = self.report("report_discovered", &text, values).await?;
        let read = rows.iter().map(|row| row.6).sum();
        let rows = rows.into_iter();
        let found = rows.map(
            |(step, target, row, itemtype, new, updated, _)| Discovered {
                step,
                target: (target.unwrap_or_default(), row),
                itemtype,
                new,
                updated,
            },
        );
        Ok((found.collect(), read))
    }

    /// The IP ranges of `entities`, `most` of them, by name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_ranges(
        &self,
        entities: Option<&[EntityId]>,
        most: usize,
    ) -> Result<Vec<IpRange>, DbError> {
        let condition = within("entities_id", entities);
        let text = format!(
            "SELECT COALESCE(name, ''), entities_id, ip_start, ip_end FROM {{p}}ipranges WHERE {} ORDER BY name, id LIMIT ?",
            condition.text
        );
        let mut values = condition.values;
        values.push(most.into());
        let rows: Vec<(String, u32, Option<String>, Option<String>)> =
            self.report("report_ranges", &text, values).await?;
        let address = |text: Option<String>| text?.trim().parse::<Ipv4Addr>().ok();
        let ranges = rows.into_iter().map(|(name, entity, first, last)| IpRange {
            name: decode(&name).into_owned(),
            entity: EntityId(entity),
            first: address(first),
            last: address(last),
        });
        Ok(ranges.collect())
    }

    /// IPv4 addresses of networking devices and printers, at most `most` of each.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_addresses(&self, most: u64) -> Result<Vec<Addressed>, DbError> {
        let mut found = Vec::new();
        for (class, table, beside, key) in KINDS {
            let text = format!(
                "SELECT d.id, d.entities_id, a.name, s.last_fusioninventory_update FROM glpi_ipaddresses a \
                 JOIN {table} d ON d.id = a.mainitems_id AND d.is_deleted = 0 AND d.is_template = 0 \
                 LEFT JOIN {beside} s ON s.{key} = d.id \
                 WHERE a.mainitemtype = ? AND a.is_deleted = 0 LIMIT ?"
            );
            let rows: Vec<(u32, u32, Option<String>, Option<NaiveDateTime>)> = self
                .report("report_addresses", &text, vec![class.into(), most.into()])
                .await?;
            for (id, entity, address, inventoried) in rows {
                if let Some(address) = address.and_then(|text| text.parse().ok()) {
                    found.push(Addressed {
                        printer: class == "Printer",
                        id,
                        entity: EntityId(entity),
                        address,
                        inventoried,
                    });
                }
            }
        }
        Ok(found)
    }

    /// What is stored of the results of collects on computers of `entities`, of the newest `most` results of each kind; whether there are more.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_stored(
        &self,
        entities: Option<&[EntityId]>,
        most: u64,
    ) -> Result<(Vec<Stored>, bool), DbError> {
        let (mut found, mut more) = (Vec::new(), false);
        for (kind, contents, key, orders, place) in COLLECTS {
            let condition = within("k.entities_id", entities);
            let text = format!(
                "SELECT s.id, COALESCE(s.name, ''), COALESCE({place}, ''), COUNT(DISTINCT c.computers_id), COUNT(*) FROM \
                 (SELECT computers_id, {key} AS wanted FROM {contents} ORDER BY id DESC LIMIT ?) AS c \
                 JOIN {orders} o ON o.id = c.wanted JOIN {{p}}collects s ON s.id = o.{{f}}collects_id \
                 JOIN glpi_computers k ON k.id = c.computers_id WHERE {} GROUP BY s.id, o.id ORDER BY s.name, o.id",
                condition.text
            );
            let mut values: Vec<Value> = vec![most.into()];
            values.extend(condition.values);
            let rows: Vec<(u32, String, String, u64, u64)> =
                self.report("report_stored", &text, values).await?;
            let rows = rows.into_iter();
            found.extend(
                rows.map(|(collect, name, place, computers, results)| Stored {
                    collect,
                    name: decode(&name).into_owned(),
                    kind,
                    place: decode(&place).into_owned(),
                    computers,
                    results,
                }),
            );
            let text = format!("SELECT id FROM {contents} ORDER BY id DESC LIMIT 1 OFFSET ?");
            let rows: Vec<u32> = self
                .report("report_stored_more", &text, vec![most.into()])
                .await?;
            more |= !rows.is_empty();
        }
        Ok((found, more))
    }
}
