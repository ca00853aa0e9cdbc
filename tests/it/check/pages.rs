//! What `check` says of the pages for people.

use fusion_sidecar::db::grants;

use super::{Site, assert_errors, assert_says};
use crate::support::account;
use crate::support::database::fresh;
use crate::support::listen::free;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pages_lack_is_told_where_there_are_pages() {
    let db = fresh().await;
    let account = account::sidecar(&db).await;
    let mut site = Site::on(db, account.database.clone()).await;
    let report = site.check().await;
    assert_errors(&report, &[]);
    assert!(!report.to_string().contains("pages"), "{report}");

    let web = free();
    site.settings.web.listen = Some(web);
    let name = site.db.database.name.clone();
    let statements: Vec<String> = grants::for_pages()
        .iter()
        .map(|grant| grant.statement(&name, &account.name))
        .collect();
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    assert_errors(&site.check().await, &statements);
    for statement in statements {
        site.db.exec(statement).await;
    }
    let report = site.check().await;
    assert_errors(&report, &[]);
    assert_says(
        &report,
        &format!(
            "ok: grants: all rights on {} more tables for the pages",
            grants::for_pages().len()
        ),
    );
    assert_says(&report, &format!("ok: pages: {web} is free"));

    site.settings.web.listen = Some(([0, 0, 0, 0], web.port()).into());
    let report = site.check().await;
    assert_says(
        &report,
        &format!(
            "warning: pages: 0.0.0.0:{} is reached from elsewhere in plain HTTP",
            web.port()
        ),
    );
}
