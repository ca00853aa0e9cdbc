//! The collect back end: what an agent looks for, and what it found.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use uuid::Uuid;

use super::hand_out::{Asked, HandOut};
use super::{
    Backend, DispatchError, Dispatcher, change, cut_chars, ignore_foreign, ignore_report, line,
};
use crate::db::agents::MAX_TEXT;
use crate::db::collect::{Found, Kind};
use crate::db::writer::{Finding, Line};
use crate::domain::actors::{AGENT, Agent};
use crate::domain::ids::ComputerId;
use crate::domain::modules::Module;
use crate::domain::policy::Policy;
use crate::domain::run::{LogState, Reported, Run, RunState};
use crate::proto::collect::{Item, What, log_text, order, registry_value, stored_path};
use crate::proto::text;

pub(super) const COLLECT: Asked = Asked {
    name: "Collect",
    backend: Backend::Collect,
    method: "collect",
    itemtype: "PluginFusioninventoryCollect",
    module: Module::Collect,
};

/// Parameters of an answer that are no values.
const NO_VALUES: [&str; 5] = ["action", "uuid", "_sid", "_cpt", "_glpi_csrf_token"];

/// Longest path of a file, bytes: the column is a TEXT.
const MAX_PATH: usize = 65_535;

/// An agent's answer to one order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Its parameters: the form body when the query says `method=POST`, else the query.
    pub values: Vec<(String, String)>,
    /// It came as a form.
    pub posted: bool,
}

impl Dispatcher {
    /// The answer to getJobs of the collect back end; `{}` when there is nothing to do.
    ///
    /// # Errors
    ///
    /// When GLPI is closed or the database fails; then nothing was handed out.
    pub async fn collect_jobs(&self, machineid: &str) -> Result<Value, DispatchError> {
        let mut snapshot = self.open_catalogue().await?;
        let Some(agent) = self.any_agent(machineid).await? else {
            return Ok(json!({}));
        };
        let (deliver, ended) = self.deliverable(&mut snapshot, &agent, &COLLECT).await?;
        let ids: Vec<u32> = deliver.iter().map(|run| run.items_id).collect();
        let items = self.db.collect_items(&ids).await?;
        let gone = self.gone(&ids, &items).await?;
        let mut hand_out = HandOut::new(ended);
        // To PHP a collect that does not exist is the one before it in the answer.
        let mut collect = None;
        for run in &deliver {
            if !gone.contains(&run.items_id) {
                collect = Some(run.items_id);
            }
            let items = collect
                .and_then(|collect| items.get(&collect))
                .map(Vec::as_slice)
                .unwrap_or_default();
            if items.is_empty() && self.policy == Policy::Redux {
                hand_out.broken(
                    run,
                    line(
                        LogState::Error,
                        "There is nothing to collect: the collect is empty or does not exist.",
                    ),
                );
                continue;
            }
            let mut sending = self.sending(run, &agent, vec![line(LogState::Started, "")]);
            if self.policy == Policy::Plugin {
                // PHP files this line under the agent.
                AGENT.clone_into(&mut sending.itemtype);
                sending.items_id = agent.id.0;
            }
            let orders: Vec<Value> = items
                .iter()
                .map(|item| self.told(order(item, &run.uniqid)))
                .collect();
            // The agent names every file that it finds: what it found before goes as the order does, not later.
            let searches: Vec<u32> = items
                .iter()
                .filter(|item| matches!(item.what, What::File(_)))
                .map(|item| item.id)
                .collect();
            if !searches.is_empty() {
                sending.finding = Some(Finding::FilesAnew {
                    computer: computer_of(&agent),
                    orders: searches,
                });
            }
            hand_out.send(sending, orders);
        }
        let jobs: Vec<Value> = hand_out
            .claim(self, COLLECT.method, |changes| self.request(changes))
            .await?
            .into_iter()
            .flat_map(|(_, orders)| orders)
            .collect();
        Ok(if jobs.is_empty() {
            json!({})
        } else {
            json!({"jobs": jobs, "postmethod": "POST", "token": token()})
        })
    }

    /// Those of the collects `ids` that do not exist, as far as it matters: only `plugin` tells them from those that have no `items`.
    async fn gone(
        &self,
        ids: &[u32],
        items: &HashMap<u32, Vec<Item>>,
    ) -> Result<HashSet<u32>, DispatchError> {
        let mut empty: HashSet<u32> = ids.iter().copied().collect();
        empty.retain(|id| !items.contains_key(id));
        if empty.is_empty() || self.policy == Policy::Redux {
            return Ok(HashSet::new());
        }
        let asked: Vec<u32> = empty.iter().copied().collect();
        let there = self.db.collects(&asked).await?;
        empty.retain(|id| !there.contains(id));
        Ok(empty)
    }

    /// An order as the agent gets it.
    fn told(&self, mut order: Value) -> Value {
        if self.policy == Policy::Redux {
            crate::proto::deploy::decode_texts(&mut order);
        }
        order
    }

    /// setAnswer: stores what an agent found for one order of the run that it calls `uuid`. Agent 2.6 does not say who it is here;
    /// where one does (`machineid`), the run must be its own for `redux`.
    ///
    /// # Errors
    ///
    /// When GLPI is closed or the database fails; then nothing was acknowledged.
    pub async fn set_answer(
        &self,
        machineid: Option<&str>,
        uuid: &str,
        answer: &Answer,
    ) -> Result<Value, DispatchError> {
        let nothing = json!({});
        let Some((run, computer)) = self.collecting(machineid, uuid).await? else {
            return Ok(nothing);
        };
        let reply = if answer.posted {
            json!({"token": token()})
        } else {
            nothing
        };
        let named = |name: &str| {
            answer
                .values
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        let sid = named("_sid").unwrap_or("0");
        let order: u32 = sid.parse().unwrap_or_default();
        let Some((kind, known)) = self.db.collect_kind(run.items_id, order).await? else {
            return Ok(reply);
        };
        if !known && self.policy == Policy::Redux {
            ignore_report("unknown-order", &run.uniqid);
            return Ok(reply);
        }
        let values: Vec<(String, String)> = answer
            .values
            .iter()
            .filter(|(key, _)| !NO_VALUES.contains(&key.as_str()))
            // PHP takes a name that an agent gives itself in the query for something found.
            .filter(|(key, _)| key != "machineid" || self.policy == Policy::Plugin)
            .cloned()
            .collect();
        let mut lines: Vec<Line> = Vec::new();
        let file = named("path")
            .filter(|path| !path.is_empty())
            .zip(named("size"));
        let found = match (kind, file) {
            (Kind::File, Some((path, size))) => {
                lines.push(
                    self.foreign_line(LogState::Running, &format!("file {path} | size {size}")),
                );
                lines.push(self.value_line(&values, Some(sid)));
                // PHP has escaped the path before it looks at its slashes.
                let path = match self.policy {
                    Policy::Plugin => stored_path(&path.replace('\\', "\\\\")),
                    Policy::Redux => stored_path(path),
                };
                let path = text::encode(&path);
                let path = super::cut(&path, MAX_PATH).to_owned();
                Some(match self.policy {
                    Policy::Plugin => Found::FileAgain(path, stored_size(size)),
                    Policy::Redux => Found::File(path, stored_size(size)),
                })
            }
            // PHP writes nothing then.
            (Kind::File, None) if self.policy == Policy::Plugin => return Ok(reply),
            (Kind::File, None) => {
                lines.push(self.value_line(&[], None));
                None
            }
            (Kind::Registry | Kind::Wmi, _) => {
                lines.push(self.value_line(&values, None));
                Some(Found::Values(kind, self.stored(kind, &values)))
            }
        };
        // One change: an agent that hears of a failure says it all again, and none of it may be stored twice.
        let mut change = change(&run, self.progress(), lines);
        change.finding = found.map(|found| Finding::Collected {
            computer,
            order,
            found,
        });
        self.writer.write(self.request(vec![change])).await?;
        Ok(reply)
    }

    /// jobsDone: the agent has worked through all orders of the run that it calls `uuid`.
    ///
    /// # Errors
    ///
    /// When GLPI is closed or the database fails; then nothing was written.
    pub async fn jobs_done(
        &self,
        machineid: Option<&str>,
        uuid: &str,
    ) -> Result<(), DispatchError> {
        if let Some((run, _)) = self.collecting(machineid, uuid).await? {
            let changes =
                vec![self.reported(&run, Reported::Success, vec![line(LogState::Ok, "")])];
            self.writer.write(self.request(changes)).await?;
        }
        Ok(())
    }

    /// The unfinished run called `uuid` and the computer of its agent. For `redux` it is a collect that was handed out, and the asking
    /// agent's own where that says who it is.
    async fn collecting(
        &self,
        machineid: Option<&str>,
        uuid: &str,
    ) -> Result<Option<(Run, ComputerId)>, DispatchError> {
        self.open_catalogue().await?;
        let mut runs = self.db.runs_by_uniqid(uuid).await?;
        runs.retain(|run| run.state != RunState::Finished);
        if self.policy == Policy::Plugin {
            let Some(run) = runs.into_iter().next() else {
                return Ok(None);
            };
            let agent = self.db.agent(run.agent).await?;
            return Ok(agent.map(|agent| (run, computer_of(&agent))));
        }
        // An agent has the names of the runs that it was handed out for this task, and of no others.
        let named = runs.len();
        runs.retain(|run| run.itemtype == COLLECT.itemtype && run.was_handed_out());
        if runs.is_empty() && named > 0 {
            ignore_report("not-handed-out", uuid);
        }
        // Without the agent's name a name that several have is nobody's.
        if machineid.is_none() && runs.iter().any(|run| run.agent != runs[0].agent) {
            ignore_report("ambiguous-run", uuid);
            return Ok(None);
        }
        let mut foreign = None;
        for run in runs {
            let Some(agent) = self.db.agent(run.agent).await? else {
                continue;
            };
            if machineid.is_none_or(|name| name.eq_ignore_ascii_case(&agent.device_id)) {
                return Ok(Some((run, computer_of(&agent))));
            }
            foreign = foreign.or(Some(agent));
        }
        if let Some(owner) = foreign {
            ignore_foreign(&owner, uuid);
        }
        Ok(None)
    }

    /// The line that names what was found. Names are the agent's words too: `redux` encodes them like the values.
    fn value_line(&self, values: &[(String, String)], nested: Option<&str>) -> Line {
        if values.is_empty() {
            return line(LogState::Error, "Nothing was found.");
        }
        let name = |name: &str| match self.policy {
            Policy::Plugin => name.to_owned(),
            Policy::Redux => text::encode(name).into_owned(),
        };
        let named: Vec<(String, String)> = values
            .iter()
            .map(|(key, value)| (name(key), value.clone()))
            .collect();
        let text = log_text(&named, nested.map(name).as_deref());
        line(
            LogState::Info,
            super::cut(&text, crate::db::writer::MAX_COMMENT),
        )
    }

    /// Values as they are stored: encoded, cut to what the table holds. The plugin turns numbers of the registry into decimal only where a
    /// key is new.
    fn stored(&self, kind: Kind, values: &[(String, String)]) -> Vec<(String, String, String)> {
        let fit = |value: &str| cut_chars(&text::encode(value), MAX_TEXT).to_owned();
        values
            .iter()
            .map(|(key, value)| {
                let new = if kind == Kind::Registry {
                    registry_value(value)
                } else {
                    value.clone()
                };
                let again = if self.policy == Policy::Redux {
                    &new
                } else {
                    value
                };
                (fit(key), fit(&new), fit(again))
            })
            .collect()
    }
}

/// The row of an agent's computer, 0 where it has none, as PHP stores it.
fn computer_of(agent: &Agent) -> ComputerId {
    agent.computer.map_or(ComputerId(0), |computer| computer.id)
}

/// A file's size as the table can hold it: 4 GiB and more are all the same.
fn stored_size(size: &str) -> u32 {
    let size: u64 = size.trim().parse().unwrap_or_default();
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// A token for the next form: agents hand it back. Nothing is checked by it, as agents have no session.
fn token() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}
