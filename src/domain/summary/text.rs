//! The line of a task as the specification writes it ("Tasks redux", Monitoring / Logs), its spaces included.

use std::fmt::{self, Write as _};

use super::{Counts, Kind, Part, Section, Status, TaskSummary};

/// Characters of a progress bar.
const BAR: usize = 20;

/// For whom a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As the specification has it.
    Plain,
    /// With a progress bar.
    Terminal,
}

impl Kind {
    /// The word of its icon.
    #[must_use]
    pub const fn icon(self) -> &'static str {
        match self {
            Self::Deploy => "DEPLOY",
            Self::NetDiscovery => "NETDISCOVERY",
            Self::NetInventory => "NETINVENTORY",
            Self::Collect => "COLLECT",
            Self::Esx => "ESX",
            Self::WakeOnLan => "WAKEONLAN",
        }
    }
}

impl Status {
    /// The word of its icon.
    #[must_use]
    pub const fn icon(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Off => "OFF",
            Self::InError => "INERROR",
            Self::Prepared => "PREPARED",
            Self::Finished => "FINISHED",
            Self::Waiting => "WAITING",
            Self::Idle => "IDLE",
        }
    }
}

/// Classes of devices in the order in which they are shown, and what they are called.
const CLASSES: [(&str, &str); 6] = [
    ("NetworkEquipment", "networking devices"),
    ("Printer", "printers"),
    ("Computer", "computers"),
    ("Phone", "phones"),
    ("Peripheral", "peripherals"),
    ("PluginFusioninventoryUnmanaged", "unknown devices"),
];

/// What devices of a class are called; other classes by their name.
#[must_use]
pub(super) fn class_label(itemtype: &str) -> &str {
    let class = CLASSES.iter().find(|(class, _)| *class == itemtype);
    class.map_or(itemtype, |(_, label)| label)
}

/// Where a class of devices is shown: those without a place before the unknown ones.
pub(super) fn place(itemtype: &str) -> usize {
    let last = CLASSES.len() - 1;
    match CLASSES.iter().position(|(class, _)| *class == itemtype) {
        Some(at) if at == last => last + 1,
        Some(at) => at,
        None => last,
    }
}

impl TaskSummary {
    /// Its first line.
    #[must_use]
    pub fn headline(&self, style: Style) -> String {
        let kind = self.sections.first().map(|section| section.kind);
        let icon = kind.map_or("TASK", Kind::icon);
        let details: Vec<String> = self.sections.iter().map(Section::details).collect();
        let details = match &details[..] {
            [] => "no jobs".to_owned(),
            details => details.join("; "),
        };
        let completion = match (self.completion, style) {
            (None, _) => "N/A".to_owned(),
            (Some(percent), Style::Plain) => format!("{percent} %"),
            (Some(percent), Style::Terminal) => format!("{} {percent} %", bar(percent)),
        };
        format!(
            "<{icon} icon> - {} - {details} - completion : {completion} - <{} icon>",
            clean(&self.name),
            self.status.icon()
        )
    }

    /// The lines below it, without their common indentation.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for section in &self.sections {
            section.add_lines(&mut lines);
        }
        lines
    }

    /// Why nothing happens, a line for the task and for each job that says so.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let of_task = self.why.iter().map(|why| clean(&why.reason));
        let of_jobs = self.jobs.iter().filter_map(|job| {
            let why = job.why.as_ref()?;
            Some(format!("job {} : {}", job.id, clean(&why.reason)))
        });
        of_task.chain(of_jobs).collect()
    }

    /// All its lines.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        let mut text = self.headline(style);
        for line in self.details() {
            let _ = write!(text, "\n    {line}");
        }
        text
    }
}

impl fmt::Display for TaskSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Style::Plain))
    }
}

impl Section {
    /// What the first line says of it.
    #[must_use]
    pub fn details(&self) -> String {
        let Counts {
            ok, ko, unneeded, ..
        } = self.counts;
        let total = self.counts.total();
        match self.kind {
            Kind::Deploy => {
                format!("{total} deployments (ok: {ok}, ko : {ko}, unneeded : {unneeded})")
            }
            Kind::NetDiscovery => {
                let new: u64 = self.found.iter().map(|found| found.new).sum();
                let updated: u64 = self.found.iter().map(|found| found.updated).sum();
                format!("discoveries : ({new} new devices , {updated} updated devices)")
            }
            Kind::NetInventory => format!("targetted devices : {}", self.devices),
            Kind::Collect => format!("{total} collects (ok: {ok}, ko : {ko})"),
            Kind::Esx => format!("{total} hypervisors (ok: {ok}, ko : {ko})"),
            Kind::WakeOnLan => format!("{total} wake-ups (ok: {ok}, ko : {ko})"),
        }
    }

    fn add_lines(&self, lines: &mut Vec<String>) {
        let listed = |label: &str| format!("+ {label} : {}", self.devices);
        match self.kind {
            Kind::Deploy | Kind::Collect => {
                lines.push(listed("Total targetted devices"));
                self.add_parts(lines, self.kind == Kind::Deploy);
            }
            Kind::Esx => self.add_parts(lines, false),
            Kind::WakeOnLan => lines.push(listed("Total targetted devices")),
            Kind::NetDiscovery => {
                let labels = self.found.iter().map(|found| class_label(&found.itemtype));
                let width = width(labels.map(|label| label.chars().count()));
                for found in &self.found {
                    lines.push(format!(
                        "+ {:width$} - {} new devices, {} updated devices",
                        clean(class_label(&found.itemtype)),
                        found.new,
                        found.updated
                    ));
                }
            }
            Kind::NetInventory => {
                lines.push(listed("Total targets"));
                self.add_parts(lines, false);
                if !self.ranges.is_empty() {
                    let ranges: Vec<String> = self.ranges.iter().map(|name| clean(name)).collect();
                    lines.push("+ IP range :".to_owned());
                    lines.push(format!("    {}", ranges.join(", ")));
                }
            }
        }
        if self.counts.cancelled > 0 {
            lines.push(format!("+ Cancelled : {}", self.counts.cancelled));
        }
        for error in &self.errors {
            lines.push("+ Error :".to_owned());
            lines.push(format!("    {}", clean(error)));
        }
    }

    /// A line a part, numbers one below the other.
    fn add_parts(&self, lines: &mut Vec<String>, with_unneeded: bool) {
        let of = |count: fn(&Counts) -> u64| {
            width(self.parts.iter().map(|part| digits(count(&part.counts))))
        };
        let (ok, ko) = (of(|counts| counts.ok), of(|counts| counts.ko));
        let unneeded = of(|counts| counts.unneeded);
        for part in &self.parts {
            let mut line = format!(
                "+ {} - ok : {:ok$}, ko : {:ko$}",
                clean(part.label()),
                part.counts.ok,
                part.counts.ko
            );
            if with_unneeded {
                let _ = write!(line, ",  unneeded : {:unneeded$}", part.counts.unneeded);
            }
            lines.push(line);
        }
    }
}

impl Part {
    /// Its name, or what devices of its class are called.
    #[must_use]
    pub fn label(&self) -> &str {
        if self.items_id == 0 {
            class_label(&self.itemtype)
        } else {
            &self.name
        }
    }
}

fn digits(number: u64) -> usize {
    number.to_string().len()
}

fn width(widths: impl Iterator<Item = usize>) -> usize {
    widths.max().unwrap_or_default()
}

fn bar(percent: u8) -> String {
    let full = usize::from(percent) * BAR / 100;
    format!("[{:.<BAR$}]", "#".repeat(full))
}

/// `text` on one line and without what a terminal would obey or a reader could not see: names and messages are anybody's.
fn clean(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .map(|c| if hidden(c) { ' ' } else { c })
        .collect()
}
