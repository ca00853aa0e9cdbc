//! The pages for people, over real HTTP on a real database.

#[path = "web/actions.rs"]
mod actions;
#[path = "web/api.rs"]
mod api;
#[path = "web/browser.rs"]
mod browser;
#[path = "web/edit.rs"]
mod edit;
#[path = "web/edit_browser.rs"]
mod edit_browser;
#[path = "web/forms.rs"]
mod forms;
#[path = "web/history.rs"]
mod history;
#[path = "web/jobs.rs"]
mod jobs;
#[path = "web/live.rs"]
mod live;
#[path = "web/live_pages.rs"]
mod live_pages;
#[path = "web/login.rs"]
mod login;
#[path = "web/needs.rs"]
mod needs;
#[path = "web/reports.rs"]
mod reports;
#[path = "web/sessions.rs"]
mod sessions;
#[path = "web/task.rs"]
mod task;
#[path = "web/task_browser.rs"]
mod task_browser;

use fusion_sidecar::config::Settings;

use crate::support::app::{self, TestApp};
use crate::support::database::TestDb;
use crate::support::people::accounts;

/// A sidecar that shows pages to the accounts of [`accounts`].
async fn pages(configure: impl FnOnce(&mut Settings)) -> TestApp {
    let app = app::start(|settings| {
        settings.web.listen = Some(([127, 0, 0, 1], 0).into());
        configure(settings);
    })
    .await;
    accounts(&app.db).await;
    app
}

/// A sidecar that shows pages to the accounts of a database that was made ready before.
async fn pages_on(db: TestDb) -> TestApp {
    app::start_on(db, |settings| {
        settings.web.listen = Some(([127, 0, 0, 1], 0).into());
    })
    .await
}
