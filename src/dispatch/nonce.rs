//! Proof that an address leads to a sidecar on this database: `check` stores a secret under a number that nobody can guess, and asks for
//! it through the address that agents are given.

use super::{DispatchError, Dispatcher};

impl Dispatcher {
    /// The secret stored under `id`, if there is one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn nonce(&self, id: &str) -> Result<Option<String>, DispatchError> {
        Ok(self.db.nonce(id).await?)
    }
}
