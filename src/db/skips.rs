//! Whether the server has `SKIP LOCKED`: MariaDB since 10.6, MySQL since 8.0.

use mysql_async::prelude::Queryable as _;

use super::{Db, DbError};

impl Db {
    /// Whether it has; it is asked once. If it cannot be asked, it is taken to have it not.
    pub(super) async fn skips_locked(&self) -> bool {
        if let Some(known) = self.skips.get() {
            return *known;
        }
        let asked = self.timed("skip_locked", async {
            let sql = self.sql(
                "/* skip_locked */ SELECT id FROM {p}agents WHERE id = 0 FOR UPDATE SKIP LOCKED",
            );
            Ok(self.conn().await?.query_drop(sql.as_ref()).await?)
        });
        let known = match asked.await {
            Ok(()) => true,
            Err(DbError::Refused(_)) => false,
            Err(_) => return false,
        };
        *self.skips.get_or_init(|| known)
    }
}
