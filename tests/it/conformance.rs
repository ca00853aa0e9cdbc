//! Every recording of the reference, one test each: under policy `plugin` the sidecar answers and writes what the plugin did.

use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use fusion_sidecar::domain::cleaning::Duty;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::replay::{self, Base, Job, Moment, Recording};
use rstest::rstest;

use crate::support::app;

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn conforms(
    #[files("fixtures/recordings/*.json")]
    #[exclude("base\\.json$")]
    path: PathBuf,
) {
    let recording = Recording::read(&path).unwrap();
    let base =
        Base::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings/base.json"))
            .unwrap();
    let app = app::start(|settings| settings.dispatch.policy = Policy::Plugin).await;
    let job = async |job| match job {
        Job::Prepare => app.prepare().await,
        Job::Clean => app.clean(Duty::Runs).await.map(drop),
        Job::CleanOnDemand => app.clean(Duty::OnDemand).await.map(drop),
    };
    let mut conn = app.db.conn().await;
    let outcome = replay::play(
        &recording,
        &base,
        &app.subject(),
        &Moment::new(app.now(), Tz::UTC),
        &mut conn,
        job,
    )
    .await
    .unwrap();
    conn.disconnect().await.unwrap();
    let differences: Vec<String> = replay::differences(&recording, &outcome)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        differences.is_empty(),
        "{} differs from the reference:\n  {}",
        recording.name,
        differences.join("\n  ")
    );
}
