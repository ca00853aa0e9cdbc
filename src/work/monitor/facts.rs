//! Counting one task.

use crate::db::monitoring::Counted;
use crate::db::{Db, DbError};
use crate::domain::catalogue::{Catalogue, Job};
use crate::domain::ids::JobId;
use crate::domain::policy::Policy;
use crate::domain::summary::{Found, Kind};
use crate::work::prepare::IP_RANGE;

/// What was counted of a job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct OfJob {
    pub(super) counted: Vec<Counted>,
    pub(super) found: Vec<Found>,
    /// A network inventory without a device.
    pub(super) has_no_devices: bool,
}

/// What was counted of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct OfTask {
    pub(super) jobs: Vec<(JobId, OfJob)>,
    pub(super) devices: Vec<(Kind, u64)>,
}

/// Counts the runs of a task's `jobs`.
pub(super) async fn count(
    db: &Db,
    catalogue: &Catalogue,
    policy: Policy,
    jobs: &[&Job],
) -> Result<OfTask, DbError> {
    let mut of_task = OfTask::default();
    for job in jobs {
        let mut of_job = OfJob::default();
        if let Some(kind) = Kind::of_method(&job.method) {
            of_job.counted = db.counted(job.id, kind.targets_devices()).await?;
            if kind == Kind::NetDiscovery {
                of_job.found = db.found_by(job.id).await?;
            }
            if kind == Kind::NetInventory && of_job.counted.is_empty() {
                of_job.has_no_devices = !has_devices(db, catalogue, policy, job).await?;
            }
        }
        of_task.jobs.push((job.id, of_job));
    }
    for kind in [
        Kind::Deploy,
        Kind::Collect,
        Kind::NetInventory,
        Kind::WakeOnLan,
    ] {
        let of_kind = jobs.iter().zip(&of_task.jobs);
        let of_kind = of_kind.filter(|(job, _)| Kind::of_method(&job.method) == Some(kind));
        let (ids, totals): (Vec<JobId>, Vec<Vec<u64>>) = of_kind
            .map(|(job, (_, of_job))| {
                let totals = of_job.counted.iter().map(|part| part.counts.total());
                (job.id, totals.filter(|total| *total > 0).collect())
            })
            .unzip();
        let devices = match totals.concat()[..] {
            [] => 0,
            // One target: as many agents as runs.
            [total] if !kind.targets_devices() => total,
            _ => db.devices_counted(&ids, kind.targets_devices()).await?,
        };
        of_task.devices.push((kind, devices));
    }
    Ok(of_task)
}

async fn has_devices(
    db: &Db,
    catalogue: &Catalogue,
    policy: Policy,
    job: &Job,
) -> Result<bool, DbError> {
    let is_range = |itemtype: &str| itemtype == IP_RANGE;
    if job.targets.iter().any(|target| !is_range(&target.itemtype)) {
        return Ok(true);
    }
    let ranges: Vec<u32> = job.targets.iter().map(|target| target.items_id).collect();
    if ranges.is_empty() {
        return Ok(false);
    }
    let devices = db
        .devices_of_ranges(&ranges, &catalogue.entities, policy)
        .await?;
    Ok(!devices.is_empty())
}
