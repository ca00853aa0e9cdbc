//! GLPI and the plugin: whether they are in service, and what of their data the sidecar treats in its own way.

use super::Report;
use super::database::Opened;
use crate::config::{Scheduler, Settings};
use crate::db::diagnostics::{DynamicGroup, SiteFacts};
use crate::db::{Db, DbError};
use crate::domain::catalogue::Catalogue;
use crate::domain::cleaning::Duty;
use crate::domain::criteria::Unsupported;
use crate::domain::wakeup;
use crate::proto::criteria;

/// The plugin's versions whose tables are known.
const KNOWN_PLUGIN: &str = "10.0.";

/// What can be done when a read fails.
const SEE_ABOVE: &str = "mend the rights and tables first";

pub(super) async fn examine(settings: &Settings, opened: &Opened, report: &mut Report) {
    match &opened.site {
        Some(site) => in_service(site, report),
        None => report.error(
            "glpi",
            "neither GLPI's settings nor its plugins can be read",
            SEE_ABOVE,
        ),
    }
    for chore in &CHORES {
        match opened.db.plugin_cron_is_on(chore.action).await {
            Ok(theirs) => scheduled(chore, &settings.scheduler, theirs, report),
            Err(error) => {
                unread(&error, report);
                // The others are rows of the same table.
                break;
            }
        }
    }
    match opened.db.dynamic_groups().await {
        Ok(groups) => searches(&opened.db, &groups, report).await,
        Err(error) => unread(&error, report),
    }
    if let Some(catalogue) = &opened.catalogue {
        plugin_tables(opened.site.as_ref(), catalogue, report);
        encryption(settings, catalogue, report);
    }
}

fn unread(error: &DbError, report: &mut Report) {
    report.error("glpi", error.to_string(), SEE_ABOVE);
}

fn in_service(site: &SiteFacts, report: &mut Report) {
    if site.maintenance {
        report.error(
            "glpi",
            "GLPI is in maintenance: agents get 503",
            "end it when its work is done (php bin/console glpi:maintenance:disable); serve then goes on by itself",
        );
    } else {
        report.fine(
            "glpi",
            format!(
                "GLPI {} is in service",
                site.glpi_version.as_deref().unwrap_or("of no version")
            ),
        );
    }
    let activate =
        "activate FusionInventory in GLPI (Setup, Plugins); serve then goes on by itself";
    // GLPI's Plugin class names these states.
    let (problem, mend) = match &site.plugin {
        None => (
            "is not installed",
            "install FusionInventory 10.0 in GLPI (Setup, Plugins)",
        ),
        Some((version, 1)) => {
            if version.starts_with(KNOWN_PLUGIN) {
                report.fine("plugin", format!("FusionInventory {version} is active"));
            } else {
                report.warning(
                    "plugin",
                    format!(
                        "FusionInventory {version} is active, versions {KNOWN_PLUGIN}x are known"
                    ),
                    "try it on a copy of the database first",
                );
            }
            return;
        }
        Some((_, 0 | 2)) => (
            "is there, but not installed",
            "install it in GLPI (Setup, Plugins)",
        ),
        Some((_, 3)) => ("has to be configured", activate),
        Some((_, 4)) => ("is switched off", activate),
        Some((_, 5)) => (
            "has lost its files",
            "put its files back, or remove it in GLPI",
        ),
        Some((_, 6)) => (
            "is being updated",
            "finish the update in GLPI (Setup, Plugins); serve then goes on by itself",
        ),
        Some((_, _)) => ("is in a state that is not known", activate),
    };
    report.error(
        "plugin",
        format!("FusionInventory {problem}: agents get 503"),
        mend,
    );
}

fn plugin_tables(site: Option<&SiteFacts>, catalogue: &Catalogue, report: &mut Report) {
    let tables = &catalogue.config.version;
    if let Some((files, _)) = site.and_then(|site| site.plugin.as_ref())
        && files != tables
    {
        report.warning(
            "plugin",
            format!("GLPI has FusionInventory {files}, its tables say {tables}"),
            "finish the plugin's update in GLPI (Setup, Plugins)",
        );
    }
}

/// Work that the plugin's own automatic actions do too.
struct Chore {
    topic: &'static str,
    /// The action's name in GLPI.
    action: &'static str,
    /// What the sidecar keeps off, as "off …".
    doing: &'static str,
    /// What nobody does, as "nobody …".
    does: &'static str,
    /// The command that does it once.
    once: &'static str,
}

const CHORES: [Chore; 4] = [
    Chore {
        topic: "preparation",
        action: "taskscheduler",
        doing: "preparing runs",
        does: "prepares runs",
        once: "prepare",
    },
    Chore {
        topic: "cleaning",
        action: Duty::Runs.cron(),
        doing: "cleaning old runs",
        does: "cleans old runs",
        once: "clean",
    },
    Chore {
        topic: "cleaning",
        action: Duty::OnDemand.cron(),
        doing: "cleaning tasks on demand",
        does: "cleans tasks on demand",
        once: "cleanondemand",
    },
    Chore {
        topic: "waking up",
        action: wakeup::CRON,
        doing: "waking agents up",
        does: "wakes agents up",
        once: "wakeup",
    },
];

fn scheduled(chore: &Chore, scheduler: &Scheduler, theirs: bool, report: &mut Report) {
    let Chore {
        topic,
        action,
        doing,
        does,
        once,
    } = chore;
    match (scheduler.enabled, theirs) {
        (true, true) if scheduler.beside_cron => report.fine(
            topic,
            format!("{doing}: by the sidecar, and by GLPI's automatic action '{action}' too"),
        ),
        (true, true) => report.warning(
            topic,
            format!("GLPI's automatic action '{action}' is on: the sidecar keeps off {doing}"),
            "switch the action off (fusion-sidecar migrate --take-over, or in GLPI: Setup, Automatic actions), or the sidecar's work with \
             --scheduler off",
        ),
        (false, false) => report.warning(
            topic,
            format!("nobody {does}: the sidecar's scheduler is off, and so is GLPI's automatic action '{action}'"),
            format!("switch one of them on, or run fusion-sidecar once {once} regularly"),
        ),
        (true, false) => report.fine(topic, format!("{doing}: by the sidecar")),
        (false, true) => report.fine(topic, format!("{doing}: by GLPI's automatic action '{action}'")),
    }
}

async fn searches(db: &Db, groups: &[DynamicGroup], report: &mut Report) {
    let mut understood = 0_usize;
    for group in groups {
        let unsupported = match criteria::parse(&group.search) {
            Ok(criteria) => match db.lacks_for(&criteria).await {
                Ok(lacking) => lacking,
                Err(error) => return unread(&error, report),
            },
            Err(unsupported) => Some(unsupported),
        };
        let Some(unsupported) = unsupported else {
            understood += 1;
            continue;
        };
        let mend = match unsupported {
            Unsupported::NotUnderstood(_) => {
                "it keeps the members that GLPI stored last: choose another criterion, or a static group"
            }
            Unsupported::NotThere { .. } => {
                "it keeps the members that GLPI stored last: give the rights that the README lists for groups, or choose another criterion"
            }
        };
        report.warning(
            "groups",
            format!(
                "of the dynamic group '{}' ({}) {unsupported}",
                group.name, group.id
            ),
            mend,
        );
    }
    if understood > 0 {
        report.fine(
            "groups",
            format!("{understood} dynamic groups are understood"),
        );
    }
}

fn encryption(settings: &Settings, catalogue: &Catalogue, report: &mut Report) {
    let server = &settings.server;
    if catalogue.config.ssl_only && server.tls.is_none() && server.trusted_proxies.is_empty() {
        report.error(
            "tls",
            "the plugin demands HTTPS (ssl_only), but the sidecar has no certificate and trusts no proxy: every message would be refused",
            "give --tls-cert and --tls-key, or name the proxy that ends TLS with --trusted-proxies",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Database;

    #[test]
    fn states_of_the_plugin() {
        for (plugin, line) in [
            (None, "error: plugin: FusionInventory is not installed"),
            (
                Some(("10.0.6+1.1", 1)),
                "ok: plugin: FusionInventory 10.0.6+1.1 is active",
            ),
            (
                Some(("11.0.0", 1)),
                "warning: plugin: FusionInventory 11.0.0 is active",
            ),
            (
                Some(("10.0.6+1.1", 2)),
                "error: plugin: FusionInventory is there, but not installed",
            ),
            (
                Some(("10.0.6+1.1", 4)),
                "error: plugin: FusionInventory is switched off",
            ),
            (
                Some(("10.0.6+1.1", 6)),
                "error: plugin: FusionInventory is being updated",
            ),
            (
                Some(("10.0.6+1.1", 9)),
                "error: plugin: FusionInventory is in a state that is not known",
            ),
        ] {
            let site = SiteFacts {
                plugin: plugin.map(|(version, state)| (version.to_owned(), state)),
                ..SiteFacts::default()
            };
            let mut report = Report::default();
            in_service(&site, &mut report);
            let said = report.to_string();
            assert!(
                said.lines().any(|said| said.starts_with(line)),
                "{said}\n{line}"
            );
        }
    }

    #[test]
    fn one_scheduler_is_enough() {
        for (ours, theirs, word) in [
            (true, true, "warning"),
            (false, false, "warning"),
            (true, false, "ok"),
            (false, true, "ok"),
        ] {
            let mut report = Report::default();
            let scheduler = Scheduler {
                enabled: ours,
                ..Scheduler::default()
            };
            for chore in &CHORES {
                scheduled(chore, &scheduler, theirs, &mut report);
            }
            for (line, chore) in report.0.iter().zip(&CHORES) {
                assert_eq!(line.severity.to_string(), word, "{report}");
                assert!(line.text.contains(chore.doing) || line.text.contains(chore.does));
            }
        }
    }

    #[test]
    fn https_is_not_demanded_of_one_who_cannot() {
        let mut settings = Settings::for_database(Database::new("h", "u", "d"));
        let mut catalogue = Catalogue::default();
        let errors = |settings: &Settings, catalogue: &Catalogue| {
            let mut report = Report::default();
            encryption(settings, catalogue, &mut report);
            report.0.len()
        };
        assert_eq!(errors(&settings, &catalogue), 0);
        catalogue.config.ssl_only = true;
        assert_eq!(errors(&settings, &catalogue), 1);
        settings.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        assert_eq!(errors(&settings, &catalogue), 0);
    }
}
