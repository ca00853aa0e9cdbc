//! No agent gets a run outside its slot, and inside it gets each: random weeks, in random moments, most of them near a change of the clocks.

use chrono::{DateTime, Datelike as _, Offset as _, TimeDelta, TimeZone as _, Timelike as _, Utc};
use chrono_tz::Tz;
use fusion_sidecar::domain::policy::Policy;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rstest::rstest;

use crate::support::app::{self, TestApp};
use crate::support::chance::seeded;
use crate::support::site::{package, text};

const SEED: &str = "SLOTS_SEED";

/// Tasks with a package each; one more discovers a range.
const TASKS: u32 = 5;

/// The task of the range.
const NETWORK: u32 = TASKS + 1;

/// Moments in each zone; every so many of them the weeks are others.
const MOMENTS: u32 = 100;
const MOMENTS_OF_A_WEEK: u32 = 10;

/// When a task's runs may go out, as it is written.
#[derive(Debug)]
enum Hours {
    /// Always.
    Any,
    /// The plugin's entries: day 1 to 7, first and last second.
    Slot(Vec<(u32, u32, u32)>),
    /// Rows of the sidecar's own: weekday 0 to 6, first hour, first hour that is closed again.
    Own(Vec<(u32, u32, u32)>),
}

impl Hours {
    fn any(rng: &mut StdRng) -> Self {
        // Clocks are changed in the night to Sunday.
        let day = |rng: &mut StdRng| {
            let days = [6, 6, 6, 0, 5, rng.random_range(0..7)];
            *days.choose(rng).unwrap()
        };
        let count = rng.random_range(0..4);
        match rng.random_range(0..5) {
            0 => Self::Any,
            1 | 2 => Self::Own(
                (0..count)
                    .map(|_| {
                        let start = rng.random_range(0..6);
                        // One in a while makes no sense.
                        (day(rng), start, start + rng.random_range(0..3))
                    })
                    .collect(),
            ),
            _ => Self::Slot(
                (0..count)
                    .map(|_| {
                        let begin = rng.random_range(0..5 * 60) * 60;
                        let end = begin + rng.random_range(0..120) * 60;
                        (day(rng) + 1, begin, end)
                    })
                    .collect(),
            ),
        }
    }

    /// Whether the clock on the wall is in it; read from the rows alone.
    fn is_open(&self, at: DateTime<Tz>) -> bool {
        let local = at.naive_local();
        let (day, second) = (
            local.weekday().num_days_from_monday(),
            local.num_seconds_from_midnight(),
        );
        match self {
            Self::Any => true,
            Self::Slot(entries) => entries
                .iter()
                .any(|(of, begin, end)| *of == day + 1 && (*begin..=*end).contains(&second)),
            Self::Own(rows) => rows
                .iter()
                .any(|(of, start, end)| *of == day && (start * 3600..end * 3600).contains(&second)),
        }
    }

    /// The statements that give them to `task`, which has none.
    fn store(&self, task: u32) -> String {
        match self {
            Self::Any => String::new(),
            // A task that has only rows that make no sense is closed; one without rows has none of its own.
            Self::Own(rows) => {
                let values: Vec<String> = std::iter::once(&(7, 0, 1))
                    .chain(rows)
                    .map(|(day, start, end)| format!("({task}, {day}, {start}, {end})"))
                    .collect();
                format!(
                    "REPLACE INTO {{p}}sidecar_hours VALUES {};",
                    values.join(",")
                )
            }
            Self::Slot(entries) => std::iter::once(format!(
                "UPDATE {{p}}tasks SET {{f}}timeslots_exec_id = {task} WHERE id = {task};"
            ))
            .chain(entries.iter().map(|(day, begin, end)| {
                format!(
                    "INSERT INTO {{p}}timeslotentries ({{f}}timeslots_id, day, `begin`, `end`) VALUES ({task}, {day}, {begin}, {end});"
                )
            }))
            .collect(),
        }
    }
}

/// Weeks in which two rows begin at the same hour are one row in the table: they are made one here too.
fn without_twins(hours: Hours) -> Hours {
    match hours {
        Hours::Own(mut rows) => {
            rows.sort_unstable();
            rows.dedup_by_key(|(day, start, _)| (*day, *start));
            Hours::Own(rows)
        }
        other => other,
    }
}

/// The moments of 2026 at which the clocks of `zone` are set otherwise, to the minute.
fn changes(zone: Tz) -> Vec<DateTime<Utc>> {
    let begin = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
    let offset = |at: DateTime<Utc>| at.with_timezone(&zone).offset().fix();
    let minutes = (0..365 * 24 * 2).map(|half| begin + TimeDelta::minutes(30 * half));
    minutes
        .filter(|at| offset(*at) != offset(*at - TimeDelta::minutes(30)))
        .collect()
}

fn moment(changes: &[DateTime<Utc>], rng: &mut StdRng) -> DateTime<Utc> {
    let change = *changes.choose(rng).unwrap();
    let around = if rng.random_bool(0.8) {
        4 * 60
    } else {
        7 * 24 * 60
    };
    // Rows have whole minutes: their edges, and a second beside them.
    let edge = TimeDelta::seconds(rng.random_range(-1..=1));
    change + TimeDelta::minutes(rng.random_range(-around..=around)) + edge
}

async fn fill(app: &TestApp) {
    let db = &app.db;
    db.set(
        "UPDATE {p}entities SET agent_base_url = 'http://glpi.example.com' WHERE id = 1;
         INSERT INTO {p}agents (id, name, device_id) VALUES (1, 'wks-1', 'wks-1');
         INSERT INTO {p}ipranges (id, name, entities_id, ip_start, ip_end) VALUES (1, 'r', 0, '10.0.0.1', '10.0.0.9')",
    )
    .await;
    for id in 1..=NETWORK {
        let (method, class, target) = if id == NETWORK {
            ("networkdiscovery", "PluginFusioninventoryIPRange", 1)
        } else {
            ("deployinstall", "PluginFusioninventoryDeployPackage", id)
        };
        db.set(&format!(
            "INSERT INTO {{p}}deploypackages (id, name, json) VALUES ({id}, 'p', {});
             INSERT INTO {{p}}tasks (id, name, is_active) VALUES ({id}, 't', 1);
             INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) VALUES \
             ({id}, {id}, 'j', '{method}', '[{{\"{class}\":\"{target}\"}}]', '[{{\"PluginFusioninventoryAgent\":\"1\"}}]');
             INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, {{f}}agents_id, uniqid) VALUES \
             ({id}, {id}, {target}, '{class}', 1, 'run-{id}')",
            text(&package("echo"))
        ))
        .await;
    }
}

#[rstest]
#[case::paris(Tz::Europe__Paris)]
#[case::half_hours(Tz::America__St_Johns)]
#[case::clocks_move_by_half_an_hour(Tz::Australia__Lord_Howe)]
#[tokio::test(flavor = "multi_thread")]
async fn no_run_goes_out_outside_its_slot_and_each_does_inside(#[case] zone: Tz) {
    let mut rng = seeded(SEED);
    let app = app::start(|settings| {
        settings.dispatch.policy = Policy::Redux;
        settings.timezone = zone;
    })
    .await;
    fill(&app).await;
    let changes = changes(zone);
    assert_eq!(changes.len(), 2, "{changes:?}");
    let (mut weeks, mut open_ones, mut closed_ones) = (Vec::new(), 0, 0);
    for number in 0..MOMENTS {
        if number % MOMENTS_OF_A_WEEK == 0 {
            weeks = (1..=NETWORK)
                .map(|task| (task, without_twins(Hours::any(&mut rng))))
                .collect::<Vec<_>>();
            let rows: String = weeks
                .iter()
                .map(|(task, hours)| hours.store(*task))
                .collect();
            app.db
                .set(&format!(
                    "DELETE FROM {{p}}sidecar_hours; DELETE FROM {{p}}timeslotentries; UPDATE {{p}}tasks SET {{f}}timeslots_exec_id = 0;{rows}"
                ))
                .await;
        }
        let at = moment(&changes, &mut rng);
        app.clock.set(at);
        app.db
            .set("UPDATE {p}taskjobstates SET state = 0; DELETE FROM {p}sidecar_runs; DELETE FROM {p}sidecar_answers")
            .await;
        let local = at.with_timezone(&zone);
        let open: Vec<u32> = weeks
            .iter()
            .filter(|(_, hours)| hours.is_open(local))
            .map(|(task, _)| *task)
            .collect();
        let packages: Vec<String> = open
            .iter()
            .filter(|task| **task != NETWORK)
            .map(|task| format!("run-{task}"))
            .collect();
        let situation = format!("{local} ({at}), weeks {weeks:?}");
        let named = if packages.is_empty() {
            vec![]
        } else {
            vec!["Deploy"]
        };
        assert_eq!(app.config("wks-1").await, named, "{situation}");
        assert_eq!(app.handed_out("wks-1").await, packages, "{situation}");
        let discovers = app.prolog("wks-1").await.contains(" PID=\"");
        assert_eq!(discovers, open.contains(&NETWORK), "{situation}");
        // And what did not go out waits: the slot's end is nobody's end.
        let sent: Vec<u32> = app
            .db
            .ask("SELECT id FROM {p}taskjobstates WHERE state = 1 ORDER BY id")
            .await;
        let waiting: Vec<u32> = app
            .db
            .ask("SELECT id FROM {p}taskjobstates WHERE state = 0")
            .await;
        assert_eq!(sent, open, "{situation}");
        assert_eq!(sent.len() + waiting.len(), NETWORK as usize, "{situation}");
        open_ones += open.len();
        closed_ones += waiting.len();
    }
    assert!(
        open_ones > 50 && closed_ones > 50,
        "{open_ones} open, {closed_ones} closed"
    );
}
