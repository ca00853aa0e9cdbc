//! Pages that refresh by themselves: what somebody sees, and since when, kept for all who see the same.
//!
//! A *view* is a language and what may be seen. Its state has the lines as they are shown, each with the number of the state in which it
//! came to be so: a page names the state that it shows, and is sent the lines behind it. A line is rendered once in each language, a message
//! once for all pages that show the same state.

mod stream;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::response::sse::Event;
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use super::language::Language;
use super::monitoring;
use super::routes::Pages;
use super::texts::fill;
use crate::db::DbError;
use crate::dispatch::catalogues::Snapshot;
use crate::domain::access::Access;
use crate::domain::ids::TaskId;
use crate::domain::summary::{Board, TaskSummary};
use crate::telemetry::metrics::{LIVE_STREAMS_MOST, LIVE_STREAMS_OPEN};

pub use stream::follow;

/// Most views that are kept: one more than people with different rights look at the same time costs a rendering.
const MOST_VIEWS: usize = 64;

/// Ends of sessions that a stream may be behind; one that is further behind looks for itself.
const ENDS: usize = 64;

/// What all pages share.
pub struct Live {
    most: usize,
    places: Arc<Semaphore>,
    rendered: [Mutex<Rendered>; Language::ALL.len()],
    /// The one that was looked at last comes last.
    views: Mutex<Vec<Arc<View>>>,
    /// The names under which sessions lay that ended here.
    ended: broadcast::Sender<String>,
    stop: CancellationToken,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, most) = self.open();
        write!(f, "{open} of {most} live pages")
    }
}

/// The lines of all tasks in one language.
#[derive(Debug, Default)]
struct Rendered {
    board: Arc<Board>,
    lines: Arc<HashMap<TaskId, Arc<str>>>,
}

/// What is seen in a language with certain rights.
#[derive(Debug)]
pub(super) struct View {
    language: Language,
    access: Access,
    /// At random: a state's number means something in its own view alone.
    name: String,
    state: Mutex<Arc<State>>,
}

/// What is seen at a moment.
#[derive(Debug, Default)]
pub(super) struct State {
    board: Arc<Board>,
    snapshot: Option<Arc<Snapshot>>,
    number: u64,
    /// When a task came, went or changed its place.
    ordered: u64,
    lines: Vec<Shown>,
    age: Option<u64>,
    pending: Option<String>,
    /// For who shows the state before this one, and for who shows it with older numbers.
    step: OnceLock<Event>,
    same: OnceLock<Event>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    id: TaskId,
    pub(super) html: Arc<str>,
    since: u64,
}

/// The place of one stream; given back when dropped.
#[derive(Debug)]
struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::gauge!(LIVE_STREAMS_OPEN).decrement(1);
    }
}

impl Live {
    /// With at most so many streams at once, until `stop`.
    #[expect(clippy::cast_precision_loss, reason = "there are not that many")]
    pub(super) fn new(most: usize, stop: CancellationToken) -> Self {
        metrics::gauge!(LIVE_STREAMS_MOST).set(most as f64);
        Self {
            most,
            places: Arc::new(Semaphore::new(most)),
            rendered: Default::default(),
            views: Mutex::default(),
            ended: broadcast::Sender::new(ENDS),
            stop,
        }
    }

    /// How many streams are open, and how many may be.
    #[must_use]
    pub fn open(&self) -> (usize, usize) {
        (
            self.most.saturating_sub(self.places.available_permits()),
            self.most,
        )
    }

    fn place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        metrics::gauge!(LIVE_STREAMS_OPEN).increment(1);
        Some(Place { _permit: permit })
    }

    /// The session that lay under `id` is over.
    pub(super) fn session_ended(&self, id: &str) {
        // Nobody may listen.
        let _ = self.ended.send(id.to_owned());
    }

    /// The lines of `board`; those of tasks that have not changed are taken over.
    fn lines(
        &self,
        language: Language,
        board: &Arc<Board>,
        plugin: Option<&str>,
    ) -> Arc<HashMap<TaskId, Arc<str>>> {
        let of_language = &self.rendered[language as usize];
        let mut rendered = locked(of_language);
        if Arc::ptr_eq(&rendered.board, board) {
            return Arc::clone(&rendered.lines);
        }
        let known: HashMap<TaskId, &TaskSummary> = rendered
            .board
            .tasks
            .iter()
            .map(|task| (task.id, task))
            .collect();
        let line = |task: &TaskSummary| {
            let same = known.get(&task.id).is_some_and(|known| *known == task);
            let line = rendered.lines.get(&task.id).filter(|_| same);
            let line = line.cloned();
            line.unwrap_or_else(|| monitoring::html(task, language.texts(), plugin).into())
        };
        let tasks = board.tasks.iter();
        let lines: HashMap<TaskId, Arc<str>> = tasks.map(|task| (task.id, line(task))).collect();
        let lines = Arc::new(lines);
        *rendered = Rendered {
            board: Arc::clone(board),
            lines: Arc::clone(&lines),
        };
        lines
    }

    /// The view of who reads `language` and has `access`.
    fn view(&self, language: Language, access: &Access) -> Arc<View> {
        let mut views = locked(&self.views);
        let found = views
            .iter()
            .position(|view| view.language == language && view.access == *access);
        let view = match found {
            Some(at) => views.remove(at),
            None => Arc::new(View {
                language,
                access: access.clone(),
                name: uuid::Uuid::new_v4().simple().to_string(),
                state: Mutex::default(),
            }),
        };
        if views.len() >= MOST_VIEWS {
            views.remove(0);
        }
        views.push(Arc::clone(&view));
        view
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing below these locks leaves half of a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is seen now by who reads `language` and has `access`.
pub(super) async fn seen(
    pages: &Pages,
    language: Language,
    access: &Access,
) -> Result<(Arc<View>, Arc<State>), DbError> {
    let view = pages.live.view(language, access);
    let state = view.now(pages).await?;
    Ok((view, state))
}

impl View {
    /// What is seen now.
    async fn now(&self, pages: &Pages) -> Result<Arc<State>, DbError> {
        let snapshot = pages.catalogues.current().await?;
        let mut state = locked(&self.state);
        // Looked at below the lock: an older board must not come after a newer one.
        let board = pages.monitor.board();
        let plugin = pages.plugin_url.as_deref();
        let lines = pages.live.lines(self.language, &board, plugin);
        let is_same = Arc::ptr_eq(&state.board, &board)
            && state
                .snapshot
                .as_ref()
                .is_some_and(|known| Arc::ptr_eq(known, &snapshot));
        if !is_same {
            let tree = &snapshot.catalogue.entities;
            let seen = board.tasks.iter().filter_map(|task| {
                let sees = self.access.sees(task.entity, tree);
                sees.then(|| Some((task.id, Arc::clone(lines.get(&task.id)?))))?
            });
            let mut next = state.after(seen.collect());
            next.age = board.age(pages.clock.now());
            let texts = self.language.texts();
            next.pending = (board.pending > 0).then(|| fill(texts.counting, board.pending));
            next.board = board;
            next.snapshot = Some(snapshot);
            *state = Arc::new(next);
        }
        Ok(Arc::clone(&state))
    }

    /// The number of `state` as pages name it.
    pub(super) fn name_of(&self, state: &State) -> String {
        format!("{}-{}", self.name, state.number)
    }

    /// The number of the state that a page named, if it is one of this view.
    fn number_in(&self, name: &str) -> Option<u64> {
        let (view, number) = name.split_once('-')?;
        number.parse().ok().filter(|_| view == self.name)
    }

    /// What a page is sent that shows the state of number `from`, or none.
    fn message(&self, state: &State, from: Option<u64>) -> Event {
        let make = || {
            let data = state.news(from.unwrap_or_default()).to_string();
            let event = Event::default().id(self.name_of(state));
            event.event("board").data(data)
        };
        match from {
            Some(from) if from == state.number => state.same.get_or_init(make).clone(),
            Some(from) if from + 1 == state.number => state.step.get_or_init(make).clone(),
            _ => make(),
        }
    }
}

impl State {
    /// The lines.
    pub(super) fn lines(&self) -> &[Shown] {
        &self.lines
    }

    /// The state in which these lines are shown. It has the same number if nothing else is.
    fn after(&self, seen: Vec<(TaskId, Arc<str>)>) -> Self {
        let next = self.number + 1;
        let known: HashMap<TaskId, &Shown> =
            self.lines.iter().map(|line| (line.id, line)).collect();
        let lines: Vec<Shown> = seen
            .into_iter()
            .map(|(id, html)| match known.get(&id) {
                Some(line) if line.html == html => (*line).clone(),
                _ => Shown {
                    id,
                    html,
                    since: next,
                },
            })
            .collect();
        let ids = |lines: &[Shown]| lines.iter().map(|line| line.id).collect::<Vec<_>>();
        let is_ordered = ids(&lines) == ids(&self.lines);
        let is_same = is_ordered && lines == self.lines;
        Self {
            number: if is_same { self.number } else { next },
            ordered: if is_ordered { self.ordered } else { next },
            lines,
            ..Self::default()
        }
    }

    /// What came behind the state of number `from`.
    fn news(&self, from: u64) -> Value {
        let changed = self.lines.iter().filter(|line| line.since > from);
        let lines: Map<String, Value> = changed
            .map(|line| (line.id.to_string(), Value::from(&*line.html)))
            .collect();
        let mut news = json!({"age": self.age, "pending": self.pending, "lines": lines});
        if self.ordered > from || from == 0 {
            news["order"] = self.lines.iter().map(|line| line.id.0).collect();
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lines: &[(u32, &str)]) -> Vec<(TaskId, Arc<str>)> {
        let lines = lines.iter();
        lines
            .map(|(id, html)| (TaskId(*id), Arc::from(*html)))
            .collect()
    }

    /// Lines, and order if it is told.
    fn news(state: &State, from: u64) -> (Vec<String>, Option<Vec<u64>>) {
        let news = state.news(from);
        let lines = news["lines"].as_object().unwrap().keys().cloned().collect();
        let order = news.get("order").map(|order| {
            let ids = order.as_array().unwrap().iter();
            ids.map(|id| id.as_u64().unwrap()).collect()
        });
        (lines, order)
    }

    #[test]
    fn only_what_changed_is_told() {
        let none: Vec<String> = vec![];
        let first = State::default().after(seen(&[(3, "c"), (1, "a")]));
        assert_eq!(first.number, 1);
        assert_eq!(
            news(&first, 0),
            (vec!["3".to_owned(), "1".to_owned()], Some(vec![3, 1]))
        );
        assert_eq!(news(&first, 1), (none.clone(), None));

        let same = first.after(seen(&[(3, "c"), (1, "a")]));
        assert_eq!(same.number, 1, "nothing has changed");

        let changed = same.after(seen(&[(3, "c"), (1, "b")]));
        assert_eq!(
            (changed.number, news(&changed, 1)),
            (2, (vec!["1".to_owned()], None))
        );
        let gone = changed.after(seen(&[(1, "b")]));
        assert_eq!(
            (gone.number, news(&gone, 2)),
            (3, (none.clone(), Some(vec![1])))
        );
        assert_eq!(
            news(&gone, 1),
            (vec!["1".to_owned()], Some(vec![1])),
            "two states at once"
        );
        let back = gone.after(seen(&[(3, "c"), (1, "b")]));
        assert_eq!(
            news(&back, 3),
            (vec!["3".to_owned()], Some(vec![3, 1])),
            "a page has forgotten the line"
        );
        let moved = back.after(seen(&[(1, "b"), (3, "c")]));
        assert_eq!(news(&moved, 4), (none, Some(vec![1, 3])));
    }

    #[test]
    fn a_state_is_one_of_its_view() {
        let live = Live::new(2, CancellationToken::new());
        let (english, french) = (
            live.view(Language::English, &Access::Open),
            live.view(Language::French, &Access::Open),
        );
        let state = State::default().after(seen(&[(1, "a")]));
        let name = english.name_of(&state);
        assert_eq!(english.number_in(&name), Some(1));
        for none in [
            french.name_of(&state).as_str(),
            "",
            "1",
            "-",
            &format!("{name}x"),
        ] {
            assert_eq!(english.number_in(none), None, "{none}");
        }
        assert!(Arc::ptr_eq(
            &english,
            &live.view(Language::English, &Access::Open)
        ));
        let other = live.view(Language::English, &Access::Places(vec![]));
        assert!(!Arc::ptr_eq(&english, &other));
    }

    #[test]
    fn views_are_forgotten_and_places_given_back() {
        let live = Live::new(1, CancellationToken::new());
        let first = live.view(Language::French, &Access::Open);
        for entity in 0..u32::try_from(MOST_VIEWS).unwrap() {
            let place = crate::domain::access::Place {
                entity: crate::domain::ids::EntityId(entity),
                recursive: true,
                rights: 1,
            };
            live.view(Language::English, &Access::Places(vec![place]));
        }
        assert_eq!(locked(&live.views).len(), MOST_VIEWS);
        assert!(!Arc::ptr_eq(
            &first,
            &live.view(Language::French, &Access::Open)
        ));
        let place = live.place();
        assert!(place.is_some() && live.place().is_none());
        assert_eq!(live.open(), (1, 1));
        drop(place);
        assert!(live.place().is_some());
    }

    #[test]
    fn open_places_are_gauged() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let _counting = metrics::set_default_local_recorder(&recorder);
        let live = Live::new(2, CancellationToken::new());
        let shows = |gauge: &str, value: usize| {
            let shown = recorder.handle().render();
            let wanted = format!("{gauge} {value}");
            assert!(
                shown.lines().any(|shown| shown == wanted),
                "{wanted}: {shown}"
            );
        };
        let places = (live.place(), live.place(), live.place());
        assert!(places.2.is_none());
        shows(LIVE_STREAMS_OPEN, 2);
        shows(LIVE_STREAMS_MOST, 2);
        drop(places);
        shows(LIVE_STREAMS_OPEN, 0);
    }
}
