//! Each kind of method, and what cannot be handed out.

use fusion_sidecar::proto::text::decode;
use rstest::rstest;

use super::driven;
use crate::network::{message, tell};
use crate::support::network::{COLLECT, COMPUTER, HYPERVISOR, RANGE, SWITCH};
use crate::support::site::text;

/// State, target and the texts of the log of each run.
type Told = (u32, String, u32, String);

async fn told(app: &crate::support::app::TestApp) -> Vec<Told> {
    app.db
        .ask(
            "SELECT r.state, r.itemtype, r.items_id, GROUP_CONCAT(l.state ORDER BY l.id) FROM {p}taskjobstates r \
             JOIN {p}taskjoblogs l ON l.{f}taskjobstates_id = r.id GROUP BY r.id ORDER BY r.id",
        )
        .await
}

#[tokio::test]
async fn collects() {
    let app = driven().await;
    app.db
        .set(
            "INSERT INTO {p}collects (id, name, type, is_active) VALUES (1, 'r', 'registry', 1), (2, 'f', 'file', 1), (3, 'e', 'wmi', 1);
             INSERT INTO {p}collects_registries (id, {f}collects_id, hive, path, `key`) VALUES (11, 1, 'HKEY_CURRENT_USER', '/a/', 'b');
             INSERT INTO {p}collects_files (id, {f}collects_id, dir, `limit`, filter_is_file) VALUES (31, 2, '/etc', 5, 1);
             INSERT INTO {p}collects_files_contents (computers_id, {f}collects_files_id, pathfile, size) VALUES (1, 31, '/etc/old', 1);
             DELETE FROM {p}taskjobs",
        )
        .await;
    app.db.job(2, "collect", COLLECT, &[1, 2, 3]).await;
    assert_eq!(app.config("wks-1").await, ["Collect"]);
    let answer = app.jobs_of("collect", "machineid=wks-1").await;
    assert_eq!(answer["jobs"].as_array().unwrap().len(), 2, "{answer}");
    let collect = |state, id, log: &str| (state, COLLECT.to_owned(), id, log.to_owned());
    // The one without orders says so, once.
    let all = [
        collect(1, 1, "7,1"),
        collect(1, 2, "7,1"),
        collect(4, 3, "7,4"),
    ];
    assert_eq!(told(&app).await, all);
    let files: Vec<u32> = app
        .db
        .ask("SELECT COUNT(*) FROM {p}collects_files_contents")
        .await;
    assert_eq!(files, [0], "they are named anew");
    for run in ["1", "2"] {
        app.db
            .set(&format!(
                "UPDATE {{p}}taskjobstates SET state = 3 WHERE id = {run}"
            ))
            .await;
    }
    app.gives_nothing("wks-1").await;
    assert_eq!(
        app.jobs_of("collect", "machineid=wks-1").await,
        serde_json::json!({})
    );
    assert_eq!(told(&app).await.len(), 3);
}

#[tokio::test]
async fn hypervisors() {
    let app = driven().await;
    app.db
        .set(
            "INSERT INTO {p}credentials (id, username, password) VALUES (1, 'u', 'p');
             INSERT INTO {p}credentialips (id, {f}credentials_id, ip) VALUES (1, 1, '127.0.0.9'), (2, 9, '127.0.0.7');
             DELETE FROM {p}taskjobs",
        )
        .await;
    app.db
        .job(2, "InventoryComputerESX", HYPERVISOR, &[1, 2])
        .await;
    assert_eq!(app.config("wks-1").await, ["ESX"]);
    let answer = app.jobs_of("esx", "machineid=wks-1").await;
    assert_eq!(answer["jobs"].as_array().unwrap().len(), 1, "{answer}");
    let states = [
        (1, HYPERVISOR.to_owned(), 1, "7,1".to_owned()),
        (4, HYPERVISOR.to_owned(), 2, "7,4".to_owned()),
    ];
    assert_eq!(told(&app).await, states);
    let uuid = answer["jobs"][0]["uuid"].as_str().unwrap();
    app.get(&format!(
        "/b/esx/?action=setLog&machineid=wks-1&uuid={uuid}&code=ok&msg=done"
    ))
    .await;
    assert_eq!(app.db.states().await, [3, 4]);
}

/// The order of a run that has just been made names it: its reports come back under that number.
#[tokio::test]
async fn network_orders() {
    let app = driven().await;
    app.db.community(1, 2, "public").await;
    app.db.range(1, "10.0.0.1", "10.0.0.9", &[1]).await;
    app.db.device(SWITCH, 1, "10.0.0.1", 1).await;
    app.db
        .set(
            "DELETE FROM {p}taskjobs;
             INSERT INTO glpi_networkports (items_id, itemtype, mac) VALUES (2, 'Computer', '00:11:22:33:44:55')",
        )
        .await;
    app.db.run(7, 2, 3).await;
    app.db.job(2, "networkdiscovery", RANGE, &[1]).await;
    app.db.job(3, "networkinventory", RANGE, &[1]).await;
    app.db.job(4, "wakeonlan", COMPUTER, &[2, 1]).await;
    let answer = app.prolog("wks-1").await;
    for part in [
        r#"<PARAM THREADS_DISCOVERY="1" TIMEOUT="1" PID="8"/>"#,
        r#"<PARAM THREADS_QUERY="1" TIMEOUT="15" PID="9"/>"#,
        r#"<DEVICE TYPE="NETWORKING" ID="1" IP="10.0.0.1" AUTHSNMP_ID="1"/>"#,
        r#"<PARAM MAC="00:11:22:33:44:55"/>"#,
    ] {
        assert!(answer.contains(part), "{part} is missing in {answer}");
    }
    let run = |state, class: &str, id, log: &str| (state, class.to_owned(), id, log.to_owned());
    let all = [
        run(1, RANGE, 1, "7,1"),
        run(1, SWITCH, 1, "7,1"),
        // It is over once it is ordered.
        run(3, COMPUTER, 2, "7,1,2"),
        // It has no card.
        run(4, COMPUTER, 1, "7,4"),
    ];
    assert_eq!(told(&app).await, all);
    tell(
        &app,
        &message("wks-1", "NETDISCOVERY", "8", "<AGENT><END>1</END></AGENT>"),
    )
    .await;
    assert_eq!(app.db.state(8).await, 3);
    // Each agent is given its own runs, once.
    app.prolog("wks-2").await;
    assert_eq!(told(&app).await.len(), 8);
    app.prolog("wks-2").await;
    assert_eq!(told(&app).await.len(), 8);
}

#[rstest]
#[case::broken("{", "cannot be handed out")]
#[case::gone("", "cannot be handed out")]
#[tokio::test]
async fn a_package_that_cannot_be_handed_out_ends_in_error_once(
    #[case] package: &str,
    #[case] says: &str,
) {
    let app = driven().await;
    app.db
        .set(&format!(
            "UPDATE {{p}}deploypackages SET json = {}",
            text(package)
        ))
        .await;
    assert_eq!(app.config("wks-1").await, ["Deploy"]);
    assert_eq!(app.handed_out("wks-1").await, Vec::<String>::new());
    assert_eq!(app.db.states().await, [4]);
    let log = app.db.log(1).await;
    assert!(
        log.len() == 2 && decode(&log[1].1).contains(says),
        "{log:?}"
    );
    app.gives_nothing("wks-1").await;
}
