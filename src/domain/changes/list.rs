//! Lists as short texts: what a job works on and by whom, when a timeslot is open.

use std::collections::HashMap;
use std::fmt;

use super::digest;
use crate::domain::actors::Target;
use crate::domain::timeslot::Entry;

/// Most items of a list that a snapshot holds; of a longer one it holds how many they are, and a digest.
const MOST_ITEMS: usize = 100;

/// Most characters of the items that a change names.
const MOST_NAMED: usize = 900;

/// Something in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A row of a class of GLPI.
    Thing(Target),
    /// Open on a day (1 = Monday) from one second to another.
    Time(Entry),
    /// So many more.
    More(usize),
    /// Altogether so many, whichever they are.
    All(usize),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thing(thing) => {
                let class = thing.itemtype.chars();
                let class = class.filter(|c| c.is_alphanumeric() || matches!(c, '_' | '\\'));
                // A class of GLPI, as long as its own column takes.
                write!(
                    f,
                    "{} {}",
                    class.take(100).collect::<String>(),
                    thing.items_id
                )
            }
            Self::Time(time) => write!(f, "{} {} {}", time.day, time.begin, time.end),
            Self::More(count) => write!(f, "+{count}"),
            Self::All(count) => write!(f, "#{count}"),
        }
    }
}

fn item(text: &str) -> Option<Item> {
    if let Some(count) = text.strip_prefix('+') {
        return Some(Item::More(count.parse().ok()?));
    }
    if let Some(count) = text.strip_prefix('#') {
        return Some(Item::All(count.parse().ok()?));
    }
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        [class, id] => Some(Item::Thing(Target {
            itemtype: class.to_owned(),
            items_id: id.parse().ok()?,
        })),
        [day, begin, end] => Some(Item::Time(Entry {
            day: day.parse().ok()?,
            begin: begin.parse().ok()?,
            end: end.parse().ok()?,
        })),
        _ => None,
    }
}

/// What a list of a [`super::Change`] names.
#[must_use]
pub fn items(text: &str) -> Vec<Item> {
    text.split(',').filter_map(item).collect()
}

/// A list for a snapshot.
pub(super) fn pack(items: &[Item]) -> String {
    let texts: Vec<String> = items.iter().map(Item::to_string).collect();
    let text = texts.join(",");
    if items.len() > MOST_ITEMS {
        format!("#{} {}", items.len(), digest(&text))
    } else {
        text
    }
}

/// How many there are in a packed list.
fn count(text: &str) -> usize {
    match text.strip_prefix('#') {
        Some(many) => many
            .split(' ')
            .next()
            .and_then(|count| count.parse().ok())
            .unwrap_or_default(),
        None if text.is_empty() => 0,
        None => text.split(',').count(),
    }
}

/// Of two packed lists, what only the first has and what only the second; both are empty where only the order differs. Of long ones, how many there are.
pub(super) fn difference(old: &str, new: &str) -> (String, String) {
    if old.starts_with('#') || new.starts_with('#') {
        return (format!("#{}", count(old)), format!("#{}", count(new)));
    }
    (only(old, new), only(new, old))
}

/// What `list` has more of than `other`.
fn only(list: &str, other: &str) -> String {
    let mut spare: HashMap<&str, usize> = HashMap::new();
    for item in other.split(',') {
        *spare.entry(item).or_default() += 1;
    }
    let more: Vec<&str> = list
        .split(',')
        .filter(|item| {
            let is_there = spare.get_mut(item).filter(|count| **count > 0);
            !item.is_empty() && is_there.map(|count| *count -= 1).is_none()
        })
        .collect();
    let mut length = 0;
    let named = more.iter().take_while(|item| {
        length += item.chars().count() + 1;
        length <= MOST_NAMED
    });
    let named = named.count();
    let rest = (named < more.len()).then(|| format!("+{}", more.len() - named));
    let all: Vec<&str> = more[..named]
        .iter()
        .copied()
        .chain(rest.as_deref())
        .collect();
    all.join(",")
}
