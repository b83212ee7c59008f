//! What is on record: runs in a grid, and a page for each picture and each run.

mod asset;
mod graph;
mod list;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::gate::aside;
use super::guard::Visitor;
use super::problem::Problem;
use super::site::Site;
use crate::catalog::Catalog;
use crate::html::Markup;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/catalog", get(grid))
        .route("/catalog/{id}", get(picture))
        .route("/runs/{id}", get(run))
}

async fn grid(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<list::Asked>,
) -> Response {
    shown(site, visitor, move |catalog| list::page(catalog.as_ref(), visitor, &asked)).await
}

async fn picture(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    shown(site, visitor, move |catalog| {
        let catalog = catalog.ok_or(Problem::NotFound)?;
        let asset = catalog.by_id(&id)?.ok_or(Problem::NotFound)?;
        asset::page(&catalog, visitor, &asset)
    })
    .await
}

async fn run(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    shown(site, visitor, move |catalog| {
        let catalog = catalog.ok_or(Problem::NotFound)?;
        let account = catalog.account(&id)?.ok_or(Problem::NotFound)?;
        asset::run_page(&catalog, visitor, &account)
    })
    .await
}

/// The page that `look` makes of the catalog, which is `None` where nothing was recorded yet.
async fn shown(
    site: Arc<Site>,
    visitor: Visitor,
    look: impl FnOnce(Option<Catalog>) -> Result<Markup, Problem> + Send + 'static,
) -> Response {
    let page = aside(move || {
        let catalog = site.catalog()?;
        catalog.as_ref().map_or(Ok(()), Catalog::refuse_older)?;
        look(catalog)
    });
    match page.await {
        Ok(page) => page.into_response(),
        Err(problem) => problem.page(visitor),
    }
}
