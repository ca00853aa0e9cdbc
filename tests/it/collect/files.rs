//! Files that agents found.

use fusion_sidecar::domain::policy::Policy;
use rstest::rstest;

use super::{jobs, posted, stock};
use crate::support::account;
use crate::support::app::{self, TestApp};
use crate::support::database;
use crate::support::site::office;

async fn files(app: &TestApp) -> Vec<(String, u32)> {
    app.db
        .ask("SELECT pathfile, size FROM {p}collects_files_contents ORDER BY id")
        .await
}

/// With the rights that the README grants.
#[rstest]
#[case::redux(Policy::Redux, &[("/a", 220)])]
// PHP adds a row each time.
#[case::plugin(Policy::Plugin, &[("/a", 100), ("/a", 220)])]
#[tokio::test]
async fn a_file_that_is_named_again(#[case] policy: Policy, #[case] stored: &[(&str, u32)]) {
    let db = database::fresh().await;
    let account = account::sidecar(&db).await;
    let app = app::start_on(db, |settings| {
        settings.database = account.database.clone();
        settings.dispatch.policy = policy;
    })
    .await;
    office(&app.db).await;
    stock(&app).await;
    jobs(&app, "wks-1").await;
    for size in [100, 220] {
        let answer = posted(&app, 3, &format!("_sid=31&path=/a&size={size}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let stored: Vec<(String, u32)> = stored
        .iter()
        .map(|(path, size)| ((*path).to_owned(), *size))
        .collect();
    assert_eq!(files(&app).await, stored);
}

/// GLPI escapes what comes in before the plugin turns its backslashes.
#[rstest]
#[case::redux(Policy::Redux, ["C:/a/b", "/srv/share"])]
#[case::plugin(Policy::Plugin, ["C:/a/b", "//srv/share"])]
#[tokio::test]
async fn paths_of_windows(#[case] policy: Policy, #[case] stored: [&str; 2]) {
    let app = super::collecting(policy).await;
    jobs(&app, "wks-1").await;
    for path in [r"C:\a\b", r"\\srv\share"] {
        posted(&app, 3, &format!("_sid=31&path={path}&size=1")).await;
    }
    let paths: Vec<String> = files(&app).await.into_iter().map(|file| file.0).collect();
    assert_eq!(paths, stored);
}
