//! Handing out: the runs of one answer on their way to their agent.

use std::collections::HashMap;
use std::sync::Arc;

use super::catalogues::Snapshot;
use super::judge::{Judged, end};
use super::{Backend, DispatchError, Dispatcher, change, line};
use crate::db::writer::{Change, Driven, Line, Outcome, Request, Step};
use crate::domain::actors::Agent;
use crate::domain::eligibility::{Decision, Ending, Occasion};
use crate::domain::ids::RunId;
use crate::domain::modules::Module;
use crate::domain::policy::Policy;
use crate::domain::run::{LogState, Run, RunState, StateSet};
use crate::telemetry::metrics::RUNS_SENT;

/// A task whose work an agent fetches by getJobs.
pub(super) struct Asked {
    /// Its name in getConfig, where it is asked for in any case.
    pub(super) name: &'static str,
    /// Where its work is fetched.
    pub(super) backend: Backend,
    /// Method of its jobs.
    pub(super) method: &'static str,
    /// Class of its targets.
    pub(super) itemtype: &'static str,
    /// The module that must be on for the agent.
    pub(super) module: Module,
}

/// What is going to be written and, run by run, what is answered once the run is claimed.
pub(super) struct HandOut<T> {
    changes: Vec<Change>,
    driven: Driven,
    ready: HashMap<usize, T>,
}

impl<T> HandOut<T> {
    /// Begins with `changes` that answer nothing, and what comes into being with it.
    pub(super) fn new((changes, driven): (Vec<Change>, Driven)) -> Self {
        Self {
            changes,
            driven,
            ready: HashMap::new(),
        }
    }

    /// Hands `order` out if `change` is made.
    pub(super) fn send(&mut self, change: Change, order: T) {
        self.ready.insert(self.changes.len(), order);
        self.changes.push(change);
    }

    /// Makes `change`, which answers nothing.
    pub(super) fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// A run that cannot be handed out ends in error, with this line; the others of the answer go out.
    pub(super) fn broken(&mut self, run: &Run, why: Line) {
        let step = Step::Move {
            from: StateSet::from(run.state),
            to: RunState::InError,
        };
        self.changes.push(change(run, step, vec![why]));
    }

    /// Claims the runs by the `request` made of all changes; the orders of those that were, in order, each with its run. Of two requests for a
    /// run, also at two sidecars, one gets it.
    pub(super) async fn claim(
        mut self,
        dispatcher: &Dispatcher,
        method: &'static str,
        request: impl FnOnce(Vec<Change>) -> Request,
    ) -> Result<Vec<(RunId, T)>, DispatchError> {
        let runs: Vec<RunId> = self.changes.iter().map(|change| change.run).collect();
        let request = Request {
            driven: self.driven,
            ..request(self.changes)
        };
        let outcomes = dispatcher.writer.write(request).await?;
        let claimed: Vec<(RunId, T)> = (0..)
            .zip(runs)
            .zip(outcomes)
            .filter_map(|((index, run), outcome)| match outcome {
                Outcome::Done => Some((run, self.ready.remove(&index)?)),
                Outcome::Created(run) => Some((run, self.ready.remove(&index)?)),
                Outcome::Logged | Outcome::Missed => None,
            })
            .collect();
        metrics::counter!(RUNS_SENT, "method" => method).increment(claimed.len() as u64);
        Ok(claimed)
    }
}

impl Dispatcher {
    /// The runs of `agent` that may go out for what is `asked`, in the order of the answer, and what begins the hand-out: the changes that end
    /// those that may never, and what comes into being with it.
    pub(super) async fn deliverable(
        &self,
        snapshot: &mut Arc<Snapshot>,
        agent: &Agent,
        asked: &Asked,
    ) -> Result<(Vec<Run>, (Vec<Change>, Driven)), DispatchError> {
        let runs = self.db.open_runs(agent.id).await?;
        let (mut deliver, mut ended) = (Vec::new(), Vec::new());
        if !runs.is_empty() {
            let judged = self
                .judge(snapshot, agent, runs, Occasion::GetJobs, &[asked.method])
                .await?;
            // PHP's ESX back end looks at no module; its getConfig does.
            let allowed = self.policy == Policy::Plugin && asked.backend == Backend::Esx
                || snapshot.catalogue.modules.allows(asked.module, agent.id);
            for Judged {
                run,
                position,
                decision,
            } in judged
            {
                match decision {
                    Decision::End(ending) => ended.push(end(&run, ending)),
                    Decision::Deliver if !allowed => ended.push(end(&run, Ending::ModuleOff)),
                    Decision::Deliver => deliver.push((position, run)),
                    // PHP cancels what a user put off, too, when the module is off.
                    Decision::Wait(..) if !allowed && self.policy == Policy::Plugin => {
                        ended.push(end(&run, Ending::ModuleOff));
                    }
                    Decision::Wait(..) => {}
                }
            }
        }
        let offered = self.offered(snapshot, agent, &[asked.method]).await?;
        deliver.extend(offered.runs);
        deliver.sort_by_key(|(position, _)| *position);
        let deliver = deliver.into_iter().map(|(_, run)| run).collect();
        Ok((deliver, (ended, offered.driven)))
    }

    /// The change that hands `run` to `agent`, with what its log says then: for `plugin` the `lines` that PHP writes, for `redux` that it was
    /// sent.
    pub(super) fn sending(&self, run: &Run, agent: &Agent, lines: Vec<Line>) -> Change {
        let counted = self.policy == Policy::Redux;
        let lines = match (counted, run.sends) {
            (false, _) => lines,
            (true, 0) => vec![line(LogState::Started, "Sent to the agent.")],
            (true, sends) => vec![line(
                LogState::Started,
                format!(
                    "Sent to the agent again, which has not reported on it ({} of {}).",
                    sends + 1,
                    self.max_sends
                ),
            )],
        };
        let step = Step::Send {
            agent: agent.id,
            before: run.sends,
            counted,
            to: None,
        };
        change(run, step, lines)
    }
}
