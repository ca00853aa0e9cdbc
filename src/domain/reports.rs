//! Reports: what they are called, what they can be asked, and what they say.
//!
//! A report is a few tables with a word on what they leave out. [`ask`] reads what somebody wants to know, [`build`] makes tables of what the
//! database counted, [`mod@write`] gives them as CSV, JSON or text. Each text is there in both languages of the pages.

pub mod ask;
pub mod build;
pub mod counted;
pub mod coverage;
pub mod write;

use chrono::{NaiveDate, NaiveDateTime};

use super::summary::Kind;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tongue {
    /// English.
    English,
    /// French.
    French,
}

/// A text in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// English.
    pub en: &'static str,
    /// French.
    pub fr: &'static str,
}

/// Both languages of a text.
pub(crate) const fn words(en: &'static str, fr: &'static str) -> Words {
    Words { en, fr }
}

impl Words {
    /// The one of `tongue`.
    #[must_use]
    pub const fn of(&self, tongue: Tongue) -> &'static str {
        match tongue {
            Tongue::English => self.en,
            Tongue::French => self.fr,
        }
    }
}

/// Which report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name {
    /// Deploy campaigns.
    Deploy,
    /// What network discoveries found.
    Discovery,
    /// What network inventories cover.
    Inventory,
    /// What collects brought.
    Collect,
    /// Agents that have not been heard of.
    SilentAgents,
}

impl Name {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 5] = [
        Self::Deploy,
        Self::Discovery,
        Self::Inventory,
        Self::Collect,
        Self::SilentAgents,
    ];

    /// Its word on the command line and in addresses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Discovery => "discovery",
            Self::Inventory => "inventory",
            Self::Collect => "collect",
            Self::SilentAgents => "silent-agents",
        }
    }

    /// The one of that word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.word() == word)
    }

    /// Its title.
    #[must_use]
    pub const fn title(self) -> Words {
        match self {
            Self::Deploy => words("Deploy campaigns", "Campagnes de déploiement"),
            Self::Discovery => words("Network discovery", "Découverte réseau"),
            Self::Inventory => words("Inventory coverage", "Couverture des inventaires"),
            Self::Collect => words("Collects", "Collectes"),
            Self::SilentAgents => words("Silent agents", "Agents silencieux"),
        }
    }

    /// What it says, in a sentence.
    #[must_use]
    pub const fn about(self) -> Words {
        match self {
            Self::Deploy => words(
                "Deployments that ended, over time; why they failed; how far each package is; which hosts still lack it.",
                "Les déploiements terminés au fil du temps, les causes d’échec, l’avancement de chaque paquet et les ordinateurs qui ne l’ont pas encore.",
            ),
            Self::Discovery => words(
                "New and updated devices by day, IP range and kind.",
                "Les équipements nouveaux et mis à jour par jour, plage IP et type.",
            ),
            Self::Inventory => words(
                "How many devices of each IP range were inventoried; errors of network inventories; agents by last contact.",
                "Combien d’équipements de chaque plage IP ont été inventoriés, les erreurs des inventaires réseau, les agents selon leur dernier contact.",
            ),
            Self::Collect => words(
                "How far each collect is, why collects failed, and what is stored of their results.",
                "L’avancement de chaque collecte, les causes d’échec et ce qui est enregistré de leurs résultats.",
            ),
            Self::SilentAgents => words(
                "Agents that have not been heard of for some days.",
                "Les agents qui n’ont donné aucune nouvelle depuis plusieurs jours.",
            ),
        }
    }

    /// The kind of work that it is about; one that has it can be asked of one task.
    #[must_use]
    pub const fn kind(self) -> Option<Kind> {
        match self {
            Self::Deploy => Some(Kind::Deploy),
            Self::Discovery => Some(Kind::NetDiscovery),
            Self::Inventory => Some(Kind::NetInventory),
            Self::Collect => Some(Kind::Collect),
            Self::SilentAgents => None,
        }
    }

    /// Whether it can be asked with one of [`ask::FIELDS`].
    #[must_use]
    pub fn takes(self, field: &str) -> bool {
        match field {
            "from" | "to" => self.has_period(),
            "task" => self.kind().is_some(),
            "days" => !self.has_period(),
            "entity" => true,
            _ => false,
        }
    }

    /// Whether it is of a period; else of a number of days up to now.
    #[must_use]
    pub const fn has_period(self) -> bool {
        !matches!(self, Self::SilentAgents)
    }
}

/// What the cells of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A text of the database, or a word.
    Text,
    /// A number of things.
    Count,
    /// Whole per cent.
    Percent,
    /// A day, hour or month, as written.
    Time,
}

impl Type {
    /// Its word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Count => "count",
            Self::Percent => "percent",
            Self::Time => "time",
        }
    }

    /// Whether it stands at the right.
    #[must_use]
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Count | Self::Percent)
    }
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name for programs: the head of the CSV, the key in JSON.
    pub name: &'static str,
    /// Its title.
    pub title: Words,
    /// What its cells hold.
    pub holds: Type,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// A text, decoded; whoever shows it escapes it.
    Text(String),
    /// A word of ours.
    Word(Words),
    /// A number.
    Count(u64),
    /// Per cent.
    Percent(u8),
    /// Local time, to the second.
    Moment(NaiveDateTime),
    /// Nothing is known.
    None,
}

impl Cell {
    /// As it is shown to people.
    #[must_use]
    pub fn text(&self, tongue: Tongue) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Word(words) => words.of(tongue).to_owned(),
            Self::Count(count) => count.to_string(),
            Self::Percent(percent) => format!("{percent} %"),
            Self::Moment(moment) => moment.format("%Y-%m-%d %H:%M:%S").to_string(),
            Self::None => String::new(),
        }
    }

    /// Its number; 0 for what has none.
    #[must_use]
    pub const fn number(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Percent(percent) => *percent as u64,
            Self::Text(_) | Self::Word(_) | Self::Moment(_) | Self::None => 0,
        }
    }
}

/// How a table is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chart {
    /// The column under or beside the bars.
    pub label: usize,
    /// The columns that are stacked, each with its colour.
    pub series: &'static [(usize, Colour)],
    /// Bars stand side by side, as times do, and do not lie below each other.
    pub upright: bool,
}

/// A colour by what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Well.
    Good,
    /// Badly.
    Bad,
    /// Under way, or updated.
    Busy,
    /// Not needed, or not known.
    Idle,
}

impl Colour {
    /// Its class in the style sheet.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Busy => "busy",
            Self::Idle => "idle",
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name for programs.
    pub name: &'static str,
    /// Its title.
    pub title: Words,
    /// Its columns.
    pub columns: &'static [Column],
    /// Its rows, each as long as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// There were more rows.
    pub cut: bool,
    /// Its picture.
    pub chart: Option<Chart>,
}

impl Table {
    /// Of `rows`, of which at most `most` are kept.
    #[must_use]
    pub fn of(
        (name, title): (&'static str, Words),
        columns: &'static [Column],
        mut rows: Vec<Vec<Cell>>,
        most: usize,
    ) -> Self {
        let cut = rows.len() > most;
        rows.truncate(most);
        Self {
            name,
            title,
            columns,
            rows,
            cut,
            chart: None,
        }
    }

    /// The same with a picture.
    #[must_use]
    pub const fn drawn(mut self, chart: Chart) -> Self {
        self.chart = Some(chart);
        self
    }
}

/// What has to be known of a report to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Counts of tasks are so many seconds old.
    Counted(u64),
    /// Tasks have not been counted yet.
    NotCounted,
    /// So many tasks have not been counted yet.
    Pending(usize),
    /// Only the newest log lines were read: so many, since then.
    Lines(u64, Option<NaiveDateTime>),
    /// No more than so many findings were read, and there may be more.
    Findings(u64),
    /// No more than so many devices were read.
    Devices(u64),
    /// No more than so many stored results of each kind were read, the newest.
    Results(u64),
    /// Hosts are named where one task is asked for.
    OneTask,
}

impl Note {
    /// For people.
    #[must_use]
    pub fn text(&self, tongue: Tongue) -> String {
        let french = tongue == Tongue::French;
        match self {
            Self::Counted(age) if french => {
                format!("Les tâches ont été comptées il y a {age} s.")
            }
            Self::Counted(age) => format!("Tasks were counted {age} s ago."),
            Self::NotCounted if french => "Les tâches n’ont pas encore été comptées.".to_owned(),
            Self::NotCounted => "Tasks have not been counted yet.".to_owned(),
            Self::Pending(tasks) if french => {
                format!("{tasks} tâches sont encore en cours de comptage et manquent.")
            }
            Self::Pending(tasks) => {
                format!("{tasks} tasks are still being counted and are missing.")
            }
            Self::Lines(most, since) => {
                let since = since.map(|since| since.format("%Y-%m-%d %H:%M").to_string());
                match (since, french) {
                    (Some(since), true) => format!(
                        "Seules les {most} lignes de journal les plus récentes de la période ont été lues, depuis le {since}. Choisissez une tâche ou une période plus courte pour tout voir."
                    ),
                    (Some(since), false) => format!(
                        "Only the newest {most} log lines of the period were read, those since {since}. Choose a task or a shorter period to see all."
                    ),
                    (None, true) => format!(
                        "Seules les {most} lignes de journal les plus récentes de la période ont été lues."
                    ),
                    (None, false) => {
                        format!("Only the newest {most} log lines of the period were read.")
                    }
                }
            }
            Self::Findings(most) if french => format!(
                "Seules {most} lignes de journal sur des équipements ont été lues ; il peut y en avoir davantage. Choisissez une période plus courte."
            ),
            Self::Findings(most) => format!(
                "Only {most} log lines about devices were read, and there may be more. Choose a shorter period."
            ),
            Self::Devices(most) if french => {
                format!("Seules {most} adresses d’équipements ont été lues.")
            }
            Self::Devices(most) => format!("Only {most} addresses of devices were read."),
            Self::Results(most) if french => format!(
                "Seuls les {most} résultats enregistrés les plus récents de chaque type ont été lus."
            ),
            Self::Results(most) => {
                format!("Only the newest {most} stored results of each kind were read.")
            }
            Self::OneTask if french => {
                "Choisissez une tâche pour voir les ordinateurs qui n’ont pas encore le paquet."
                    .to_owned()
            }
            Self::OneTask => {
                "Choose a task to see the hosts that still lack its package.".to_owned()
            }
        }
    }
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which.
    pub name: Name,
    /// When it was made, local time.
    pub made: NaiveDateTime,
    /// First and last day, where it is of a period.
    pub period: Option<(NaiveDate, NaiveDate)>,
    /// How many days of silence, where it is not.
    pub days: Option<u32>,
    /// What has to be known.
    pub notes: Vec<Note>,
    /// The tables, the most important one first; there is one at least.
    pub tables: Vec<Table>,
}

impl Report {
    /// The table of that name; the first one without a name.
    #[must_use]
    pub fn table(&self, name: Option<&str>) -> Option<&Table> {
        match name {
            None => self.tables.first(),
            Some(name) => self.tables.iter().find(|table| table.name == name),
        }
    }
}

#[cfg(test)]
mod tests;
