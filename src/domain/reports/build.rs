//! Tables of what the database counted.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;

use super::Type::{Count, Percent, Text, Time};
use super::ask::Step;
use super::counted::{AGES, Aged, Discovered, Ended, Failed, Missing, Silent, Stored};
use super::{Cell, Chart, Colour, Column, Table, Words, words};
use crate::domain::run::RunState;
use crate::domain::summary::{Counts, Kind, TaskSummary};

const fn column(
    name: &'static str,
    en: &'static str,
    fr: &'static str,
    holds: super::Type,
) -> Column {
    Column {
        name,
        title: words(en, fr),
        holds,
    }
}

const TIME: Column = column("time", "Time", "Date", Time);
const OK: Column = column("ok", "Ok", "Réussis", Count);
const KO: Column = column("ko", "Failed", "Échoués", Count);
const UNNEEDED: Column = column("unneeded", "Unneeded", "Inutiles", Count);
const TASK: Column = column("task", "Task", "Tâche", Text);
const TARGETED: Column = column("targeted", "Targeted", "Visés", Count);
const OPEN: Column = column("open", "Still open", "En attente", Count);
const DONE: Column = column("completion", "Completion", "Avancement", Percent);
const MESSAGE: Column = column("message", "Message", "Message", Text);
const LAST: Column = column("last", "Last time", "Dernière fois", Time);
const CONTACT: Column = column("last_contact", "Last contact", "Dernier contact", Time);
const RANGE: Column = column("range", "IP range", "Plage IP", Text);
const NEW: Column = column("new", "New", "Nouveaux", Count);
const UPDATED: Column = column("updated", "Updated", "Mis à jour", Count);

/// The share of `part` in `all`, rounded down; none of nothing.
pub(super) fn percent(part: u64, all: u64) -> Cell {
    match part.saturating_mul(100).checked_div(all) {
        Some(share) => Cell::Percent(u8::try_from(share).unwrap_or(100)),
        None => Cell::None,
    }
}

fn moment(moment: Option<NaiveDateTime>) -> Cell {
    moment.map_or(Cell::None, Cell::Moment)
}

/// Runs that ended, by time, with a row for each step of the period, also where nothing ended.
#[must_use]
pub fn progress(step: Step, from: NaiveDateTime, until: NaiveDateTime, ended: &[Ended]) -> Table {
    const COLUMNS: &[Column] = &[
        TIME,
        OK,
        UNNEEDED,
        KO,
        column("success", "Success", "Réussite", Percent),
    ];
    let mut sums: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for of in ended {
        let at = match (of.well, of.unneeded) {
            (true, false) => 0,
            (true, true) => 1,
            (false, _) => 2,
        };
        sums.entry(&of.step).or_default()[at] += of.runs;
    }
    let steps = step.between(from, until);
    let rows: Vec<Vec<Cell>> = steps
        .into_iter()
        .map(|step| {
            let [ok, unneeded, ko] = sums.get(&*step).copied().unwrap_or_default();
            vec![
                Cell::Text(step),
                Cell::Count(ok),
                Cell::Count(unneeded),
                Cell::Count(ko),
                percent(ok + unneeded, ok + unneeded + ko),
            ]
        })
        .collect();
    let most = rows.len();
    let named = (
        "progress",
        words("Ended over time", "Terminés au fil du temps"),
    );
    Table::of(named, COLUMNS, rows, most).drawn(Chart {
        label: 0,
        series: &[(1, Colour::Good), (2, Colour::Idle), (3, Colour::Bad)],
        upright: true,
    })
}

/// What went wrong how often, the most frequent first.
#[must_use]
pub fn failures(failed: Vec<Failed>, most: usize) -> Table {
    const COLUMNS: &[Column] = &[MESSAGE, column("runs", "Runs", "Exécutions", Count), LAST];
    let named = (
        "failures",
        words("Failures by message", "Échecs par message"),
    );
    messages(named, COLUMNS, failed, most)
}

/// What network inventories could not query, the most frequent first.
#[must_use]
pub fn errors(failed: Vec<Failed>, most: usize) -> Table {
    const COLUMNS: &[Column] = &[
        MESSAGE,
        column("devices", "Devices", "Équipements", Count),
        LAST,
    ];
    let named = (
        "errors",
        words(
            "Errors of network inventories",
            "Erreurs des inventaires réseau",
        ),
    );
    messages(named, COLUMNS, failed, most)
}

fn messages(
    named: (&'static str, Words),
    columns: &'static [Column],
    failed: Vec<Failed>,
    most: usize,
) -> Table {
    // Texts that were stored differently can be the same.
    let mut sums: BTreeMap<String, (u64, Option<NaiveDateTime>)> = BTreeMap::new();
    for of in failed {
        let message = of.message.trim().to_owned();
        let sum = sums.entry(message).or_default();
        *sum = (sum.0 + of.count, sum.1.max(of.last));
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|(one, (less, _)), (other, (more, _))| more.cmp(less).then(one.cmp(other)));
    let rows = sums.into_iter().map(|(message, (count, last))| {
        let message = if message.is_empty() {
            Cell::Word(words("(no message)", "(sans message)"))
        } else {
            Cell::Text(message)
        };
        vec![message, Cell::Count(count), moment(last)]
    });
    Table::of(named, columns, rows.collect(), most).drawn(Chart {
        label: 0,
        series: &[(1, Colour::Bad)],
        upright: false,
    })
}

/// How far the parts of `kind` of each task are: packages, or collects.
#[must_use]
pub fn parts<'a>(kind: Kind, tasks: impl Iterator<Item = &'a TaskSummary>, most: usize) -> Table {
    const PACKAGES: &[Column] = &[
        TASK,
        column("package", "Package", "Paquet", Text),
        TARGETED,
        OK,
        UNNEEDED,
        KO,
        OPEN,
        DONE,
    ];
    const COLLECTS: &[Column] = &[
        TASK,
        column("collect", "Collect", "Collecte", Text),
        TARGETED,
        OK,
        UNNEEDED,
        KO,
        OPEN,
        DONE,
    ];
    let (named, columns) = if kind == Kind::Deploy {
        (("packages", words("By package", "Par paquet")), PACKAGES)
    } else {
        (("collects", words("By collect", "Par collecte")), COLLECTS)
    };
    let mut rows = Vec::new();
    for task in tasks {
        let sections = task.sections.iter().filter(|of| of.kind == kind);
        for part in sections.flat_map(|section| &section.parts) {
            let Counts {
                ok, ko, unneeded, ..
            } = part.counts;
            rows.push(vec![
                Cell::Text(task.name.clone()),
                Cell::Text(part.name.clone()),
                Cell::Count(part.counts.total()),
                Cell::Count(ok),
                Cell::Count(unneeded),
                Cell::Count(ko),
                Cell::Count(part.counts.open()),
                percent(part.counts.ended(), part.counts.total()),
            ]);
        }
    }
    Table::of(named, columns, rows, most).drawn(Chart {
        label: 1,
        series: &[
            (3, Colour::Good),
            (4, Colour::Idle),
            (5, Colour::Bad),
            (6, Colour::Busy),
        ],
        upright: false,
    })
}

/// The word for a run's state.
const fn state(state: RunState) -> Words {
    match state {
        RunState::Prepared => words("prepared", "préparé"),
        RunState::Sent => words("sent", "envoyé"),
        RunState::Running => words("running", "en cours"),
        RunState::Finished => words("finished", "terminé"),
        RunState::InError => words("in error", "en erreur"),
        RunState::Cancelled => words("cancelled", "annulé"),
        RunState::Postponed => words("postponed", "reporté"),
    }
}

/// Hosts that lack what a task brings.
#[must_use]
pub fn missing(
    rows: Vec<Missing>,
    name_of: impl Fn(&(String, u32)) -> String,
    most: usize,
) -> Table {
    const COLUMNS: &[Column] = &[
        column("host", "Host", "Ordinateur", Text),
        column("package", "Package", "Paquet", Text),
        column(
            "state",
            "State of its last run",
            "État de la dernière exécution",
            Text,
        ),
        CONTACT,
    ];
    let rows = rows.into_iter().map(|row| {
        vec![
            Cell::Text(row.host),
            Cell::Text(name_of(&row.target)),
            Cell::Word(state(row.state)),
            moment(row.last_contact),
        ]
    });
    let named = (
        "missing",
        words("Hosts still missing", "Ordinateurs restants"),
    );
    Table::of(named, COLUMNS, rows.collect(), most)
}

/// The word for a class of devices.
fn class(itemtype: &str) -> Cell {
    Cell::Word(match itemtype {
        "NetworkEquipment" => words("networking devices", "matériels réseau"),
        "Printer" => words("printers", "imprimantes"),
        "Computer" => words("computers", "ordinateurs"),
        "Phone" => words("phones", "téléphones"),
        "Peripheral" => words("peripherals", "périphériques"),
        "PluginFusioninventoryUnmanaged" => words("unknown devices", "équipements inconnus"),
        other => return Cell::Text(other.to_owned()),
    })
}

/// What discoveries found: by step and range, by step alone, by kind.
#[must_use]
pub fn discovery(
    found: &[Discovered],
    (step, from, until): (Step, NaiveDateTime, NaiveDateTime),
    name_of: impl Fn(&(String, u32)) -> String,
    most: usize,
) -> Vec<Table> {
    const BY_STEP: &[Column] = &[TIME, NEW, UPDATED];
    const BY_RANGE: &[Column] = &[TIME, RANGE, NEW, UPDATED];
    const BY_KIND: &[Column] = &[column("kind", "Kind", "Type", Text), NEW, UPDATED];
    const SERIES: &[(usize, Colour)] = &[(1, Colour::Good), (2, Colour::Busy)];
    let mut steps: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut ranges: BTreeMap<(&str, String), (u64, u64)> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for of in found {
        for sum in [
            steps.entry(&of.step).or_default(),
            ranges.entry((&of.step, name_of(&of.target))).or_default(),
            kinds.entry(&of.itemtype).or_default(),
        ] {
            *sum = (sum.0 + of.new, sum.1 + of.updated);
        }
    }
    let counts = |(new, updated): (u64, u64)| [Cell::Count(new), Cell::Count(updated)];
    let all = step.between(from, until).into_iter().map(|step| {
        let [new, updated] = counts(steps.get(&*step).copied().unwrap_or_default());
        vec![Cell::Text(step), new, updated]
    });
    let all: Vec<Vec<Cell>> = all.collect();
    let length = all.len();
    // The newest first, as a table that is cut keeps its beginning.
    let by_range = ranges.into_iter().rev().map(|((step, range), sum)| {
        let [new, updated] = counts(sum);
        vec![Cell::Text(step.to_owned()), Cell::Text(range), new, updated]
    });
    let by_kind = kinds.into_iter().map(|(itemtype, sum)| {
        let [new, updated] = counts(sum);
        vec![class(itemtype), new, updated]
    });
    let named = |name, en, fr| (name, words(en, fr));
    vec![
        Table::of(
            named("devices", "Devices by IP range", "Équipements par plage IP"),
            BY_RANGE,
            by_range.collect(),
            most,
        ),
        Table::of(
            named("days", "Devices over time", "Équipements au fil du temps"),
            BY_STEP,
            all,
            length,
        )
        .drawn(Chart {
            label: 0,
            series: SERIES,
            upright: true,
        }),
        Table::of(
            named("kinds", "Devices by kind", "Équipements par type"),
            BY_KIND,
            by_kind.collect(),
            most,
        )
        .drawn(Chart {
            label: 0,
            series: SERIES,
            upright: false,
        }),
    ]
}

/// Agents by last contact, with and without a computer in GLPI.
#[must_use]
pub fn ages(aged: &[Aged]) -> Table {
    const COLUMNS: &[Column] = &[
        column("age", "Last contact", "Dernier contact", Text),
        column("agents", "Agents", "Agents", Count),
        column("with_computer", "With a computer", "Avec ordinateur", Count),
        column(
            "without_computer",
            "Without a computer",
            "Sans ordinateur",
            Count,
        ),
    ];
    let rows = AGES.iter().enumerate().map(|(age, (_, name))| {
        let of = |known| {
            let of_age = aged
                .iter()
                .filter(move |of| of.age == age && of.known == known);
            of_age.map(|of| of.agents).sum::<u64>()
        };
        let (with, without) = (of(true), of(false));
        let counts = [with + without, with, without].map(Cell::Count);
        [vec![Cell::Word(*name)], counts.to_vec()].concat()
    });
    let named = (
        "agents",
        words("Agents by last contact", "Agents par dernier contact"),
    );
    Table::of(named, COLUMNS, rows.collect(), AGES.len()).drawn(Chart {
        label: 0,
        series: &[(2, Colour::Good), (3, Colour::Bad)],
        upright: false,
    })
}

/// Agents that have not been heard of, those that have been silent longest first.
#[must_use]
pub fn silent(agents: Vec<Silent>, now: NaiveDateTime, most: usize) -> Table {
    const COLUMNS: &[Column] = &[
        column("agent", "Agent", "Agent", Text),
        column("computer", "Computer", "Ordinateur", Text),
        column("entity", "Entity", "Entité", Text),
        column("version", "Version", "Version", Text),
        CONTACT,
        column("days", "Days", "Jours", Count),
    ];
    let rows = agents.into_iter().map(|row| {
        let days = row.last_contact.map(|last| (now - last).num_days());
        let days = days.and_then(|days| u64::try_from(days).ok());
        vec![
            Cell::Text(row.agent),
            row.computer.map_or(Cell::None, Cell::Text),
            Cell::Text(row.entity),
            Cell::Text(row.version),
            moment(row.last_contact),
            days.map_or(Cell::None, Cell::Count),
        ]
    });
    let named = ("silent", words("Silent agents", "Agents silencieux"));
    Table::of(named, COLUMNS, rows.collect(), most)
}

/// What is stored of the results of collects.
#[must_use]
pub fn stored(results: Vec<Stored>, most: usize) -> Table {
    const COLUMNS: &[Column] = &[
        column("collect", "Collect", "Collecte", Text),
        column("kind", "Kind", "Type", Text),
        column("place", "Looks at", "Recherche", Text),
        column("computers", "Computers", "Ordinateurs", Count),
        column("results", "Results", "Résultats", Count),
    ];
    let rows = results.into_iter().map(|row| {
        vec![
            Cell::Text(row.name),
            Cell::Text(row.kind.to_owned()),
            Cell::Text(row.place),
            Cell::Count(row.computers),
            Cell::Count(row.results),
        ]
    });
    let named = ("results", words("Stored results", "Résultats enregistrés"));
    Table::of(named, COLUMNS, rows.collect(), most).drawn(Chart {
        label: 2,
        series: &[(3, Colour::Good)],
        upright: false,
    })
}
