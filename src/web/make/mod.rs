//! Making variations: a form, jobs in a line, and what became of them.

mod events;
mod form;
mod jobs;
mod result;
mod wish;
mod worker;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Extension, Form, Path, Query, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

pub use jobs::{Asked, Jobs};
pub use result::{gauges, own_copy};

use jobs::{Files, Job};
use wish::Wish;

use super::guard::Visitor;
use super::intake;
use super::picture;
use super::problem::Problem;
use super::site::Site;
use crate::generate::{self, GenerateError};
use crate::policies::Shelf;
use crate::policy::{PolicySet, Subject};
use crate::raster;
use crate::release::Aim;

/// Long side of a reference that is looked at.
const SHOWN: u32 = 1200;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/make", get(form_page).post(submit).layer(DefaultBodyLimit::disable()))
        .route("/make/limits", get(limits))
        .route("/jobs/{id}", get(job_page))
        .route("/jobs/{id}/result", get(job_result))
        .route("/jobs/{id}/events", get(events::events))
        .route("/jobs/{id}/cancel", post(cancel))
        .route("/jobs/{id}/again", post(again))
        .route("/jobs/{id}/reference", get(reference))
        .route("/jobs/{id}/glimpse/{number}", get(glimpse))
}

/// Starts the thread that works on jobs until the site is stopped.
pub fn start(site: &Arc<Site>) -> std::io::Result<std::thread::JoinHandle<()>> {
    let site = Arc::clone(site);
    std::thread::Builder::new().name("jobs".to_owned()).spawn(move || worker::work(&site))
}

async fn form_page(State(site): State<Arc<Site>>, Extension(visitor): Extension<Visitor>) -> Response {
    form::page(&site, visitor).into_response()
}

async fn submit(State(site): State<Arc<Site>>, request: Request) -> Result<Redirect, Problem> {
    let job = submitted(&site, request).await?;
    Ok(Redirect::to(&format!("/jobs/{}", job.id)))
}

async fn submitted(site: &Arc<Site>, request: Request) -> Result<Arc<Job>, Problem> {
    let (upload, place) = intake::receive(request, &site.gate, site.bounds.upload.bytes).await?;
    let wish = Wish::of(&upload)?;
    if wish.size.is_some() && upload.mask.is_some() {
        return Err(Problem::BadRequest(GenerateError::MaskedCanvas.to_string()));
    }
    if !site.engines.offers.iter().any(|offer| offer.name == wish.engine) {
        return Err(Problem::BadRequest(format!("engine {:?} cannot run here", wish.engine)));
    }
    policies(site, &wish.policy, &wish.stated)?;
    let limits = site.bounds.upload;
    let look = move || {
        let reference = raster::decode(&upload.bytes, &limits)?.raster.flatten();
        if let Some(mask) = &upload.mask {
            // A wrong one is known before it is this job's turn.
            let mask = generate::mask(mask, &limits)
                .map_err(|error| Problem::Unreadable(format!("the mask: {error}")))?;
            generate::varied(&mask, &reference).map_err(|error| Problem::BadRequest(error.to_string()))?;
        }
        Ok((picture::drawn(&reference, SHOWN)?, upload))
    };
    let (shown, upload) = place.work(look).await?;
    let title = upload.title();
    let files = Files { reference: upload.bytes, mask: upload.mask };
    site.jobs.submit(Job::new(new_id(site), title, wish, shown, Arc::new(files)))
}

fn new_id(site: &Site) -> String {
    let mut random = [0; 16];
    site.host.random(&mut random);
    hex::encode(random)
}

#[derive(Deserialize)]
struct Which {
    policy: String,
    #[serde(default)]
    class: String,
}

/// What the policies would ask of a picture that is said to be of a class.
async fn limits(State(site): State<Arc<Site>>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let class = Some(which.class.as_str()).filter(|class| !class.is_empty()).map(str::parse).transpose();
    let class =
        class.map_err(|error: crate::policy::ParseClassError| Problem::BadRequest(error.to_string()))?;
    let stated = Subject { classes: class.into_iter().collect(), ..Subject::default() };
    let set = policies(&site, &which.policy, &stated)?;
    let limits = set.limits();
    Ok(Json(json!({
        "policies": set.name(),
        "least": limits.strength_min,
        "most": limits.strength_max,
        "deviation": limits.min_deviation,
    }))
    .into_response())
}

fn policies(site: &Site, name: &str, stated: &Subject) -> Result<PolicySet, Problem> {
    let shelf = Shelf::of(Some(site.workspace()?)).map_err(|error| Problem::Conflict(error.to_string()))?;
    shelf.select(name, stated).map_err(|error| Problem::BadRequest(error.to_string()))
}

async fn job_page(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    match site.jobs.find(&id) {
        Some(job) => result::page(&site, visitor, &job).into_response(),
        None => Problem::NotFound.page(visitor),
    }
}

async fn job_result(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let job = site.jobs.find(&id).ok_or(Problem::NotFound)?;
    Ok(result::body(&site, &job).into_response())
}

async fn cancel(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Result<Redirect, Problem> {
    let job = site.jobs.find(&id).ok_or(Problem::NotFound)?;
    site.jobs.cancel(&job);
    Ok(Redirect::to(&format!("/jobs/{id}")))
}

#[derive(Deserialize)]
struct Again {
    strength: String,
}

/// The same once more at another strength, with seeds that nobody chose.
async fn again(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    Form(again): Form<Again>,
) -> Result<Redirect, Problem> {
    let job = site.jobs.find(&id).ok_or(Problem::NotFound)?;
    let aim: Aim = again.strength.parse().map_err(Problem::BadRequest)?;
    let gone = || Problem::Conflict("the reference is gone from memory; send it again".to_owned());
    let files = job.files().ok_or_else(gone)?;
    let wish = Wish { aim, seed: None, ..job.wish.clone() };
    let job = Job::new(new_id(&site), job.title.clone(), wish, job.shown.clone(), files);
    let job = site.jobs.submit(job)?;
    Ok(Redirect::to(&format!("/jobs/{}", job.id)))
}

async fn reference(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let job = site.jobs.find(&id).ok_or(Problem::NotFound)?;
    Ok(picture::jpeg(job.shown.clone()))
}

async fn glimpse(
    State(site): State<Arc<Site>>,
    Path((id, number)): Path<(String, u32)>,
) -> Result<Response, Problem> {
    let view = site.jobs.find(&id).ok_or(Problem::NotFound)?.view();
    let picture = view.glimpse.filter(|_| view.glimpses >= number).ok_or(Problem::NotFound)?;
    Ok(([(CONTENT_TYPE, "image/png"), (CACHE_CONTROL, "no-store")], picture.to_vec()).into_response())
}
