//! `demo`: the whole thing on a private MariaDB, with the real agent if it is installed.
