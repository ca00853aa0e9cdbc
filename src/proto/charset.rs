//! Any charset to UTF-8.
