//! PHP's query parameters.
