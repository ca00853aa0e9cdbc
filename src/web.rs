//! The pages for people.
//!
//! [`routes`] is the table, [`guard`] what stands around every page, [`visitor`] finds out who asks and what they may, [`forms`] takes only
//! what this program's own pages send, [`login`] lets people in, [`live`] keeps what they see up to date, [`api`] says the same to programs, [`actions`]
//! does something about it, [`edit`] changes how a task is set. Pages are rendered on the server from `templates`; every text is one of
//! [`texts`]. What GLPI stores is decoded where it is read and escaped by the templates.

pub mod actions;
pub mod api;
pub mod assets;
mod cookies;
pub mod depth;
pub mod edit;
pub mod error;
pub mod forms;
pub mod guard;
pub mod jobs;
pub mod language;
pub mod links;
pub mod live;
pub mod login;
pub mod moments;
pub mod monitoring;
pub mod page;
pub mod passwords;
pub mod preferences;
pub mod reports;
pub mod routes;
pub mod runs;
pub mod task;
pub mod texts;
pub mod visitor;
