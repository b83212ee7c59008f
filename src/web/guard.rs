//! What every request passes before anything is done for it, and what every answer says to browsers.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Extension, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::listener::Peer;
use super::problem::Problem;
use super::site::Site;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// May do everything that the command line can.
    Owner,
    /// May have pictures verified and manifests found again, and learns nothing else of the workspace.
    Stranger,
}

/// Nothing but what this server sends: no script or style in the text of a page, no other host, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // With "no-referrer" browsers would not say that forms come from here.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Refuses what is not meant for this server or was not sent from its own pages, and tells later steps who asks.
pub async fn guard(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let for_people = wants_page(request.headers());
    let visitor = meant(&site, &request).and_then(|()| visitor(&site, peer, request.headers()));
    let mut response = match &visitor {
        Ok(visitor) => {
            request.extensions_mut().insert(*visitor);
            next.run(request).await
        }
        Err(problem) => problem.clone().into_response(),
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>().filter(|_| for_people) {
        response = problem.page(visitor.unwrap_or(Visitor::Stranger));
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What an owner sees is nobody else's, whatever stands between them.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether a browser asks that will show what it gets.
fn wants_page(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"))
}

fn meant(site: &Site, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    // One name, and the one in the request's own line, if it has one, is the same.
    let single = hosts.next().is_none();
    let agrees = request.uri().authority().is_none_or(|authority| Some(authority.as_str()) == host);
    let Some(host) = host.filter(|host| single && agrees && site.door.knows(host)) else {
        return Err(Problem::WrongHost);
    };
    let harmless = matches!(*request.method(), Method::GET | Method::HEAD);
    if harmless || is_from_here(headers, host) { Ok(()) } else { Err(Problem::CrossSite) }
}

/// Whether browsers say that a page of this server sent it. Programs that are no browsers say nothing.
fn is_from_here(headers: &HeaderMap, host: &str) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let origin = text(header::ORIGIN).is_none_or(|origin| {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    });
    let site = text(HeaderName::from_static("sec-fetch-site"));
    origin && site.is_none_or(|site| matches!(site, "same-origin" | "none"))
}

/// Who shows what. Whoever shows wrong tokens is not listened to for a while, so that none is found by trying.
fn visitor(site: &Site, peer: Peer, headers: &HeaderMap) -> Result<Visitor, Problem> {
    if site.door.verify_only() {
        return Ok(Visitor::Stranger);
    }
    if !site.door.has_token() {
        // Then only this machine can reach us.
        return Ok(Visitor::Owner);
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let remembered = pairs.any(|(name, value)| name == super::session::COOKIE && site.door.remembers(value));
    let admitted = match bearer {
        Some(token) if !remembered => {
            site.doorbell.admit_unless(peer.ip(), site.host.elapsed(), || site.door.admits(token))?
        }
        _ => remembered,
    };
    Ok(if admitted { Visitor::Owner } else { Visitor::Stranger })
}

/// In front of everything but verification and resolution.
pub async fn owner_only(Extension(visitor): Extension<Visitor>, request: Request, next: Next) -> Response {
    match visitor {
        Visitor::Owner => next.run(request).await,
        Visitor::Stranger if request.method() == Method::GET && wants_page(request.headers()) => {
            Redirect::to("/login").into_response()
        }
        Visitor::Stranger => Problem::NoToken.into_response(),
    }
}
