//! The texts of what was found to be changed in GLPI.

use crate::web::language::Language;

catalogue! {
    /// Instead of who; `{}` and `{}` the moments.
    between,
    /// The same where nobody had looked before; `{}` the moment.
    until,
    /// The task appeared.
    created,
    /// The task went.
    deleted,
    /// Before a change of a job; `{}` its number, `{}` its name.
    of_job,
    /// A job appeared.
    job_added,
    /// A job went.
    job_removed,
    /// `{}` how many changes are not named.
    more,
    /// `{}` of what, `{}` what it was, `{}` what it is.
    from_to,
    /// `{}` of what, `{}` what a list lost.
    removed,
    /// `{}` of what, `{}` what a list got.
    added,
    /// `{}` of what, `{}` what a list lost, `{}` what it got.
    removed_added,
    /// `{}` of what: the same in another order.
    reordered,
    /// `{}` how many more of a list.
    and_more,
    /// `{}` how many in a list.
    so_many,
    /// Field.
    name,
    /// Field.
    comment,
    /// Field.
    entity,
    /// Field.
    active,
    /// Field.
    start,
    /// Field.
    end,
    /// Field.
    prep_slot,
    /// Field.
    prep_times,
    /// Field.
    exec_slot,
    /// Field.
    exec_times,
    /// Field.
    wakeup_agents,
    /// Field.
    wakeup_every,
    /// Field.
    again,
    /// Field.
    on_demand,
    /// Field.
    method,
    /// Field.
    targets,
    /// Field.
    actors,
    /// Value.
    yes,
    /// Value.
    no,
    /// Value: none.
    none,
    /// Value: a task without a timeslot.
    any_time,
    /// A timeslot without a name; `{}` its number.
    slot_of_id,
    /// An entity that is gone; `{}` its number.
    entity_of_id,
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
    const SAME: [&str; 2] = ["active", "none"];
}
