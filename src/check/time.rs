//! What time it is here, in the database server, and in the sessions that store GLPI's dates.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::Report;
use crate::config::{SessionZone, Settings};
use crate::db::diagnostics::{ServerFacts, SiteFacts};

/// How far two clocks may be apart: beyond it a slot opens and closes visibly early or late.
const MOST_APART: TimeDelta = TimeDelta::minutes(2);

pub(super) fn clocks(server: &ServerFacts, now: DateTime<Utc>, report: &mut Report) {
    let ahead = server.utc - now.naive_utc();
    if ahead.abs() > MOST_APART {
        report.error(
            "clock",
            format!(
                "the database server's clock says {} UTC, this machine's {} UTC",
                shown(server.utc),
                shown(now.naive_utc())
            ),
            "set both by NTP",
        );
    } else {
        report.fine(
            "clock",
            "the database server's clock and this machine's agree",
        );
    }
}

fn shown(time: NaiveDateTime) -> impl std::fmt::Display {
    time.format("%Y-%m-%d %H:%M:%S")
}

/// `zone`'s local time less UTC at `now`, seconds.
fn offset(zone: Tz, now: DateTime<Utc>) -> i64 {
    zone.offset_from_utc_datetime(&now.naive_utc())
        .fix()
        .local_minus_utc()
        .into()
}

/// Whether two zones have the same time all year: many have several names.
fn same(one: Tz, other: Tz, now: DateTime<Utc>) -> bool {
    (0..12).all(|month| {
        let then = now + TimeDelta::days(month * 30);
        offset(one, then) == offset(other, then)
    })
}

/// The zone of the rules (PHP's) against the zone in which the session stores times.
pub(super) fn zones(
    settings: &Settings,
    server: &ServerFacts,
    site: Option<&SiteFacts>,
    now: DateTime<Utc>,
    report: &mut Report,
) {
    let zone = settings.timezone;
    let ours = offset(zone, now);
    let local = |offset| shown(now.naive_utc() + TimeDelta::seconds(offset));
    let apart = |other: i64| TimeDelta::seconds((other - ours).abs()) > MOST_APART;
    if apart(server.session_offset) {
        report.error(
            "timezone",
            format!(
                "in the database's session (time_zone {}) it is {}, in {zone} {}",
                server.session_zone,
                local(server.session_offset),
                local(ours)
            ),
            "give the zone of GLPI's PHP (date.timezone) with --timezone, and run the database server in the same one (default-time-zone) unless \
             GLPI uses time zones",
        );
        return;
    }
    if settings.database.session_zone == SessionZone::Timezone
        && server.session_zone.starts_with(['+', '-'])
    {
        report.warning(
            "timezone",
            format!("the database server does not know {zone} by name: sessions have its offset, now {}, and dates beyond the next change of the \
                clocks are an hour off until then", server.session_zone),
            "load its time zones, and start the sidecar anew: mariadb-tzinfo-to-sql /usr/share/zoneinfo | mariadb mysql",
        );
    }
    match &settings.glpi {
        Some(glpi) if glpi.use_timezones => match site.and_then(|site| site.timezone.as_deref()) {
            Some(theirs) if !theirs.parse().is_ok_and(|theirs| same(theirs, zone, now)) => report.error(
                "timezone",
                format!(
                    "GLPI's zone is {theirs} (Setup, General, Default values), the sidecar's {zone}"
                ),
                format!("--timezone {theirs}"),
            ),
            Some(_) => report.fine("timezone", format!("{zone}, as in GLPI")),
            None => report.fine(
                "timezone",
                format!("{zone}; GLPI names none, so PHP's date.timezone has to be the same"),
            ),
        },
        // Without GLPI's directory nobody says whether its sessions set a zone.
        None if settings.database.session_zone == SessionZone::Timezone
            && server.global_offset.is_some_and(apart) =>
        {
            let theirs = server.global_offset.unwrap_or_default();
            report.warning(
                "timezone",
                format!("sessions are in {zone}, where it is {}, but the server's own zone has {}", local(ours), local(theirs)),
                "right only if GLPI uses time zones ($use_timezones in config_db.php): give --glpi-dir so that this is known, or run the database \
                 server in GLPI's zone",
            );
        }
        Some(_) | None => report.fine(
            "timezone",
            format!("{zone}, and the database has the same time"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Database, GlpiPlace};
    use crate::db::diagnostics::ServerVersion;

    fn now() -> DateTime<Utc> {
        "2026-07-01T10:00:00Z".parse().unwrap()
    }

    fn server(session_zone: &str, session_offset: i64, global_offset: i64) -> ServerFacts {
        ServerFacts {
            version: ServerVersion::parse("10.11.6-MariaDB"),
            account: "'u'@'h'".into(),
            utc: now().naive_utc(),
            session_zone: session_zone.into(),
            session_offset,
            global_offset: Some(global_offset),
            read_only: false,
            logs_statements: false,
            innodb: true,
            other_engines: Vec::new(),
        }
    }

    fn settings(zone: Tz, session_zone: SessionZone, use_timezones: Option<bool>) -> Settings {
        let mut settings = Settings::for_database(Database::new("h", "u", "d"));
        settings.timezone = zone;
        settings.database.session_zone = session_zone;
        settings.glpi = use_timezones.map(|use_timezones| GlpiPlace {
            root: "/glpi".into(),
            plugin_base: None,
            use_timezones,
            notes: Vec::new(),
        });
        settings
    }

    #[test]
    fn zones_of_rules_and_session() {
        use SessionZone::{Server, Timezone};
        let paris = chrono_tz::Europe::Paris;
        let site = |zone: &str| SiteFacts {
            timezone: Some(zone.into()),
            ..SiteFacts::default()
        };
        for (server, settings, site, line) in [
            (
                server("SYSTEM", 7200, 7200),
                settings(paris, Server, None),
                None,
                "ok: timezone: Europe/Paris, and",
            ),
            (
                server("SYSTEM", 0, 0),
                settings(paris, Server, Some(false)),
                None,
                "error: timezone: in the database's session (time_zone SYSTEM) it is 2026-07-01 10:00:00, in Europe/Paris 2026-07-01 12:00:00",
            ),
            (
                server("Europe/Paris", 7200, 0),
                settings(paris, Timezone, None),
                None,
                "warning: timezone: sessions are in Europe/Paris, where it is 2026-07-01 12:00:00, but the server's own zone has 2026-07-01 10:00:00",
            ),
            (
                server("Europe/Paris", 7200, 7200),
                settings(paris, Timezone, None),
                None,
                "ok: timezone: Europe/Paris, and",
            ),
            (
                server("+02:00", 7200, 7200),
                settings(paris, Timezone, None),
                None,
                "warning: timezone: the database server does not know Europe/Paris",
            ),
            (
                server("Europe/Paris", 7200, 0),
                settings(paris, Timezone, Some(true)),
                Some(site("Europe/Monaco")),
                "ok: timezone: Europe/Paris, as in GLPI",
            ),
            (
                server("Europe/Paris", 7200, 0),
                settings(paris, Timezone, Some(true)),
                Some(site("Europe/London")),
                "error: timezone: GLPI's zone is Europe/London",
            ),
            (
                server("Europe/Paris", 7200, 0),
                settings(paris, Timezone, Some(true)),
                None,
                "ok: timezone: Europe/Paris; GLPI names none",
            ),
        ] {
            let mut report = Report::default();
            zones(&settings, &server, site.as_ref(), now(), &mut report);
            assert!(report.to_string().starts_with(line), "{report}\n{line}");
        }
    }

    #[test]
    fn clocks_apart() {
        for (seconds, word) in [
            (0, "ok"),
            (120, "ok"),
            (-120, "ok"),
            (121, "error"),
            (-3600, "error"),
        ] {
            let mut report = Report::default();
            clocks(
                &server("SYSTEM", 0, 0),
                now() - TimeDelta::seconds(seconds),
                &mut report,
            );
            assert!(
                report.to_string().starts_with(&format!("{word}: clock: ")),
                "{report}"
            );
        }
    }
}
