//! Where a job comes to stand that joins a task, and what its going leaves.

use super::{JobPlan, Plan};
use crate::domain::ids::JobId;

const fn is_simple(job: &JobPlan) -> bool {
    job.delay == 0 && !job.after_success
}

impl Plan {
    /// Whether nothing is said about places: all start at once, by their ids.
    fn has_plain_order(&self) -> bool {
        self.jobs.iter().all(is_simple) && self.jobs.is_sorted_by_key(|job| job.job)
    }

    /// With one job more, which comes last and so starts no earlier than the last one; nothing changes for the others. The order of a task
    /// that says nothing about places stays the order of ids.
    #[must_use]
    pub fn joined_by(&self, mut job: JobPlan) -> Self {
        let mut plan = self.clone();
        if is_simple(&job) && self.has_plain_order() {
            let at = plan.jobs.partition_point(|of| of.job < job.job);
            plan.jobs.insert(at, job);
            return plan;
        }
        match plan.jobs.last() {
            Some(last) => job.delay = job.delay.max(last.delay),
            // There is none whose success it could wait for.
            None => job.after_success = false,
        }
        plan.jobs.push(job);
        plan
    }

    /// Without a job. What waited for its success waits for that of the job before it, if there is one.
    #[must_use]
    pub fn left_by(&self, job: JobId) -> Self {
        let mut plan = self.clone();
        plan.jobs.retain(|of| of.job != job);
        if let Some(first) = plan.jobs.first_mut() {
            first.after_success = false;
        }
        plan
    }

    /// Whether a job starts before an occurrence is over.
    #[must_use]
    pub fn is_in_time(&self, job: JobId) -> bool {
        let delay = self.jobs.iter().find(|of| of.job == job);
        let delay = delay.map_or(0, |job| job.delay);
        self.max_duration.is_none_or(|most| delay < most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job((id, delay, after_success): (u32, u32, bool)) -> JobPlan {
        JobPlan {
            job: JobId(id),
            delay,
            timeout: None,
            after_success,
        }
    }

    fn plan(jobs: &[(u32, u32, bool)]) -> Plan {
        Plan {
            jobs: jobs.iter().copied().map(job).collect(),
            ..Plan::default()
        }
    }

    #[test]
    fn who_joins_comes_last_and_who_goes_leaves_no_gap() {
        let (first, late) = ((5, 0, false), (7, 60, true));
        for (before, joins, after) in [
            (&[][..], (9, 0, false), vec![(9, 0, false)]),
            (&[], (9, 60, true), vec![(9, 60, false)]),
            // Nothing is said of places before, and nothing after.
            (&[first], (3, 0, false), vec![(3, 0, false), first]),
            (&[first], (3, 0, true), vec![first, (3, 0, true)]),
            (
                &[first, late],
                (3, 0, false),
                vec![first, late, (3, 60, false)],
            ),
            (
                &[first, late],
                (3, 90, true),
                vec![first, late, (3, 90, true)],
            ),
            (
                &[(7, 0, false), first],
                (9, 0, false),
                vec![(7, 0, false), first, (9, 0, false)],
            ),
        ] {
            let joined = plan(before).joined_by(job(joins));
            assert_eq!(joined, plan(&after), "{before:?} {joins:?}");
        }
        let three = plan(&[first, (6, 0, true), late]);
        for (goes, left) in [
            (5, vec![(6, 0, false), late]),
            (6, vec![first, late]),
            (7, vec![first, (6, 0, true)]),
            (8, vec![first, (6, 0, true), late]),
        ] {
            assert_eq!(three.left_by(JobId(goes)), plan(&left), "{goes}");
        }
    }

    #[test]
    fn a_job_is_in_time_before_the_end() {
        let mut plan = plan(&[(5, 60, false)]);
        for (most, is_in_time) in [(None, true), (Some(61), true), (Some(60), false)] {
            plan.max_duration = most;
            assert_eq!(plan.is_in_time(JobId(5)), is_in_time, "{most:?}");
        }
        assert!(plan.is_in_time(JobId(6)));
    }

    proptest! {
        /// A plan that can be still can be, a plain one stays plain with a simple job, and who joined and goes leaves what there was.
        #[test]
        fn joining_breaks_nothing(delays in proptest::collection::vec((0u32..5, any::<bool>()), 0..6), delay in 0u32..5, after: bool, id in 0u32..20) {
            let mut jobs: Vec<(u32, u32, bool)> = (0u32..).zip(&delays).map(|(at, (delay, after))| (at * 3 + 1, *delay, *after)).collect();
            jobs.sort_by_key(|job| job.1);
            if let Some(first) = jobs.first_mut() {
                first.2 = false;
            }
            let before = plan(&jobs);
            prop_assume!(jobs.iter().all(|job| job.0 != id));
            prop_assert_eq!(before.check(), Ok(()));
            let joined = before.joined_by(job((id, delay, after)));
            prop_assert_eq!(joined.check(), Ok(()));
            prop_assert_eq!(joined.jobs.len(), before.jobs.len() + 1);
            if delay == 0 && !after {
                prop_assert_eq!(joined.is_plain(), before.is_plain());
            }
            prop_assert_eq!(joined.left_by(JobId(id)), before);
        }
    }
}
