//! Log lines that PHP and the sidecar write in code.
//!
//! `==word==` stands for words in the reader's language, `[[Class::id]]` for something in GLPI; the plugin's page of a task's runs turns
//! both into text, and a comma before a bracket into a new line, see the plugin's `taskjoblog.class.php` (`convertComment`). A code that is
//! not known stays as it is.

/// What a code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// So many devices were queried; the number stands before it.
    DevicesQueried,
    /// So many devices were found; the number stands before it.
    DevicesFound,
    /// A device was created.
    AddTheItem,
    /// A device was there and was brought up to date.
    UpdateTheItem,
    /// An inventory began.
    InventoryStarted,
    /// What follows is about one device.
    Detail,
    /// GLPI could not wake the agent up.
    BadToken,
    /// The agent was found to have stopped.
    AgentCrashed,
    /// A rule of GLPI refused a device.
    ImportDenied,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::DevicesQueried,
        Self::DevicesFound,
        Self::AddTheItem,
        Self::UpdateTheItem,
        Self::InventoryStarted,
        Self::Detail,
        Self::BadToken,
        Self::AgentCrashed,
        Self::ImportDenied,
    ];

    /// As it is written, without the signs around it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::DevicesQueried => "devicesqueried",
            Self::DevicesFound => "devicesfound",
            Self::AddTheItem => "addtheitem",
            Self::UpdateTheItem => "updatetheitem",
            Self::InventoryStarted => "inventorystarted",
            Self::Detail => "detail",
            Self::BadToken => "badtoken",
            Self::AgentCrashed => "agentcrashed",
            Self::ImportDenied => "importdenied",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.word() == word)
    }
}

/// A part of a log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As it is.
    Text(&'a str),
    /// A code.
    Code(Code),
    /// Something in GLPI.
    Item {
        /// Its class.
        itemtype: &'a str,
        /// Its row.
        items_id: u32,
    },
    /// A new line, for a comma.
    Break,
}

/// Most bytes of a code or an item without its opening sign: a class's name has a hundred characters in the plugin's tables.
const LONGEST: usize = 128;

/// The parts of `line`, which is decoded.
#[must_use]
pub fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    // Where the text begins that is not in `pieces` yet, and where the next sign is looked for.
    let (mut from, mut at) = (0, 0);
    while let Some(found) = line[at..].find(['=', '[', ',']) {
        let start = at + found;
        let Some((piece, end)) = special(line, start) else {
            at = start + 1;
            continue;
        };
        if from < start {
            pieces.push(Piece::Text(&line[from..start]));
        }
        pieces.push(piece);
        (from, at) = (end, end);
    }
    if from < line.len() {
        pieces.push(Piece::Text(&line[from..]));
    }
    pieces
}

/// What begins at `start` and is no plain text, and where it ends.
fn special(line: &str, start: usize) -> Option<(Piece<'_>, usize)> {
    let rest = &line[start..];
    if let Some(inside) = rest.strip_prefix("==") {
        let (word, _) = beginning(inside).split_once("==")?;
        let code = Code::of(word)?;
        return Some((Piece::Code(code), start + word.len() + 4));
    }
    if let Some(inside) = rest.strip_prefix("[[") {
        let (inside, _) = beginning(inside).split_once("]]")?;
        let (itemtype, id) = inside.split_once("::")?;
        let is_class = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '\\');
        let items_id = id.parse().ok()?;
        let is_item = !itemtype.is_empty()
            && itemtype.chars().all(is_class)
            && id.bytes().all(|byte| byte.is_ascii_digit());
        let item = Piece::Item { itemtype, items_id };
        return is_item.then_some((item, start + inside.len() + 4));
    }
    // The bracket that follows is text again, or an item.
    rest.starts_with(",[").then_some((Piece::Break, start + 1))
}

/// The part of `text` in which a code or an item must end: without it a long line of brackets would be read again from each of them.
fn beginning(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_of_the_plugin() {
        use Piece::{Break, Item, Text};
        let item = |itemtype, items_id| Item { itemtype, items_id };
        let code = Piece::Code;
        for (line, expected) in [
            ("", vec![]),
            ("Checks:starting", vec![Text("Checks:starting")]),
            (
                "3 ==devicesfound==",
                vec![Text("3 "), code(Code::DevicesFound)],
            ),
            (
                "[==detail==] ==addtheitem== Printer [[Printer::12]]",
                vec![
                    Text("["),
                    code(Code::Detail),
                    Text("] "),
                    code(Code::AddTheItem),
                    Text(" Printer "),
                    item("Printer", 12),
                ],
            ),
            (
                "==importdenied== [name]:x, [ip]:10.0.0.1,[mac]:00",
                vec![
                    code(Code::ImportDenied),
                    Text(" [name]:x, [ip]:10.0.0.1"),
                    Break,
                    Text("[mac]:00"),
                ],
            ),
            (
                "a,[[Computer::1]],[[Glpi\\Asset::2]]",
                vec![
                    Text("a"),
                    Break,
                    item("Computer", 1),
                    Break,
                    item("Glpi\\Asset", 2),
                ],
            ),
            // None of them.
            ("==tea==", vec![Text("==tea==")]),
            ("==devicesfound", vec![Text("==devicesfound")]),
            (
                "===devicesfound==",
                vec![Text("="), code(Code::DevicesFound)],
            ),
            ("[[Computer::]]", vec![Text("[[Computer::]]")]),
            ("[[::1]]", vec![Text("[[::1]]")]),
            ("[[Computer::+1]]", vec![Text("[[Computer::+1]]")]),
            (
                "[[Computer::4294967296]]",
                vec![Text("[[Computer::4294967296]]")],
            ),
            ("[[<b>::1]]", vec![Text("[[<b>::1]]")]),
            ("é=é[é,é", vec![Text("é=é[é,é")]),
        ] {
            assert_eq!(pieces(line), expected, "{line}");
        }
    }

    fn written(pieces: &[Piece<'_>]) -> String {
        let parts = pieces.iter().map(|piece| match piece {
            Piece::Text(text) => (*text).to_owned(),
            Piece::Code(code) => format!("=={}==", code.word()),
            Piece::Item { itemtype, items_id } => format!("[[{itemtype}::{items_id}]]"),
            Piece::Break => ",".to_owned(),
        });
        parts.collect()
    }

    proptest! {
        /// Nothing is lost, whatever an agent writes; leading zeros of an id apart, which no row has.
        #[test]
        fn nothing_is_lost(line in "([=,\\[\\]:é]|==|\\[\\[Printer::[1-9]\\]\\]|==addtheitem==|[a-z ]){0,40}") {
            let pieces = pieces(&line);
            prop_assert_eq!(written(&pieces), line.as_str());
            let two_texts = |pair: &[Piece<'_>]| matches!(pair, [Piece::Text(_), Piece::Text(_)]);
            prop_assert!(!pieces.windows(2).any(two_texts));
        }
    }
}
