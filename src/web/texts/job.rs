//! The texts of the pages that add, edit, copy, move and delete a job.

use crate::web::language::Language;

catalogue! {
    /// Button and heading; `{}` the task.
    add_job,
    /// Link.
    plus,
    /// Heading; `{}` the job.
    edit_job,
    /// Link.
    edit_short,
    /// Link.
    copy,
    /// Heading; `{}` the job.
    copy_job,
    /// Link.
    do_move,
    /// Heading; `{}` the job.
    move_job,
    /// Link.
    delete,
    /// Heading; `{}` the job.
    delete_job,
    /// Column of what can be done.
    what,
    /// `{}` what is done, `{}` the job.
    with_job,
    /// Field.
    name,
    /// Field.
    comment,
    /// Field.
    method,
    /// Button.
    choose_method,
    /// Hint.
    method_stays,
    /// Heading.
    targets,
    /// Heading.
    actors,
    /// None.
    nothing_chosen,
    /// Field.
    class_of_targets,
    /// Field.
    class_of_actors,
    /// Field.
    text_of_target,
    /// Field.
    text_of_actor,
    /// Button.
    find_target,
    /// Button.
    find_actor,
    /// Button; `{}` what.
    add,
    /// Button; `{}` what.
    drop,
    /// `{}` what was typed.
    found_none,
    /// `{}` how many are shown.
    found_more,
    /// State.
    not_saved,
    /// Error.
    no_name,
    /// Error.
    too_long,
    /// Error.
    bad_method,
    /// Error; `{}` what.
    bad_class,
    /// Error; `{}` what.
    bad_item,
    /// Field.
    to_task,
    /// Error; `{}` what was typed.
    bad_task,
    /// Error.
    same_task,
    /// What is done.
    ask_copy,
    /// What is done; `{}` runs.
    ask_move,
    /// What is done; `{}` runs.
    ask_delete,
    /// Refusal; `{}` runs.
    still_open,
    /// Refusal.
    job_changed,
    /// Refusal.
    too_late,
    /// A class.
    package,
    /// A class.
    collect,
    /// A class.
    agent,
    /// A class.
    group,
    /// A class.
    deploy_group,
    /// A class.
    computer,
    /// A class.
    network_equipment,
    /// A class.
    printer,
    /// A class.
    ip_range,
    /// A class.
    credential_ip,
}

impl Texts {
    /// What can be done with a job: the last part of an address, and its link.
    #[must_use]
    pub const fn doings(&self) -> [(&'static str, &'static str); 4] {
        [
            ("edit", self.edit_short),
            ("copy", self.copy),
            ("move", self.do_move),
            ("delete", self.delete),
        ]
    }

    /// What is done, and with which job.
    #[must_use]
    pub fn of_job(&self, doing: &str, job: &str) -> String {
        super::fill_texts(self.with_job, &[doing, job])
    }
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
        same_texts(&en::TEXTS.all(), &fr::TEXTS.all(), &[]);
    }
}
