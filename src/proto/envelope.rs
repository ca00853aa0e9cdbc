//! Compression of messages.
