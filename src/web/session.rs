//! Signing in with the server's token.

use std::sync::Arc;

use crate::html::{Markup, html};
use axum::extract::{ConnectInfo, Extension, Form, State};
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Router, http::StatusCode};
use serde::Deserialize;

use super::frame::{Frame, Here};
use super::guard::Visitor;
use super::listener::Peer;
use super::site::Site;
use super::text::ENGLISH;

/// Name of the cookie that says so.
pub const COOKIE: &str = "vidimus";

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/login", get(form).post(enter))
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    token: String,
}

async fn form(Extension(visitor): Extension<Visitor>) -> Markup {
    page(visitor, false)
}

async fn enter(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(visitor): Extension<Visitor>,
    Form(shown): Form<Shown>,
) -> Response {
    if let Err(problem) = site.doorbell.admit(peer.ip(), site.host.elapsed()) {
        return problem.page(visitor);
    }
    if !site.door.admits(&shown.token) {
        return (StatusCode::UNAUTHORIZED, page(visitor, true)).into_response();
    }
    with_cookie(&format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", site.door.cookie()))
}

fn with_cookie(cookie: &str) -> Response {
    let mut response = Redirect::to("/").into_response();
    // Digits and letters of ours.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

fn page(visitor: Visitor, wrong: bool) -> Markup {
    let body = html! {
        div.narrow {
            h1 { (ENGLISH.sign_in) }
            p.lead { (ENGLISH.sign_in_lead) }
            @if wrong { p.alert role="alert" { (ENGLISH.wrong_token) } }
            form.stack method="post" action="/login" {
                label for="token" { (ENGLISH.token) }
                input id="token" name="token" type="password" autocomplete="current-password" required autofocus;
                button.primary type="submit" { (ENGLISH.sign_in) }
            }
        }
    };
    Frame { title: ENGLISH.sign_in, here: Here::Nowhere, visitor, scripts: &[] }.page(body)
}
