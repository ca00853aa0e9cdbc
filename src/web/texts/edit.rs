//! The texts of the pages that change a task, and of its history.

use crate::web::language::Language;

catalogue! {
    /// Link and heading; `{}` the task.
    edit,
    /// Link.
    edit_short,
    /// Link and heading.
    week,
    /// Heading and link.
    history,
    /// Link; `{}` the task.
    to_task,
    /// Link.
    to_edit,
    /// Button.
    save,
    /// `{}` how many changes.
    saved,
    /// Nothing was changed.
    nothing,
    /// Somebody was faster.
    stale,
    /// A job was moved and nothing saved.
    moved,
    /// What is edited here.
    occurrences,
    /// Policy `plugin` is set.
    plugin_policy,
    /// Field.
    mode,
    /// Choice; `{}` what that is.
    mode_default,
    /// Field.
    max_duration,
    /// Field.
    min_period,
    /// How times are written.
    spans,
    /// Heading.
    jobs,
    /// How to move them.
    jobs_hint,
    /// None.
    no_jobs,
    /// Field.
    delay,
    /// Field.
    timeout,
    /// Field.
    after,
    /// Button; `{}` the job.
    up,
    /// Button; `{}` the job.
    down,
    /// Handle; `{}` the job.
    handle,
    /// Said after a move; `{}` the job, `{}` its place.
    at_place,
    /// `{}` what was typed, `{}` the field.
    bad_span,
    /// The mode.
    bad_mode,
    /// The first job.
    bad_first,
    /// `{}` the job.
    bad_order,
    /// `{}` the job.
    bad_late,
    /// What is edited.
    week_hint,
    /// State.
    week_own,
    /// State; `{}` the slot.
    week_slot,
    /// The slot has parts of hours.
    week_parts,
    /// Heading; `{}` the slot.
    sharers,
    /// None.
    sharers_none,
    /// `{}` how many.
    sharers_more,
    /// Button.
    give_back,
    /// Error.
    no_hours,
    /// Column.
    day,
    /// `{}` the day, `{}` and `{}` hours.
    from_to,
    /// Button; `{}` the day.
    whole_day,
    /// Button; `{}` the hour.
    whole_hour,
    /// Column.
    when,
    /// Column.
    who,
    /// Column.
    what,
    /// None.
    no_history,
    /// Link.
    older,
}

/// Every text in `language`.
#[must_use]
pub const fn of(language: Language) -> &'static Texts {
    match language {
        Language::English => &en::TEXTS,
        Language::French => &fr::TEXTS,
    }
}

mod en;
mod fr;

#[cfg(test)]
mod tests {
    use super::super::tests::same_texts;
    use super::*;

    #[test]
    fn every_text_is_there_in_every_language() {
        same_texts(&en::TEXTS.all(), &fr::TEXTS.all(), &SAME);
    }

    /// Words that are the same in both.
    const SAME: [&str; 1] = ["mode"];
}
