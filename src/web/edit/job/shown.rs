//! The page with the form of a job.

use std::collections::HashMap;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::form::{Form, names, value, word};
use super::{JobPlace, called, class, name_of, named};
use crate::db::editing::items::Item;
use crate::domain::actors::Target;
use crate::domain::editing::job::{Draft, METHODS, Method, Side};
use crate::domain::ids::EntityId;
use crate::domain::summary::Kind;
use crate::web::actions::Place;
use crate::web::edit::Said;
use crate::web::error::PageError;
use crate::web::monitoring::kind;
use crate::web::page::{Frame, answer};
use crate::web::routes::{BASE, Pages};
use crate::web::texts::job::{self, Texts};
use crate::web::texts::{edit, fill};
use crate::web::visitor::{Visitor, Who};

/// Most that a search shows.
const MOST_SHOWN: usize = 20;

/// Which form it is, and who has it before them.
pub(super) struct Doing<'a> {
    pub(super) visitor: &'a Visitor,
    who: &'a Who,
    task: &'a Place,
    heading: String,
    action: String,
}

impl<'a> Doing<'a> {
    /// A job is added to `task`.
    pub(super) fn adding(visitor: &'a Visitor, who: &'a Who, task: &'a Place) -> Self {
        Self {
            visitor,
            who,
            task,
            heading: fill(job::of(visitor.language).add_job, &task.name),
            action: format!("{BASE}tasks/{}/jobs/new", task.id),
        }
    }

    /// A job is edited.
    pub(super) fn editing(visitor: &'a Visitor, who: &'a Who, place: &'a JobPlace) -> Self {
        let name = name_of(place.job, &place.drafted.draft);
        Self {
            visitor,
            who,
            task: &place.task,
            heading: fill(job::of(visitor.language).edit_job, name),
            action: format!("{BASE}jobs/{}/edit", place.job),
        }
    }

    /// Whether they may choose an item for the job.
    pub(super) fn offers(&self, item: &Item) -> bool {
        let (access, tree) = (&self.who.access, &self.task.catalogue.entities);
        let task: EntityId = self.task.entity;
        access.offers((item.entity, item.recursive), task, tree)
    }
}

/// One of a list: what its button carries, what it is called, and what its button says.
#[derive(Debug)]
struct Choice {
    word: String,
    value: String,
    text: String,
    button: String,
}

/// A list of the job, and a search for more.
#[derive(Debug)]
struct Part {
    /// The names of its fields.
    list: &'static str,
    class: &'static str,
    text: &'static str,
    find: &'static str,
    legend: &'static str,
    class_label: &'static str,
    text_label: &'static str,
    find_label: &'static str,
    chosen: Vec<Choice>,
    /// Word, name, and whether it is chosen.
    classes: Vec<(&'static str, String, bool)>,
    typed: String,
    found: Vec<Choice>,
    note: Option<String>,
}

#[derive(Template)]
#[template(path = "job.html", config = "src/web/askama.toml")]
struct JobPage {
    frame: Frame,
    t: &'static Texts,
    e: &'static edit::Texts,
    heading: String,
    back: (String, String),
    action: String,
    said: Said,
    shown: String,
    name: String,
    comment: String,
    /// Word, name, and whether it is chosen.
    methods: Vec<(&'static str, &'static str, bool)>,
    /// Its name, where it stays.
    method: Option<String>,
    parts: Vec<Part>,
}

/// The page with `form`.
pub(super) async fn render(
    pages: &Pages,
    doing: Doing<'_>,
    status: StatusCode,
    form: &Form,
    said: Said,
) -> Result<Response, PageError> {
    let frame = Frame::of(doing.visitor);
    let e = edit::of(frame.language);
    let draft = &form.draft;
    let all: Vec<Target> = Side::ALL
        .iter()
        .flat_map(|side| draft.side(*side).clone())
        .collect();
    let known = pages.db.items(&all).await?.into_iter();
    let known: HashMap<Target, Item> = known
        .filter(|item| doing.offers(item))
        .map(|item| (item.target.clone(), item))
        .collect();
    let mut parts = Vec::new();
    for side in Side::ALL {
        parts.push(part(pages, &doing, form, side, &known).await?);
    }
    let name = |word: &str| {
        let known = Kind::of_method(word).map(|of| kind(Some(of), frame.t).1);
        known.map_or_else(|| word.to_owned(), ToOwned::to_owned)
    };
    let methods = METHODS.iter().map(|method| {
        let name = kind(Kind::of_method(method.word), frame.t).1;
        (method.word, name, method.word == draft.method)
    });
    let page = JobPage {
        t: job::of(frame.language),
        e,
        heading: doing.heading,
        back: (
            format!("{BASE}tasks/{}/edit", doing.task.id),
            fill(e.to_task, &doing.task.name),
        ),
        action: doing.action,
        said,
        shown: form.shown.as_ref().map(Draft::pack).unwrap_or_default(),
        name: draft.name.clone(),
        comment: draft.comment.clone(),
        methods: methods.collect(),
        method: form.shown.as_ref().map(|shown| name(&shown.method)),
        parts,
        frame,
    };
    Ok(answer(doing.visitor, status, &page))
}

async fn part(
    pages: &Pages,
    doing: &Doing<'_>,
    form: &Form,
    side: Side,
    known: &HashMap<Target, Item>,
) -> Result<Part, PageError> {
    let t = job::of(doing.visitor.language);
    let [list, class_field, text, find] = names(side);
    let search = form.search(side);
    let classes = Method::of(&form.draft.method).map_or(&[][..], |method| method.classes(side));
    let wanted = classes.iter().find(|class| **class == search.class);
    let wanted = wanted.or_else(|| classes.first()).copied();
    let choice = |target: &Target, text: String, label: &str| Choice {
        word: word(target),
        value: value(side, target),
        button: fill(label, &text),
        text,
    };
    let chosen = form.draft.side(side).iter().map(|target| {
        let text = known.get(target);
        let text = text.map_or_else(|| called(target, t), |item| named(item, t));
        choice(target, text, t.drop)
    });
    let mut found = Vec::new();
    let mut note = None;
    if let Some(class) = wanted.filter(|_| search.asked) {
        found = pages.db.find_items(class, &search.text).await?;
        found.retain(|item| doing.offers(item));
        if found.is_empty() {
            note = Some(fill(t.found_none, &search.text));
        } else if found.len() > MOST_SHOWN {
            found.truncate(MOST_SHOWN);
            note = Some(fill(t.found_more, MOST_SHOWN));
        }
        found.retain(|item| !form.draft.side(side).contains(&item.target));
    }
    let is_target = side == Side::Targets;
    let pick = |of_targets, of_actors| if is_target { of_targets } else { of_actors };
    Ok(Part {
        list,
        class: class_field,
        text,
        find,
        legend: pick(t.targets, t.actors),
        class_label: pick(t.class_of_targets, t.class_of_actors),
        text_label: pick(t.text_of_target, t.text_of_actor),
        find_label: pick(t.find_target, t.find_actor),
        chosen: chosen.collect(),
        classes: classes
            .iter()
            .map(|of| (*of, class(of, t).to_owned(), Some(*of) == wanted))
            .collect(),
        typed: search.text.clone(),
        found: found
            .iter()
            .map(|item| choice(&item.target, named(item, t), t.add))
            .collect(),
        note,
    })
}
