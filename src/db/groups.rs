//! Dynamic groups: their criteria as SQL, and the cache that PHP reads.

use std::fmt::Write as _;

use mysql_async::prelude::Queryable;
use mysql_async::{Params, Value};

use super::{Db, DbError};
use crate::domain::actors::IdSet;
use crate::domain::criteria::{Condition, Criterion, Link, Pattern, TextField};
use crate::domain::ids::DeployGroupId;

impl Db {
    /// The computers that fit `criteria`, over all entities, without the trash and templates.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn computers_that_fit(&self, criteria: &[Criterion]) -> Result<IdSet, DbError> {
        self.timed("computers_that_fit", async {
            let mut values = Vec::new();
            let wanted = condition(criteria, &mut values);
            let text = format!(
                "/* computers_that_fit */ SELECT c.id FROM glpi_computers c WHERE c.is_deleted = 0 AND c.is_template = 0 AND ({wanted}) ORDER BY c.id"
            );
            let computers: Vec<u32> = self.conn().await?.exec(text, Params::Positional(values)).await?;
            Ok(computers.into_iter().collect())
        })
        .await
    }

    /// The computers that fit `criteria`, stored as the group's cache, which PHP reads.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn evaluate_group(
        &self,
        group: DeployGroupId,
        criteria: &[Criterion],
    ) -> Result<IdSet, DbError> {
        let computers = self.computers_that_fit(criteria).await?;
        self.timed("evaluate_group", async {
            let cache: serde_json::Map<String, serde_json::Value> =
                computers.iter().map(|id| (id.to_string(), id.into())).collect();
            // PHP writes an empty group as a list.
            let cache = if cache.is_empty() { "[]".to_owned() } else { serde_json::Value::Object(cache).to_string() };
            let sql = self.sql(
                "/* evaluate_group */ UPDATE {p}deploygroups_dynamicdatas SET computers_id_cache = ? WHERE {f}deploygroups_id = ?",
            );
            Ok(self.conn().await?.exec_drop(sql.as_ref(), (cache, group.0)).await?)
        })
        .await?;
        Ok(computers)
    }
}

/// `criteria` as a condition on `glpi_computers c`; `values` are its parameters.
fn condition(criteria: &[Criterion], values: &mut Vec<Value>) -> String {
    let mut text = String::new();
    for (index, criterion) in criteria.iter().enumerate() {
        let (joint, not) = match criterion.link {
            Link::And => ("AND", ""),
            Link::Or => ("OR", ""),
            Link::AndNot => ("AND", "NOT "),
            Link::OrNot => ("OR", "NOT "),
        };
        if index > 0 {
            let _ = write!(text, " {joint} ");
        }
        let inner = match &criterion.condition {
            Condition::Group(nested) => condition(nested, values),
            Condition::Text {
                field,
                negated,
                pattern,
            } => {
                let column = match field {
                    TextField::Name => "c.name",
                    TextField::Serial => "c.serial",
                    TextField::OtherSerial => "c.otherserial",
                };
                values.push(like(pattern).into());
                if *negated {
                    format!("{column} NOT LIKE ? OR {column} IS NULL")
                } else {
                    format!("{column} LIKE ?")
                }
            }
        };
        let _ = write!(text, "{not}({inner})");
    }
    text
}

fn like(pattern: &Pattern) -> String {
    let (before, after) = (
        if pattern.at_start { "" } else { "%" },
        if pattern.at_end { "" } else { "%" },
    );
    format!("{before}{}{after}", pattern.words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criteria_as_sql() {
        let text = |link, negated, value: &str| Criterion {
            link,
            condition: Condition::Text {
                field: TextField::Name,
                negated,
                pattern: Pattern::parse(value).unwrap(),
            },
        };
        let criteria = [
            text(Link::AndNot, false, "^a"),
            text(Link::Or, true, "b$"),
            Criterion {
                link: Link::AndNot,
                condition: Condition::Group(vec![text(Link::And, false, "c")]),
            },
        ];
        let mut values = Vec::new();
        assert_eq!(
            condition(&criteria, &mut values),
            "NOT (c.name LIKE ?) OR (c.name NOT LIKE ? OR c.name IS NULL) AND NOT ((c.name LIKE ?))"
        );
        assert_eq!(values, ["a%", "%b", "%c%"].map(Value::from));
    }
}
