//! Entry point: everything is in the library.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    fusion_sidecar::cli::run().await
}
