//! The form of a job, with whatever was typed into it.

use crate::domain::actors::Target;
use crate::domain::editing::job::{Draft, METHODS, Side};

/// Name and value.
pub(super) type Field = (String, String);

/// Longest name of a class, and longest text to find something by, bytes.
const LONGEST: usize = 255;

/// What a button asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// To save it.
    Save,
    /// To show what its method takes.
    Method,
    /// To find targets or actors.
    Find(Side),
    /// To put one into a list.
    Add(Side, Target),
    /// To take one out.
    Drop(Side, Target),
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Search {
    pub(super) class: String,
    pub(super) text: String,
    /// It is to be done now.
    pub(super) asked: bool,
}

/// The form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    /// What it showed first; none of a new job.
    pub(super) shown: Option<Draft>,
    pub(super) draft: Draft,
    /// Of [`Side::ALL`].
    pub(super) searches: [Search; 2],
    pub(super) asked: Asked,
}

/// A target or an actor in a field.
pub(super) fn word(target: &Target) -> String {
    format!("{}-{}", target.itemtype, target.items_id)
}

fn target(word: &str) -> Option<Target> {
    let (class, id) = word.split_once('-')?;
    let is_name = !class.is_empty() && class.len() <= LONGEST;
    let is_class = is_name
        && class
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'\\');
    let items_id = id.parse().ok().filter(|id| *id > 0 && is_class)?;
    Some(Target {
        itemtype: class.to_owned(),
        items_id,
    })
}

/// The field of a side's list, of the class and the text of its search, and the word of its button.
const fn fields(side: Side) -> [&'static str; 4] {
    match side {
        Side::Targets => ["target", "target_class", "target_text", "find-target"],
        Side::Actors => ["actor", "actor_class", "actor_text", "find-actor"],
    }
}

impl Form {
    /// With what `draft` says, or empty.
    pub(super) fn of(draft: Option<&Draft>) -> Self {
        let empty = || Draft {
            method: METHODS[0].word.to_owned(),
            ..Draft::default()
        };
        Self {
            shown: draft.cloned(),
            draft: draft.cloned().unwrap_or_else(empty),
            searches: [Search::default(), Search::default()],
            asked: Asked::Save,
        }
    }

    /// The search of a side.
    pub(super) const fn search(&self, side: Side) -> &Search {
        match side {
            Side::Targets => &self.searches[0],
            Side::Actors => &self.searches[1],
        }
    }

    const fn search_mut(&mut self, side: Side) -> &mut Search {
        match side {
            Side::Targets => &mut self.searches[0],
            Side::Actors => &mut self.searches[1],
        }
    }

    /// As it was sent; `shown` = the field with what it showed first, without which it is of a new job.
    ///
    /// # Errors
    ///
    /// Which part is not of a form of ours.
    pub(super) fn read(sent: &[Field], shown: Option<&str>) -> Result<Self, &'static str> {
        let mut form = Self::of(None);
        let mut packed = None;
        for (field, value) in sent {
            match field.as_str() {
                "name" => value.trim().clone_into(&mut form.draft.name),
                "comment" => form.draft.comment.clone_from(value),
                "method" => form.draft.method.clone_from(value),
                "do" if value == "save" => form.asked = Asked::Save,
                "do" if value == "method" => form.asked = Asked::Method,
                "do" | "add" | "drop" => form.asked = asked(field, value).ok_or("button")?,
                name if Some(name) == shown => packed = Some(value),
                name => {
                    for side in Side::ALL {
                        let [list, class, text, _] = fields(side);
                        if name == list {
                            let target = target(value).ok_or("list")?;
                            form.draft.side_mut(side).push(target);
                        } else if name == class || name == text {
                            if value.len() > LONGEST {
                                return Err("length");
                            }
                            let search = form.search_mut(side);
                            let place = if name == class {
                                &mut search.class
                            } else {
                                &mut search.text
                            };
                            value.trim().clone_into(place);
                        }
                    }
                }
            }
        }
        if shown.is_some() {
            let packed = packed.ok_or("shown")?;
            let before = Draft::unpack(packed).ok_or("shown")?;
            // It stays what it was, and so do the ends of lines, which browsers send in their own way.
            form.draft.method.clone_from(&before.method);
            let plain = |text: &str| text.replace("\r\n", "\n");
            if plain(&form.draft.comment) == plain(&before.comment) {
                form.draft.comment.clone_from(&before.comment);
            }
            form.shown = Some(before);
        }
        Ok(form)
    }

    /// Does what was asked for, as far as the form alone can; what it comes to. The Enter key in a field of a search means the search.
    pub(super) fn apply(&mut self) -> Asked {
        if self.asked == Asked::Save {
            let typed = |side: &Side| !self.search(*side).text.is_empty();
            if let Some(side) = Side::ALL.into_iter().find(typed) {
                self.asked = Asked::Find(side);
            }
        }
        match self.asked.clone() {
            Asked::Save | Asked::Method => {}
            Asked::Find(side) => self.search_mut(side).asked = true,
            Asked::Add(side, target) => {
                let list = self.draft.side_mut(side);
                if !list.contains(&target) {
                    list.push(target);
                }
                self.search_mut(side).text.clear();
            }
            Asked::Drop(side, target) => self.draft.side_mut(side).retain(|of| *of != target),
        }
        self.asked.clone()
    }
}

fn asked(field: &str, value: &str) -> Option<Asked> {
    let side = |fits: &dyn Fn([&str; 4]) -> bool| {
        let mut sides = Side::ALL.into_iter();
        sides.find(|side| fits(fields(*side)))
    };
    if field == "do" {
        return side(&|[.., button]| button == value).map(Asked::Find);
    }
    let (list, word) = value.split_once(':')?;
    let side = side(&|[name, ..]| name == list)?;
    let target = target(word)?;
    Some(match field {
        "add" => Asked::Add(side, target),
        _ => Asked::Drop(side, target),
    })
}

/// What a button carries that is about one of a list.
pub(super) fn value(side: Side, target: &Target) -> String {
    format!("{}:{}", fields(side)[0], word(target))
}

/// See [`fields`].
pub(super) const fn names(side: Side) -> [&'static str; 4] {
    fields(side)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sent: &[(&str, &str)], shown: Option<&str>) -> Result<Form, &'static str> {
        let sent: Vec<Field> = sent
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Form::read(&sent, shown)
    }

    fn computer(items_id: u32) -> Target {
        Target {
            itemtype: "Computer".to_owned(),
            items_id,
        }
    }

    #[test]
    fn buttons_change_lists_and_a_typed_text_is_looked_for() {
        let base = [
            ("name", " n "),
            ("method", "wakeonlan"),
            ("target", "Computer-1"),
        ];
        let with = |more: &[(&str, &str)]| read(&[&base, more].concat(), None).unwrap();
        let mut form = with(&[("do", "save")]);
        assert_eq!((form.apply(), form.draft.name.as_str()), (Asked::Save, "n"));
        for (field, value, list) in [
            ("add", "target:Computer-2", vec![computer(1), computer(2)]),
            ("add", "target:Computer-1", vec![computer(1)]),
            ("drop", "target:Computer-1", vec![]),
            ("drop", "actor:Computer-1", vec![computer(1)]),
            ("do", "method", vec![computer(1)]),
        ] {
            let mut form = with(&[("target_text", "x"), (field, value)]);
            assert_ne!(form.apply(), Asked::Save);
            assert_eq!(form.draft.targets, list, "{field} {value}");
        }
        let mut form = with(&[("actor_text", "x"), ("do", "save")]);
        assert_eq!(form.apply(), Asked::Find(Side::Actors));
        assert!(form.search(Side::Actors).asked && !form.search(Side::Targets).asked);
    }

    #[test]
    fn what_is_no_form_of_ours() {
        let long = "x".repeat(256);
        for (field, value, error) in [
            ("target", "Computer", "list"),
            ("target", "Computer-0", "list"),
            ("target", "Comp uter-1", "list"),
            ("actor", "-1", "list"),
            ("actor_text", &long, "length"),
            ("do", "all", "button"),
            ("add", "Computer-1", "button"),
            ("drop", "neither:Computer-1", "button"),
        ] {
            assert_eq!(read(&[(field, value)], None), Err(error), "{field} {value}");
        }
        assert_eq!(read(&[("name", "n")], Some("shown")), Err("shown"));
        assert_eq!(read(&[("shown", "[]")], Some("shown")), Err("shown"));
    }

    #[test]
    fn of_a_job_that_is_there_the_method_and_the_ends_of_lines_stay() {
        let before = Draft {
            method: "collect".to_owned(),
            comment: "a\nb".to_owned(),
            ..Draft::default()
        };
        let packed = before.pack();
        let sent = [
            ("shown", &*packed),
            ("method", "wakeonlan"),
            ("comment", "a\r\nb"),
        ];
        let form = read(&sent, Some("shown")).unwrap();
        assert_eq!(form.draft, before);
    }
}
