//! How long each report takes beside all these runs and log lines.

use std::time::{Duration, Instant};

use fusion_sidecar::clock::Clock as _;
use fusion_sidecar::domain::access::Access;
use fusion_sidecar::domain::policy::Policy;
use fusion_sidecar::domain::reports::Name;
use fusion_sidecar::domain::reports::ask::{Ask, Given, MOST_SHOWN};
use fusion_sidecar::domain::summary::Board;
use fusion_sidecar::work::reports::{Sources, make};

use super::show;
use crate::support::app::TestApp;
use crate::support::database::TestDb;

/// What a report may take in the full form.
const REPORT: Duration = Duration::from_millis(150);

/// In the short one, among other tests that run.
const AMONG_OTHERS: Duration = Duration::from_millis(750);

/// A deployment on all of 6,000 agents, or of so many as there are; a discovery of 20 ranges with 500 devices each; a network inventory of 2,000
/// devices; 200 IP ranges with 5,000 devices; 50,000 results of a collect.
async fn fill(db: &TestDb, agents: u64) {
    let hosts = agents.min(6_000);
    db.set(&format!(
        "INSERT IGNORE INTO glpi_computers (id, name, entities_id) SELECT seq, CONCAT('pc-', seq), 0 FROM seq_1_to_{agents};
         INSERT IGNORE INTO {{p}}agents (id, name, device_id, computers_id, last_contact) SELECT seq, CONCAT('agent-', seq), CONCAT('d', seq), \
         IF(seq % 50 = 0, 0, seq), IF(seq % 100 = 0, NULL, '2026-03-04 11:00:00' - INTERVAL seq % 120 DAY) FROM seq_1_to_{agents};
         INSERT INTO {{p}}tasks (id, name, is_active) VALUES (900001, 'large', 1), (900002, 'discover', 1), (900003, 'query', 1);
         INSERT INTO {{p}}taskjobs (id, {{f}}tasks_id, name, method, targets, actors) VALUES \
         (900001, 900001, 'j', 'deployinstall', '[{{\"PluginFusioninventoryDeployPackage\":\"1\"}}]', '[]'), \
         (900002, 900002, 'j', 'networkdiscovery', '[]', '[]'), (900003, 900003, 'j', 'networkinventory', '[]', '[]');
         INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
         SELECT 90000000 + seq, 900001, 1, 'PluginFusioninventoryDeployPackage', ELT(1 + seq % 4, 0, 3, 3, 4), seq, CONCAT('l', seq) FROM seq_1_to_{hosts};
         INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, state, comment) SELECT 90000000 + seq, '2026-03-04 11:30:00', 1, '' FROM seq_1_to_{hosts};
         INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, state, comment) SELECT 90000000 + seq, '2026-03-04 11:40:00', \
         IF(seq % 4 = 3, 4, 2), IF(seq % 4 = 3, CONCAT('exit ', seq % 30), 'job successfully completed') FROM seq_1_to_{hosts} WHERE seq % 4 > 0;
         INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
         SELECT 91000000 + seq, 900002, seq, 'PluginFusioninventoryIPRange', 3, seq, CONCAT('n', seq) FROM seq_1_to_20;
         INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, state, comment) SELECT 91000001 + seq % 20, '2026-03-04 11:45:00', 6, \
         CONCAT(IF(seq % 3 = 0, '==addtheitem== ', '==updatetheitem== '), IF(seq % 2 = 0, '[[Printer::', '[[NetworkEquipment::'), seq, ']]') \
         FROM seq_1_to_10000;
         INSERT INTO {{p}}taskjobstates (id, {{f}}taskjobs_id, items_id, itemtype, state, {{f}}agents_id, uniqid) \
         SELECT 92000000 + seq, 900003, seq, 'NetworkEquipment', 3, 1, CONCAT('q', seq) FROM seq_1_to_2000;
         INSERT INTO {{p}}taskjoblogs ({{f}}taskjobstates_id, date, state, comment) SELECT 92000000 + seq, '2026-03-04 11:50:00', 6, \
         CONCAT('[==detail==] ', IF(seq % 5 = 0, 'Timeout', 'Update switch'), ' [[NetworkEquipment::', seq, ']]') FROM seq_1_to_2000;
         INSERT INTO {{p}}ipranges (name, entities_id, ip_start, ip_end) SELECT CONCAT('range ', seq), 0, CONCAT('10.0.', seq, '.1'), \
         CONCAT('10.0.', seq, '.254') FROM seq_1_to_200;
         INSERT INTO glpi_networkequipments (id, name, entities_id) SELECT seq, CONCAT('switch ', seq), 0 FROM seq_1_to_5000;
         INSERT INTO {{p}}networkequipments (networkequipments_id, last_fusioninventory_update) SELECT seq, '2026-03-01 11:00:00' FROM seq_1_to_5000;
         INSERT INTO glpi_ipaddresses (itemtype, items_id, name, mainitemtype, mainitems_id) SELECT 'NetworkName', seq, \
         CONCAT('10.0.', 1 + seq % 200, '.', 1 + seq DIV 200), 'NetworkEquipment', seq FROM seq_1_to_5000;
         INSERT INTO {{p}}collects (id, name, type) VALUES (1, 'files', 'file');
         INSERT INTO {{p}}collects_files (id, {{f}}collects_id, dir) VALUES (1, 1, '/etc');
         INSERT INTO {{p}}collects_files_contents ({{f}}collects_files_id, computers_id, pathfile) SELECT 1, 1 + seq % {agents}, CONCAT('/etc/', seq) \
         FROM seq_1_to_50000;
         ANALYZE TABLE {{p}}taskjobstates, {{p}}taskjoblogs, {{p}}agents, glpi_ipaddresses, {{p}}collects_files_contents"
    ))
    .await;
}

pub(super) async fn all(app: &TestApp, board: &Board, agents: u64, is_full: bool) {
    fill(&app.db, agents).await;
    let preparation = app.preparation(Policy::Redux);
    let db = preparation.db();
    let catalogue = db.catalogue().await.unwrap();
    let sources = Sources {
        db,
        catalogue: &catalogue,
        board,
        now: app.clock.now(),
        local: app.clock.now().naive_utc(),
        access: &Access::Open,
    };
    let mut slow = Vec::new();
    for (name, task, from) in [
        (Name::Deploy, None, None),
        (Name::Deploy, None, Some("2026-01-01")),
        (Name::Deploy, None, Some("2026-03-04")),
        (Name::Deploy, Some("7"), Some("2026-01-01")),
        (Name::Deploy, Some("900001"), None),
        (Name::Discovery, None, None),
        (Name::Inventory, None, None),
        (Name::Collect, None, None),
        (Name::SilentAgents, None, None),
    ] {
        let fields = Given {
            task,
            from,
            ..Given::default()
        };
        let ask = Ask::read(name, &fields, sources.local.date(), MOST_SHOWN).unwrap();
        let mut took = Vec::new();
        let mut rows = 0;
        for _ in 0..if is_full { 40 } else { 5 } {
            let begun = Instant::now();
            let report = make(&sources, &ask).await.unwrap();
            took.push(begun.elapsed());
            rows = report.tables.iter().map(|table| table.rows.len()).sum();
        }
        assert!(rows > 0, "{name:?} {task:?}");
        took.sort_unstable();
        let late = took[took.len() * 95 / 100 - usize::from(!is_full)];
        show(&format!(
            "report {} of task {task:?} from {from:?}: {rows} rows in {late:?} (p95)",
            name.word()
        ));
        let limit = if is_full { REPORT } else { AMONG_OTHERS };
        if late > limit {
            slow.push((name.word(), task, from, late));
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
}
