//! The plugin's stored searches (`deploygroups_dynamicdatas.fields_array`): PHP-serialized, in GLPI's notation.

use super::php::PhpValue;
use crate::domain::criteria::{Condition, Criterion, Link, Pattern, TextField, Unsupported};

/// Deepest nesting of brackets, and of PHP arrays.
const MAX_DEPTH: usize = 16;

/// Reads a stored search.
///
/// # Errors
///
/// When anything in it is not understood; then nothing of it may be used.
pub fn parse(stored: &[u8]) -> Result<Vec<Criterion>, Unsupported> {
    let value = PhpValue::parse(stored, MAX_DEPTH)
        .map_err(|error| Unsupported(format!("the stored search ({error})")))?;
    if let Some(PhpValue::Array(meta)) = value.get("metacriteria")
        && !meta.is_empty()
    {
        return Err(Unsupported("a search over linked items".to_owned()));
    }
    let criteria = value
        .get("criteria")
        .ok_or_else(|| Unsupported("a search without criteria".to_owned()))?;
    list(criteria)
}

fn list(value: &PhpValue) -> Result<Vec<Criterion>, Unsupported> {
    match value {
        PhpValue::Array(items) if !items.is_empty() => {
            items.iter().map(|(_, item)| criterion(item)).collect()
        }
        _ => Err(Unsupported("a search without criteria".to_owned())),
    }
}

fn criterion(value: &PhpValue) -> Result<Criterion, Unsupported> {
    let word = |key: &str| value.get(key).and_then(PhpValue::as_str);
    let link = match word("link").unwrap_or("AND") {
        "AND" => Link::And,
        "OR" => Link::Or,
        "AND NOT" => Link::AndNot,
        "OR NOT" => Link::OrNot,
        other => return Err(Unsupported(format!("the link '{other}'"))),
    };
    if let Some(nested) = value.get("criteria") {
        return Ok(Criterion {
            link,
            condition: Condition::Group(list(nested)?),
        });
    }
    let option = value.get("field").and_then(PhpValue::as_int);
    let field = option.and_then(TextField::from_option).ok_or_else(|| {
        Unsupported(format!(
            "search option {}",
            option.map_or_else(|| "of no number".to_owned(), |n| n.to_string())
        ))
    })?;
    let negated = match word("searchtype") {
        Some("contains") => false,
        Some("notcontains") => true,
        other => {
            return Err(Unsupported(format!(
                "the comparison '{}'",
                other.unwrap_or("none")
            )));
        }
    };
    let pattern = Pattern::parse(word("value").unwrap_or_default())?;
    Ok(Criterion {
        link,
        condition: Condition::Text {
            field,
            negated,
            pattern,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PHP-serializes `(key, value)` pairs of strings.
    fn map(pairs: &[(&str, &str)]) -> String {
        let items: Vec<String> = pairs
            .iter()
            .map(|(k, v)| format!("s:{}:\"{k}\";{v}", k.len()))
            .collect();
        let body = items.concat();
        format!("a:{}:{{{body}}}", pairs.len())
    }

    fn text(value: &str) -> String {
        format!("s:{}:\"{value}\";", value.len())
    }

    fn search(criteria: &[String]) -> Vec<u8> {
        let items: Vec<String> = (0..)
            .zip(criteria)
            .map(|(i, c)| format!("i:{i};{c}"))
            .collect();
        let body = items.concat();
        map(&[
            ("criteria", &format!("a:{}:{{{body}}}", criteria.len())),
            ("metacriteria", "a:0:{}"),
        ])
        .into_bytes()
    }

    fn one(link: &str, field: &str, how: &str, value: &str) -> String {
        map(&[
            ("link", &text(link)),
            ("field", &text(field)),
            ("searchtype", &text(how)),
            ("value", &text(value)),
        ])
    }

    #[test]
    fn what_is_understood() {
        let nested = map(&[
            ("link", &text("OR NOT")),
            (
                "criteria",
                &format!("a:1:{{i:0;{}}}", one("AND", "5", "notcontains", "x")),
            ),
        ]);
        let read = parse(&search(&[one("AND", "1", "contains", "^wks"), nested])).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].link, Link::OrNot);
        let Condition::Group(inner) = &read[1].condition else {
            unreachable!()
        };
        assert!(matches!(
            inner[0].condition,
            Condition::Text {
                field: TextField::Serial,
                negated: true,
                ..
            }
        ));
    }

    #[test]
    fn what_is_not_is_named() {
        for (stored, named) in [
            (search(&[one("AND", "3", "equals", "5")]), "search option 3"),
            (
                search(&[one("AND", "1", "equals", "5")]),
                "comparison 'equals'",
            ),
            (search(&[one("XOR", "1", "contains", "5")]), "link 'XOR'"),
            (search(&[one("AND", "1", "contains", "NULL")]), "'NULL'"),
            (search(&[]), "without criteria"),
            (b"a:0:{}".to_vec(), "without criteria"),
            (b"garbage".to_vec(), "stored search"),
        ] {
            let said = parse(&stored).unwrap_err().to_string();
            assert!(said.contains(named), "{said}");
        }
    }
}
