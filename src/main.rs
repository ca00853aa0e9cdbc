//! Entry point: everything is in the library.

use std::process::ExitCode;

/// Large short-lived buffers (messages that are unpacked) and small lasting ones (what is known of a message that waits) alternate: with the
/// system's allocator the small ones split the places of the large ones, and ten thousand inventories that waited took 1.7 GB of memory.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    fusion_sidecar::cli::run().await
}
