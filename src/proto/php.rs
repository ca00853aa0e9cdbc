//! PHP's serialize format.
