//! What `report` can be told.

use clap::Args;

use crate::app::{Format, Wanted};
use crate::domain::reports::Name;

/// What `report` can be told besides the configuration.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Which report: deploy, discovery, inventory, collect or silent-agents
    #[arg(value_name = "NAME", value_parser = name)]
    pub(super) name: Name,
    /// How it is written: table, csv or json
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = format)]
    format: Format,
    /// First day of the period, such as 2026-03-01 [default: 30 days up to the last one]
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Last day of the period [default: today]
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Number or name of an entity, which is taken with those below it
    #[arg(long, value_name = "ENTITY")]
    entity: Option<String>,
    /// Number of one task
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// After how many days without a contact an agent is silent [default: 30]
    #[arg(long, value_name = "DAYS")]
    days: Option<String>,
    /// One table of the report; csv has one alone [default: all, for csv the first]
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
}

impl ReportArgs {
    /// The report, and what is wanted of it.
    pub(super) fn wanted(self) -> (Name, Wanted) {
        let wanted = Wanted {
            from: self.from,
            to: self.to,
            entity: self.entity,
            task: self.task,
            days: self.days,
            table: self.table,
            format: self.format,
        };
        (self.name, wanted)
    }
}

fn name(word: &str) -> Result<Name, String> {
    Name::of_word(word).ok_or_else(|| {
        let names = Name::ALL.map(Name::word).join(", ");
        format!("'{word}' is no report, but one of {names} is")
    })
}

fn format(word: &str) -> Result<Format, String> {
    Ok(match word {
        "table" => Format::Table,
        "csv" => Format::Csv,
        "json" => Format::Json,
        _ => return Err(format!("'{word}' is no format: table, csv or json")),
    })
}
