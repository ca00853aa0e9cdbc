//! The variables of the process, as a value.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// The environment's variables, handed in so that a test can have its own.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    pub(super) fn all(&self) -> &BTreeMap<OsString, OsString> {
        &self.0
    }

    /// The value of `name`, if it is there and UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.0
            .get(OsStr::new(name))
            .and_then(|value| value.to_str())
            .map(str::to_owned)
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}
