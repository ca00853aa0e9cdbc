//! What a job can name as a target or an actor: rows of GLPI and the plugin, found by their name or number.

use mysql_async::prelude::Queryable;
use mysql_async::{Params, Value};

use crate::db::bulk::{LIST_MAX, marks, pad};
use crate::db::run_search::containing;
use crate::db::{Db, DbError};
use crate::domain::actors::Target;
use crate::domain::ids::EntityId;
use crate::proto::text::{decode, encode};

/// Most rows of a name that are read, before those are left out that are not seen.
const MOST_FOUND: u32 = 5_000;

/// A row that a job can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its class and number.
    pub target: Target,
    /// Its name, decoded.
    pub name: String,
    /// Its entity.
    pub entity: EntityId,
    /// It is there for the entities below too.
    pub recursive: bool,
}

/// A class, where its rows are, and what the plugin's form asks of those that it offers.
struct Class {
    name: &'static str,
    table: &'static str,
    entity: &'static str,
    recursive: &'static str,
    condition: &'static str,
}

const fn class(name: &'static str, table: &'static str, condition: &'static str) -> Class {
    Class {
        name,
        table,
        entity: "x.entities_id",
        recursive: "x.is_recursive <> 0",
        condition,
    }
}

/// Neither in the trash nor a template.
const USABLE: &str = "x.is_deleted = 0 AND x.is_template = 0";

const CLASSES: [Class; 10] = [
    class(
        "PluginFusioninventoryDeployPackage",
        "{p}deploypackages",
        "1",
    ),
    class("PluginFusioninventoryCollect", "{p}collects", "1"),
    class("PluginFusioninventoryAgent", "{p}agents", "1"),
    class("Group", "glpi_groups", "1"),
    class("NetworkEquipment", "glpi_networkequipments", USABLE),
    class("Printer", "glpi_printers", USABLE),
    class("Computer", "glpi_computers", USABLE),
    Class {
        recursive: "0",
        ..class("PluginFusioninventoryIPRange", "{p}ipranges", "1")
    },
    Class {
        recursive: "0",
        ..class(
            "PluginFusioninventoryCredentialIp",
            "{p}credentialips",
            "EXISTS (SELECT 1 FROM {p}credentials c WHERE c.id = x.{f}credentials_id AND c.itemtype = 'PluginFusioninventoryInventoryComputerESX')",
        )
    },
    // They have no entity.
    Class {
        entity: "0",
        recursive: "1",
        ..class("PluginFusioninventoryDeployGroup", "{p}deploygroups", "1")
    },
];

fn of(name: &str) -> Option<&'static Class> {
    CLASSES.iter().find(|class| class.name == name)
}

impl Class {
    /// A statement for the rows that `condition` is about.
    fn select(&self, condition: &str) -> String {
        format!(
            "/* items */ SELECT x.id, x.name, {}, {} FROM {} x WHERE {} AND {condition}",
            self.entity, self.recursive, self.table, self.condition
        )
    }

    async fn read(&self, db: &Db, text: &str, values: Vec<Value>) -> Result<Vec<Item>, DbError> {
        let sql = db.names.replace(text);
        let rows: Vec<(u32, Option<String>, u32, bool)> = db
            .timed("items", async {
                let mut conn = db.conn().await?;
                Ok(conn.exec(sql, Params::Positional(values)).await?)
            })
            .await?;
        let item = |(id, name, entity, recursive): (u32, Option<String>, u32, bool)| Item {
            target: Target {
                itemtype: self.name.to_owned(),
                items_id: id,
            },
            name: decode(&name.unwrap_or_default()).into_owned(),
            entity: EntityId(entity),
            recursive,
        };
        Ok(rows.into_iter().map(item).collect())
    }
}

impl Db {
    /// Rows of the class `itemtype` whose name has `text` in it or whose number it is, by name, at most so many as somebody could look
    /// through many times over; none of a class that jobs do not name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn find_items(&self, itemtype: &str, text: &str) -> Result<Vec<Item>, DbError> {
        let Some(class) = of(itemtype) else {
            return Ok(vec![]);
        };
        let sql = class.select("(x.name LIKE ? OR x.id = ?) ORDER BY x.name, x.id LIMIT ?");
        let number: u32 = text.parse().unwrap_or_default();
        let pattern = containing(&encode(text));
        let values = vec![pattern.into(), number.into(), MOST_FOUND.into()];
        class.read(self, &sql, values).await
    }

    /// Those of `targets` that a job can name; others are left out.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn items(&self, targets: &[Target]) -> Result<Vec<Item>, DbError> {
        let mut found = Vec::new();
        for class in &CLASSES {
            let of_class = targets.iter().filter(|of| of.itemtype == class.name);
            let ids: Vec<u32> = of_class.map(|of| of.items_id).collect();
            for chunk in ids.chunks(LIST_MAX) {
                let sql = class.select(&format!("x.id IN ({})", marks(chunk.len())));
                let values = pad(chunk).map(Value::from).collect();
                found.extend(class.read(self, &sql, values).await?);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::editing::job::{METHODS, Side};

    #[test]
    fn every_class_that_a_method_takes_is_found() {
        for method in METHODS {
            for class in Side::ALL.iter().flat_map(|side| method.classes(*side)) {
                assert!(of(class).is_some(), "{class}");
            }
        }
        assert!(of("User").is_none());
    }
}
