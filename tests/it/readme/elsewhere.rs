//! The commands of the README that its own test does not run.

/// Commands that are not run here, since they run everything else, and what runs them: a file and words in it.
pub(super) const RUN_ELSEWHERE: [(&str, &[(&str, &str)]); 13] = [
    (
        "tests/setup && cargo run -- demo",
        &[
            ("tests/run", "tests/setup all"),
            (
                "tests/it/demo.rs",
                "fn a_run_goes_from_prepared_to_finished",
            ),
        ],
    ),
    ("tests/run", &[(".ci/run", "exec tests/run")]),
    (
        "cargo build --release",
        &[("tests/run", "cargo build --quiet --locked --release")],
    ),
    (
        "fusion-sidecar replay fixtures/recordings --url http://127.0.0.1:8086/plugins/fusioninventory \
         --database-url mysql://replay:secret@127.0.0.1/replay --init",
        &[(
            "tests/it/replay_command.rs",
            "fn a_sidecar_that_does_as_the_plugin_conforms_again_and_again",
        )],
    ),
    (
        "tests/fuzz/run",
        &[(
            "tests/it/fuzz.rs",
            "fn every_target_has_its_rule_here_and_is_run",
        )],
    ),
    (
        "RUNS_TO_PREPARE=1000000 cargo nextest run --release --config-file tests/policy/nextest.toml --no-capture preparation_speed",
        &[(
            "tests/it/preparation_speed.rs",
            "const RUNS: &str = \"RUNS_TO_PREPARE\"",
        )],
    ),
    (
        "RUNS_TO_COUNT=1000000 cargo nextest run --release --config-file tests/policy/nextest.toml --no-capture monitoring_speed",
        &[(
            "tests/it/monitoring_speed.rs",
            "const RUNS: &str = \"RUNS_TO_COUNT\"",
        )],
    ),
    (
        "RUNS_OF_THE_PAST=1000000 cargo nextest run --config-file tests/policy/nextest.toml --no-capture queries::",
        &[(
            "tests/it/queries.rs",
            "const PAST: &str = \"RUNS_OF_THE_PAST\"",
        )],
    ),
    (
        "AGENTS_IN_MEMORY=100000 cargo nextest run --release --config-file tests/policy/nextest.toml --no-capture memory::",
        &[(
            "tests/it/memory.rs",
            "const AGENTS: &str = \"AGENTS_IN_MEMORY\"",
        )],
    ),
    (
        "KILL_ROUNDS=300 cargo nextest run --config-file tests/policy/nextest.toml --no-capture whatever_is_killed",
        &[
            ("tests/it/kills.rs", "const ROUNDS: &str = \"KILL_ROUNDS\""),
            (
                "tests/it/kills.rs",
                "fn nothing_is_done_twice_or_lost_whatever_is_killed",
            ),
        ],
    ),
    (
        "KILLS=300 cargo nextest run --release --config-file tests/policy/nextest.toml --no-capture killed_under_load",
        &[(
            "tests/it/delivery/kill.rs",
            "fn whoever_is_killed_under_load_loses_nothing_that_was_acknowledged",
        )],
    ),
    (
        "INVENTORIES=10000 cargo nextest run --release --config-file tests/policy/nextest.toml --no-capture ten_thousand_in_a_minute",
        &[(
            "tests/it/delivery/speed.rs",
            "fn inventories_at_the_pace_of_ten_thousand_in_a_minute_are_no_event",
        )],
    ),
    (
        "APPENDS=5000 cargo nextest run --release --config-file tests/policy/nextest.toml --no-capture appended_and_synced",
        &[(
            "tests/it/delivery/append.rs",
            "fn messages_are_appended_and_synced_at_half_the_disks_pace_at_least",
        )],
    ),
];
