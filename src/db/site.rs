//! Whether GLPI and its plugin are in service, as the tables say.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::{Db, DbError};
use crate::domain::site::Site;

impl Db {
    /// Whether GLPI and its plugin are in service now.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn site(&self) -> Result<Site, DbError> {
        self.timed("site", async { read(&mut self.conn().await?).await })
            .await
    }
}

pub(super) async fn read(conn: &mut Conn) -> Result<Site, DbError> {
    let row: Option<(Option<i64>, Option<String>)> = conn
        .query_first(
            "/* site */ SELECT (SELECT state FROM glpi_plugins WHERE directory = 'fusioninventory' LIMIT 1), \
             (SELECT value FROM glpi_configs WHERE context = 'core' AND name = 'maintenance_mode' LIMIT 1)",
        )
        .await?;
    let (state, maintenance) = row.unwrap_or_default();
    Ok(Site::of(state, maintenance.as_deref()))
}
