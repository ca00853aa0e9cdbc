//! What a job is told to do, as the plugin's form writes it: a method, what it is done to, and who does it.

use std::collections::BTreeMap;

use super::Change;
use crate::domain::actors::{AGENT, Target};

/// What a method takes, as the plugin's form offers it (`task_definitiontype_*` and `task_actiontype_*` of 10.0.6+1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Its word in the table.
    pub word: &'static str,
    /// Classes of targets.
    pub targets: &'static [&'static str],
    /// Classes of actors.
    pub actors: &'static [&'static str],
}

const DEPLOY_GROUP: &str = "PluginFusioninventoryDeployGroup";
const IP_RANGE: &str = "PluginFusioninventoryIPRange";
const COMPUTERS: &[&str] = &["Computer", DEPLOY_GROUP, "Group"];
const AGENTS: &[&str] = &[AGENT];

/// The methods that the plugin's form offers. It offers no targets for `wakeonlan`; the computers to wake up are what the plugin's own
/// preparation takes there.
pub const METHODS: [Method; 6] = [
    Method {
        word: "deployinstall",
        targets: &["PluginFusioninventoryDeployPackage"],
        actors: COMPUTERS,
    },
    Method {
        word: "collect",
        targets: &["PluginFusioninventoryCollect"],
        actors: COMPUTERS,
    },
    Method {
        word: "networkdiscovery",
        targets: &[IP_RANGE],
        actors: AGENTS,
    },
    Method {
        word: "networkinventory",
        targets: &[IP_RANGE, "NetworkEquipment", "Printer"],
        actors: AGENTS,
    },
    Method {
        word: "InventoryComputerESX",
        targets: &["PluginFusioninventoryCredentialIp"],
        actors: AGENTS,
    },
    Method {
        word: "wakeonlan",
        targets: &["Computer"],
        actors: AGENTS,
    },
];

impl Method {
    /// The one of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        METHODS.into_iter().find(|method| method.word == word)
    }

    /// The classes of targets or of actors.
    #[must_use]
    pub const fn classes(&self, side: Side) -> &'static [&'static str] {
        match side {
            Side::Targets => self.targets,
            Side::Actors => self.actors,
        }
    }
}

/// One of a job's two lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What it is done to.
    Targets,
    /// Who does it.
    Actors,
}

impl Side {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Targets, Self::Actors];

    /// Its column.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Targets => "targets",
            Self::Actors => "actors",
        }
    }
}

/// A job as a form shows it; texts decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// Its comment.
    pub comment: String,
    /// The word of its method.
    pub method: String,
    /// What it is done to.
    pub targets: Vec<Target>,
    /// Who does it.
    pub actors: Vec<Target>,
}

/// Why a job cannot be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It has no name.
    NoName,
    /// A text is longer than its column.
    TooLong,
    /// The method is none.
    Method,
    /// The method takes no such target or actor.
    Class(Target),
}

/// Most characters of a name as it is stored (`varchar(255)`).
const MOST_NAME: usize = 255;

/// Most bytes of a `text` column.
const MOST_TEXT: usize = 65_535;

type Pair = (String, u32);

impl Draft {
    /// One of its lists.
    #[must_use]
    pub fn side(&self, side: Side) -> &Vec<Target> {
        match side {
            Side::Targets => &self.targets,
            Side::Actors => &self.actors,
        }
    }

    /// The same, to be changed.
    pub fn side_mut(&mut self, side: Side) -> &mut Vec<Target> {
        match side {
            Side::Targets => &mut self.targets,
            Side::Actors => &mut self.actors,
        }
    }

    /// Why it cannot be stored, if it cannot; `before` is what there is, whose targets and actors are not asked about. `stored` = the length
    /// of a text as it is stored: characters and bytes.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn check(
        &self,
        before: Option<&Self>,
        stored: impl Fn(&str) -> (usize, usize),
    ) -> Result<(), Wrong> {
        if self.name.is_empty() {
            return Err(Wrong::NoName);
        }
        let lists = Side::ALL.map(|side| write_list(self.side(side)).len());
        if stored(&self.name).0 > MOST_NAME
            || stored(&self.comment).1 > MOST_TEXT
            || lists.into_iter().any(|bytes| bytes > MOST_TEXT)
        {
            return Err(Wrong::TooLong);
        }
        let known = Method::of(&self.method);
        // A job of a method that the form does not offer stays as it is.
        let Some(method) = known else {
            let stays = before.is_some_and(|before| {
                before.method == self.method
                    && Side::ALL.map(|side| before.side(side))
                        == Side::ALL.map(|side| self.side(side))
            });
            return if stays { Ok(()) } else { Err(Wrong::Method) };
        };
        for side in Side::ALL {
            let fits = |target: &&Target| method.classes(side).contains(&target.itemtype.as_str());
            if let Some(odd) = self.new_of(before, side).find(|target| !fits(target)) {
                return Err(Wrong::Class(odd.clone()));
            }
        }
        Ok(())
    }

    /// What `before` does not have in one of the lists.
    pub fn new_of<'a>(
        &'a self,
        before: Option<&'a Self>,
        side: Side,
    ) -> impl Iterator<Item = &'a Target> {
        let old = before.map(|before| before.side(side));
        let is_new = move |target: &&Target| old.is_none_or(|old| !old.contains(target));
        self.side(side).iter().filter(is_new)
    }

    /// As text, for a form.
    #[must_use]
    pub fn pack(&self) -> String {
        let pairs = |side| -> Vec<Pair> {
            let list = self.side(side).iter();
            list.map(|of| (of.itemtype.clone(), of.items_id)).collect()
        };
        let packed = (
            &self.name,
            &self.comment,
            &self.method,
            Side::ALL.map(pairs),
        );
        serde_json::to_string(&packed).unwrap_or_default()
    }

    /// What [`Draft::pack`] made.
    #[must_use]
    pub fn unpack(text: &str) -> Option<Self> {
        let (name, comment, method, [targets, actors]): (_, _, _, [Vec<Pair>; 2]) =
            serde_json::from_str(text).ok()?;
        let list = |pairs: Vec<Pair>| {
            let pairs = pairs.into_iter();
            pairs
                .map(|(itemtype, items_id)| Target { itemtype, items_id })
                .collect()
        };
        Some(Self {
            name,
            comment,
            method,
            targets: list(targets),
            actors: list(actors),
        })
    }

    /// What makes `after` of it; `of` = what the job is called.
    #[must_use]
    pub fn changes(&self, after: &Self, of: &str) -> Vec<Change> {
        let list = |list: &[Target]| {
            let parts: Vec<String> = list.iter().map(ToString::to_string).collect();
            if parts.is_empty() {
                "none".to_owned()
            } else {
                parts.join(", ")
            }
        };
        let texts = [
            ("name", self.name.clone(), after.name.clone()),
            ("comment", self.comment.clone(), after.comment.clone()),
        ];
        let lists =
            Side::ALL.map(|side| (side.word(), list(self.side(side)), list(after.side(side))));
        let all = texts.into_iter().chain(lists);
        all.filter(|(_, old, new)| old != new)
            .map(|(what, old, new)| Change {
                what: format!("{of}: {what}"),
                old,
                new,
            })
            .collect()
    }
}

/// A list as the plugin writes it (`exportArrayToDB` of pairs of class and id, the id as text).
#[must_use]
pub fn write_list(list: &[Target]) -> String {
    let pairs: Vec<BTreeMap<&str, String>> = list
        .iter()
        .map(|target| BTreeMap::from([(target.itemtype.as_str(), target.items_id.to_string())]))
        .collect();
    serde_json::to_string(&pairs).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::actors::parse_targets;

    fn of(itemtype: &str, items_id: u32) -> Target {
        Target {
            itemtype: itemtype.to_owned(),
            items_id,
        }
    }

    fn draft(method: &str, targets: &[Target], actors: &[Target]) -> Draft {
        Draft {
            name: "n".to_owned(),
            comment: "a \"c\"".to_owned(),
            method: method.to_owned(),
            targets: targets.to_vec(),
            actors: actors.to_vec(),
        }
    }

    fn plain(text: &str) -> (usize, usize) {
        (text.chars().count(), text.len())
    }

    #[test]
    fn lists_as_the_plugin_writes_them() {
        let list = [
            of("PluginFusioninventoryDeployPackage", 3),
            of("Computer", 12),
        ];
        let text = write_list(&list);
        assert_eq!(
            text,
            r#"[{"PluginFusioninventoryDeployPackage":"3"},{"Computer":"12"}]"#
        );
        assert_eq!(parse_targets(&text), list);
        assert_eq!(write_list(&[]), "[]");
    }

    #[test]
    fn a_method_takes_what_the_form_offers_for_it() {
        let (package, computer, agent) = (
            of("PluginFusioninventoryDeployPackage", 1),
            of("Computer", 2),
            of(AGENT, 3),
        );
        let wrong = |target: &Target| Err(Wrong::Class(target.clone()));
        for (method, target, actor, outcome) in [
            ("deployinstall", &package, &computer, Ok(())),
            ("deployinstall", &package, &agent, wrong(&agent)),
            ("deployinstall", &computer, &computer, wrong(&computer)),
            ("wakeonlan", &computer, &agent, Ok(())),
            (
                "networkdiscovery",
                &of("Printer", 1),
                &agent,
                wrong(&of("Printer", 1)),
            ),
            ("networkinventory", &of("Printer", 1), &agent, Ok(())),
            ("inventory", &computer, &agent, Err(Wrong::Method)),
            ("", &computer, &agent, Err(Wrong::Method)),
        ] {
            let draft = draft(
                method,
                std::slice::from_ref(target),
                std::slice::from_ref(actor),
            );
            assert_eq!(
                draft.check(None, plain),
                outcome,
                "{method} {target} {actor}"
            );
            // What is there already is not asked about, but no new method is taken with it.
            assert_eq!(draft.check(Some(&draft), plain), Ok(()), "{method}");
        }
        let odd = draft("inventory", &[], &[]);
        let more = draft("inventory", &[computer], &[]);
        assert_eq!(more.check(Some(&odd), plain), Err(Wrong::Method));
    }

    #[test]
    fn what_does_not_fit_its_column() {
        let mut draft = draft("collect", &[], &[]);
        for (name, outcome) in [
            ("", Err(Wrong::NoName)),
            (&"é".repeat(255), Ok(())),
            (&"é".repeat(256), Err(Wrong::TooLong)),
        ] {
            name.clone_into(&mut draft.name);
            assert_eq!(draft.check(None, plain), outcome, "{name}");
        }
        draft.name = "n".to_owned();
        draft.comment = "c".repeat(65_536);
        assert_eq!(draft.check(None, plain), Err(Wrong::TooLong));
        draft.comment.clear();
        draft.actors = (1..4000).map(|id| of("Computer", id)).collect();
        assert_eq!(draft.check(None, plain), Err(Wrong::TooLong));
    }

    #[test]
    fn packed_is_the_same_unpacked_and_changes_are_told() {
        let before = draft("collect", &[of("PluginFusioninventoryCollect", 1)], &[]);
        assert_eq!(Draft::unpack(&before.pack()), Some(before.clone()));
        assert_eq!(Draft::unpack("[]"), None);
        let mut after = before.clone();
        assert_eq!(before.changes(&after, "job 1"), []);
        after.name = "m".to_owned();
        after.actors = vec![of("Computer", 2), of("Group", 3)];
        let told: Vec<String> = before
            .changes(&after, "job 1")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "job 1: name: n → m",
                "job 1: actors: none → Computer 2, Group 3"
            ]
        );
    }
}
