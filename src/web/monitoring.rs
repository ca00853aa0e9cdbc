//! Monitoring: a line for each task in the specification's format, and below it what there is to say of each kind of work.

use std::sync::Arc;

use askama::Template;
use axum::extract;
use axum::http::StatusCode;
use axum::response::Response;

use super::assets::{URLS, Urls};
use super::live::{self, State};
use super::page::{Frame, answer};
use super::routes::Pages;
use super::texts::{Texts, fill, fill_all};
use super::visitor::Viewer;
use crate::domain::summary::{Counts, Kind, Section, Status, TaskSummary};

/// A line.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    id: u32,
    /// Fragment of the icons, and its name.
    kind: (&'static str, &'static str),
    name: String,
    /// The task in GLPI.
    href: Option<String>,
    details: String,
    completion: Option<u8>,
    /// Fragment of the icons and class of the style, and its name.
    status: (&'static str, &'static str),
    specifics: Vec<Specific>,
    reasons: Vec<String>,
}

/// A line below it.
#[derive(Debug, PartialEq, Eq)]
struct Specific {
    /// The part that it is about, and where that is in GLPI.
    part: Option<(String, Option<String>)>,
    text: String,
    is_error: bool,
}

impl Specific {
    fn plain(text: String) -> Self {
        Self {
            part: None,
            text,
            is_error: false,
        }
    }

    fn of(part: String, href: Option<String>, text: String) -> Self {
        Self {
            part: Some((part, href)),
            text,
            is_error: false,
        }
    }
}

#[derive(Template)]
#[template(path = "monitoring.html", config = "src/web/askama.toml")]
struct MonitoringPage {
    frame: Frame,
    state: Arc<State>,
    /// What the page shows, for its stream.
    from: String,
    /// Seconds since they were counted; empty if they have not been.
    age: String,
    counted: String,
    pending: String,
    live_on: String,
}

/// `GET /sidecar/`.
pub async fn page(extract::State(pages): extract::State<Pages>, viewer: Viewer) -> Response {
    let found = live::seen(&pages, viewer.language, viewer.access()).await;
    let (view, state) = match found {
        Ok(found) => found,
        Err(error) => return viewer.refuse(error.into()),
    };
    let frame = Frame::of(&viewer);
    let (t, board) = (frame.t, pages.monitor.board());
    let age = board.age(pages.clock.now());
    let text = |text: Option<String>| text.unwrap_or_default();
    let page = MonitoringPage {
        from: view.name_of(&state),
        age: text(age.map(|age| age.to_string())),
        counted: text(age.map(|age| fill(t.counted, age))),
        pending: text((board.pending > 0).then(|| fill(t.counting, board.pending))),
        live_on: fill(t.live_on, pages.monitor.period().as_secs()),
        state,
        frame,
    };
    answer(&viewer, StatusCode::OK, &page)
}

#[derive(Template)]
#[template(path = "line.html", config = "src/web/askama.toml")]
struct LineHtml<'a> {
    t: &'static Texts,
    urls: &'static Urls,
    line: &'a Line,
}

/// The line of `task` as it stands in the page.
pub(super) fn html(task: &TaskSummary, t: &'static Texts, plugin: Option<&str>) -> String {
    let line = &line(task, t, plugin);
    let urls = &URLS;
    let rendered = LineHtml { t, urls, line }.render();
    rendered.unwrap_or_else(|error| {
        // Never, as it is written into memory.
        tracing::error!(error = %error, "a template failed");
        String::new()
    })
}

fn line(task: &TaskSummary, t: &'static Texts, plugin: Option<&str>) -> Line {
    let details: Vec<String> = task.sections.iter().map(|of| details(of, t)).collect();
    let first = task.sections.first().map(|section| section.kind);
    let mut specifics = Vec::new();
    for section in &task.sections {
        add_specifics(section, t, plugin, &mut specifics);
    }
    Line {
        id: task.id.0,
        kind: kind(first, t),
        name: task.name.clone(),
        href: plugin.map(|plugin| format!("{plugin}/front/task.form.php?id={}", task.id)),
        details: if details.is_empty() {
            t.no_jobs.to_owned()
        } else {
            details.join("; ")
        },
        completion: task.completion,
        status: status(task.status, t),
        specifics,
        reasons: task.reasons(),
    }
}

/// Fragment of the icons of a kind of work, and its name.
pub(super) fn kind(kind: Option<Kind>, t: &Texts) -> (&'static str, &'static str) {
    match kind {
        Some(Kind::Deploy) => ("deploy", t.deploy),
        Some(Kind::NetDiscovery) => ("netdiscovery", t.netdiscovery),
        Some(Kind::NetInventory) => ("netinventory", t.netinventory),
        Some(Kind::Collect) => ("collect", t.collect),
        Some(Kind::Esx) => ("esx", t.esx),
        Some(Kind::WakeOnLan) => ("wakeonlan", t.wakeonlan),
        None => ("task", t.task),
    }
}

/// Fragment of the icons and class of the style of a status, and its name.
pub(super) fn status(status: Status, t: &Texts) -> (&'static str, &'static str) {
    match status {
        Status::Running => ("running", t.running),
        Status::Off => ("off", t.off),
        Status::InError => ("inerror", t.in_error),
        Status::Prepared => ("prepared", t.prepared),
        Status::Finished => ("finished", t.finished),
        Status::Waiting => ("waiting", t.waiting),
        Status::Idle => ("idle", t.idle),
    }
}

fn details(section: &Section, t: &Texts) -> String {
    let Counts {
        ok, ko, unneeded, ..
    } = section.counts;
    let total = section.counts.total();
    match section.kind {
        Kind::Deploy => fill_all(t.deployments, &[total, ok, ko, unneeded]),
        Kind::NetDiscovery => {
            let new = section.found.iter().map(|found| found.new).sum();
            let updated = section.found.iter().map(|found| found.updated).sum();
            fill_all(t.discoveries, &[new, updated])
        }
        Kind::NetInventory => fill_all(t.inventories, &[section.devices]),
        Kind::Collect => fill_all(t.collects, &[total, ok, ko]),
        Kind::Esx => fill_all(t.hypervisors, &[total, ok, ko]),
        Kind::WakeOnLan => fill_all(t.wakeups, &[total, ok, ko]),
    }
}

fn add_specifics(section: &Section, t: &Texts, plugin: Option<&str>, to: &mut Vec<Specific>) {
    match section.kind {
        Kind::Deploy | Kind::Collect | Kind::WakeOnLan => {
            to.push(Specific::plain(fill(t.total_devices, section.devices)));
        }
        Kind::NetInventory => to.push(Specific::plain(fill(t.total_targets, section.devices))),
        Kind::NetDiscovery | Kind::Esx => {}
    }
    // The parts of a wake-up are computers, and those of a discovery its ranges.
    if !matches!(section.kind, Kind::WakeOnLan | Kind::NetDiscovery) {
        for part in &section.parts {
            let Counts {
                ok, ko, unneeded, ..
            } = part.counts;
            let text = if section.kind == Kind::Deploy {
                fill_all(t.part_all, &[ok, ko, unneeded])
            } else {
                fill_all(t.part_ok_ko, &[ok, ko])
            };
            let (name, href) = if part.items_id == 0 {
                (class(&part.itemtype, t).to_owned(), None)
            } else {
                let form = form_of(&part.itemtype);
                let href = plugin.zip(form).map(|(plugin, form)| {
                    format!("{plugin}/front/{form}.form.php?id={}", part.items_id)
                });
                (part.name.clone(), href)
            };
            to.push(Specific::of(name, href, text));
        }
    }
    for found in &section.found {
        let text = fill_all(t.part_found, &[found.new, found.updated]);
        to.push(Specific::of(
            class(&found.itemtype, t).to_owned(),
            None,
            text,
        ));
    }
    if section.kind == Kind::NetInventory && !section.ranges.is_empty() {
        to.push(Specific::plain(fill(
            t.ip_ranges,
            section.ranges.join(", "),
        )));
    }
    if section.counts.cancelled > 0 {
        to.push(Specific::plain(fill(t.cancelled, section.counts.cancelled)));
    }
    for error in &section.errors {
        to.push(Specific {
            is_error: true,
            ..Specific::plain(fill(t.error, error))
        });
    }
}

/// What devices of a class are called; other classes by their name.
fn class<'a>(itemtype: &'a str, t: &Texts) -> &'a str {
    match itemtype {
        "NetworkEquipment" => t.networking,
        "Printer" => t.printers,
        "Computer" => t.computers,
        "Phone" => t.phones,
        "Peripheral" => t.peripherals,
        "PluginFusioninventoryUnmanaged" => t.unknown,
        other => other,
    }
}

/// The plugin's page of a target.
fn form_of(itemtype: &str) -> Option<&'static str> {
    match itemtype {
        "PluginFusioninventoryDeployPackage" => Some("deploypackage"),
        "PluginFusioninventoryCollect" => Some("collect"),
        "PluginFusioninventoryCredentialIp" => Some("credentialip"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{EntityId, JobId, TaskId};
    use crate::domain::summary::{Found, JobFacts, Part, TaskFacts, summarise};
    use crate::web::language::Language;

    fn counts(ok: u64, ko: u64, unneeded: u64, prepared: u64) -> Counts {
        Counts {
            prepared,
            ok,
            unneeded,
            ko,
            ..Counts::default()
        }
    }

    fn task(method: &str, devices: (Kind, u64), change: impl FnOnce(&mut JobFacts)) -> TaskSummary {
        let mut job = JobFacts {
            id: JobId(1),
            name: "job".to_owned(),
            method: method.to_owned(),
            parts: vec![],
            found: vec![],
            ranges: vec![],
            why: None,
            error: None,
        };
        change(&mut job);
        summarise(TaskFacts {
            id: TaskId(7),
            name: "t".to_owned(),
            entity: EntityId(0),
            is_active: true,
            why: None,
            jobs: vec![job],
            devices: vec![devices],
        })
    }

    fn below(line: &Line) -> Vec<String> {
        let texts = line.specifics.iter().map(|of| match &of.part {
            Some((part, _)) => format!("{part} – {}", of.text),
            None => of.text.clone(),
        });
        texts.collect()
    }

    /// The specification's three examples.
    #[test]
    fn lines_of_the_specification() {
        let package = |id, name: &str, counts| Part {
            itemtype: "PluginFusioninventoryDeployPackage".to_owned(),
            items_id: id,
            name: name.to_owned(),
            counts,
        };
        let deploy = task("deployinstall", (Kind::Deploy, 40), |job| {
            job.parts = vec![
                package(1, "LibreOffice", counts(30, 2, 3, 5)),
                package(2, "Thunderbird", counts(20, 10, 0, 10)),
            ];
        });
        let (english, french) = (Language::English.texts(), Language::French.texts());
        let shown = line(
            &deploy,
            english,
            Some("https://g.example/plugins/fusioninventory"),
        );
        assert_eq!(
            shown.details,
            "80 deployments (ok: 50, ko: 12, unneeded: 3)"
        );
        assert_eq!(
            (shown.completion, shown.kind, shown.status),
            (
                Some(81),
                ("deploy", "Package deployment"),
                ("running", "Running")
            )
        );
        assert_eq!(
            below(&shown),
            [
                "Total targeted devices: 40",
                "LibreOffice – ok: 30, ko: 2, unneeded: 3",
                "Thunderbird – ok: 20, ko: 10, unneeded: 0"
            ]
        );
        assert_eq!(
            shown.href.as_deref(),
            Some("https://g.example/plugins/fusioninventory/front/task.form.php?id=7")
        );
        assert_eq!(
            shown.specifics[2].part.as_ref().unwrap().1.as_deref(),
            Some("https://g.example/plugins/fusioninventory/front/deploypackage.form.php?id=2")
        );
        let shown = line(&deploy, french, None);
        assert_eq!(
            shown.details,
            "80 déploiements (ok : 50, ko : 12, inutiles : 3)"
        );
        assert!(shown.href.is_none());

        let discovery = task("networkdiscovery", (Kind::NetDiscovery, 0), |job| {
            let found = |itemtype: &str, new, updated| Found {
                itemtype: itemtype.to_owned(),
                new,
                updated,
            };
            job.found = vec![
                found("NetworkEquipment", 10, 5),
                found("Printer", 30, 5),
                found("PluginFusioninventoryUnmanaged", 10, 90),
            ];
            job.parts = vec![package(1, "Building 42", counts(1, 0, 0, 0))];
        });
        let shown = line(&discovery, english, None);
        assert_eq!(
            shown.details,
            "discoveries: (50 new devices, 100 updated devices)"
        );
        assert_eq!((shown.completion, shown.status.0), (None, "finished"));
        assert_eq!(
            below(&shown),
            [
                "networking devices – 10 new devices, 5 updated devices",
                "printers – 30 new devices, 5 updated devices",
                "unknown devices – 10 new devices, 90 updated devices"
            ]
        );

        let inventory = task("networkinventory", (Kind::NetInventory, 0), |job| {
            job.ranges = ["9th circle", "8th circle"].map(str::to_owned).into();
            job.error = Some("no devices found to be inventoried".to_owned());
        });
        let shown = line(&inventory, english, None);
        assert_eq!((shown.completion, shown.status.0), (Some(0), "inerror"));
        assert_eq!(
            below(&shown),
            [
                "Total targets: 0",
                "IP range: 9th circle, 8th circle",
                "Error: no devices found to be inventoried"
            ]
        );
        assert!(shown.specifics[2].is_error);
    }

    #[test]
    fn a_task_without_a_known_job_has_its_line_too() {
        let shown = line(
            &task("tea", (Kind::Deploy, 0), |_| {}),
            Language::English.texts(),
            None,
        );
        assert_eq!(
            (shown.details.as_str(), shown.kind.0, shown.completion),
            ("no jobs", "task", None)
        );
    }
}
