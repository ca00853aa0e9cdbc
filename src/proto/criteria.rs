//! The plugin's stored searches (`deploygroups_dynamicdatas.fields_array`): PHP-serialized, in the notation of GLPI 10.0.

use super::php::PhpValue;
use crate::domain::criteria::{Comparison, Condition, Criterion, Field, Link, Unsupported, Verb};

/// Deepest nesting of brackets, and of PHP arrays.
const MAX_DEPTH: usize = 16;

/// Most characters of a value that a refusal repeats.
const SHOWN: usize = 60;

/// Reads a stored search. A criterion without a value does not count, as in GLPI; without any, every computer fits.
///
/// # Errors
///
/// When anything in it is not understood; then nothing of it may be used.
pub fn parse(stored: &[u8]) -> Result<Vec<Criterion>, Unsupported> {
    let value = PhpValue::parse(stored, MAX_DEPTH)
        .map_err(|error| not_understood(format!("the stored search ({error})")))?;
    if value.entries().is_none() {
        return Err(not_understood("the stored search".to_owned()));
    }
    if value.get("is_deleted").is_some_and(is_true) {
        return Err(not_understood("a search in the trash".to_owned()));
    }
    let mut criteria = Vec::new();
    for (key, linked) in [("criteria", false), ("metacriteria", true)] {
        match value.get(key) {
            None | Some(PhpValue::Null) => {}
            Some(PhpValue::Array(items)) => {
                for (_, item) in items {
                    criteria.extend(criterion(item, linked)?);
                }
            }
            // What the plugin writes when there are none.
            Some(PhpValue::Str(text)) if linked && text.is_empty() => {}
            Some(_) => return Err(not_understood(format!("the list of {key}"))),
        }
    }
    Ok(criteria)
}

fn not_understood(what: String) -> Unsupported {
    Unsupported::NotUnderstood(what)
}

/// None when it does not count. `linked`: it stands among those over linked items, as before GLPI 9.4.
fn criterion(value: &PhpValue, linked: bool) -> Result<Option<Criterion>, Unsupported> {
    if value.entries().is_none() {
        return Err(not_understood("a criterion that is no list".to_owned()));
    }
    let link = match value.get("link").and_then(PhpValue::as_str) {
        Some("OR") => Link::Or,
        Some("AND NOT") => Link::AndNot,
        Some("OR NOT") => Link::OrNot,
        // Other words are an AND to GLPI.
        _ => Link::And,
    };
    if let Some(nested) = value.get("criteria").and_then(PhpValue::entries) {
        let inner: Vec<Criterion> = nested
            .iter()
            .filter_map(|(_, item)| criterion(item, false).transpose())
            .collect::<Result<_, _>>()?;
        let condition = Condition::Group(inner);
        return Ok(Some(Criterion { link, condition }));
    }
    let Some(text) = value.get("value").map(text).transpose()?.flatten() else {
        return Ok(None);
    };
    let option = option(value)?;
    let field = if linked || value.get("meta").is_some_and(is_true) {
        match value.get("itemtype").and_then(PhpValue::as_str) {
            Some("Software") => Field::of_software,
            other => {
                let type_ = other.unwrap_or("none");
                return Err(not_understood(format!(
                    "a search over linked items of type '{type_}'"
                )));
            }
        }
    } else {
        Field::of_computer
    };
    let number = option.parse().ok();
    let field = number
        .and_then(field)
        .ok_or_else(|| not_understood(format!("search option {option}")))?;
    let word = value.get("searchtype").and_then(PhpValue::as_str);
    let comparison = word
        .and_then(Verb::parse)
        .and_then(|verb| Comparison::new(field, verb, &text, link));
    let condition = comparison.map(Condition::Field).ok_or_else(|| {
        let of = if field.is_software() {
            "software's "
        } else {
            ""
        };
        let not = if link.negates() { " (not)" } else { "" };
        let (word, text) = (word.unwrap_or("none"), shown(&text));
        not_understood(format!(
            "{of}search option {option}{not} with '{word}' '{text}'"
        ))
    })?;
    Ok(Some(Criterion { link, condition }))
}

/// The text of a criterion's value; none when it is empty.
fn text(value: &PhpValue) -> Result<Option<String>, Unsupported> {
    let text = match value {
        PhpValue::Null => String::new(),
        PhpValue::Int(number) => number.to_string(),
        PhpValue::Str(_) => value
            .as_str()
            .ok_or_else(|| not_understood("a value that is not UTF-8".to_owned()))?
            .to_owned(),
        PhpValue::Bool(_) | PhpValue::Float(_) | PhpValue::Array(_) => {
            return Err(not_understood("a value that is no text".to_owned()));
        }
    };
    Ok((!text.is_empty()).then_some(text))
}

/// The number of a search option, or what stands in its place.
fn option(criterion: &PhpValue) -> Result<String, Unsupported> {
    match criterion.get("field") {
        Some(PhpValue::Int(number)) => Ok(number.to_string()),
        Some(field @ PhpValue::Str(_)) => Ok(shown(field.as_str().unwrap_or("of no number"))),
        _ => Err(not_understood(
            "a criterion without a search option".to_owned(),
        )),
    }
}

/// As PHP's `if`.
fn is_true(value: &PhpValue) -> bool {
    match value {
        PhpValue::Null => false,
        PhpValue::Bool(yes) => *yes,
        PhpValue::Int(number) => *number != 0,
        PhpValue::Float(number) => *number != 0.0,
        PhpValue::Str(text) => !matches!(text.as_slice(), b"" | b"0"),
        PhpValue::Array(entries) => !entries.is_empty(),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests;
