//! Waking up the agents of one task, as somebody asked for it.

use std::collections::HashSet;

use tokio::task::JoinSet;

use super::{Pass, Summary, WakeUp};
use crate::db::DbError;
use crate::domain::ids::{AgentId, TaskId};

impl WakeUp {
    /// The agents with work of `task` that may be asked now, in order, and how many may not, by reason. Nobody is asked.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn sleepers(&self, task: TaskId) -> Result<(Vec<AgentId>, Summary), DbError> {
        let (pass, agents) = self.gather(task).await?;
        Ok((agents, pass.summary))
    }

    /// Asks those of `agents` that have work of `task` and may be asked now. The task's own time stays as it is.
    ///
    /// # Errors
    ///
    /// When the database fails; then nobody was asked.
    pub async fn wake(&self, task: TaskId, agents: &[AgentId]) -> Result<Summary, DbError> {
        let (mut pass, found) = self.gather(task).await?;
        let wanted: HashSet<&AgentId> = agents.iter().collect();
        let mut asked = JoinSet::new();
        for agent in found.iter().filter(|agent| wanted.contains(agent)) {
            asked.spawn(self.ask(&mut pass, *agent));
        }
        let mut waiting = Vec::new();
        while let Some(answer) = asked.join_next().await {
            if let Ok((agent, outcome)) = answer {
                pass.heard(agent, outcome, &mut waiting);
            }
        }
        self.wake_all(&mut pass, waiting).await;
        Ok(pass.summary)
    }

    async fn gather(&self, task: TaskId) -> Result<(Pass, Vec<AgentId>), DbError> {
        let mut pass = Box::pin(self.begin(Some(task))).await?;
        let mut agents = Vec::new();
        loop {
            let (more, is_whole) = Box::pin(self.look(&mut pass, task)).await?;
            agents.extend(more);
            if is_whole {
                break;
            }
        }
        agents.sort_unstable();
        agents.dedup();
        for skip in pass.skipped.values() {
            *pass.summary.skipped.entry(*skip).or_default() += 1;
        }
        Ok((pass, agents))
    }
}
