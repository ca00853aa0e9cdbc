//! `check`: everything that is wrong, at once, and how to mend it.
