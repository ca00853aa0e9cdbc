//! Reading the catalogue.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::bulk::{LIST_MAX, list, marks};
use super::row::{Columns, readable};
use super::{Db, DbError};
use crate::domain::actors::{Actor, IdSet, parse_actors, parse_targets};
use crate::domain::catalogue::{Catalogue, Job, MirrorMatch, PluginConfig, Search, Task};
use crate::domain::entities::{Entities, Entity};
use crate::domain::ids::{
    DeployGroupId, EntityId, GroupId, JobId, LocationId, TaskId, TemplateId, TimeslotId, UserId,
};
use crate::domain::mirrors::Mirror;
use crate::domain::modules::Modules;
use crate::domain::schedule::Dates;
use crate::domain::timeslot::hours::HourRow;
use crate::domain::timeslot::{Entry, Week};

impl Db {
    /// Reads everything small that requests look at.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn catalogue(&self) -> Result<Catalogue, DbError> {
        self.timed("catalogue", async {
            let mut conn = self.conn().await?;
            let conn = &mut conn;
            let mut catalogue = Catalogue {
                site: super::site::read(conn).await?,
                config: self.plugin_config(conn).await?,
                modules: self.modules(conn).await?,
                entities: self.entities(conn).await?,
                jobs: self.jobs(conn).await?,
                timeslots: self.timeslots(conn).await?,
                templates: self.templates(conn).await?,
                ..Catalogue::default()
            };
            // After the jobs: a job that is made with its task meanwhile is never here without it.
            self.tasks(conn, &mut catalogue).await?;
            self.hours(conn, &mut catalogue).await?;
            self.sequences(conn, &mut catalogue).await?;
            catalogue.mirrors = self.mirrors(conn, &catalogue.entities).await?;
            self.members(conn, &mut catalogue).await?;
            Ok(catalogue)
        })
        .await
    }

    async fn plugin_config(&self, conn: &mut Conn) -> Result<PluginConfig, DbError> {
        let sql = self.sql("/* catalogue */ SELECT type, value FROM {p}configs");
        let rows: Vec<(Option<String>, Option<String>)> = conn.query(sql.as_ref()).await?;
        let mut config = PluginConfig::default();
        for (key, value) in rows {
            let value = value.unwrap_or_default();
            match key.as_deref().unwrap_or_default() {
                "version" => config.version = value,
                "ssl_only" => config.ssl_only = value == "1",
                "inventory_frequence" => config.inventory_frequence = value,
                "threads_networkdiscovery" => config.discovery_pace.0 = value,
                "timeout_networkdiscovery" => config.discovery_pace.1 = value,
                "threads_networkinventory" => config.inventory_pace.0 = value,
                "timeout_networkinventory" => config.inventory_pace.1 = value,
                "server_as_mirror" => config.server_as_mirror = !matches!(value.as_str(), "" | "0"),
                "mirror_match" => {
                    config.mirror_match = match value.as_str() {
                        "1" => MirrorMatch::Entity,
                        "2" => MirrorMatch::Both,
                        _ => MirrorMatch::Location,
                    };
                }
                _ => {}
            }
        }
        Ok(config)
    }

    async fn modules(&self, conn: &mut Conn) -> Result<Modules, DbError> {
        let sql = self.sql(
            "/* catalogue */ SELECT modulename, is_active <> 0, exceptions FROM {p}agentmodules",
        );
        let rows: Vec<(Option<String>, bool, Option<String>)> = conn.query(sql.as_ref()).await?;
        let mut modules = Modules::default();
        for (name, active, exceptions) in rows {
            modules.insert(
                &name.unwrap_or_default(),
                active,
                &exceptions.unwrap_or_default(),
            );
        }
        Ok(modules)
    }

    async fn entities(&self, conn: &mut Conn) -> Result<Entities, DbError> {
        let mut entities = Entities::default();
        let rows: Vec<(u32, Option<i64>, i64)> = conn
            .query("/* catalogue */ SELECT id, entities_id, level FROM glpi_entities")
            .await?;
        for (id, parent, level) in rows {
            // The root has no parent; an older GLPI writes -1 or the root itself.
            let parent = parent
                .and_then(|parent| u32::try_from(parent).ok())
                .filter(|parent| *parent != id && id != 0)
                .map(EntityId);
            let level = u32::try_from(level).unwrap_or_default();
            entities.insert(EntityId(id), Entity { parent, level });
        }
        let sql = self.sql(
            "/* catalogue */ SELECT id, entities_id, agent_base_url FROM {p}entities ORDER BY id",
        );
        let rows: Vec<(u32, u32, String)> = conn.query(sql.as_ref()).await?;
        for (row, entity, url) in rows {
            entities.insert_base_url(row, EntityId(entity), &url);
        }
        Ok(entities)
    }

    /// The tasks, and which there are whose rows cannot be read.
    async fn tasks(&self, conn: &mut Conn, catalogue: &mut Catalogue) -> Result<(), DbError> {
        let sql = self.sql(
            "/* catalogue */ SELECT id, name, is_active, datetime_start, datetime_end, {f}timeslots_prep_id, {f}timeslots_exec_id, \
             reprepare_if_successful FROM {p}tasks",
        );
        let rows: Vec<Row> = conn.query(sql.as_ref()).await?;
        let ids = rows.iter().filter_map(|row| row.get("id"));
        let mut all: HashSet<TaskId> = ids.map(TaskId).collect();
        let tasks = rows.into_iter().map(|row| {
            let mut columns = Columns::new("tasks", row);
            let id = TaskId(columns.take("id")?);
            let task = Task {
                id,
                name: columns.text("name")?,
                is_active: columns.flag("is_active")?,
                dates: Dates {
                    start: columns.take("datetime_start")?,
                    end: columns.take("datetime_end")?,
                },
                prep_slot: TimeslotId(columns.take("timeslots_prep_id")?),
                exec_slot: TimeslotId(columns.take("timeslots_exec_id")?),
                hours: None,
                reprepare_if_successful: columns.flag("reprepare_if_successful")?,
            };
            Ok((id, task))
        });
        catalogue.tasks = readable(tasks).collect();
        all.retain(|id| !catalogue.tasks.contains_key(id));
        catalogue.unreadable = all;
        Ok(())
    }

    async fn jobs(&self, conn: &mut Conn) -> Result<HashMap<JobId, Job>, DbError> {
        let sql = self.sql("/* catalogue */ SELECT id, {f}tasks_id, name, method, targets, actors FROM {p}taskjobs");
        let rows: Vec<Row> = conn.query(sql.as_ref()).await?;
        let jobs = rows.into_iter().map(|row| {
            let mut columns = Columns::new("taskjobs", row);
            let id = JobId(columns.take("id")?);
            let job = Job {
                id,
                task: TaskId(columns.take("tasks_id")?),
                name: columns.text("name")?,
                method: columns.text("method")?,
                targets: parse_targets(&columns.text("targets")?),
                actors: parse_actors(&columns.text("actors")?),
            };
            Ok((id, job))
        });
        Ok(readable(jobs).collect())
    }

    async fn timeslots(&self, conn: &mut Conn) -> Result<HashMap<TimeslotId, Week>, DbError> {
        let sql = self.sql(
            "/* catalogue */ SELECT {f}timeslots_id, day, `begin`, `end` FROM {p}timeslotentries",
        );
        let rows: Vec<(u32, i64, Option<u32>, Option<u32>)> = conn.query(sql.as_ref()).await?;
        let mut entries: HashMap<TimeslotId, Vec<Entry>> = HashMap::new();
        for (slot, day, begin, end) in rows {
            // An entry without a bound never matches in PHP's SQL, nor does one of a day that there is not.
            if let (Ok(day), Some(begin), Some(end)) = (u32::try_from(day), begin, end) {
                entries
                    .entry(TimeslotId(slot))
                    .or_default()
                    .push(Entry { day, begin, end });
            }
        }
        Ok(entries
            .into_iter()
            .map(|(slot, entries)| (slot, Week::from_entries(entries)))
            .collect())
    }

    /// The hour rows of tasks. PHP does not delete them with their task, and rows without one are nobody's.
    async fn hours(&self, conn: &mut Conn, catalogue: &mut Catalogue) -> Result<(), DbError> {
        let sql = self.sql(
            "/* catalogue */ SELECT {f}tasks_id, weekday, hour_start, hour_end FROM {p}sidecar_hours",
        );
        let rows: Vec<(u32, u8, u8, u8)> = conn.query(sql.as_ref()).await?;
        let mut hours: HashMap<TaskId, Vec<HourRow>> = HashMap::new();
        for (task, weekday, start, end) in rows {
            let row = HourRow::new(weekday, start, end);
            hours.entry(TaskId(task)).or_default().push(row);
        }
        for (id, rows) in hours {
            if let Some(task) = catalogue.tasks.get_mut(&id) {
                let odd = rows.iter().filter(|row| !row.makes_sense());
                catalogue.odd_hours.extend(odd.map(|row| (id, *row)));
                // A task that has nothing but these is never open: somebody wished to limit it.
                task.hours = Some(Week::from_hours(rows));
            }
        }
        catalogue.odd_hours.sort_unstable();
        Ok(())
    }

    async fn templates(&self, conn: &mut Conn) -> Result<HashMap<TemplateId, Arc<str>>, DbError> {
        let sql =
            self.sql("/* catalogue */ SELECT id, json FROM {p}deployuserinteractiontemplates");
        let rows: Vec<(u32, Option<String>)> = conn.query(sql.as_ref()).await?;
        Ok(rows
            .into_iter()
            .map(|(id, json)| (TemplateId(id), json.unwrap_or_default().into()))
            .collect())
    }

    async fn mirrors(&self, conn: &mut Conn, entities: &Entities) -> Result<Vec<Mirror>, DbError> {
        let sql = self.sql(
            "/* catalogue */ SELECT entities_id, is_recursive <> 0, locations_id, url FROM {p}deploymirrors WHERE is_active = 1 ORDER BY id",
        );
        let rows: Vec<(u32, bool, u32, String)> = conn.query(sql.as_ref()).await?;
        let mut mirrors: Vec<Mirror> = rows
            .into_iter()
            .map(|(entity, recursive, location, url)| Mirror {
                entity: EntityId(entity),
                recursive,
                location: LocationId(location),
                url,
            })
            .collect();
        mirrors.sort_by_key(|mirror| std::cmp::Reverse(entities.level(mirror.entity)));
        Ok(mirrors)
    }

    /// Members of the groups that jobs name, and only of those: nobody asks for the others.
    async fn members(&self, conn: &mut Conn, catalogue: &mut Catalogue) -> Result<(), DbError> {
        let (mut groups, mut deploy_groups) = (Vec::new(), Vec::new());
        for actor in catalogue.jobs.values().flat_map(|job| &job.actors) {
            match actor {
                Actor::Group(id) => groups.push(id.0),
                Actor::DeployGroup(id) => deploy_groups.push(id.0),
                Actor::Computer(_) | Actor::Agent(_) => {}
            }
        }
        for ids in [&mut groups, &mut deploy_groups] {
            ids.sort_unstable();
            ids.dedup();
        }
        let mut users: HashMap<u32, HashSet<UserId>> = HashMap::new();
        for chunk in groups.chunks(LIST_MAX) {
            let marks = marks(chunk.len());
            let text = format!(
                "/* catalogue */ SELECT g.id, u.users_id FROM glpi_groups g LEFT JOIN glpi_groups_users u ON u.groups_id = g.id WHERE g.id IN ({marks})"
            );
            let rows: Vec<(u32, Option<u32>)> = conn.exec(text, list(chunk)).await?;
            for (group, user) in rows {
                users.entry(group).or_default().extend(user.map(UserId));
            }
        }
        let mut statics: HashMap<u32, Vec<u32>> = HashMap::new();
        for chunk in deploy_groups.chunks(LIST_MAX) {
            let marks = marks(chunk.len());
            let text = self.names.replace(&format!(
                "/* catalogue */ SELECT g.id, s.items_id FROM {{p}}deploygroups g LEFT JOIN {{p}}deploygroups_staticdatas s \
                 ON s.{{f}}deploygroups_id = g.id AND s.itemtype = 'Computer' WHERE g.type = 'STATIC' AND g.id IN ({marks})"
            ));
            let rows: Vec<(u32, Option<u32>)> = conn.exec(text, list(chunk)).await?;
            for (group, computer) in rows {
                statics.entry(group).or_default().extend(computer);
            }
            let text = self.names.replace(&format!(
                "/* catalogue */ SELECT g.id, g.name, d.fields_array, d.computers_id_cache FROM {{p}}deploygroups g \
                 JOIN {{p}}deploygroups_dynamicdatas d ON d.{{f}}deploygroups_id = g.id WHERE g.type <> 'STATIC' AND g.id IN ({marks})"
            ));
            let rows: Vec<Row> = conn.exec(text, list(chunk)).await?;
            let dynamics = rows.into_iter().map(|row| {
                let mut columns = Columns::new("deploygroups", row);
                let id = DeployGroupId(columns.take("id")?);
                let group: Option<String> = columns.take("name")?;
                let stored: Option<Vec<u8>> = columns.take("fields_array")?;
                let cache: Option<String> = columns.take("computers_id_cache")?;
                let search = Search {
                    group: group.unwrap_or_default(),
                    stored: stored.unwrap_or_default(),
                };
                Ok((id, search, cached_computers(&cache.unwrap_or_default())))
            });
            for (id, search, cached) in readable(dynamics) {
                catalogue.searches.insert(id, search);
                let cached = cached.map(|cached| (id, Arc::new(cached)));
                catalogue.members.computers.extend(cached);
            }
        }
        catalogue.members.users.extend(
            users
                .into_iter()
                .map(|(group, users)| (GroupId(group), Arc::new(users))),
        );
        let ids = statics.keys().copied().map(DeployGroupId);
        catalogue.members.statics = ids.collect();
        let statics = statics
            .into_iter()
            .map(|(group, ids)| (DeployGroupId(group), Arc::new(IdSet::from_iter(ids))));
        catalogue.members.computers.extend(statics);
        Ok(())
    }
}

/// Reads `computers_id_cache`: the JSON object `{"7":7}`, which PHP writes, or a list. None if it is neither: nobody has evaluated the group.
fn cached_computers(json: &str) -> Option<IdSet> {
    match serde_json::from_str(json) {
        Ok(serde_json::Value::Object(map)) => {
            Some(map.keys().filter_map(|key| key.parse().ok()).collect())
        }
        Ok(serde_json::Value::Array(list)) => {
            let ids = list
                .iter()
                .filter_map(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()))
                .filter_map(|id| u32::try_from(id).ok());
            Some(ids.collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_as_php_writes_them() {
        for (json, ids) in [
            (r#"{"7":7,"3":"3"}"#, Some(vec![3, 7])),
            ("[7,\"3\"]", Some(vec![3, 7])),
            ("[]", Some(vec![])),
            ("{}", Some(vec![])),
            ("", None),
            ("null", None),
            ("0", None),
            ("{broken", None),
        ] {
            let cached = cached_computers(json).map(|ids| ids.iter().collect::<Vec<_>>());
            assert_eq!(cached, ids, "{json}");
        }
    }
}
