//! `fusion-sidecar report`, and what reports are made of.

use serde_json::{Value, json};

use crate::support::database::{TestDb, fresh};
use crate::support::people::accounts;
use crate::support::process::{run, told, url};

/// The accounts with their entities and tasks, and on them, in March 2026: a deployment of `Editor` (task 1) that went well on pc-1, badly on
/// pc-2, waits for pc-3 and was not needed on pc-4; one of `<b>Viewer</b>` (task 2, in North) that went badly on pc-3; a discovery (task 4), a
/// network inventory (task 5) and a collect (task 6).
pub(crate) async fn campaign(db: &TestDb) {
    accounts(db).await;
    db.set(
        "INSERT INTO {p}deploypackages (id, name, json) VALUES (1, 'Editor', '{}'), (2, '&#60;b&#62;Viewer&#60;/b&#62;', '{}');
         UPDATE {p}taskjobs SET targets = '[{\"PluginFusioninventoryDeployPackage\":\"1\"}]' WHERE id = 1;
         UPDATE {p}taskjobs SET targets = '[{\"PluginFusioninventoryDeployPackage\":\"2\"}]' WHERE id = 2;
         INSERT INTO glpi_computers (id, name, entities_id) VALUES (1, 'pc-1', 0), (2, 'pc-2', 0), (3, 'pc-3', 1), (4, 'pc-4', 2);
         INSERT INTO {p}agents (id, name, device_id, computers_id, entities_id, version, last_contact) VALUES \
         (1, 'agent-1', 'd1', 1, 0, '2.6', '2026-03-04 11:00:00'), (2, 'agent-2', 'd2', 2, 0, '2.6', '2026-01-01 11:00:00'), \
         (3, 'agent-3', 'd3', 3, 1, '2.5', NULL), (4, '=agent-4', 'd4', 0, 2, '2.6', '2025-12-01 11:00:00');
         INSERT INTO {p}tasks (id, name, entities_id, is_active) VALUES (4, 'discover', 0, 1), (5, 'query', 0, 1), (6, 'look', 0, 1);
         INSERT INTO {p}ipranges (id, name, entities_id, ip_start, ip_end) VALUES (1, 'office', 0, '10.0.0.1', '10.0.0.254'), \
         (2, 'north', 1, '10.1.0.1', '10.1.0.254');
         INSERT INTO {p}collects (id, name, type) VALUES (1, 'hosts files', 'file');
         INSERT INTO {p}collects_files (id, {f}collects_id, dir) VALUES (1, 1, '/data');
         INSERT INTO {p}collects_files_contents ({f}collects_files_id, computers_id, pathfile) VALUES (1, 1, '/data/hosts'), (1, 1, '/data/x'), \
         (1, 3, '/data/hosts');
         INSERT INTO {p}taskjobs (id, {f}tasks_id, name, method, targets, actors) VALUES \
         (4, 4, 'd', 'networkdiscovery', '[{\"PluginFusioninventoryIPRange\":\"1\"}]', '[]'), \
         (5, 5, 'q', 'networkinventory', '[{\"PluginFusioninventoryIPRange\":\"1\"}]', '[]'), \
         (6, 6, 'c', 'collect', '[{\"PluginFusioninventoryCollect\":\"1\"}]', '[]');
         INSERT INTO {p}taskjobstates (id, {f}taskjobs_id, items_id, itemtype, state, {f}agents_id, uniqid) VALUES \
         (1, 1, 1, 'PluginFusioninventoryDeployPackage', 3, 1, 'u1'), (2, 1, 1, 'PluginFusioninventoryDeployPackage', 4, 2, 'u2'), \
         (3, 1, 1, 'PluginFusioninventoryDeployPackage', 0, 3, 'u3'), (4, 1, 1, 'PluginFusioninventoryDeployPackage', 3, 4, 'u4'), \
         (5, 2, 2, 'PluginFusioninventoryDeployPackage', 4, 3, 'u5'), (6, 4, 1, 'PluginFusioninventoryIPRange', 3, 1, 'u6'), \
         (7, 5, 2, 'Printer', 3, 1, 'u7'), (8, 6, 1, 'PluginFusioninventoryCollect', 4, 1, 'u8');
         INSERT INTO {p}taskjoblogs (id, {f}taskjobstates_id, date, state, comment) VALUES \
         (1, 2, '2026-02-27 10:00:00', 4, 'too early'), (2, 1, '2026-03-02 10:00:00', 2, 'job successfully completed'), \
         (3, 2, '2026-03-03 10:00:00', 4, 'first try'), (4, 2, '2026-03-03 11:00:00', 4, '=exit 1'), (5, 3, '2026-03-03 11:00:00', 7, ''), \
         (6, 4, '2026-03-03 11:30:00', 2, 'job skipped'), (7, 5, '2026-03-03 12:00:00', 4, '&#60;script&#62;x&#60;/script&#62;'), \
         (8, 6, '2026-03-03 13:00:00', 6, '==addtheitem== [[NetworkEquipment::1]]'), \
         (9, 6, '2026-03-03 13:00:00', 6, '==addtheitem== [[Printer::2]]'), (10, 6, '2026-03-03 13:00:00', 6, '==updatetheitem== [[Printer::3]]'), \
         (11, 7, '2026-03-03 14:00:00', 6, '[==detail==] Timeout on access [[Printer::2]]'), \
         (12, 7, '2026-03-03 14:00:00', 6, '[==detail==] Update Printer [[Printer::3]]'), \
         (13, 8, '2026-03-03 15:00:00', 4, 'no rights'), (14, 1, '2026-03-04 11:00:00', 6, 'said afterwards');
         INSERT INTO glpi_networkequipments (id, name, entities_id) VALUES (1, 'switch', 0);
         INSERT INTO glpi_printers (id, name, entities_id) VALUES (2, 'printer', 0), (3, 'other', 0);
         INSERT INTO {p}networkequipments (networkequipments_id, last_fusioninventory_update) VALUES (1, '2026-03-03 14:00:00');
         INSERT INTO {p}printers (printers_id, last_fusioninventory_update) VALUES (3, '2025-01-01 14:00:00');
         INSERT INTO glpi_ipaddresses (itemtype, items_id, name, mainitemtype, mainitems_id) VALUES \
         ('NetworkName', 1, '10.0.0.1', 'NetworkEquipment', 1), ('NetworkName', 2, '10.0.0.2', 'Printer', 2), \
         ('NetworkName', 3, '10.0.0.3', 'Printer', 3), ('NetworkName', 4, '10.9.0.3', 'Printer', 3)",
    )
    .await;
}

const MARCH: [&str; 4] = ["--from", "2026-03-01", "--to", "2026-03-04"];

fn report(url: &str, more: &[&str]) -> (i32, String, String) {
    let arguments = [&["report"], more].concat();
    told(&run(&arguments, &[("FUSION_SIDECAR_DATABASE_URL", url)]))
}

/// The rows of a table of a report as JSON.
fn rows(json: &Value, table: &str) -> Value {
    let tables = json["tables"].as_array().unwrap();
    let found = tables.iter().find(|of| of["name"] == table);
    found.unwrap_or_else(|| panic!("no {table}: {json}"))["rows"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_report_is_written_in_each_format() {
    let db = fresh().await;
    campaign(&db).await;
    let url = url(&db);
    let csv = |more: &[&str]| {
        let (code, out, log) = report(&url, &[&["--format", "csv"], more].concat());
        assert_eq!(code, 0, "{more:?}: {log}");
        out
    };
    let json = |more: &[&str]| {
        let (code, out, log) = report(&url, &[&["--format", "json"], more].concat());
        assert_eq!((code, log.as_str()), (0, ""), "{more:?}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let deploy = [&["deploy"], &MARCH[..]].concat();
    assert_eq!(
        csv(&deploy),
        "time,ok,unneeded,ko,success\r\n\"2026-03-01\",0,0,0,\r\n\"2026-03-02\",1,0,0,100\r\n\"2026-03-03\",0,1,2,33\r\n\"2026-03-04\",0,0,0,\r\n"
    );
    assert_eq!(
        csv(&[&deploy[..], &["--table", "failures"]].concat()),
        "message,runs,last\r\n\"<script>x</script>\",1,2026-03-03 12:00:00\r\n\"'=exit 1\",1,2026-03-03 11:00:00\r\n"
    );
    let of_task = json(&[&deploy[..], &["--task", "1"]].concat());
    assert_eq!(
        rows(&of_task, "missing"),
        json!([
            {"host": "pc-2", "package": "Editor", "state": "in error", "last_contact": "2026-01-01T11:00:00"},
            {"host": "pc-3", "package": "Editor", "state": "prepared", "last_contact": null},
        ])
    );
    assert_eq!(
        rows(&of_task, "packages"),
        json!([{"task": "root task", "package": "Editor", "targeted": 4, "ok": 1, "unneeded": 1, "ko": 1, "open": 1, "completion": 75}])
    );
    let north = json(&[&deploy[..], &["--entity", "Root > North"]].concat());
    assert_eq!(rows(&north, "packages")[0]["package"], "<b>Viewer</b>");
    assert_eq!(rows(&north, "failures").as_array().unwrap().len(), 1);

    let discovery = json(&[&["discovery"], &MARCH[..]].concat());
    assert_eq!(
        rows(&discovery, "devices"),
        json!([{"time": "2026-03-03", "range": "office", "new": 2, "updated": 1}])
    );
    assert_eq!(
        rows(&discovery, "kinds")[1],
        json!({"kind": "printers", "new": 1, "updated": 1})
    );

    let inventory = json(&[&["inventory"], &MARCH[..]].concat());
    assert_eq!(
        rows(&inventory, "ranges")[1],
        json!({"range": "office", "first": "10.0.0.1", "last": "10.0.0.254", "devices": 3, "inventoried": 1, "otherwise": 1, "never": 1,
               "coverage": 33})
    );
    assert_eq!(
        rows(&inventory, "errors"),
        json!([{"message": "Timeout on access", "devices": 1, "last": "2026-03-03T14:00:00"}])
    );
    let never = json!({"age": "never", "agents": 1, "with_computer": 1, "without_computer": 0});
    assert_eq!(rows(&inventory, "agents")[5], never);

    let collect = json(&[&["collect"], &MARCH[..]].concat());
    assert_eq!(rows(&collect, "collects")[0]["ko"], 1);
    assert_eq!(rows(&collect, "failures")[0]["message"], "no rights");
    assert_eq!(
        rows(&collect, "results"),
        json!([{"collect": "hosts files", "kind": "file", "place": "/data", "computers": 2, "results": 3}])
    );

    let silent = csv(&["silent-agents", "--days", "30", "--entity", "2"]);
    let line = silent.lines().nth(1).unwrap();
    assert!(
        line.starts_with("\"'=agent-4\",,\"Root > South\",\"2.6\",2025-12-01 11:00:00,"),
        "{silent}"
    );
    let (code, out, log) = report(&url, &["silent-agents"]);
    assert_eq!((code, log.as_str()), (0, ""));
    assert!(
        out.starts_with("Silent agents\n30 days\n\nSilent agents (silent)\n  Agent "),
        "{out}"
    );
    assert!(
        out.contains("\n  agent-3   pc-3      Root > North  2.5"),
        "{out}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_ends_with_the_code_of_wrong_usage() {
    let db = fresh().await;
    campaign(&db).await;
    let url = url(&db);
    for (arguments, said) in [
        (
            &["tea"][..],
            "'tea' is no report, but one of deploy, discovery, inventory, collect, silent-agents is",
        ),
        (&["deploy", "--format", "xml"], "'xml' is no format"),
        (
            &["deploy", "--from", "yesterday"],
            "from: 'yesterday' is no date",
        ),
        (
            &["deploy", "--from", "2026-03-02", "--to", "2026-03-01"],
            "the period ends before it begins",
        ),
        (
            &["deploy", "--task", "4"],
            "no task of this report that may be seen has the number '4'",
        ),
        (
            &["deploy", "--entity", "Nowhere"],
            "no entity that may be seen has the number or name 'Nowhere'",
        ),
        (&["deploy", "--days", "3"], "the report deploy has no days"),
        (
            &["silent-agents", "--to", "2026-03-01"],
            "the report silent-agents has no to",
        ),
        (
            &["collect", "--table", "tea"],
            "this report has no table 'tea', but collects, failures, results",
        ),
    ] {
        let (code, out, log) = report(&url, arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {log}");
        assert!(log.contains(said), "{arguments:?}: {log}");
    }
    db.set("DROP TABLE {p}taskjoblogs").await;
    let (code, _, log) = report(&url, &["deploy"]);
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("the database lacks table"), "{log}");
}
