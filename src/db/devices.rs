//! The devices that an IP range stands for in a network inventory.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use mysql_async::prelude::Queryable;

use super::bulk::{LIST_MAX, list, marks};
use super::{Db, DbError};
use crate::domain::actors::Target;
use crate::domain::catalogue::Job;
use crate::domain::entities::Entities;
use crate::domain::ids::EntityId;
use crate::domain::policy::Policy;

/// GLPI's class of a kind of device, its table, the plugin's table beside it, and the key from that one.
const KINDS: [(&str, &str, &str, &str); 2] = [
    (
        "NetworkEquipment",
        "glpi_networkequipments",
        "{p}networkequipments",
        "networkequipments_id",
    ),
    ("Printer", "glpi_printers", "{p}printers", "printers_id"),
];

/// Method whose jobs can have IP ranges as targets that stand for the devices in them.
const INVENTORY: &str = "networkinventory";

/// Kind of such a target.
const IP_RANGE: &str = "PluginFusioninventoryIPRange";

impl Db {
    /// The targets of `job`; a network inventory's IP ranges give way to the devices in them, behind the other targets. Nothing is asked where
    /// there are none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn targets_of<'a>(
        &self,
        job: &'a Job,
        entities: &Entities,
        policy: Policy,
    ) -> Result<Cow<'a, [Target]>, DbError> {
        if job.method != INVENTORY {
            return Ok(Cow::Borrowed(&job.targets));
        }
        let (ranges, mut targets): (Vec<Target>, Vec<Target>) = job
            .targets
            .iter()
            .cloned()
            .partition(|target| target.itemtype == IP_RANGE);
        let ranges: Vec<u32> = ranges.iter().map(|range| range.items_id).collect();
        if !ranges.is_empty() {
            targets.extend(self.devices_of_ranges(&ranges, entities, policy).await?);
        }
        Ok(Cow::Owned(targets))
    }

    /// The switches and then the printers in each of `ranges`: those with an SNMP credential that exists and an IPv4 address in the
    /// range, in the range's entity or one above it (plugin 10.0.6+1.1). None in the trash; templates only for the plugin.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn devices_of_ranges(
        &self,
        ranges: &[u32],
        entities: &Entities,
        policy: Policy,
    ) -> Result<Vec<Target>, DbError> {
        self.timed("devices_of_ranges", async {
            let mut conn = self.conn().await?;
            let mut found: BTreeMap<u32, BTreeSet<(usize, u32)>> = BTreeMap::new();
            for (kind, (itemtype, table, beside, key)) in KINDS.iter().enumerate() {
                let templates = match policy {
                    Policy::Plugin => "",
                    Policy::Redux => "AND d.is_template = 0",
                };
                for chunk in ranges.chunks(LIST_MAX) {
                    let text = format!(
                        "/* devices_of_ranges */ SELECT DISTINCT g.id, g.entities_id, d.id, d.entities_id FROM {{p}}ipranges g \
                         JOIN glpi_ipaddresses a ON a.itemtype = 'NetworkName' \
                         AND INET_ATON(a.name) BETWEEN INET_ATON(g.ip_start) AND INET_ATON(g.ip_end) \
                         JOIN glpi_networknames n ON n.itemtype = 'NetworkPort' AND n.id = a.items_id \
                         JOIN glpi_networkports p ON p.itemtype = '{itemtype}' AND p.id = n.items_id \
                         JOIN {table} d ON d.id = p.items_id AND d.is_deleted = 0 {templates} \
                         JOIN {beside} s ON s.{key} = d.id \
                         JOIN {{p}}configsecurities c ON c.id = s.{{f}}configsecurities_id WHERE g.id IN ({})",
                        marks(chunk.len())
                    );
                    let rows: Vec<(u32, u32, u32, u32)> =
                        conn.exec(self.names.replace(&text), list(chunk)).await?;
                    for (range, above, device, entity) in rows {
                        if entities.is_within(EntityId(above), EntityId(entity)) {
                            found.entry(range).or_default().insert((kind, device));
                        }
                    }
                }
            }
            let devices = ranges.iter().filter_map(|range| found.get(range)).flatten();
            Ok(devices
                .map(|(kind, device)| Target {
                    itemtype: KINDS[*kind].0.to_owned(),
                    items_id: *device,
                })
                .collect())
        })
        .await
    }
}
