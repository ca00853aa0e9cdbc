//! Hypervisors to be inventoried: the plugin's `credentialips` and `credentials`.

use std::collections::HashMap;

use mysql_async::prelude::Queryable;

use super::bulk::{LIST_MAX, list, marks};
use super::{Db, DbError};

/// A hypervisor and how to log in; parts that the tables do not have are none.
#[derive(Clone, PartialEq, Eq)]
pub struct Hypervisor {
    /// Its address.
    pub host: String,
    /// User name and password, if its credential exists.
    pub login: Option<(String, String)>,
}

impl std::fmt::Debug for Hypervisor {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hypervisor")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Db {
    /// The hypervisors of these rows of `credentialips`, by row.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn hypervisors(&self, ids: &[u32]) -> Result<HashMap<u32, Hypervisor>, DbError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        self.timed("hypervisors", async {
            let mut conn = self.conn().await?;
            let mut found = HashMap::with_capacity(ids.len());
            for chunk in ids.chunks(LIST_MAX) {
                let text = format!(
                    "/* hypervisors */ SELECT i.id, i.ip, c.username, c.password FROM {{p}}credentialips i \
                     LEFT JOIN {{p}}credentials c ON c.id = i.{{f}}credentials_id WHERE i.id IN ({})",
                    marks(chunk.len())
                );
                let rows: Vec<(u32, String, Option<String>, Option<String>)> =
                    conn.exec(self.names.replace(&text), list(chunk)).await?;
                found.extend(rows.into_iter().map(|(id, host, user, password)| {
                    let login = user.zip(password);
                    (id, Hypervisor { host, login })
                }));
            }
            Ok(found)
        })
        .await
    }
}
