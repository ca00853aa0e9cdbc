//! The form of a task's jobs, with whatever was typed into it.

use crate::db::editing::Planned;
use crate::domain::editing::{JobPlan, LONGEST, Plan, span};
use crate::domain::ids::JobId;
use crate::web::texts::edit::Texts;
use crate::web::texts::{fill, fill_texts};

/// Name and value.
pub(super) type Field = (String, String);

/// Longest text of a field, bytes.
const LONGEST_TEXT: usize = 64;

/// A job in the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobForm {
    pub(super) id: JobId,
    pub(super) name: String,
    pub(super) delay: String,
    pub(super) timeout: String,
    pub(super) after: bool,
}

/// The form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    /// What it showed first, packed.
    pub(super) shown: String,
    pub(super) mode: String,
    pub(super) max_duration: String,
    pub(super) min_period: String,
    pub(super) jobs: Vec<JobForm>,
    /// A job is to be moved, up or down, and nothing saved.
    pub(super) asked_move: Option<(JobId, bool)>,
}

impl JobForm {
    /// What a button does to it.
    pub(super) fn labelled(&self, text: &str) -> String {
        fill(text, &self.name)
    }
}

fn optional(seconds: Option<u32>) -> String {
    seconds.map(span::text).unwrap_or_default()
}

fn name(planned: &Planned, id: JobId) -> String {
    let found = planned.names.iter().find(|(job, _)| *job == id);
    found.map_or_else(|| id.to_string(), |(_, name)| name.clone())
}

impl Form {
    /// With what `plan` says.
    pub(super) fn of(plan: &Plan, planned: &Planned) -> Self {
        let job = |job: &JobPlan| JobForm {
            id: job.job,
            name: name(planned, job.job),
            delay: span::text(job.delay),
            timeout: optional(job.timeout),
            after: job.after_success,
        };
        Self {
            shown: plan.pack(),
            mode: plan.mode.clone().unwrap_or_default(),
            max_duration: optional(plan.max_duration),
            min_period: optional(plan.min_period),
            jobs: plan.jobs.iter().map(job).collect(),
            asked_move: None,
        }
    }

    /// As it was sent, its fields in the order of the page, and what it showed.
    ///
    /// # Errors
    ///
    /// Which part is not of a form of ours.
    pub(super) fn read(fields: &[Field], now: &Planned) -> Result<(Self, Plan), &'static str> {
        let mut form = Self {
            shown: String::new(),
            mode: String::new(),
            max_duration: String::new(),
            min_period: String::new(),
            jobs: vec![],
            asked_move: None,
        };
        let id = |text: &str| text.parse().map(JobId).map_err(|_| "jobs");
        for (field, value) in fields {
            if field != "shown" && field != "token" && value.len() > LONGEST_TEXT {
                return Err("length");
            }
            let last = form.jobs.last_mut();
            match (field.as_str(), last) {
                ("shown", _) => form.shown.clone_from(value),
                ("mode", _) => form.mode.clone_from(value),
                ("max_duration", _) => form.max_duration.clone_from(value),
                ("min_period", _) => form.min_period.clone_from(value),
                ("job", _) => {
                    let id = id(value)?;
                    form.jobs.push(JobForm {
                        id,
                        name: name(now, id),
                        delay: String::new(),
                        timeout: String::new(),
                        after: false,
                    });
                }
                ("delay", Some(job)) => job.delay.clone_from(value),
                ("timeout", Some(job)) => job.timeout.clone_from(value),
                ("after", Some(job)) => job.after = true,
                ("move", _) => {
                    let (way, job) = value.split_once('-').ok_or("move")?;
                    let is_up = match way {
                        "up" => true,
                        "down" => false,
                        _ => return Err("move"),
                    };
                    form.asked_move = Some((id(job)?, is_up));
                }
                // The token, and what a later version may send.
                _ => {}
            }
        }
        let shown = Plan::unpack(&form.shown).ok_or("shown")?;
        let sorted = |mut ids: Vec<JobId>| {
            ids.sort_unstable();
            ids
        };
        let of_form = sorted(form.jobs.iter().map(|job| job.id).collect());
        let of_shown = sorted(shown.jobs.iter().map(|job| job.job).collect());
        if of_form != of_shown {
            return Err("jobs");
        }
        Ok((form, shown))
    }

    /// What it says.
    ///
    /// # Errors
    ///
    /// In words, which field cannot be read.
    pub(super) fn plan(&self, t: &Texts) -> Result<Plan, String> {
        let bad = |text: &str, field: &str| fill_texts(t.bad_span, &[text, field]);
        let required = |text: &str, field: &str| {
            if text.trim().is_empty() {
                return Ok(0);
            }
            span::parse(text).ok_or_else(|| bad(text, field))
        };
        let optional = |text: &str, field: &str| {
            let is_empty = text.trim().is_empty();
            (!is_empty).then(|| required(text, field)).transpose()
        };
        // None of zero seconds is meant.
        let bound = |text: &str, field: &str| match optional(text, field)? {
            Some(0) => Err(bad(text, field)),
            bound => Ok(bound),
        };
        let jobs = self.jobs.iter().map(|job| {
            let field = |field: &str| format!("{}, {}", job.name, field);
            Ok(JobPlan {
                job: job.id,
                delay: required(&job.delay, &field(t.delay))?,
                timeout: optional(&job.timeout, &field(t.timeout))?,
                after_success: job.after,
            })
        });
        Ok(Plan {
            mode: Some(self.mode.clone()).filter(|mode| !mode.is_empty()),
            max_duration: bound(&self.max_duration, t.max_duration)?,
            min_period: bound(&self.min_period, t.min_period)?,
            jobs: jobs.collect::<Result<_, String>>()?,
        })
    }

    /// Moves a job by one place. One that would start before what then stands above it, or after what stands below, takes that one's delay.
    pub(super) fn move_job(&mut self, id: JobId, is_up: bool) {
        let Some(at) = self.jobs.iter().position(|job| job.id == id) else {
            return;
        };
        let to = if is_up {
            at.checked_sub(1)
        } else {
            Some(at + 1)
        };
        let Some(to) = to.filter(|to| *to < self.jobs.len()) else {
            return;
        };
        self.jobs.swap(at, to);
        let delay = |job: &JobForm| span::parse(&job.delay).unwrap_or(LONGEST);
        let (first, second) = (at.min(to), at.max(to));
        if delay(&self.jobs[first]) > delay(&self.jobs[second]) {
            self.jobs[to].delay = self.jobs[at].delay.clone();
        }
        self.asked_move = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(delays: &[&str]) -> Form {
        let planned = Planned {
            plan: Plan::default(),
            names: vec![],
        };
        let mut form = Form::of(&Plan::default(), &planned);
        form.jobs = (1..)
            .zip(delays)
            .map(|(id, delay)| JobForm {
                id: JobId(id),
                name: id.to_string(),
                delay: (*delay).to_owned(),
                timeout: String::new(),
                after: false,
            })
            .collect();
        form
    }

    #[test]
    fn a_moved_job_starts_where_it_stands() {
        for (delays, job, is_up, ids, moved) in [
            (["0", "0", "1 h"], 2, true, [2, 1, 3], "0"),
            (["0", "0", "1 h"], 3, true, [1, 3, 2], "0"),
            (["0", "5 min", "1 h"], 1, false, [2, 1, 3], "5 min"),
            // The ends stay.
            (["0", "0", "1 h"], 1, true, [1, 2, 3], "0"),
            (["0", "0", "1 h"], 3, false, [1, 2, 3], "1 h"),
            (["0", "0", "1 h"], 9, false, [1, 2, 3], ""),
        ] {
            let mut form = form(&delays);
            form.move_job(JobId(job), is_up);
            let after: Vec<u32> = form.jobs.iter().map(|job| job.id.0).collect();
            assert_eq!(after, ids, "{delays:?} {job} {is_up}");
            if let Some(of) = form.jobs.iter().find(|of| of.id == JobId(job)) {
                assert_eq!(of.delay, moved, "{delays:?} {job} {is_up}");
            }
        }
    }

    #[test]
    fn what_is_no_form_of_ours() {
        let planned = Planned {
            plan: Plan::default(),
            names: vec![],
        };
        let shown = r"[null,null,null,[[1,0,null,false],[2,0,null,true]]]";
        let long = "1".repeat(65);
        for (fields, outcome) in [
            (vec![("shown", shown), ("job", "2"), ("job", "1")], Ok(2)),
            (vec![("job", "2"), ("job", "1")], Err("shown")),
            (vec![("shown", "[]")], Err("shown")),
            (vec![("shown", shown), ("job", "1")], Err("jobs")),
            (
                vec![("shown", shown), ("job", "1"), ("job", "1")],
                Err("jobs"),
            ),
            (
                vec![("shown", shown), ("job", "1"), ("job", "3")],
                Err("jobs"),
            ),
            (vec![("shown", shown), ("job", "x")], Err("jobs")),
            (
                vec![("shown", shown), ("mode", long.as_str())],
                Err("length"),
            ),
            (vec![("shown", shown), ("move", "up")], Err("move")),
            (vec![("shown", shown), ("move", "left-1")], Err("move")),
        ] {
            let fields: Vec<Field> = fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let read = Form::read(&fields, &planned);
            assert_eq!(read.map(|(form, _)| form.jobs.len()), outcome, "{fields:?}");
        }
    }
}
