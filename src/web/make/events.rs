//! How a job stands, sent to its page while it is open.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::json;

use super::jobs::View;
use crate::web::problem::Problem;
use crate::web::site::Site;

/// The least time between two events.
const PACE: Duration = Duration::from_millis(120);
/// Something is sent at least so often, by which a page that has gone is noticed.
const PULSE: Duration = Duration::from_secs(10);

/// Ends with the job, with the server, or when the page is closed; then its place is free again.
pub async fn events(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let job = site.jobs.find(&id).ok_or(Problem::NotFound)?;
    let place = site.jobs.stream()?;
    let (views, stopping) = (job.follow(), site.stopping());
    let first = true;
    let stream = unfold((views, stopping, first, false), move |(mut views, mut stopping, first, over)| {
        // The place goes where the stream goes.
        let _ = &place;
        let (site, id) = (Arc::clone(&site), id.clone());
        async move {
            if over {
                return None;
            }
            if !first {
                tokio::time::sleep(PACE).await;
                tokio::select! {
                    changed = views.changed() => changed.ok()?,
                    _ = stopping.wait_for(|stopping| *stopping) => return None,
                }
            }
            let view = views.borrow_and_update().clone();
            let over = view.phase.is_over();
            let data = told(&view, super::result::stage(&site, &id, &view)).to_string();
            Some((Ok(Event::default().data(data)), (views, stopping, false, over)))
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(PULSE)))
}

fn told(view: &View, stage: String) -> serde_json::Value {
    json!({
        "phase": view.phase.name(),
        "stage": stage,
        "now": view.now,
        "done": view.done,
        "total": view.total,
        "glimpse": view.glimpse.as_ref().map(|_| view.glimpses),
        "made": view.made.len(),
        "told": view.told,
    })
}
