//! What makes a computer a member of a dynamic group.
//!
//! The plugin stores a search of GLPI's engine. What is understood here is evaluated exactly as GLPI 10.0 does, as an administrator who
//! sees every entity; what is not is never guessed: reading it gives [`Unsupported`], and the group then keeps the members that the
//! plugin stored.
//!
//! GLPI joins what a search asks about to the computers and keeps a computer when one of its joined rows fits the whole condition; so
//! two criteria about software must hold for the same software. A "not" of a criterion turns its comparison around and has rules of its
//! own for what has no value; only in front of brackets is it SQL's.

mod field;
mod pattern;
mod when;

pub use field::{Field, Kind};
pub use pattern::Pattern;
pub use when::{Unit, When};

/// How a criterion is joined to what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// And.
    And,
    /// Or.
    Or,
    /// And not.
    AndNot,
    /// Or not.
    OrNot,
}

impl Link {
    /// Whether it turns around what follows; GLPI heeds this in front of the first criterion too.
    #[must_use]
    pub const fn negates(self) -> bool {
        matches!(self, Self::AndNot | Self::OrNot)
    }
}

/// GLPI's comparisons (`searchtype`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `contains`.
    Contains,
    /// `notcontains`.
    NotContains,
    /// `equals`.
    Equals,
    /// `notequals`.
    NotEquals,
    /// `under`.
    Under,
    /// `notunder`.
    NotUnder,
    /// `lessthan`.
    LessThan,
    /// `morethan`.
    MoreThan,
    /// `empty`, which GLPI 11 offers, with the value `null`; GLPI 10.0 takes it for `contains`.
    Empty,
}

impl Verb {
    /// By GLPI's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "contains" => Self::Contains,
            "notcontains" => Self::NotContains,
            "equals" => Self::Equals,
            "notequals" => Self::NotEquals,
            "under" => Self::Under,
            "notunder" => Self::NotUnder,
            "lessthan" => Self::LessThan,
            "morethan" => Self::MoreThan,
            "empty" => Self::Empty,
            _ => return None,
        })
    }
}

/// What is looked at in a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// A text fits a pattern.
    Fits(Pattern),
    /// A text is this one, as the database compares them.
    Is(String),
    /// The row that the field is about has this id.
    Row {
        /// The id.
        id: u32,
        /// Also when there is no such row, whether or not the test is turned around.
        or_none: bool,
    },
    /// The row that the field is about is this one, or lies below it in its tree.
    Below {
        /// The id.
        id: u32,
        /// As for [`Test::Row`].
        or_none: bool,
    },
    /// A moment lies before.
    Before(When),
    /// A moment lies behind.
    After(When),
    /// A moment begins with this one, as text: a day is all of its seconds.
    At(When),
}

/// A test of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Of what.
    pub field: Field,
    /// Turned around.
    pub negated: bool,
    /// The test.
    pub test: Test,
    /// Over all rows that a computer has of the field together, when the others have chosen among them: GLPI's HAVING.
    pub over_all: bool,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Of one field.
    Field(Comparison),
    /// Conditions in brackets.
    Group(Vec<Criterion>),
}

/// A condition and how it is joined. AND binds before OR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criterion {
    /// To what stands before.
    pub link: Link,
    /// The condition. For one of a field the link's "not" is in it already.
    pub condition: Condition,
}

/// Why a search is not evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Something in it, in these words.
    #[error("{0} is not understood")]
    NotUnderstood(String),
    /// The database does not have, or does not show, what a criterion is about.
    #[error("search option {option} cannot be searched: {why}")]
    NotThere {
        /// GLPI's number of the field.
        option: u32,
        /// The server's words.
        why: String,
    },
}

impl Comparison {
    /// A comparison as GLPI makes it; `link` is the criterion's. None when it is not known what GLPI makes of it.
    #[must_use]
    pub fn new(field: Field, verb: Verb, value: &str, link: Link) -> Option<Self> {
        let not = link.negates();
        let over_all = field.is_software() && link == Link::AndNot;
        let of = |negated, test| Self {
            field,
            negated,
            test,
            over_all,
        };
        let comparison = match verb {
            Verb::Contains | Verb::NotContains => {
                let negated = not != (verb == Verb::NotContains);
                match field.kind() {
                    Kind::Number if verb == Verb::Contains => of(negated, row(value, None)?),
                    Kind::Number => return None,
                    Kind::Moment => of(negated, Test::Fits(moment_pattern(value)?)),
                    Kind::Person => {
                        let pattern = Pattern::parse(value)?;
                        // Whether "first last" or "last first" is compared too hangs on a setting of the session.
                        return pattern
                            .is_one_word()
                            .then(|| of(negated, Test::Fits(pattern)));
                    }
                    Kind::Name | Kind::Text | Kind::LinkedText | Kind::Row | Kind::Tree => {
                        of(negated, Test::Fits(Pattern::parse(value)?))
                    }
                }
            }
            Verb::Empty => {
                let is_null = matches!(value, "NULL" | "null");
                if !is_null || field.kind() == Kind::Number {
                    return None;
                }
                of(not, Test::Fits(Pattern::Nothing))
            }
            Verb::Equals | Verb::NotEquals => {
                let negated = not != (verb == Verb::NotEquals);
                match field.kind() {
                    Kind::Text => {
                        let plain = !value.contains(['&', '<', '>', '\\', '\'', '"']);
                        of(negated, Test::Is(plain.then(|| value.to_owned())?))
                    }
                    Kind::Name | Kind::Number => of(negated, row(value, None)?),
                    Kind::Row | Kind::Tree => of(negated, row(value, Some(negated))?),
                    Kind::Person => {
                        // Unlike other rows, nobody is someone only where 0 is looked for, whether that is turned around or not.
                        let Test::Row { id, .. } = row(value, None)? else {
                            return None;
                        };
                        let nobody = id == 0;
                        let test = Test::Row {
                            id,
                            or_none: nobody && verb == Verb::Equals,
                        };
                        of(negated || (nobody && verb == Verb::NotEquals), test)
                    }
                    Kind::Moment => of(negated, Test::At(When::parse(value)?)),
                    Kind::LinkedText => return None,
                }
            }
            Verb::Under | Verb::NotUnder if field.kind() == Kind::Tree => {
                // GLPI lets "not under" find no computer without a row, unlike "not equals".
                let Test::Row { id, or_none } = row(value, Some(not))? else {
                    return None;
                };
                of(not != (verb == Verb::NotUnder), Test::Below { id, or_none })
            }
            Verb::LessThan if field.kind() == Kind::Moment => {
                of(not, Test::Before(When::parse(value)?))
            }
            Verb::MoreThan if field.kind() == Kind::Moment => {
                of(not, Test::After(When::parse(value)?))
            }
            Verb::Under | Verb::NotUnder | Verb::LessThan | Verb::MoreThan => return None,
        };
        (!over_all || comparison.holds_over_all()).then_some(comparison)
    }

    /// Whether the comparison says the same of the joined text of all rows, which GLPI's HAVING looks at, as of each name alone: the joined
    /// text has ids (digits) and separators (`$`, `#`) between the names.
    fn holds_over_all(&self) -> bool {
        let Test::Fits(Pattern::Like { pattern, or_empty }) = &self.test else {
            return false;
        };
        let words = pattern
            .strip_prefix('%')
            .and_then(|words| words.strip_suffix('%'));
        self.field == Field::SoftwareName
            && self.negated
            && !or_empty
            && words.is_some_and(|words| {
                !words.contains(['$', '#', '%']) && words.contains(|c: char| !c.is_ascii_digit())
            })
    }
}

/// `turned`: the row may be missing, and whether GLPI turns the comparison around; then a computer without a row is like one whose row
/// is 0.
fn row(value: &str, turned: Option<bool>) -> Option<Test> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let id: u32 = digits.then(|| value.parse().ok())??;
    let or_none = turned.is_some_and(|turned| (id == 0) != turned);
    Some(Test::Row { id, or_none })
}

/// A part of a moment as it is written: GLPI puts other forms into this one, each release in its way.
fn moment_pattern(value: &str) -> Option<Pattern> {
    let digits = value
        .chars()
        .all(|c| c.is_ascii_digit() || "-: ^$%".contains(c));
    let day_first = value
        .split_once(|c: char| !c.is_ascii_digit() && c != '^')
        .is_some_and(|(day, _)| {
            day.trim_start_matches('^').len() <= 2 && value.matches('-').count() > 1
        });
    let plain = (digits && !day_first) || matches!(value, "NULL" | "null");
    plain.then(|| Pattern::parse(value)).flatten()
}

#[cfg(test)]
mod tests;
