//! A page's stream of server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Interval, interval_at};

use super::{Place, View};
use crate::domain::summary::Board;
use crate::web::routes::Pages;
use crate::web::visitor::{Visitor, peek};

/// How often something is sent at least: proxies close what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often is looked whether a session goes on, at most and at least.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// When a page that was refused may come again, seconds.
const LATER: HeaderValue = HeaderValue::from_static("30");

/// Proxies (nginx) that would collect an answer before they pass it on are told not to.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

const LAST: HeaderName = HeaderName::from_static("last-event-id");

/// What a page asks for.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// The state that it shows.
    #[serde(default)]
    from: String,
}

/// `GET live`: what changes on the monitoring page. It does not count as asking for something: a session ends by idleness though a page is
/// open. A stream whose session is over says `end`.
pub async fn follow(
    State(pages): State<Pages>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    visitor: Visitor,
) -> Response {
    let Some(who) = visitor.viewer.clone() else {
        return answer(stream::iter([Ok::<_, Infallible>(end())]));
    };
    let Some(place) = pages.live.place() else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, LATER)]).into_response();
    };
    let view = pages.live.view(visitor.language, &who.access);
    // A browser that lost its connection says what it got last.
    let last = headers.get(LAST).and_then(|last| last.to_str().ok());
    let from = view.number_in(last.unwrap_or(&asked.from));
    let (soonest, latest) = LOOKS;
    let look = pages.monitor.period().clamp(soonest, latest);
    let follower = Follower {
        from,
        session: visitor.session_id(),
        boards: pages.monitor.subscribe(),
        ended: pages.live.ended.subscribe(),
        looks: interval_at(Instant::now() + look, look),
        stage: Stage::New,
        view,
        pages,
        _place: place,
    };
    answer(stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    }))
}

fn answer(
    events: impl stream::Stream<Item = Result<Event, Infallible>> + Send + 'static,
) -> Response {
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    response
}

/// The page is to ask for itself again.
fn end() -> Event {
    // Browsers pass over a message without data.
    Event::default().event("end").data("over")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent.
    New,
    Following,
    Over,
}

/// Who is sent what.
struct Follower {
    pages: Pages,
    view: Arc<View>,
    /// The number of the state that the page shows.
    from: Option<u64>,
    /// The name under which the session lies.
    session: Option<String>,
    boards: watch::Receiver<Arc<Board>>,
    ended: broadcast::Receiver<String>,
    looks: Interval,
    stage: Stage,
    _place: Place,
}

/// Why a follower goes on.
enum Cause {
    Counted,
    Look,
    End,
    Stop,
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        loop {
            let cause = match self.stage {
                Stage::Over => return None,
                Stage::New => Cause::Counted,
                Stage::Following => self.wait().await,
            };
            self.stage = Stage::Following;
            match cause {
                Cause::Stop => return None,
                Cause::Look if self.goes_on().await => {}
                Cause::Look | Cause::End => {
                    self.stage = Stage::Over;
                    return Some(end());
                }
                Cause::Counted => {
                    self.boards.borrow_and_update();
                    // Without a database the page shows how old it is.
                    let Ok(state) = self.view.now(&self.pages).await else {
                        continue;
                    };
                    let event = self.view.message(&state, self.from);
                    self.from = Some(state.number);
                    return Some(event);
                }
            }
        }
    }

    async fn wait(&mut self) -> Cause {
        let own = self.session.as_deref();
        loop {
            tokio::select! {
                biased;
                () = self.pages.live.stop.cancelled() => return Cause::Stop,
                ended = self.ended.recv() => match ended {
                    Ok(id) if own == Some(&*id) => return Cause::End,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Cause::Look,
                    Err(RecvError::Closed) => return Cause::Stop,
                },
                _ = self.looks.tick() => return Cause::Look,
                changed = self.boards.changed() => {
                    return if changed.is_ok() { Cause::Counted } else { Cause::Stop };
                }
            }
        }
    }

    /// Whether the session is there and sees the same as before. While the database does not say, it is.
    async fn goes_on(&self) -> bool {
        match peek(&self.pages, self.session.clone()).await {
            Ok(who) => who.is_some_and(|who| who.access == self.view.access),
            Err(_) => true,
        }
    }
}
