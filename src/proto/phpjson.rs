//! JSON as PHP re-encodes it.
