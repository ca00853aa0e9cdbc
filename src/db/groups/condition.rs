//! Criteria as SQL (`Search::constructCriteriaSQL`, `addWhere`, `makeTextCriteria` of GLPI 10.0).

use std::fmt::Write as _;

use chrono::NaiveDateTime;

use super::place::place;
use crate::domain::criteria::{
    Comparison, Condition, Criterion, Field, Kind, Link, Pattern, Test, When,
};

/// A statement that selects computers.
#[derive(Debug)]
pub(super) struct Text {
    /// The statement.
    pub(super) sql: String,
    /// Its parameters.
    pub(super) arguments: Vec<Argument>,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    /// A text.
    Text(String),
    /// The id of a row.
    Id(u32),
    /// A row of the tree that the field is about, and all below.
    Branch(Field, u32),
}

/// What a comparison is made on: a joined row, or all of a computer together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    One,
    All,
}

impl Text {
    /// The statement for `criteria`; none when a moment lies beyond the calendar.
    pub(super) fn new(criteria: &[Criterion], now: NaiveDateTime) -> Option<Self> {
        let mut writer = Writer {
            now,
            joins: Vec::new(),
            over_all: Vec::new(),
            arguments: Vec::new(),
        };
        // In the order in which the parameters stand.
        let all = writer.list(criteria, Over::All)?;
        let rows = writer.list(criteria, Over::One)?;
        let mut sql = "SELECT c.id".to_owned();
        for (index, column) in writer.over_all.iter().enumerate() {
            let _ = write!(sql, ", {column} AS all_{index}");
        }
        sql.push_str(" FROM glpi_computers c");
        for join in &writer.joins {
            let _ = write!(sql, " {join}");
        }
        sql.push_str(" WHERE c.is_deleted = 0 AND c.is_template = 0");
        if !rows.is_empty() {
            let _ = write!(sql, " AND ({rows})");
        }
        sql.push_str(" GROUP BY c.id");
        if !all.is_empty() {
            sql = format!("SELECT found.id FROM ({sql}) found WHERE {all}");
        }
        sql.insert_str(0, "/* search_computers */ ");
        let arguments = writer.arguments;
        Some(Self { sql, arguments })
    }
}

struct Writer {
    now: NaiveDateTime,
    joins: Vec<&'static str>,
    /// What is asked of all rows of a computer together. Not in a HAVING: there MariaDB 10.11 takes two maxima that differ in nothing but
    /// their parameters for one.
    over_all: Vec<String>,
    arguments: Vec<Argument>,
}

impl Writer {
    /// Those of `criteria` that are made on `over`; empty when none is.
    fn list(&mut self, criteria: &[Criterion], over: Over) -> Option<String> {
        let mut text = String::new();
        for criterion in criteria {
            let part = match &criterion.condition {
                Condition::Group(nested) => {
                    let inner = self.list(nested, over)?;
                    if inner.is_empty() {
                        continue;
                    }
                    let not = if criterion.link.negates() { "NOT " } else { "" };
                    format!("{not}({inner})")
                }
                Condition::Field(comparison) => {
                    if comparison.over_all != (over == Over::All) {
                        continue;
                    }
                    format!("({})", self.comparison(comparison)?)
                }
            };
            if !text.is_empty() {
                text.push_str(match criterion.link {
                    Link::And | Link::AndNot => " AND ",
                    Link::Or | Link::OrNot => " OR ",
                });
            }
            text.push_str(&part);
        }
        Some(text)
    }

    fn comparison(&mut self, comparison: &Comparison) -> Option<String> {
        let Comparison {
            field,
            negated,
            test,
            over_all,
        } = comparison;
        let (field, negated) = (*field, *negated);
        let place = place(field);
        for join in place.joins {
            if !self.joins.contains(join) {
                self.joins.push(join);
            }
        }
        let column = format!("{}.{}", place.row, place.column);
        let row = format!("{}.id", place.row);
        let or_none = |or_none: bool| {
            if or_none {
                format!(" OR {row} IS NULL")
            } else {
                String::new()
            }
        };
        Some(match test {
            Test::Fits(Pattern::Like { pattern, .. }) if *over_all => {
                self.arguments.push(Argument::Text(pattern.clone()));
                self.over_all
                    .push(format!("COALESCE(MAX({column} LIKE ?), 0)"));
                format!("all_{} = 0", self.over_all.len() - 1)
            }
            Test::Fits(pattern) if field.kind() == Kind::Person => {
                self.person(place.row, pattern, negated)
            }
            Test::Fits(pattern) if field.kind() == Kind::Moment => self.fits(
                &format!("CONVERT({column} USING utf8mb4)"),
                pattern,
                negated,
            ),
            Test::Fits(pattern) => self.fits(&column, pattern, negated),
            Test::Is(text) => {
                self.arguments.push(Argument::Text(text.clone()));
                format!("{column} {} ?", if negated { "<>" } else { "=" })
            }
            Test::Row { id, or_none: none } => {
                self.arguments.push(Argument::Id(*id));
                let equals = if negated { "<>" } else { "=" };
                format!("{row} {equals} ?{}", or_none(*none))
            }
            Test::Below { id, or_none: none } => {
                self.arguments.push(Argument::Branch(field, *id));
                let found = if negated { "= 0" } else { "> 0" };
                format!("FIND_IN_SET({row}, ?) {found}{}", or_none(*none))
            }
            Test::Before(when) => self.moment(&column, '<', when, negated)?,
            Test::After(when) => self.moment(&column, '>', when, negated)?,
            Test::At(when) => {
                let moment = when.resolve(self.now)?;
                let begin = moment.strip_suffix(":00").unwrap_or(&moment);
                let pattern = Pattern::Like {
                    pattern: format!("{begin}%"),
                    or_empty: false,
                };
                self.fits(&column, &pattern, negated)
            }
        })
    }

    fn moment(&mut self, column: &str, than: char, when: &When, negated: bool) -> Option<String> {
        self.arguments.push(Argument::Text(when.resolve(self.now)?));
        let compared = format!("{column} {than} ?");
        Some(if negated {
            format!("NOT ({compared})")
        } else {
            compared
        })
    }

    fn fits(&mut self, text: &str, pattern: &Pattern, negated: bool) -> String {
        match (pattern, negated) {
            (Pattern::Nothing, false) => format!("{text} IS NULL OR {text} = ''"),
            (Pattern::Nothing, true) => format!("{text} IS NOT NULL AND {text} <> ''"),
            (Pattern::Absent | Pattern::Blank, false) => format!("{text} IS NULL"),
            (Pattern::Absent, true) => format!("{text} IS NOT NULL"),
            (Pattern::Blank, true) => "TRUE".to_owned(),
            (Pattern::Like { pattern, or_empty }, _) => {
                self.arguments.push(Argument::Text(pattern.clone()));
                match (negated, or_empty) {
                    (false, false) => format!("{text} LIKE ?"),
                    (false, true) => format!("{text} LIKE ? OR {text} = ''"),
                    (true, false) => format!("{text} NOT LIKE ? OR {text} IS NULL"),
                    (true, true) => {
                        format!("{text} NOT LIKE ? AND {text} <> '' OR {text} IS NULL")
                    }
                }
            }
        }
    }

    /// GLPI also compares first and last name joined by a blank: no pattern reaches over it, so that finds nobody else.
    fn person(&mut self, row: &str, pattern: &Pattern, negated: bool) -> String {
        let not = if negated { "NOT " } else { "" };
        let each = ["realname", "firstname", "name"].map(|name| match pattern {
            Pattern::Nothing | Pattern::Absent | Pattern::Blank => {
                format!("{row}.{name} IS {not}NULL")
            }
            Pattern::Like { pattern, .. } => {
                self.arguments.push(Argument::Text(pattern.clone()));
                format!("{row}.{name} {not}LIKE ?")
            }
        });
        if !negated {
            return each.join(" OR ");
        }
        let all = each.join(" AND ");
        match pattern {
            Pattern::Nothing => all,
            Pattern::Absent | Pattern::Blank | Pattern::Like { .. } => {
                format!("{all} OR {row}.name IS NULL")
            }
        }
    }
}

#[cfg(test)]
mod tests;
