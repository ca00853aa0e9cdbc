//! Prepared runs that would go out to agents that ask now.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::DateTime;
use chrono_tz::Tz;

use crate::db::{Db, DbError};
use crate::domain::actors::Agent;
use crate::domain::catalogue::{Catalogue, Job};
use crate::domain::eligibility::Decision;
use crate::domain::ids::{AgentId, JobId};
use crate::domain::modules::Module;
use crate::domain::policy::Policy;
use crate::domain::prepare::{Ahead, if_asked};

/// How many there are of each of `jobs`, by the one decision on a run; jobs without any are left out. What is read of the agents is read once,
/// and of the runs a page at a time.
pub(super) async fn count(
    db: &Db,
    catalogue: &Catalogue,
    jobs: &[Job],
    policy: Policy,
    now: DateTime<Tz>,
) -> Result<BTreeMap<JobId, usize>, DbError> {
    let mut ready = BTreeMap::new();
    let mut known: HashMap<AgentId, Option<Agent>> = HashMap::new();
    for job in jobs {
        let Some(module) = Module::of_method(&job.method) else {
            continue;
        };
        let sequence = match policy {
            Policy::Plugin => None,
            Policy::Redux => catalogue.sequences.get(&job.task),
        };
        let awaits = sequence.and_then(|sequence| sequence.place(job.id)?.1);
        let mut next = Some(0);
        while let Some(after) = next {
            let page = db.waiting_runs(job.id, awaits, after).await?;
            next = page.next;
            let new: HashSet<AgentId> = page.runs.iter().map(|run| run.agent).collect();
            let new: Vec<AgentId> = new
                .into_iter()
                .filter(|agent| !known.contains_key(agent))
                .collect();
            let mut read = db.agents_to_wake(&new).await?;
            known.extend(
                new.into_iter()
                    .map(|id| (id, read.remove(&id).map(|known| known.agent))),
            );
            let goes = page.runs.iter().filter(|run| {
                let Some(Some(agent)) = known.get(&run.agent) else {
                    return false;
                };
                let ahead = Ahead {
                    run: run.run,
                    date_start: run.date_start,
                    awaits: awaits.filter(|_| run.has_before),
                    is_duplicate: run.is_duplicate,
                };
                !agent.locked
                    && catalogue.modules.allows(module, agent.id)
                    && if_asked(catalogue, job, agent, &ahead, policy, now)
                        == Some(Decision::Deliver)
            });
            let goes = goes.count();
            if goes > 0 {
                *ready.entry(job.id).or_default() += goes;
            }
        }
    }
    Ok(ready)
}
