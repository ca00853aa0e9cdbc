//! Every recording of the reference, one test each: under policy `plugin` the sidecar answers and writes what the plugin did. And all of
//! them once more in a zone that is not UTC.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use fusion_sidecar::config::SessionZone;
use fusion_sidecar::domain::cleaning::Duty;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::replay::{self, Base, Job, Moment, Recording};
use rstest::rstest;

use crate::support::app::{self, TestApp};

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings")
}

/// Where the sidecar differs from the reference in `recording`.
async fn differences(app: &TestApp, recording: &Recording, zone: Tz) -> Vec<String> {
    let base = Base::read(&recordings().join("base.json")).unwrap();
    let job = async |job| match job {
        Job::Prepare => app.prepare().await,
        Job::Clean => app.clean(Duty::Runs).await.map(drop),
        Job::CleanOnDemand => app.clean(Duty::OnDemand).await.map(drop),
    };
    let mut conn = app.db.conn().await;
    let outcome = replay::play(
        recording,
        &base,
        &app.subject(),
        &Moment::new(app.now(), zone),
        &mut conn,
        job,
    )
    .await
    .unwrap();
    conn.disconnect().await.unwrap();
    replay::differences(recording, &outcome)
        .iter()
        .map(|difference| format!("{}: {difference}", recording.name))
        .collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn conforms(
    #[files("fixtures/recordings/*.json")]
    #[exclude("base\\.json$")]
    path: PathBuf,
) {
    let recording = Recording::read(&path).unwrap();
    let app = app::start(|settings| settings.dispatch.policy = Policy::Plugin).await;
    let differences = differences(&app, &recording, Tz::UTC).await;
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// In summer, two hours from UTC: a moment that is written or compared in the wrong zone is no "now" any more.
#[tokio::test(flavor = "multi_thread")]
async fn all_conform_with_session_and_sidecar_in_paris() {
    let zone = Tz::Europe__Paris;
    let app = app::start(|settings| {
        settings.dispatch.policy = Policy::Plugin;
        settings.timezone = zone;
        settings.database.session_zone = SessionZone::Timezone;
    })
    .await;
    let noon: DateTime<Utc> = "2026-07-01T12:00:00Z".parse().unwrap();
    app.clock.set(noon);
    let (mut played, mut all) = (0, Vec::new());
    for file in std::fs::read_dir(recordings()).unwrap() {
        let path = file.unwrap().path();
        if path.ends_with("base.json") {
            continue;
        }
        let recording = Recording::read(&path).unwrap();
        // Those of the recording before.
        if app.files().exists() {
            std::fs::remove_dir_all(app.files()).unwrap();
        }
        all.extend(differences(&app, &recording, zone).await);
        played += 1;
    }
    assert!(played > 100, "only {played} recordings");
    assert!(all.is_empty(), "{}", all.join("\n"));
}
