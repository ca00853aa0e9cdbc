//! The integration tests: one binary; its modules mirror addresses and workers.
