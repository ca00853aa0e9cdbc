//! `demo`: the whole thing on a private MariaDB, with the real agent if it is installed.

use std::process::ExitCode;

use crate::cli::DemoArgs;

/// Runs `demo`.
pub async fn run(_arguments: DemoArgs) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
