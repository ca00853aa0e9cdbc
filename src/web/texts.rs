//! Every text of the pages, in every language: a language that lacked one would not compile.

pub mod en;
pub mod fr;

/// Declares the catalogue.
macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// The texts of one language.
        #[derive(Debug)]
        pub struct Texts {$(
            $(#[$doc])*
            pub $name: &'static str,
        )+}

        impl Texts {
            /// All with their names.
            #[must_use]
            pub fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

catalogue! {
    /// Name of the product, in titles.
    product,
    /// The page of tasks.
    monitoring,
    /// Link past the head, for the keyboard.
    to_content,
    /// Heading and button of the form.
    sign_in,
    /// Field.
    name,
    /// Field.
    password,
    /// Button.
    sign_out,
    /// Who is signed in, `{}`.
    signed_in_as,
    /// With which accounts to sign in.
    sign_in_with,
    /// The same where accounts of a directory cannot.
    sign_in_with_database,
    /// Name or password is wrong, or something else that is not told.
    wrong,
    /// Too many failures; minutes `{}`.
    throttled,
    /// The account is switched off, deleted or out of its dates.
    account_closed,
    /// The password has expired.
    password_expired,
    /// The account lacks the right.
    no_right,
    /// The session has ended.
    ended,
    /// GLPI's API did not answer.
    glpi_silent,
    /// The account may see and not change.
    read_only,
    /// The same, at length.
    read_only_long,
    /// The demo.
    open_mode,
    /// Choice.
    language,
    /// Choice.
    colours,
    /// Colours.
    light,
    /// Colours.
    dark,
    /// As the machine has it.
    automatic,
    /// Page not there.
    not_found,
    /// The same, at length.
    not_found_long,
    /// What was sent is not of one of our pages.
    bad_form,
    /// The same, at length.
    bad_form_long,
    /// A part of an address is not what it can be.
    bad_query,
    /// The same, at length.
    bad_query_long,
    /// The database fails.
    unavailable,
    /// The same, at length.
    unavailable_long,
    /// Something broke.
    failed,
    /// The same, at length.
    failed_long,
    /// Link.
    back_to_monitoring,
    /// Heading of a list without a task.
    no_tasks,
    /// Link to GLPI.
    open_glpi,
    /// When the lines were counted; seconds `{}`.
    counted,
    /// The page refreshes by itself; others' changes are seen within `{}` seconds.
    live_on,
    /// It does not.
    live_off,
    /// Some tasks are not counted yet; how many `{}`.
    counting,
    /// The list, for screen readers.
    tasks,
    /// Share of runs that have ended.
    completion,
    /// No share.
    not_measured,
    /// A task without a job.
    no_jobs,
    /// `{}` deployments: ok, ko, unneeded.
    deployments,
    /// `{}` new and updated devices.
    discoveries,
    /// Devices that are to be inventoried.
    inventories,
    /// `{}` collects: ok, ko.
    collects,
    /// `{}` hypervisors: ok, ko.
    hypervisors,
    /// `{}` wake-ups: ok, ko.
    wakeups,
    /// Devices that a task is for.
    total_devices,
    /// Devices of a network inventory.
    total_targets,
    /// What became of a part: ok, ko.
    part_ok_ko,
    /// The same with unneeded.
    part_all,
    /// What was found of a class: new, updated.
    part_found,
    /// Names of ranges.
    ip_ranges,
    /// Runs that were cancelled.
    cancelled,
    /// What keeps a job from working.
    error,
    /// How a task stands.
    status,
    /// Under way.
    running,
    /// Switched off.
    off,
    /// Ended badly.
    in_error,
    /// Waits for agents.
    prepared,
    /// Ended well.
    finished,
    /// Will be prepared later.
    waiting,
    /// Nothing to do.
    idle,
    /// Why nothing happens.
    reason,
    /// Kind.
    deploy,
    /// Kind.
    netdiscovery,
    /// Kind.
    netinventory,
    /// Kind.
    collect,
    /// Kind.
    esx,
    /// Kind.
    wakeonlan,
    /// A task of no known kind.
    task,
    /// Class.
    networking,
    /// Class.
    printers,
    /// Class.
    computers,
    /// Class.
    phones,
    /// Class.
    peripherals,
    /// Class.
    unknown,
    /// Heading, and link to what can be done at once.
    actions,
    /// Action.
    act_prepare,
    /// Action.
    act_retry,
    /// Action.
    act_cancel,
    /// Action.
    act_wake,
    /// What it would do: runs prepared, runs cancelled.
    ask_prepare,
    /// The same.
    ask_retry,
    /// The same.
    ask_cancel,
    /// The same.
    ask_wake,
    /// What it did.
    did_prepare,
    /// The same.
    did_retry,
    /// The same.
    did_cancel,
    /// The same: asked, awake, refused, unreachable.
    did_wake,
    /// It goes on without the page.
    did_wake_on,
    /// Runs or agents that are not what they were.
    changed,
    /// Nothing was done for that.
    changed_plan,
    /// There are too many.
    only_first,
    /// The pages of reports.
    reports,
    /// First day of a report.
    report_from,
    /// Last day of a report.
    report_to,
    /// Days of silence.
    report_days,
    /// Entity of a report.
    report_entity,
    /// How an entity is named.
    report_entity_hint,
    /// Task of a report.
    report_task,
    /// No task is chosen.
    report_all_tasks,
    /// Button.
    report_show,
    /// Link; the table `{}`.
    report_csv,
    /// Link.
    report_json,
    /// What is done to CSV.
    report_csv_hint,
    /// A table without rows.
    report_nothing,
    /// Heading of what cannot be taken.
    report_wrong,
    /// When it was made `{}`.
    report_made,
    /// Title of the picture of the table `{}`.
    report_chart,
    /// A field that there is not, or that is there twice.
    report_field_wrong,
    /// A format that there is not: `{}`.
    report_format_wrong,
}

// Behind the macro, which it uses.
pub mod changes;
pub mod edit;
pub mod job;
pub mod task;

/// `text` with `values` in place of each `{}`, in their order.
#[must_use]
pub fn fill_all(text: &str, values: &[u64]) -> String {
    let mut filled = String::with_capacity(text.len() + 8);
    let mut values = values.iter();
    for (at, part) in text.split("{}").enumerate() {
        if at > 0
            && let Some(value) = values.next()
        {
            filled.push_str(&value.to_string());
        }
        filled.push_str(part);
    }
    filled
}

/// `text` with `values`, any texts, in place of each `{}`, in their order.
#[must_use]
pub fn fill_texts(text: &str, values: &[&str]) -> String {
    let mut filled = String::with_capacity(text.len() + 32);
    let mut values = values.iter();
    for (at, part) in text.split("{}").enumerate() {
        if at > 0 {
            filled.push_str(values.next().copied().unwrap_or_default());
        }
        filled.push_str(part);
    }
    filled
}

/// `text` with `value` in place of `{}`.
#[must_use]
pub fn fill(text: &str, value: impl std::fmt::Display) -> String {
    text.replacen("{}", &value.to_string(), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that are the same in both.
    const SAME: [&str; 3] = ["product", "off", "actions"];

    #[test]
    fn every_text_is_there_in_every_language() {
        same_texts(&en::TEXTS.all(), &fr::TEXTS.all(), &SAME);
    }

    /// The same names in both languages, with texts that are not empty, and other ones but for those in `same`.
    pub(super) fn same_texts(english: &[(&str, &str)], french: &[(&str, &str)], same: &[&str]) {
        assert_eq!(english.len(), french.len());
        assert!(english.len() > 20);
        for ((name, english), (other, french)) in english.iter().zip(french) {
            assert_eq!(name, other);
            for text in [english, french] {
                assert!(!text.is_empty() && text.trim() == *text, "{name}: {text:?}");
            }
            assert_eq!(
                english == french,
                same.contains(name),
                "{name}: {english:?}"
            );
            let places = |text: &str| text.matches("{}").count();
            assert_eq!(places(english), places(french), "{name}");
        }
    }

    #[test]
    fn a_value_is_put_in_once() {
        assert_eq!(fill("a {} b", "{}"), "a {} b");
        assert_eq!(fill("a {} b", 5), "a 5 b");
        assert_eq!(fill_all("{} of {}", &[1, 2]), "1 of 2");
        assert_eq!(fill_texts("{}: {}", &["{}", "b"]), "{}: b");
    }
}
