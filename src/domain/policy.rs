//! Whose rules hold.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The two sets of rules of `--policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// What the plugin does, to the row, so that a migration can be compared exchange by exchange.
    Plugin,
    /// What Tasks Redux asks for: runs wait instead of being cancelled, are sent again after a lost answer, keep their log lines.
    #[default]
    Redux,
}

/// A word that names no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no policy: redux or plugin")]
pub struct UnknownPolicy(String);

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "plugin" => Ok(Self::Plugin),
            "redux" => Ok(Self::Redux),
            other => Err(UnknownPolicy(other.to_owned())),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plugin => "plugin",
            Self::Redux => "redux",
        })
    }
}
