//! What becomes of a message by what PHP says, and of the others meanwhile.

use std::time::Duration;

use fusion_sidecar::spool::State;
use rstest::rstest;

use super::{kept, sidecar, until_empty};
use crate::support::importer::{Importer, Manner, ZLIB, inventory};
use crate::support::until::until;

const PAGE: &str = "<!DOCTYPE html><html><title>GLPI</title></html>";

fn says(status: u16, text: &'static str) -> Manner {
    Manner::Says(status, text, Vec::new())
}

/// A message that PHP refuses for good is parked with its reason, at the first attempt, and holds up nobody.
#[rstest]
#[case::error(
    Manner::Errs("XML not well formed!"),
    "\"XML not well formed!\" (status 200)"
)]
#[case::too_large(says(413, PAGE), "a page for people (status 413)")]
#[case::not_found(says(404, "no"), "no readable reply (status 404)")]
#[tokio::test]
async fn what_php_refuses_is_parked_with_the_reason(#[case] manner: Manner, #[case] reason: &str) {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    let app = sidecar(&php, dir.path(), |_| {}).await;
    php.set_for("wks-1", manner);
    for device in ["wks-1", "wks-2"] {
        app.post(&inventory(device, "1"), ZLIB).await;
    }
    until(
        "it is parked",
        async || matches!(&kept(dir.path())[..], [entry] if !entry.is_waiting()),
    )
    .await;
    let [entry] = &kept(dir.path())[..] else {
        unreachable!()
    };
    let State::Parked { reason: said, .. } = &entry.state else {
        unreachable!()
    };
    assert!(said.contains(reason), "{said}");
    assert_eq!(entry.device, "wks-1");
    assert_eq!(php.imported(), [("wks-2".to_owned(), "1".to_owned())]);
    let tried = php
        .arrived()
        .iter()
        .filter(|message| message.device == "wks-1")
        .count();
    assert_eq!(tried, 1);
    // Its device goes on.
    php.set_for("wks-1", Manner::Takes(Duration::ZERO));
    app.post(&inventory("wks-1", "2"), ZLIB).await;
    php.until_imported(2).await;
}

/// A message whose delivery fails is tried so often, with pauses, and then parked; the others go on meanwhile.
#[rstest]
#[case::hangs(Manner::Hangs)]
#[case::page(says(200, PAGE))]
#[case::empty(says(200, ""))]
#[case::garbled(says(200, "PHP Fatal error"))]
#[case::broken(says(500, PAGE))]
#[case::gateway(says(504, PAGE))]
#[case::cut(Manner::CutsShort)]
#[case::busy(Manner::Errs("ERROR: Timeout for DB lock based on name"))]
#[tokio::test]
async fn what_fails_is_tried_a_few_times(#[case] manner: Manner) {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    let app = sidecar(&php, dir.path(), |settings| {
        settings.delivery.attempts = 3;
        settings.delivery.timeout = Duration::from_millis(200);
    })
    .await;
    php.set_for("wks-1", manner);
    for device in ["wks-1", "wks-2"] {
        app.post(&inventory(device, "1"), ZLIB).await;
    }
    let tried = || {
        php.arrived()
            .iter()
            .filter(|message| message.device == "wks-1")
            .count()
    };
    for attempts in 1..3 {
        until(
            "an attempt is noted",
            async || matches!(&kept(dir.path())[..], [entry] if entry.attempts == attempts),
        )
        .await;
        assert_eq!(tried(), attempts as usize, "not without a pause");
        app.clock
            .advance(Duration::from_secs(30 * u64::from(attempts)));
    }
    until(
        "it is parked",
        async || matches!(&kept(dir.path())[..], [entry] if !entry.is_waiting()),
    )
    .await;
    assert_eq!(tried(), 3);
    assert!(
        php.imported()
            .contains(&("wks-2".to_owned(), "1".to_owned()))
    );
}

/// While PHP takes nothing, one question at a time is asked, no attempt is used up, and all is delivered afterwards.
#[rstest]
#[case::down(None)]
#[case::out_of_service(Some(Manner::Says(503, PAGE, vec![("retry-after", "120")])))]
#[case::ssl_only(Some(Manner::Errs("SSL REQUIRED BY SERVER")))]
#[case::maintenance(Some(says(200, PAGE)))]
#[case::failing(Some(says(500, PAGE)))]
#[case::elsewhere(Some(Manner::Says(302, "", vec![("location", "/login")])))]
#[case::hanging(Some(Manner::Hangs))]
#[tokio::test]
async fn an_outage_uses_up_no_attempts(#[case] manner: Option<Manner>) {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    let app = sidecar(&php, dir.path(), |settings| {
        settings.delivery.attempts = 1;
        settings.delivery.timeout = Duration::from_millis(100);
    })
    .await;
    let down = manner.is_none();
    php.is_down(down);
    php.answers(false);
    manner.inspect(|manner| php.set(manner.clone()));
    let devices: Vec<String> = (0..8).map(|number| format!("pc-{number}")).collect();
    for device in &devices {
        app.post(&inventory(device, "1"), ZLIB).await;
    }
    let outage = async |looks: u32| {
        for _ in 0..looks {
            app.clock.advance(Duration::from_secs(130));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    outage(5).await;
    // Those that were on their way when it began; then questions alone.
    assert!(php.arrived().len() <= 2, "{}", php.arrived().len());
    let entries = kept(dir.path());
    assert_eq!(entries.len(), devices.len());
    assert!(
        entries
            .iter()
            .all(|entry| entry.is_waiting() && entry.attempts == 0),
        "{entries:?}"
    );
    if !down {
        until("it is asked", async || {
            outage(1).await;
            php.questions() > 0
        })
        .await;
        // It answers, and takes nothing: one message at a time is tried.
        php.answers(true);
        outage(5).await;
        assert!(
            kept(dir.path())
                .iter()
                .all(|entry| entry.is_waiting() && entry.attempts == 0)
        );
    }
    php.is_down(false);
    php.answers(true);
    php.set(Manner::Takes(Duration::ZERO));
    until("all are delivered", async || {
        app.clock.advance(Duration::from_mins(30));
        php.count() >= devices.len()
    })
    .await;
    until_empty(dir.path()).await;
    assert_eq!(php.count(), devices.len(), "none twice");
}

#[tokio::test]
async fn warnings_of_php_do_not_make_a_message_undelivered() {
    let (php, dir) = (Importer::start().await, tempfile::tempdir().unwrap());
    php.set(Manner::Warns);
    let app = sidecar(&php, dir.path(), |_| {}).await;
    app.post(&inventory("wks-1", "1"), ZLIB).await;
    until_empty(dir.path()).await;
    assert_eq!(php.count(), 1);
}

#[tokio::test]
async fn php_gets_so_many_at_once_and_its_workers_are_kept_busy() {
    let (php, dir) = (Importer::with(4).await, tempfile::tempdir().unwrap());
    let time = Duration::from_millis(250);
    php.set(Manner::Takes(time));
    let app = sidecar(&php, dir.path(), |settings| settings.delivery.at_once = 4).await;
    php.is_down(true);
    for number in 0..32 {
        app.post(&inventory(&format!("pc-{number}"), "1"), ZLIB)
            .await;
    }
    php.is_down(false);
    app.clock.advance(Duration::from_mins(2));
    php.until_imported(1).await;
    let begun = std::time::Instant::now();
    php.until_imported(32).await;
    let (took, ideal) = (begun.elapsed(), time * 31 / 4);
    assert!(
        took < ideal * 3 / 2,
        "{took:?} where {ideal:?} is the least"
    );
    assert_eq!(php.most(), 4);
}
