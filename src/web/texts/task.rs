//! The texts of the pages of a task, its runs and all jobs.

use crate::web::language::Language;

catalogue! {
    /// The page of all jobs.
    jobs,
    /// What it shows.
    all_jobs_long,
    /// None.
    no_jobs_seen,
    /// Group of jobs.
    at_once,
    /// Group of jobs; `{}` a duration.
    later,
    /// Column.
    job,
    /// Column.
    task,
    /// Column.
    kind,
    /// Column.
    progress,
    /// Heading.
    runs,
    /// Heading; `{}` its number.
    run,
    /// Column and field.
    agent,
    /// Column.
    computer,
    /// Column and field.
    target,
    /// Setting.
    targets,
    /// After a list; `{}` how many more.
    and_more,
    /// Column and field.
    state,
    /// Column.
    last_line,
    /// Column.
    start,
    /// Column.
    duration,
    /// Column.
    elapsed,
    /// The same, at length.
    elapsed_long,
    /// `{}` a duration, `{}` another one.
    of_timeout,
    /// `{}` a duration.
    without_timeout,
    /// State of a run.
    prepared,
    /// State of a run.
    sent,
    /// State of a run.
    running,
    /// State of a run.
    finished,
    /// State of a run.
    in_error,
    /// State of a run.
    cancelled,
    /// State of a run.
    postponed,
    /// State of a run that has none.
    unknown_state,
    /// `{}` a moment.
    not_before,
    /// State of a log line.
    line_prepared,
    /// State of a log line.
    line_started,
    /// State of a log line.
    line_running,
    /// State of a log line.
    line_ok,
    /// State of a log line.
    line_error,
    /// State of a log line.
    line_info,
    /// Code.
    devicesqueried,
    /// Code.
    devicesfound,
    /// Code.
    addtheitem,
    /// Code.
    updatetheitem,
    /// Code.
    inventorystarted,
    /// Code.
    detail,
    /// Code.
    badtoken,
    /// Code.
    agentcrashed,
    /// Code.
    importdenied,
    /// The form, for screen readers.
    filters,
    /// Choice.
    any,
    /// Field.
    agent_hint,
    /// Field.
    from,
    /// Field.
    until,
    /// Field.
    text,
    /// Button.
    search,
    /// Link.
    reset,
    /// None.
    no_runs,
    /// None.
    no_runs_yet,
    /// The time is over; `{}` runs.
    cut,
    /// Link.
    go_on,
    /// Link.
    older,
    /// Link.
    newest,
    /// Link.
    next_jobs,
    /// Link.
    first_jobs,
    /// Links, for screen readers.
    pages,
    /// Heading.
    settings,
    /// Setting.
    mode,
    /// Its value.
    mode_server,
    /// Its value.
    mode_agent,
    /// Setting.
    dates,
    /// Its value.
    no_dates,
    /// Its value; `{}` a moment.
    since,
    /// Its value; `{}` a moment.
    to,
    /// Setting.
    max_duration,
    /// Setting.
    min_period,
    /// Its value.
    not_set,
    /// Setting.
    preparation_slot,
    /// Setting.
    execution_slot,
    /// Its value.
    own_hours,
    /// Its value.
    any_time,
    /// A slot without a name; `{}` its number.
    slot_of_id,
    /// Setting.
    again,
    /// Value.
    yes,
    /// Value.
    no,
    /// Setting.
    starts,
    /// Setting.
    timeout,
    /// Its value.
    no_timeout,
    /// Setting.
    after_success,
    /// Picture; `{}` the slot.
    week_of,
    /// When it can happen; `{}` a moment.
    next_time,
    /// What the progress counts.
    counts_hint,
    /// The counts are to come.
    not_counted,
    /// Part of the counts; `{}` which, how many.
    so_many,
    /// Count.
    ok,
    /// Count.
    ko,
    /// Count.
    unneeded,
    /// Count.
    under_way,
    /// Count.
    waits,
    /// Count.
    put_off,
    /// Count.
    dropped,
    /// Heading.
    scheduler,
    /// `{}` when, where, how.
    last_preparation,
    /// `{}` a moment.
    next_preparation,
    /// Nobody has.
    never_prepared,
    /// `{}` machine, version, a duration.
    seen,
    /// `{}` messages.
    task_spooled,
    /// Messages that wait, age of the oldest, messages that are parked.
    spool_holds,
    /// Messages that are parked.
    spool_empty,
    /// Heading.
    story,
    /// Column.
    time,
    /// Column.
    since_before,
    /// Column.
    message,
    /// None.
    no_lines,
    /// Link.
    more_lines,
    /// Link.
    first_lines,
    /// Link.
    in_glpi,
    /// A thing without a name; `{}` what, which.
    numbered,
    /// An agent that is gone; `{}` its number.
    nobody,
    /// Link; `{}` the task.
    to_task,
    /// Class.
    packages,
    /// Class.
    collects,
    /// Class.
    ranges,
    /// Class.
    hosts,
    /// Class.
    network_equipment,
    /// Class.
    printer,
    /// Class.
    phone,
    /// Class.
    peripheral,
    /// Class.
    unmanaged,
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
    const SAME: [&str; 7] = ["agent", "pages", "mode", "dates", "ok", "ko", "message"];
}
